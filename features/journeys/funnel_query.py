"""A funnel, and the one query that finds every attempt at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from features.customer.dialect import quote
from features.errors import InvalidRequest

FunnelOrder = Literal["ordered", "strict", "any"]
CUSTOMER_SEGMENTS = ("home_region_id", "consent", "time_zone")
"""Segments of the table of customers; the region of the customer is not that of the event."""


@dataclass(frozen=True)
class Funnel:
    """The steps of a funnel.

    Attributes
    ----------
    name : str
    steps : tuple of str
        Event types, two or more, each once.
    order : str
        'ordered': steps follow each other, other events may lie between. 'strict': nothing may.
        'any': the steps may come in any sequence; step k is then the k-th distinct one.
    window_hours : float
        From the first event of an attempt; > 0.
    """

    name: str
    steps: tuple[str, ...]
    order: FunnelOrder = "ordered"
    window_hours: float = 24.0

    def __post_init__(self) -> None:
        if len(self.steps) < 2 or len(set(self.steps)) < len(self.steps):
            raise InvalidRequest(
                f"funnel '{self.name}': expected two or more different event types, "
                f"got {list(self.steps)}; name each step once"
            )
        if not self.window_hours > 0:
            raise InvalidRequest(
                f"funnel '{self.name}': expected a window above 0 hours, "
                f"got {self.window_hours}; make it longer"
            )


def write_attempts(
    funnel: Funnel, segments: tuple[str, ...], *, events: str, customers: str
) -> str:
    """Write the query for `features.journeys.funnels.build_attempts`.

    Parameters
    ----------
    funnel : Funnel
    segments : tuple of str
        Columns of `events`, or of `CUSTOMER_SEGMENTS`.
    events, customers : str
        The relations to read; the second only for its segments.
    """
    write = {"ordered": _write_ordered, "strict": _write_strict, "any": _write_any}[funnel.order]
    rows = _write_rows(funnel, segments, events, customers)
    return rows + write(funnel) + _finish(funnel, segments)


def write_window(funnel: Funnel) -> str:
    """Write the length of the window."""
    return f"INTERVAL {round(3_600_000_000 * funnel.window_hours)} MICROSECONDS"


def _write_rows(funnel: Funnel, segments: tuple[str, ...], events: str, customers: str) -> str:
    """Write the events of the steps, and when attempts begin."""
    chosen = "".join(
        f", {_write_segment(name)} AS segment_{place}" for place, name in enumerate(segments)
    )
    join = ""
    if set(segments) & set(CUSTOMER_SEGMENTS):
        join = f"LEFT JOIN {customers} AS c ON c.customer_id = e.customer_id\n"
    steps = ", ".join(quote(step) for step in funnel.steps)
    only = "" if funnel.order == "strict" else f"WHERE e.type IN ({steps})\n"
    first = "TRUE" if funnel.order == "any" else f"r.type = {quote(funnel.steps[0])}"
    return (
        "WITH rows AS (\n"
        "SELECT e.event_id, e.customer_id, e.occurred_at AS moment, e.type, e.channel, "
        f"CAST(e.value AS DOUBLE) AS value{chosen}\n"
        f"FROM {events} AS e\n{join}{only}"
        "),\nstarts AS (\n"
        # an attempt begins where the one before it has ended: a running choice, not a gap
        "SELECT customer_id, UNNEST(LIST_REDUCE(\n"
        "LIST_TRANSFORM(LIST_SORT(LIST(DISTINCT moment)), lambda x: [x]),\n"
        f"lambda a, b: CASE WHEN b[1] >= a[-1] + {write_window(funnel)} "
        "THEN LIST_CONCAT(a, b) ELSE a END)) AS start\n"
        f"FROM rows AS r WHERE {first} GROUP BY customer_id\n"
        "),\nfirsts AS (\n"
        "SELECT s.customer_id, s.start, MIN_BY(r, r.event_id) AS r\n"
        "FROM starts AS s JOIN rows AS r ON r.customer_id = s.customer_id AND r.moment = s.start\n"
        f"AND {first}\nGROUP BY s.customer_id, s.start\n"
        "),\n"
    )


def _write_segment(name: str) -> str:
    return f"c.{name.removeprefix('home_')}" if name in CUSTOMER_SEGMENTS else f"e.{name}"


def _write_ordered(funnel: Funnel) -> str:
    parts = [
        "reached_1 AS (SELECT customer_id, start, start AS at_1, r.channel AS channel_1, "
        "r.value AS value_1, r FROM firsts)"
    ]
    for place, step in enumerate(funnel.steps[1:], start=2):
        within = f"e.moment < p.start + {write_window(funnel)}"
        parts.append(
            f"reached_{place} AS (\nSELECT p.*, "
            f"CASE WHEN {within} THEN e.moment END AS at_{place}, "
            f"CASE WHEN {within} THEN e.channel END AS channel_{place}, "
            f"CASE WHEN {within} THEN e.value END AS value_{place}\n"
            f"FROM reached_{place - 1} AS p ASOF LEFT JOIN "
            f"(SELECT customer_id, moment, MIN_BY(channel, event_id) AS channel, "
            f"MIN_BY(value, event_id) AS value FROM rows WHERE type = {quote(step)} "
            f"GROUP BY customer_id, moment) AS e\n"
            f"ON p.customer_id = e.customer_id AND p.at_{place - 1} <= e.moment)"
        )
    return ",\n".join(parts) + f",\nfound AS (SELECT * FROM reached_{len(funnel.steps)})\n"


def _write_strict(funnel: Funnel) -> str:
    """Write the longest run without anything between, of those that begin in the attempt."""
    columns = ", ".join(
        f"CASE WHEN run.depth >= {k} THEN run.{name}_{k} END AS {name}_{k}"
        for k in range(2, len(funnel.steps) + 1)
        for name in ("at", "channel", "value")
    )
    return (
        "turned AS (\n"
        "SELECT *, moment AS at_1, channel AS channel_1, value AS value_1, "
        f"{_write_leads(len(funnel.steps))}\n"
        "FROM rows WINDOW turns AS (PARTITION BY customer_id ORDER BY moment, event_id)\n),\n"
        "runs AS (\n"
        f"SELECT s.customer_id, s.start, t.*, {_write_depth(funnel)} AS depth\n"
        f"FROM (SELECT * FROM turned WHERE type = {quote(funnel.steps[0])}) AS t\n"
        "ASOF JOIN starts AS s ON t.customer_id = s.customer_id AND t.moment >= s.start\n),\n"
        "best AS (SELECT customer_id, start, MAX_BY(runs, ROW(depth, -epoch_us(moment))) AS run "
        "FROM runs GROUP BY customer_id, start),\n"
        "found AS (SELECT b.customer_id, b.start, run.at_1 AS at_1, run.channel_1 AS channel_1, "
        f"run.value_1 AS value_1, {columns}, f.r FROM best AS b JOIN firsts AS f "
        "ON f.customer_id = b.customer_id AND f.start = b.start)\n"
    )


def _write_leads(n_steps: int) -> str:
    """Write what each of the next events is, when, where and of what value."""
    names = (("type", "type"), ("moment", "at"), ("channel", "channel"), ("value", "value"))
    return ", ".join(
        f"LEAD({name}, {place}) OVER turns AS {alias}_{place + 1}"
        for place in range(1, n_steps)
        for name, alias in names
    )


def _write_depth(funnel: Funnel) -> str:
    """Write how many steps follow each other from here, within the window of the attempt."""
    depth, so_far = ["1"], []
    for place, step in enumerate(funnel.steps[1:], start=2):
        so_far.append(f"type_{place} = {quote(step)}")
        within = f"at_{place} < s.start + {write_window(funnel)}"
        depth.append(f"CASE WHEN {' AND '.join(so_far)} AND {within} THEN 1 ELSE 0 END")
    return " + ".join(depth)


def _write_any(funnel: Funnel) -> str:
    columns = ", ".join(
        f"met[{k}].{name} AS {name}_{k}"
        for k in range(1, len(funnel.steps) + 1)
        for name in ("at", "channel", "value")
    )
    return (
        "types AS (\n"
        "SELECT s.customer_id, s.start, MIN_BY({'at': r.moment, 'event_id': r.event_id, "
        "'channel': r.channel, 'value': r.value}, ROW(r.moment, r.event_id)) AS one\n"
        "FROM rows AS r ASOF JOIN starts AS s\n"
        "ON r.customer_id = s.customer_id AND r.moment >= s.start\n"
        f"WHERE r.moment < s.start + {write_window(funnel)}\n"
        "GROUP BY s.customer_id, s.start, r.type\n),\n"
        "sets AS (SELECT customer_id, start, LIST_SORT(LIST(one)) AS met "
        "FROM types GROUP BY customer_id, start),\n"
        f"found AS (SELECT s.customer_id, s.start, {columns}, f.r FROM sets AS s "
        "JOIN firsts AS f ON f.customer_id = s.customer_id AND f.start = s.start)\n"
    )


def _finish(funnel: Funnel, segments: tuple[str, ...]) -> str:
    n_steps = len(funnel.steps)
    reached = " + ".join(f"CAST(at_{k} IS NOT NULL AS INTEGER)" for k in range(1, n_steps + 1))
    columns = [f"{name}_{k}" for name in ("at", "channel") for k in range(1, n_steps + 1)]
    columns += [f'r.segment_{place} AS "{name}"' for place, name in enumerate(segments)]
    return (
        "SELECT CAST(ROW_NUMBER() OVER (ORDER BY customer_id, start) - 1 AS BIGINT) AS attempt, "
        f"customer_id, CAST({reached} AS INTEGER) AS reached, value_{n_steps} AS value, "
        f"{', '.join(columns)}\nFROM found ORDER BY customer_id, start"
    )
