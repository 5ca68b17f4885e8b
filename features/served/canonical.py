"""The decision log as canonical tables: what the service decided, as campaigns' logs are read."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from features.schema import Decisions, Touches
from features.served.places import CHAMPION, CLICKED, OPENED, ORDERED, SENT, Served
from features.served.pseudonyms import Pseudonyms
from features.served.tables import CHANNEL, SEND_AT

_HOUR = pd.Timedelta(hours=1)


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
            Decisions.DECIDED_AT: _to_utc(rows[Served.DECIDED_AT]),
            Decisions.CHANNEL: rows[CHANNEL],
            Decisions.SEND_AT: _to_utc(rows[SEND_AT]),
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
    sent_at = rows["sent_at"].fillna(rows[SEND_AT])
    is_as_chosen = (sent_at >= rows[SEND_AT]) & (sent_at < rows[SEND_AT] + _HOUR)
    return pd.DataFrame(
        {
            Touches.MESSAGE_ID: rows[Served.DECISION_ID],
            Touches.CUSTOMER_ID: rows[Decisions.CUSTOMER_ID],
            Touches.CHANNEL: rows[CHANNEL],
            Touches.SENT_AT: _to_utc(sent_at),
            Touches.ARM: rows[Served.POLICY],
            Touches.PROPENSITY: rows[Served.PROPENSITY].where(is_as_chosen),
            Touches.OPENED_AT: _to_utc(rows["opened_at"]),
            Touches.CLICKED_AT: _to_utc(rows["clicked_at"]),
            Touches.ORDERED_AT: _to_utc(rows["ordered_at"]),
        }
    )


def _identify(joined: pd.DataFrame, customers: Iterable[str], names: Pseudonyms) -> pd.DataFrame:
    """Return the champion's decisions for something, with the ids of their customers."""
    is_meant = (joined[Served.ROLE] == CHAMPION) & joined[Served.CHOSEN].notna()
    who = joined[Served.CUSTOMER].map(names.name(customers))
    rows = joined.assign(**{Decisions.CUSTOMER_ID: who})
    return rows[is_meant & who.notna()].reset_index(drop=True)


def _to_utc(moments: pd.Series) -> pd.Series:
    """Return moments with their zone: the door asks what a clock without one hangs by."""
    return moments.astype(pd.DatetimeTZDtype("us", "UTC"))
