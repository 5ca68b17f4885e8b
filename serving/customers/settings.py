"""`[customers]`: what is taken in of customers, how they are told apart, and what is kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from features.identity.identifiers import KINDS, USER_ID, IdentityRules
from features.project import Project, Settings
from features.schema import EVENTS, TOUCHES
from features.segment.reader import MessageReader
from serving.customers.database import Database, PostgreSQL, SQLite

STORE_FILE = "customers.db"
SECTION = "customers"
_KEYS_OF_OLD = ("write_keys", "read_keys", "erase_keys")


class IdentitySettings(Settings):
    """`[customers.identity]`: by what people are told apart."""

    limits: dict[str, int] = Field(default_factory=lambda: {USER_ID: 1})
    """Most identifiers of a kind in one profile."""
    usual_limit: int = Field(default=5, ge=1, le=50)
    priority: tuple[str, ...] = KINDS
    blocked: tuple[str, ...] = ()
    """Regular expressions of values that are nobody's own, such as the number of a call centre."""
    proposal_threshold: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Below this probability Splink's matches are not even proposed."""

    @field_validator("blocked")
    @classmethod
    def _are_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is no regular expression: {error}") from None
        return patterns

    @field_validator("limits")
    @classmethod
    def _keeps_one_user(cls, limits: dict[str, int]) -> dict[str, int]:
        if any(limit < 1 for limit in limits.values()) or limits.get(USER_ID, 1) != 1:
            raise ValueError("limits are 1 or more, and that of user_id is 1")
        return {USER_ID: 1, **limits}

    def rules(self) -> IdentityRules:
        """Return the rules that identifiers are linked by."""
        return IdentityRules(self.limits, self.usual_limit, self.priority, self.blocked)


class ConsentSettings(Settings):
    """`[customers.consent]`: what a customer must have agreed to."""

    is_required: bool = True
    """Whether only those are personalised who agreed; false where another lawful ground holds."""
    categories: tuple[str, ...] = (
        "personalization", "personalisation", "advertising", "marketing", "targeting",
    )  # fmt: skip
    """Categories of `context.consent.categoryPreferences`, in lower case: one that is true allows
    personalisation. A category named like a channel allows or forbids that channel."""


class CustomersSettings(Settings):
    """What an operator may set; every default is safe on a laptop."""

    store: str = ""
    """A `postgresql://` address where several machines serve; by default SQLite in the workspace.
    A password belongs in the environment (PGPASSWORD, PGPASSFILE)."""
    webhook_secret_variable: str = "ALMANAC_WEBHOOK_SECRET"  # noqa: S105 - its name, not its value
    """Environment variable with the secret that webhooks are signed with."""
    max_event_bytes: int = Field(default=32 * 1024, ge=1024)
    max_batch_bytes: int = Field(default=500 * 1024, ge=1024)
    max_batch_events: int = Field(default=2500, ge=1, le=100_000)
    max_waiting: int = Field(default=20_000, ge=100)
    """Messages that may wait to be stored; beyond it the answer is 503 with Retry-After."""
    oldest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    """Messages that say they are older are rejected."""
    future_hours: float = Field(default=24.0, ge=0.0)
    """How far ahead of the clock a message may lie; it counts when its time has come."""
    max_live: int = Field(default=1000, ge=1)
    """Customers of one request whose live profile is read; others are answered as published."""
    cached_profiles: int = Field(default=20_000, ge=100)
    retention_days: int | None = Field(default=None, ge=1)
    """Days after which events are removed by `almanac purge`; none are by default."""
    dead_letter_days: int = Field(default=30, ge=1)
    """Days after which dead letters are removed by `almanac purge`."""
    identity: IdentitySettings = IdentitySettings()
    consent: ConsentSettings = ConsentSettings()

    @model_validator(mode="before")
    @classmethod
    def _has_no_keys(cls, given: Any) -> Any:
        old = [name for name in _KEYS_OF_OLD if isinstance(given, dict) and name in given]
        if old:
            raise ValueError(
                f"{' and '.join(old)} are no longer read; remove them and make keys with "
                "`almanac keys create`"
            )
        return given

    @model_validator(mode="after")
    def _has_room(self) -> CustomersSettings:
        if self.max_waiting < self.max_batch_events:
            raise ValueError(
                f"max_waiting is {self.max_waiting}, and one batch may hold "
                f"{self.max_batch_events}; raise max_waiting or lower max_batch_events"
            )
        return self

    @field_validator("store")
    @classmethod
    def _is_known(cls, store: str) -> str:
        if store and not store.startswith(("postgresql://", "postgres://")):
            raise ValueError("is empty for SQLite in the workspace, or a postgresql:// address")
        return store

    def make_reader(self) -> MessageReader:
        """Return the reader of messages that these settings ask for."""
        days = self.retention_days
        return MessageReader(
            self.identity.rules(),
            oldest=self.oldest,
            future=timedelta(hours=self.future_hours),
            max_event_bytes=self.max_event_bytes,
            retention=None if days is None else timedelta(days=days),
        )


def read_settings(project: Project) -> CustomersSettings:
    """Return `[customers]` of a project."""
    return project.section(SECTION, CustomersSettings)


def open_database(project: Project) -> Database:
    """Return the database that a project keeps its customers in."""
    settings = read_settings(project)
    if settings.store:
        return PostgreSQL(settings.store)
    return SQLite(project.workspace.root / STORE_FILE)


def is_store_used(project: Project) -> bool:
    """Say whether customers are kept: in PostgreSQL, or in a file that is there."""
    has_file = (project.workspace.root / STORE_FILE).exists()
    return bool(read_settings(project).store) or has_file


def is_source(project: Project) -> bool:
    """Say whether the project's events are read from the store itself, or from nowhere else."""
    events = project.tables.get(EVENTS.name)
    if events is None:
        return TOUCHES.name not in project.tables
    settings = read_settings(project)
    return events.url is not None and (
        Path(events.url).name == STORE_FILE or events.url == settings.store
    )
