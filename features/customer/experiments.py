"""What was decided for whom, and what came of it: the rows that uplift is learned from.

One row a decision of the log, with the outcomes of the days that follow it, read from events
alone: an open or a click in the message belongs to those who got one, and is no outcome.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, quote, to_utc
from features.errors import DuplicateKey, InvalidRequest, NotEnoughData, OutOfRange
from features.project import Workspace
from features.schema import DECISIONS, EVENTS, HOLDOUT, Decisions, Events, EventType

NOTHING = "nothing"
"""The offer of a decision not to contact a customer: the control."""
MESSAGE = "message"
"""The offer of a message without a promotion."""


class Experiments:
    """The columns of `build_experiments`."""

    DECISION_ID = Decisions.DECISION_ID
    CUSTOMER_ID = Decisions.CUSTOMER_ID
    CAMPAIGN_ID = Decisions.CAMPAIGN_ID
    DECIDED_AT = Decisions.DECIDED_AT
    OFFER = "offer"
    CHANNEL = Decisions.CHANNEL
    ARM = Decisions.ARM
    PROPENSITY = Decisions.PROPENSITY
    VISITED = "visited"
    ORDERED = "ordered"
    ORDERS = "orders"
    SPEND = "spend"


def build_experiments(
    engine: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    as_of: datetime,
    *,
    horizon_days: int = 14,
) -> pd.DataFrame:
    """Build the decisions whose outcomes are complete as of a cut-off.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where the canonical tables lie; `decisions` and `events` must be there.
    as_of : datetime
        The cut-off, in UTC or with a zone; nothing at or after it is read, and decisions whose
        days are not over by then are left out.
    horizon_days : int
        Days after a decision in which outcomes count, its own instant included; >= 1.

    Returns
    -------
    DataFrame
        `decision_id`, `customer_id`, `campaign_id` ("" where there is none), `decided_at` (UTC),
        `offer` (promotion id; "message" without a promotion; "nothing"), `channel`, `arm`,
        `propensity` (of the decision taken; NaN where it was not logged), `visited` and `ordered`
        (bool: any event, any order), `orders` (int64), `spend` (float64, in the events' currency),
        sorted by `decided_at` and `decision_id`.

    Raises
    ------
    InvalidRequest
        If `horizon_days` is below 1.
    NotEnoughData
        If a table is missing.
    """
    if horizon_days < 1:
        raise InvalidRequest(
            f"experiments: expected outcomes of at least 1 day, got {horizon_days}; "
            "a week or two suits most campaigns"
        )
    for table, why in ((DECISIONS, "who got which offer"), (EVENTS, "what came of it")):
        if not workspace.table(table.name).exists():
            raise NotEnoughData(
                f"{workspace.tables}: experiments need a table of {table.name}: {why}. "
                f"Describe [tables.{table.name}] in the project file and build the tables again."
            )
    query = _write_query(workspace, DuckDB().timestamp(to_utc(as_of)), horizon_days)
    rows: pd.DataFrame = engine.sql(query).to_arrow_table().to_pandas()
    return rows.astype({Experiments.PROPENSITY: "float64", Experiments.ORDERS: "int64"})


def check_experiments(experiments: pd.DataFrame, source: str = "decisions") -> None:
    """Raise if the log cannot be that of an experiment.

    Parameters
    ----------
    experiments : DataFrame
        As from `build_experiments`.
    source : str
        Where the decisions come from, for the message.

    Raises
    ------
    OutOfRange
        If a logged propensity is not above 0 and at most 1: what happened was possible.
    DuplicateKey
        If a customer is in two arms of one campaign.
    """
    chance = experiments[Experiments.PROPENSITY]
    wrong = experiments[chance.notna() & ~((chance > 0.0) & (chance <= 1.0))]
    if len(wrong):
        first = wrong.iloc[0]
        raise OutOfRange(
            DECISIONS.name,
            source,
            Experiments.PROPENSITY,
            expected="the probability of the decision taken, above 0 and at most 1, or empty",
            got=f"{first[Experiments.PROPENSITY]:g} for decision {first[Experiments.DECISION_ID]}"
            f" ({len(wrong)} in all)",
            fix="Leave it empty where it is not known; it is then estimated.",
        )
    keys = [Experiments.CAMPAIGN_ID, Experiments.CUSTOMER_ID]
    arms = experiments.dropna(subset=[Experiments.ARM]).groupby(keys)[Experiments.ARM].nunique()
    mixed = arms[arms > 1]
    if len(mixed):
        campaign, customer = mixed.index[0]
        raise DuplicateKey(
            DECISIONS.name,
            source,
            Experiments.ARM,
            expected="each customer in one arm of a campaign",
            got=f"customer {customer} in {mixed.iloc[0]} arms of campaign '{campaign}' "
            f"({len(mixed)} such customers)",
            fix="Assign arms once, by a hash of the customer, and keep them.",
        )


def describe_experiments(experiments: pd.DataFrame, *, min_customers: int) -> tuple[str, ...]:
    """Return in words what of the log cannot teach an effect, and why.

    Parameters
    ----------
    experiments : DataFrame
        As from `build_experiments`.
    min_customers : int
        With an offer, and without, that a comparison needs.
    """
    notes = []
    for campaign, rows in experiments.groupby(Experiments.CAMPAIGN_ID, sort=True):
        customers = rows.groupby(Experiments.OFFER)[Experiments.CUSTOMER_ID].nunique()
        control = int(customers.get(NOTHING, 0))
        name = f"campaign '{campaign}'"
        if control == 0:
            notes.append(
                f"{name}: everybody got an offer, so what it adds cannot be told; "
                "keep a holdout of some percent"
            )
            continue
        for offer, count in customers.drop(NOTHING).items():
            if min(int(count), control) < min_customers:
                notes.append(
                    f"{name}: {count} customers with {offer} and {control} without, fewer than "
                    f"the {min_customers} that a comparison needs by itself"
                )
    repeated = int(experiments.duplicated([Experiments.CAMPAIGN_ID, Experiments.CUSTOMER_ID]).sum())
    if repeated:
        notes.append(
            f"{repeated} further decisions for customers already decided on in the same campaign: "
            "the first one counts"
        )
    return tuple(notes)


def _write_query(workspace: Workspace, end: str, horizon_days: int) -> str:
    dialect = DuckDB()
    decisions = dialect.table(workspace.table(DECISIONS.name))
    events = dialect.table(workspace.table(EVENTS.name))
    window = f"INTERVAL {int(horizon_days)} DAY"
    is_order = f"e.type = {quote(EventType.ORDER)}"
    is_silent = f"{Decisions.SEND_AT} IS NULL AND {Decisions.MESSAGE_ID} IS NULL"
    ours = ", ".join(quote(kind) for kind in (EventType.TOUCH, EventType.OPEN, EventType.CLICK))
    offer = (
        f"CASE WHEN {Decisions.ARM} IS NOT DISTINCT FROM {quote(HOLDOUT)} THEN {quote(NOTHING)} "
        f"WHEN {Decisions.PROMOTION_ID} IS NOT NULL THEN {Decisions.PROMOTION_ID} "
        f"WHEN {is_silent} THEN {quote(NOTHING)} ELSE {quote(MESSAGE)} END"
    )
    return (
        "SELECT d.*, COUNT(e.type) > 0 AS visited,\n"
        f"COUNT(e.type) FILTER ({is_order}) > 0 AS ordered,\n"
        f"COUNT(e.type) FILTER ({is_order}) AS orders,\n"
        f"CAST(COALESCE(SUM(e.value) FILTER ({is_order}), 0) AS DOUBLE) AS spend\n"
        f"FROM (SELECT {Decisions.DECISION_ID}, {Decisions.CUSTOMER_ID}, "
        f"COALESCE({Decisions.CAMPAIGN_ID}, '') AS {Decisions.CAMPAIGN_ID}, "
        f"{Decisions.DECIDED_AT}, {offer} AS {Experiments.OFFER}, {Decisions.CHANNEL}, "
        f"{Decisions.ARM}, {Decisions.PROPENSITY}\nFROM {decisions}\n"
        f"WHERE {Decisions.DECIDED_AT} + {window} <= {end}) AS d\n"
        f"LEFT JOIN (SELECT {Events.CUSTOMER_ID}, {Events.OCCURRED_AT}, {Events.TYPE}, "
        f"{Events.VALUE} FROM {events} WHERE {Events.TYPE} NOT IN ({ours})) AS e\n"
        f"ON e.{Events.CUSTOMER_ID} = d.{Decisions.CUSTOMER_ID} "
        f"AND e.{Events.OCCURRED_AT} >= d.{Decisions.DECIDED_AT} "
        f"AND e.{Events.OCCURRED_AT} < d.{Decisions.DECIDED_AT} + {window}\n"
        f"GROUP BY ALL ORDER BY d.{Decisions.DECIDED_AT}, d.{Decisions.DECISION_ID}"
    )
