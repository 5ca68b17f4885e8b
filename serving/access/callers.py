"""Everything of access that a worker holds, and who it makes of a key or token."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from features.project import Project
from features.served.pseudonyms import load_key
from serving.access.audit import AuditLog
from serving.access.keyfile import KeyFile
from serving.access.keys import PREFIX, Key, is_match, read_key_id
from serving.access.rate_limits import Quota, RateLimits
from serving.access.scopes import Scope
from serving.access.sessions import Sessions
from serving.access.settings import AccessSettings, find_folder, find_keys_file, read_settings
from serving.logs import FIELDS, LOGGER

if TYPE_CHECKING:
    from serving.access.tokens import Tokens

log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    key_id : str
        Of a key, or the pseudonym of whom a token was made for.
    scopes : frozenset of Scope
    requests_per_minute : int
        0 is no limit.
    """

    key_id: str
    scopes: frozenset[Scope]
    requests_per_minute: int


class Access:
    """The keys, tokens, limits and audit log of a worker.

    Parameters
    ----------
    settings : AccessSettings
    keys : KeyFile
    limits : RateLimits or None
        None where their file cannot be made: callers are answered without limits then.
    audit : AuditLog
    tokens : Tokens or None
        None where no identity provider is configured.
    sessions : Sessions or None
        None where the pages take no keys.
    """

    def __init__(
        self,
        settings: AccessSettings,
        keys: KeyFile,
        limits: RateLimits | None,
        audit: AuditLog,
        tokens: Tokens | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self.settings, self.keys, self.tokens = settings, keys, tokens
        self.sessions = sessions
        self.limits, self.audit = limits, audit

    @property
    def is_asked(self) -> bool:
        """Whether callers are asked who they are: a key was ever made, or there are tokens.

        Keys that were revoked or expired count: the end of the last one must not open everything.
        """
        return self.tokens is not None or bool(self.keys.keys)

    async def identify(self, text: str, now: datetime) -> Caller | None:
        """Return who holds a key or token; None where nobody does."""
        if not text.startswith(f"{PREFIX}_") and self.tokens is not None:
            found = await self.tokens.identify(text)
            return None if found is None else Caller(*found, self.settings.requests_per_minute)
        key = self.find_key(text, now)
        return None if key is None else self._describe(key)

    def find_key(self, text: str, now: datetime) -> Key | None:
        """Return the living key that `text` is; None where it is none."""
        key = self.keys.keys.get(read_key_id(text))
        if not is_match(key, text, now) or key is None or not key.is_live(now):
            return None
        return key

    def identify_session(self, cookie: str, now: datetime) -> Caller | None:
        """Return whom a session of the pages speaks for; None where it has ended."""
        if self.sessions is None:
            return None
        key = self.sessions.read(cookie, self.keys.keys, now)
        return None if key is None else self._describe(key)

    def _describe(self, key: Key) -> Caller:
        own = key.requests_per_minute
        limit = self.settings.requests_per_minute if own is None else own
        return Caller(key.key_id, frozenset(key.scopes), limit)

    def count(self, caller: Caller) -> Quota | None:
        """Count one request of a caller; None where they have no limit."""
        limit = caller.requests_per_minute
        if self.limits is None or not limit:
            return None
        return self.limits.take(caller.key_id, limit)

    def close(self) -> None:
        """Let the file of limits go."""
        if self.limits is not None:
            self.limits.close()


def open_access(project: Project) -> Access:
    """Open what a project says of access.

    Raises
    ------
    KeysDamaged
        If there is a file of keys that cannot be read.
    """
    settings, folder = read_settings(project), find_folder(project)
    tokens = None
    if settings.oidc is not None:
        # What it needs takes its time to import; most services have no identity provider.
        from serving.access.tokens import ProviderKeys, Tokens

        file = settings.oidc.jwks_file
        keys = ProviderKeys(settings.oidc, project.resolve(file) if file else None)
        tokens = Tokens(settings.oidc, keys)
    return Access(
        settings,
        KeyFile(find_keys_file(project)),
        _open_limits(folder / "limits"),
        open_audit(project),
        tokens,
        Sessions(lambda: load_key(project.workspace.root)),
    )


def _open_limits(path: Path) -> RateLimits | None:
    try:
        return RateLimits(path)
    except OSError as error:
        fields = {"state": "callers are not limited", "reason": error.strerror}
        log.error("limits", extra={FIELDS: fields})
        return None


def open_audit(project: Project) -> AuditLog:
    """Return the audit log of a project."""
    return AuditLog(find_folder(project) / "audit.jsonl")


def is_anybody_asked(project: Project) -> bool:
    """Say whether callers are asked who they are, before any worker is started.

    Raises
    ------
    KeysDamaged
        If there is a file of keys that cannot be read.
    """
    has_keys = bool(KeyFile(find_keys_file(project)).keys)
    return has_keys or read_settings(project).oidc is not None
