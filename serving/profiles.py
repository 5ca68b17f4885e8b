"""Published customer profiles, in memory: what is known of each customer at the cut-off."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa

from features.customer.customers import (
    IS_ACTIVE,
    IS_ACTIVE_OR_RESPONDS,
    USUAL_HALF_LIFE_DAYS,
    customer_features,
)
from features.customer.declare import FeatureSet
from features.customer.time_zones import INFERRED
from features.errors import ArtifactError, TableError
from features.schema import ALL, CHANNELS, Customers
from models.receptivity.histories import CHANNEL_COUNTS, SLOT_COUNTS, WHOLE_COUNTS, Histories
from serving.tables import read_table

PROFILES_FILE, ABOUT_FILE = "profiles.parquet", "profiles.json"
UNKNOWN_SOURCE = "project"
"""Where the time zone of a customer comes from of whom nothing is known."""
_YES = {"all", "yes", "true", "1", "y"}


@dataclass(frozen=True)
class Profile:
    """What an answer needs of one customer beside their history."""

    time_zone: str
    time_zone_source: str
    consent: frozenset[str] | None
    """Channels the customer agreed to; None = not stated, so every channel may be used."""


class Profiles:
    """All published profiles, by customer id.

    Parameters
    ----------
    table : bytes
        `profiles.parquet`: the customer feature table.
    about : bytes
        `profiles.json`: `as_of` and the `time_zone` of customers who are not known.

    Raises
    ------
    ArtifactError
        If a column is missing, a customer is there twice, or a time zone is not known.
    """

    def __init__(self, table: bytes, about: bytes) -> None:
        as_of, default = _read_about(about)
        frame = _read_table(table)
        try:
            self._fill(frame, as_of, default)
        except TableError as error:
            raise ArtifactError(f"profiles.parquet: {error}") from None
        if len(self.rows) < len(frame):
            raise ArtifactError("profiles.parquet: a customer is there twice; train again")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, as_of: datetime, default: Profile) -> Profiles:
        """Hold profiles that were not published: of live customers.

        Parameters
        ----------
        frame : DataFrame
            As the customer feature table, each customer once.
        as_of : datetime
            With a zone.
        default : Profile
            Of customers who are not known.

        Raises
        ------
        TableError
            If a column is missing.
        """
        profiles = cls.__new__(cls)
        profiles._fill(frame, as_of, default)
        return profiles

    def _fill(self, frame: pd.DataFrame, as_of: datetime, default: Profile) -> None:
        self.as_of, self.default = as_of, default
        self.histories = Histories.from_table(frame)
        names = self.histories.segment_names
        self._segments = [f"region {name}" if name != ALL else "all regions" for name in names]
        self._segments.append("no region")
        self.rows = {customer: row for row, customer in enumerate(self.histories.customer_id)}
        self._kinds, self._kind_of_row = _read_kinds(frame, self.default)

    def __len__(self) -> int:
        return len(self.rows)

    def without(self, customers: Collection[str]) -> Profiles:
        """Return profiles in which some customers are not found."""
        others = copy(self)
        others.rows = {name: row for name, row in self.rows.items() if name not in customers}
        return others

    def of_nobody(self, default: Profile) -> Profiles:
        """Return profiles in which nobody is found; `default` holds for everybody."""
        nobody = copy(self)
        nobody.rows, nobody.default = {}, default
        return nobody

    def list_inferred(self) -> dict[str, str]:
        """Return the time zones that were inferred from hours of activity, by customer."""
        inferred = [kind.time_zone_source == INFERRED for kind in self._kinds]
        return {
            customer: self._kinds[kind].time_zone
            for customer, kind in zip(self.rows, self._kind_of_row.tolist(), strict=True)
            if inferred[kind]
        }

    def find_rows(self, customers: Sequence[str]) -> np.ndarray:
        """Return the row of each customer, shape (n,); -1 where nothing is known."""
        get = self.rows.get
        return np.fromiter((get(customer, -1) for customer in customers), np.int64, len(customers))

    def find_segments(self, rows: np.ndarray) -> list[str]:
        """Return the segment at each row in words, such as 'region 367'; -1 has none."""
        codes = np.where(rows < 0, -1, self.histories.segment_codes.take(rows, mode="clip"))
        return [self._segments[code] for code in codes.tolist()]

    def profile(self, row: int) -> Profile:
        """Return the profile at `row`; at -1 what holds for customers who are not known."""
        return self.default if row < 0 else self._kinds[self._kind_of_row[row]]


def read_consent(text: str | None) -> frozenset[str] | None:
    """Return the channels that a stated consent names; None when nothing is stated.

    What is stated but cannot be read allows no channel.

    Examples
    --------
    >>> sorted(read_consent("email; SMS"))
    ['email', 'sms']
    >>> read_consent("no"), read_consent(None)
    (frozenset(), None)
    """
    if text is None or not text.strip():
        return None
    words = set(re.findall(r"[a-z0-9_]+", text.lower()))
    if words & _YES and not words & set(CHANNELS):
        return frozenset(CHANNELS)
    return frozenset(words & set(CHANNELS))


def read_features(about: bytes) -> FeatureSet:
    """Return the features that published profiles were declared with, from `profiles.json`."""
    told = json.loads(about)
    half_life = float(told.get("half_life_days", USUAL_HALF_LIFE_DAYS))
    active = IS_ACTIVE_OR_RESPONDS if told.get("is_response_activity") else IS_ACTIVE
    return customer_features(half_life, active=active)


def _read_about(content: bytes) -> tuple[datetime, Profile]:
    try:
        about = json.loads(content)
        as_of = datetime.fromisoformat(about["as_of"])
        zone = ZoneInfo(about["time_zone"]).key
    except (ValueError, KeyError, TypeError, ZoneInfoNotFoundError) as error:
        raise ArtifactError(f"profiles.json: cannot be read: {error!r}; train again") from None
    if as_of.tzinfo is None:
        as_of = as_of.replace(tzinfo=UTC)
    return as_of.astimezone(UTC), Profile(zone, UNKNOWN_SOURCE, None)


def _read_table(content: bytes) -> pd.DataFrame:
    table = read_table(content, "profiles.parquet")
    if SLOT_COUNTS not in table.column_names:
        raise ArtifactError(f"profiles.parquet: there is no column {SLOT_COUNTS}; train again")
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    frame = table.select(flat).to_pandas()
    # As Arrow, not as one Python list of dicts per customer: a hundredth of the memory.
    nested = {
        name: pd.arrays.ArrowExtensionArray(table.column(name))
        for name in (SLOT_COUNTS, CHANNEL_COUNTS, WHOLE_COUNTS)
        if name in table.column_names
    }
    whole: pd.DataFrame = frame.assign(**nested)
    return whole


def _read_kinds(frame: pd.DataFrame, default: Profile) -> tuple[list[Profile], np.ndarray]:
    """Return the distinct profiles, and which of them each customer has: they are few."""
    columns = []
    for name in (Customers.TIME_ZONE, Customers.TIME_ZONE_SOURCE, Customers.CONSENT):
        given = frame[name] if name in frame else pd.Series([None] * len(frame), dtype=object)
        columns.append(given.astype(object).where(given.notna(), None).to_numpy())
    kinds: dict[tuple[str | None, str | None, str | None], int] = {}
    of_row = [
        kinds.setdefault((zone, source, consent), len(kinds))
        for zone, source, consent in zip(*columns, strict=True)
    ]
    profiles = [_read_kind(zone, source, consent, default) for zone, source, consent in kinds]
    return profiles, np.asarray(of_row, dtype=np.int32)


def _read_kind(
    zone: str | None, source: str | None, consent: str | None, default: Profile
) -> Profile:
    if zone is None:
        return Profile(default.time_zone, default.time_zone_source, read_consent(consent))
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ArtifactError(
            f"profiles.parquet: '{zone}' is not an IANA time zone; train again"
        ) from None
    return Profile(zone, source or "stated", read_consent(consent))
