"""The decision log read back: decisions with what came of them.

Serving writes it, training learns from it, and neither imports the other: the files are where they
meet, and this is how they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from features.schema import SLOTS_PER_WEEK
from features.served.places import (
    ORDERED,
    OUTCOME_KEY,
    OUTCOMES,
    Served,
    ServedOutcomes,
    ServedPlaces,
)
from features.served.schemas import DECISION_SCHEMA, OUTCOME_SCHEMA

SLOT = "slot"
CHANNEL, SEND_AT, _START = "channel", "send_at", "start"
_UTC = pd.DatetimeTZDtype("us", "UTC")


def read_decisions(
    root: Path,
    *,
    since: date | None = None,
    until: date | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the decisions of a workspace that are compacted.

    Parameters
    ----------
    root : Path
        The workspace.
    since, until : date, optional
        First and last day, UTC, of what is read.
    columns : sequence of str, optional
        Of `Served`; default: all.

    Returns
    -------
    DataFrame
        Empty, with its columns, where nothing is logged; moments are in UTC.
    """
    return _read(ServedPlaces(root).decisions, DECISION_SCHEMA, since, until, columns)


def read_outcomes(
    root: Path, *, since: date | None = None, until: date | None = None
) -> pd.DataFrame:
    """Return the outcomes of a workspace that are compacted, each once however often it was told.

    Parameters
    ----------
    root : Path
        The workspace.
    since, until : date, optional
        First and last day, UTC, that they were told on.
    """
    rows = _read(ServedPlaces(root).outcomes, OUTCOME_SCHEMA, since, until, None)
    last = rows.sort_values(ServedOutcomes.RECEIVED_AT, kind="stable")
    return last.drop_duplicates(list(OUTCOME_KEY), keep="last", ignore_index=True)


def read_joined(
    root: Path, *, since: date | None = None, until: date | None = None
) -> pd.DataFrame:
    """Return decisions with what came of them.

    Parameters
    ----------
    root : Path
        The workspace.
    since, until : date, optional
        First and last day, UTC, of the decisions.

    Returns
    -------
    DataFrame
        The columns of `Served`; `channel`, `send_at` (UTC) and `slot` (of the customer's local
        week) of what was chosen; `sent_at`, `opened_at`, `clicked_at`, `ordered_at`,
        `unsubscribed_at`: the first time of each; and `value`: the sum of what was ordered. A slot
        of -1 is that of a decision for nothing.
    """
    decisions = add_choice(read_decisions(root, since=since, until=until))
    # an outcome is told on the day of its decision or later, never before
    outcomes = read_outcomes(root, since=since)
    return decisions.merge(_spread(outcomes), on=Served.DECISION_ID, how="left")


def add_choice(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return decisions with the channel, the moment and the local slot of what was chosen."""
    chosen = [
        candidates[int(at)] if not pd.isna(at) else {}
        for candidates, at in zip(
            decisions[Served.CANDIDATES], decisions[Served.CHOSEN], strict=True
        )
    ]
    starts = [candidate.get(_START) for candidate in chosen]
    moments = pd.Series(pd.to_datetime(starts, utc=True, format="ISO8601"), dtype=_UTC)
    told = decisions.reset_index(drop=True)
    told[CHANNEL] = pd.Series([candidate.get(CHANNEL) for candidate in chosen], dtype="str")
    told[SEND_AT] = moments
    told[SLOT] = np.array([to_slot(start) for start in starts], dtype=np.int64)
    return told


def to_slot(start: str | None) -> int:
    """Return the hour of the local week of a moment that is written with its offset; -1 of none.

    Examples
    --------
    >>> to_slot("2026-11-03T09:00:00+01:00")  # a Tuesday
    33
    """
    if start is None:
        return -1
    moment = datetime.fromisoformat(start)
    return moment.weekday() * 24 + moment.hour


def build_slot_propensities(decisions: pd.DataFrame) -> np.ndarray:
    """Return with what probability each slot of the week would have been chosen.

    Parameters
    ----------
    decisions : DataFrame
        With the columns of `Served`.

    Returns
    -------
    array of shape (n, 168)
        Rows sum to 1; NaN where not every permitted slot is among the candidates.
    """
    found = np.full((len(decisions), SLOTS_PER_WEEK), np.nan)
    for row, (candidates, n) in enumerate(
        zip(decisions[Served.CANDIDATES], decisions[Served.N_PERMITTED], strict=True)
    ):
        if not n or len(candidates) != n:
            continue
        found[row] = 0.0
        for candidate in candidates:
            found[row, to_slot(candidate[_START])] += candidate["propensity"]
    return found


def _read(
    folder: Path,
    schema: pa.Schema,
    since: date | None,
    until: date | None,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    days = sorted(folder.glob("date=*")) if folder.is_dir() else []
    files = [
        str(path)
        for day in days
        if _is_within(day.name.removeprefix("date="), since, until)
        for path in sorted(day.glob("part-*.parquet"))
    ]
    wanted = list(columns or schema.names)
    found = ds.dataset(files, schema=schema, format="parquet").to_table(columns=wanted)
    table: pd.DataFrame = found.to_pandas()
    return table


def _is_within(day: str, since: date | None, until: date | None) -> bool:
    at = date.fromisoformat(day)
    return (since is None or at >= since) and (until is None or at <= until)


def _spread(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return a row a decision: the first time of each outcome, and what was ordered."""
    key = ServedOutcomes.DECISION_ID
    ids = pd.Index(outcomes[key].unique(), name=key)
    spread = pd.DataFrame(index=ids)
    for outcome in OUTCOMES:
        own = outcomes[outcomes[ServedOutcomes.OUTCOME] == outcome]
        first = own.groupby(key)[ServedOutcomes.OCCURRED_AT].min()
        spread[f"{outcome}_at"] = first.reindex(ids).astype(_UTC)
    ordered = outcomes[outcomes[ServedOutcomes.OUTCOME] == ORDERED]
    value = ordered.groupby(key)[ServedOutcomes.VALUE].sum(min_count=1)
    spread[ServedOutcomes.VALUE] = value.reindex(ids).astype("float64")
    return spread.reset_index()
