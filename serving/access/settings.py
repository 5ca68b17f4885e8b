"""`[access]`: who may ask the service what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from features.project import Project, Settings

SECTION = "access"
FOLDER = "access"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class OidcSettings(Settings):
    """`[access.oidc]`: tokens of an identity provider."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks_url: str = ""
    """Where the provider publishes its keys: https, or this machine."""
    jwks_file: str = ""
    """The same as a file, where the service must call nobody."""
    scope_claim: str = "scope"
    """Claim with our scopes: a list, or one text with blanks between them."""
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA"], ...] = Field(
        default=("RS256", "ES256", "EdDSA"), min_length=1
    )
    leeway_seconds: int = Field(default=30, ge=0, le=300)
    """How far the clocks of the provider and of this machine may be apart."""
    refresh_seconds: float = Field(default=300.0, ge=1.0)
    """How old the provider's keys may be before they are read again."""
    timeout_seconds: float = Field(default=2.0, gt=0.0, le=10.0)
    """How long the provider may take to answer."""

    @model_validator(mode="after")
    def _has_one_place(self) -> OidcSettings:
        if bool(self.jwks_url) == bool(self.jwks_file):
            raise ValueError("one of jwks_url and jwks_file is needed, and only one")
        address = urlsplit(self.jwks_url)
        is_local = address.scheme == "http" and address.hostname in _LOOPBACK
        if self.jwks_url and address.scheme != "https" and not is_local:
            raise ValueError("jwks_url must start with https://")
        return self


class AccessSettings(Settings):
    """What an operator may set of keys and tokens."""

    keys_file: str = ""
    """Where the hashes of keys lie; by default access/keys.json in the workspace."""
    requests_per_minute: int = Field(default=0, ge=0, le=1_000_000)
    """What a caller may ask a minute, unless their key says otherwise; 0 is no limit."""
    oidc: OidcSettings | None = None


def read_settings(project: Project) -> AccessSettings:
    """Return `[access]` of a project."""
    return project.section(SECTION, AccessSettings)


def find_keys_file(project: Project) -> Path:
    """Return where a project's keys lie."""
    named = read_settings(project).keys_file
    return project.resolve(named) if named else find_folder(project) / "keys.json"


def find_folder(project: Project) -> Path:
    """Return the folder of keys, limits and the audit log."""
    return project.workspace.root / FOLDER
