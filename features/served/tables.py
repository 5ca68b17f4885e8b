"""The decision log read back: decisions with what came of them, and as canonical tables.

Serving writes it, training learns from it, and neither imports the other: the files are where they
meet, and this is how they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from features.schema import SLOTS_PER_WEEK, Decisions, Touches
from features.served.places import (
    CHAMPION,
    CLICKED,
    OPENED,
    ORDERED,
    OUTCOME_KEY,
    OUTCOMES,
    SENT,
    Served,
    ServedOutcomes,
    ServedPlaces,
)
from features.served.pseudonyms import Pseudonyms

SLOT = "slot"
_CHANNEL, _SEND_AT, _START = "channel", "send_at", "start"
_HOUR = pd.Timedelta(hours=1)


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
    return _read(ServedPlaces(root).decisions, _names(Served), since, until, columns)


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
    rows = _read(ServedPlaces(root).outcomes, _names(ServedOutcomes), since, until, None)
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
    return decisions.reset_index(drop=True).assign(
        **{
            _CHANNEL: pd.Series([c.get(_CHANNEL) for c in chosen], dtype="str"),
            _SEND_AT: moments,
            SLOT: np.array([to_slot(start) for start in starts], dtype=np.int64),
        }
    )


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


def build_canonical_decisions(
    joined: pd.DataFrame, customers: Iterable[str], names: Pseudonyms
) -> pd.DataFrame:
    """Return the champion's decisions as the canonical table `decisions`.

    Parameters
    ----------
    joined : DataFrame
        From `read_joined`.
    customers : iterable of str
        Ids of the customers there are; a decision for anybody else is left out.
    names : Pseudonyms
        Of the workspace.
    """
    rows = _identify(joined, customers, names)
    return pd.DataFrame(
        {
            Decisions.DECISION_ID: rows[Served.DECISION_ID],
            Decisions.CUSTOMER_ID: rows[Decisions.CUSTOMER_ID],
            Decisions.DECIDED_AT: _to_canonical(rows[Served.DECIDED_AT]),
            Decisions.CHANNEL: rows[_CHANNEL],
            Decisions.SEND_AT: _to_canonical(rows[_SEND_AT]),
            Decisions.ARM: rows[Served.POLICY],
            Decisions.PROPENSITY: rows[Served.PROPENSITY],
            Decisions.MESSAGE_ID: rows[Served.DECISION_ID],
            Decisions.MODEL_VERSION: rows[Served.MODEL_VERSION],
        }
    )


def build_canonical_touches(
    joined: pd.DataFrame, customers: Iterable[str], names: Pseudonyms
) -> pd.DataFrame:
    """Return what was sent by the champion's decisions as the canonical table `touches`.

    A message that went out in another hour than the one that was chosen has no propensity: what it
    was sent by is not the log's.

    Parameters
    ----------
    joined, customers, names
        As for `build_canonical_decisions`.
    """
    rows = _identify(joined, customers, names)
    moments = [f"{outcome}_at" for outcome in (SENT, OPENED, CLICKED, ORDERED)]
    rows = rows[rows[moments].notna().any(axis=1)].reset_index(drop=True)
    sent_at = rows["sent_at"].fillna(rows[_SEND_AT])
    is_as_chosen = (sent_at >= rows[_SEND_AT]) & (sent_at < rows[_SEND_AT] + _HOUR)
    return pd.DataFrame(
        {
            Touches.MESSAGE_ID: rows[Served.DECISION_ID],
            Touches.CUSTOMER_ID: rows[Decisions.CUSTOMER_ID],
            Touches.CHANNEL: rows[_CHANNEL],
            Touches.SENT_AT: _to_canonical(sent_at),
            Touches.ARM: rows[Served.POLICY],
            Touches.PROPENSITY: rows[Served.PROPENSITY].where(is_as_chosen),
            Touches.OPENED_AT: _to_canonical(rows["opened_at"]),
            Touches.CLICKED_AT: _to_canonical(rows["clicked_at"]),
            Touches.ORDERED_AT: _to_canonical(rows["ordered_at"]),
        }
    )


_UTC = pd.DatetimeTZDtype("us", "UTC")


def _read(
    folder: Path,
    names: Sequence[str],
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
    wanted = list(columns or names)
    if not files:
        return pd.DataFrame({name: pd.Series(dtype=_EMPTY.get(name, "object")) for name in wanted})
    return ds.dataset(files, format="parquet").to_table(columns=wanted).to_pandas()


_EMPTY = {
    **dict.fromkeys((Served.DECIDED_AT, *("occurred_at", "received_at")), _UTC),
    **dict.fromkeys((Served.PROPENSITY, Served.CHOSEN, ServedOutcomes.VALUE), "float64"),
    **dict.fromkeys((Served.IS_EXPLORED, Served.IS_FALLBACK, Served.DEGRADED), "bool"),
    Served.N_PERMITTED: "int32",
}


def _is_within(day: str, since: date | None, until: date | None) -> bool:
    at = date.fromisoformat(day)
    return (since is None or at >= since) and (until is None or at <= until)


def _names(columns: type) -> list[str]:
    return [value for name, value in vars(columns).items() if name.isupper()]


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


def _identify(joined: pd.DataFrame, customers: Iterable[str], names: Pseudonyms) -> pd.DataFrame:
    """Return the champion's decisions for something, with the ids of their customers."""
    is_meant = (joined[Served.ROLE] == CHAMPION) & joined[Served.CHOSEN].notna()
    who = joined[Served.CUSTOMER].map(names.name(customers))
    rows = joined.assign(**{Decisions.CUSTOMER_ID: who})
    return rows[is_meant & who.notna()].reset_index(drop=True)


def _to_canonical(moments: pd.Series) -> pd.Series:
    """Return moments as canonical tables hold them: UTC, without a zone."""
    return moments.dt.tz_localize(None).astype("datetime64[us]")
