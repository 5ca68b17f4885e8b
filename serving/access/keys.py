"""Keys: what they are made of, and what is kept of them, which is never the key itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from features.errors import InvalidRequest
from serving.access.scopes import Scope

PREFIX = "alm"
SECRET_BYTES = 32
LIVE_SECRETS = 2
"""A rotation leaves two: the new one, and the old one until it ends."""
MAX_PER_MINUTE = 1_000_000
_NOBODY = hashlib.sha256(b"").hexdigest()

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]

Pace = Annotated[int, msgspec.Meta(ge=0, le=MAX_PER_MINUTE)]


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The SHA-256 of a secret, and when it ends; the newest one never does."""

    sha256: Digest
    expires_at: datetime | None = None


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a key.

    Attributes
    ----------
    key_id : str
        In clear within the key, so that logs can name it.
    name : str
        Whose it is, for people.
    scopes : tuple of Scope
    created_at : datetime
    expires_at, revoked_at : datetime, optional
        With a zone; from then on it is refused.
    requests_per_minute : int, optional
        Its own limit; 0 is none.
    secrets : tuple of Secret
        Newest first.
    """

    key_id: KeyId
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    requests_per_minute: Pace | None = None
    secrets: Annotated[tuple[Secret, ...], msgspec.Meta(min_length=1, max_length=2)] = ()

    def is_live(self, now: datetime) -> bool:
        """Say whether the key may be used at all."""
        ends = (self.expires_at, self.revoked_at)
        return all(end is None or now < end for end in ends)

    def describe_state(self, now: datetime) -> str:
        """Return one word for people."""
        if self.revoked_at is not None:
            return "revoked"
        return "live" if self.is_live(now) else "expired"


def make_key(
    name: str,
    scopes: tuple[Scope, ...],
    now: datetime,
    *,
    expires_days: int | None = None,
    requests_per_minute: int | None = None,
) -> tuple[Key, str]:
    """Return a new key's record, and the key itself, which nobody can show again.

    Raises
    ------
    InvalidRequest
        If there is no name or no scope.
    """
    if not name.strip() or not scopes:
        raise InvalidRequest("a key needs a name and one scope or more: --name NAME --scope SCOPE")
    key_id = secrets.token_hex(6)
    text, secret = _draw(key_id)
    ends = None if expires_days is None else now + timedelta(days=expires_days)
    chosen = tuple(dict.fromkeys(scopes))
    return Key(key_id, name, chosen, now, ends, None, requests_per_minute, (secret,)), text


def rotate_key(key: Key, now: datetime, overlap: timedelta) -> tuple[Key, str]:
    """Return a key with a new secret beside its newest one, which ends after `overlap`.

    Raises
    ------
    InvalidRequest
        If the key was revoked or has expired.
    """
    if not key.is_live(now):
        raise InvalidRequest(
            f"key {key.key_id} is {key.describe_state(now)}; "
            "make a new one with `almanac keys create`"
        )
    text, secret = _draw(key.key_id)
    old = msgspec.structs.replace(key.secrets[0], expires_at=now + overlap)
    return msgspec.structs.replace(key, secrets=(secret, old)), text


def hash_key(text: str) -> str:
    """Return the SHA-256 of a key, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_key_id(text: str) -> str:
    """Return the id within a key; empty where there is none."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    return key_id if prefix == PREFIX and secret else ""


def is_match(key: Key | None, text: str, now: datetime) -> bool:
    """Say whether `text` is `key`, in the same time whether or not there is such a key.

    Every secret that can be live is compared, in constant time, and as many where there are
    fewer or none: how long it takes tells nothing.
    """
    given = hash_key(text)
    known = () if key is None else key.secrets
    kept = [one.sha256 for one in known if one.expires_at is None or now < one.expires_at]
    padded = [*kept, *([_NOBODY] * (LIVE_SECRETS - len(kept)))]
    matches = [hmac.compare_digest(given, one) for one in padded]
    return key is not None and any(matches[: len(kept)])


def _draw(key_id: str) -> tuple[str, Secret]:
    text = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return text, Secret(hash_key(text))
