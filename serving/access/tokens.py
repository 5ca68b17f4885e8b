"""Tokens of an identity provider: JWT, signed with keys that it publishes."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import jwt
import msgspec

from serving.access.scopes import Scope
from serving.access.settings import OidcSettings
from serving.logs import FIELDS, LOGGER

MAX_TOKEN_CHARACTERS = 16_384
MAX_KEYS_BYTES = 1024 * 1024
RETRY_SECONDS = 5.0
"""A token with a key that is not known makes us ask the provider again, at most so often."""
_REQUIRED = ("exp", "iss", "aud", "sub")

log = logging.getLogger(LOGGER)


class _StayThere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead away from https."""

    def redirect_request(self, *answer: Any) -> None:
        """Let the answer be the failure that it is."""


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class ProviderKeys:
    """The provider's keys: read again when they are old, and the last good ones kept.

    Parameters
    ----------
    settings : OidcSettings
    file : Path or None
        Where they are read from instead of `settings.jwks_url`.
    seconds : callable
        A clock that never jumps.
    """

    def __init__(
        self,
        settings: OidcSettings,
        file: Path | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.file, self._seconds = settings, file, seconds
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = -float("inf")
        self._one = threading.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key; what the provider may be asked for is asked in a thread."""
        age = self._seconds() - self._read_at
        if key_id in self._keys and age < self.settings.refresh_seconds:
            return self._keys[key_id]
        if self._seconds() - self._tried_at >= RETRY_SECONDS:
            await anyio.to_thread.run_sync(self._refresh)
        return self._keys.get(key_id)

    def _refresh(self) -> None:
        if not self._one.acquire(blocking=not self._keys):
            return  # another thread is at it, and there are keys to go on with
        try:
            if self._seconds() - self._tried_at < RETRY_SECONDS:
                return
            self._tried_at = self._seconds()
            self._keys = parse_keys(self._read(), self.settings.algorithms)
            self._read_at = self._seconds()
        except (OSError, ValueError, msgspec.DecodeError, jwt.PyJWTError) as error:
            fields = {"state": "last good keys kept", "reason": type(error).__name__}
            log.warning("identity provider", extra={FIELDS: fields})
        finally:
            self._one.release()

    def _read(self) -> bytes:
        if self.file is not None:
            return self.file.read_bytes()
        # The settings allow https, or http of this machine.
        opener = urllib.request.build_opener(_StayThere)
        with opener.open(self.settings.jwks_url, timeout=self.settings.timeout_seconds) as answer:
            content: bytes = answer.read(MAX_KEYS_BYTES + 1)
        if len(content) > MAX_KEYS_BYTES:
            raise ValueError("more than a set of keys")
        return content


def parse_keys(content: bytes, algorithms: tuple[str, ...]) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JWKS that may sign, by their id; secret ones are never taken.

    Raises
    ------
    ValueError
        If there is none.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for entry in msgspec.json.decode(content, type=_KeySet).keys:
        key = _parse_key(entry)
        if key is not None and key.algorithm_name in algorithms:
            keys[str(entry.get("kid", ""))] = key
    if not keys:
        raise ValueError("no key that may sign")
    return keys


def _parse_key(entry: dict[str, Any]) -> jwt.PyJWK | None:
    if entry.get("use", "sig") != "sig" or entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        return jwt.PyJWK.from_dict(entry)
    except (jwt.PyJWTError, ValueError):
        return None  # of a kind that is not known here; the others are


class Tokens:
    """Checks tokens.

    Parameters
    ----------
    settings : OidcSettings
    keys : ProviderKeys
    """

    def __init__(self, settings: OidcSettings, keys: ProviderKeys) -> None:
        self.settings, self.keys = settings, keys

    async def identify(self, token: str) -> tuple[str, frozenset[Scope]] | None:
        """Return a pseudonym of who holds a token, and their scopes; None if it is not good.

        Signature, issuer, audience and times are checked; the signature must be of one of
        `settings.algorithms`, and of that which its key is for.
        """
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self.settings.algorithms:
                return None
            key = await self.keys.find(str(header.get("kid", "")))
            if key is None or key.algorithm_name != header["alg"]:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self.settings.audience,
                issuer=self.settings.issuer,
                leeway=self.settings.leeway_seconds,
                options={"require": list(_REQUIRED)},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        # A subject can be a person's address, which belongs in no log.
        holder = hashlib.sha256(f"{claims['iss']}\0{claims['sub']}".encode()).hexdigest()[:16]
        return f"oidc:{holder}", read_scopes(claims.get(self.settings.scope_claim))


def read_scopes(claim: object) -> frozenset[Scope]:
    """Return the scopes that a claim names; names that are not ours are passed over.

    Examples
    --------
    >>> sorted(read_scopes("openid metrics campaigns"))
    [<Scope.CAMPAIGNS: 'campaigns'>, <Scope.METRICS: 'metrics'>]
    """
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else ()
    known = set(Scope)
    return frozenset(Scope(word) for word in words if isinstance(word, str) and word in known)
