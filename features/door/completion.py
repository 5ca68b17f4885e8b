"""What the door adds to rows that are each in order: ids of events, sums of days, time zones.

Every function takes and returns a query over the canonical columns and `POSITION`.
"""

from __future__ import annotations

from features.door.staging import POSITION
from features.schema import EVENTS, SALES, Events, Kind, Sales, Table

_SUMMED = (Sales.UNITS, Sales.REVENUE, Sales.RETURNED_UNITS)
_AVERAGED = (Sales.PRICE, Sales.BASE_PRICE)


def content_sql(columns: list[str]) -> str:
    """Return one text for the content of a row: equal only where every column is equal."""
    values = [f'coalesce(CAST("{column}" AS VARCHAR), chr(30))' for column in columns]
    return f"concat_ws(chr(31), {', '.join(values)})"


def with_event_ids(typed: str) -> str:
    """Give events without an id one of their content and their count among equal rows.

    Two rows that agree in everything are two events; the same rows in another order, or in another
    run, get the same ids.
    """
    others = [column.name for column in EVENTS.columns if column.name != Events.EVENT_ID]
    digest = f"md5({content_sql(others)})"
    return (
        "SELECT * EXCLUDE (digest, event_id), "
        "digest || '-' || row_number() OVER (PARTITION BY digest) AS event_id "
        f"FROM (SELECT *, {digest} AS digest FROM ({typed}))"
    )


def with_summed_duplicates(typed: str, table: Table = SALES) -> str:
    """Make one row of the sales rows that share a key.

    Units, returned units and revenue are added up; prices are averaged by units (plainly where
    there are none), regressors plainly; display and mailer take the largest, flags are true where
    one is; stock on hand is the last; a plan is known since its last row was.
    """
    key = ", ".join(SALES.key)
    values = []
    for column in table.columns:
        name = column.name
        if name in SALES.key:
            values.append(name)
        elif name in _SUMMED:
            # In the order of the source: a sum of floats depends on it, a table may not.
            values.append(f"sum({name} ORDER BY {POSITION}) AS {name}")
        elif name in _AVERAGED:
            weighed = f"sum({name} * {Sales.UNITS} ORDER BY {POSITION})"
            weight = f"sum({Sales.UNITS} ORDER BY {POSITION}) FILTER ({name} IS NOT NULL)"
            plain = f"avg({name} ORDER BY {POSITION})"
            values.append(f"coalesce({weighed} / nullif({weight}, 0), {plain}) AS {name}")
        elif column.kind is Kind.SIGNAL:
            values.append(f'avg("{name}" ORDER BY {POSITION}) AS "{name}"')
        elif name == Sales.ON_HAND:
            values.append(f"arg_max({name}, {POSITION}) AS {name}")
        else:
            fold = "bool_or" if name in (Sales.IS_PROMOTED, Sales.IS_STOCK_OUT) else "max"
            values.append(f"{fold}({name}) AS {name}")
    values.append(f"min({POSITION}) AS {POSITION}")
    return f"SELECT {', '.join(values)} FROM ({typed}) GROUP BY {key}"


def with_time_zones(typed: str, time_zone: str) -> str:
    """Give customers without a time zone the project's, and say where each zone is from."""
    return (
        f"SELECT * REPLACE (coalesce(time_zone, '{time_zone}') AS time_zone, "
        "CASE WHEN time_zone IS NULL THEN 'project' ELSE coalesce(time_zone_source, 'stated') END "
        f"AS time_zone_source) FROM ({typed})"
    )
