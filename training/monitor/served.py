"""What was decided and what came of it, read from the service's decision log."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from features.customer.dialect import to_utc
from features.engine import open_engine
from features.project import Project

COLUMNS = (
    "request_id", "customer", "role", "model_version", "start", "probability", "is_sent",
    "is_answered", "is_mature",
)  # fmt: skip

_QUERY = """
WITH decided AS (
    SELECT decision_id, request_id, customer, role, model_version, decided_at,
           CAST(candidates[chosen + 1].start AS VARCHAR) AS start,
           candidates[chosen + 1].probability AS probability
    FROM read_parquet($decisions, union_by_name = true)
    WHERE kind = 'send-times' AND decided_at >= $since AND decided_at < $until
      AND chosen IS NOT NULL AND chosen >= 0 AND chosen < len(candidates)
    QUALIFY row_number() OVER (PARTITION BY decision_id ORDER BY decided_at) = 1
), came AS (
    SELECT decision_id, outcome, min(occurred_at) AS first_at
    FROM {outcomes} WHERE occurred_at < $until GROUP BY ALL
), sent AS (
    SELECT decision_id,
           COALESCE(min(first_at) FILTER (WHERE outcome = 'sent'), min(first_at)) AS sent_at
    FROM came GROUP BY decision_id
), answered AS (
    SELECT came.decision_id FROM came JOIN sent USING (decision_id)
    WHERE came.outcome IN ('clicked', 'ordered')
      AND came.first_at <= sent.sent_at + to_seconds($wait) GROUP BY ALL
)
SELECT decided.* EXCLUDE (decision_id, decided_at), sent.sent_at IS NOT NULL AS is_sent,
       answered.decision_id IS NOT NULL AS is_answered,
       COALESCE(sent.sent_at + to_seconds($wait) <= $until, false) AS is_mature
FROM decided LEFT JOIN sent USING (decision_id) LEFT JOIN answered USING (decision_id)
ORDER BY decided.decision_id
"""
_NO_OUTCOMES = (
    "(SELECT NULL::VARCHAR AS decision_id, NULL::VARCHAR AS outcome, "
    "NULL::TIMESTAMP AS occurred_at WHERE false)"
)


def read_served(
    project: Project, now: datetime, *, window_days: int, response_hours: float
) -> pd.DataFrame:
    """Return one row per decision on send times of a window, with what came of it.

    Parameters
    ----------
    project : Project
        Its workspace holds `served/decisions/` and `served/outcomes/`, one folder a date.
    now : datetime
        With a zone; nothing after it is read.
    window_days : int
        Days before `now` that are read.
    response_hours : float
        How long after a send an answer counts.

    Returns
    -------
    DataFrame
        `COLUMNS`: `probability` is that of the chosen candidate; a decision is sent when any
        outcome tells so, answered when a click or an order followed in time (an opening may be a
        machine's), and mature when the time for an answer is over. Empty where nothing was logged.
    """
    served = project.workspace.root / "served"
    if not any((served / "decisions").glob("date=*/*.parquet")):
        return pd.DataFrame({name: [] for name in COLUMNS})
    values: dict[str, object] = {
        "decisions": str(served / "decisions" / "date=*" / "*.parquet"),
        "since": to_utc(now) - timedelta(days=window_days),
        "until": to_utc(now),
        "wait": response_hours * 3600,
    }
    outcomes = _NO_OUTCOMES
    if any((served / "outcomes").glob("date=*/*.parquet")):
        outcomes = "read_parquet($outcomes, union_by_name = true)"
        values["outcomes"] = str(served / "outcomes" / "date=*" / "*.parquet")
    with open_engine(project.settings.threads, project.settings.memory_limit) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        table: pd.DataFrame = engine.execute(_QUERY.format(outcomes=outcomes), values).df()
    return table.loc[:, list(COLUMNS)]
