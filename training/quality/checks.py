"""What is looked for in each table: a count, out of how many, and what it would mean.

The door refuses what is wrong (`features.door`); here is what is allowed and yet worth knowing
before a number is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

LOOK, NOTE = "look", "note"
"""Weights of a finding: one that asks for a look at the data, one that is good to know."""


@dataclass(frozen=True)
class Check:
    """One thing to count in a table.

    Attributes
    ----------
    table, name : str
        The canonical table, and what the check is called in the evidence.
    count, of : str
        SQL over `{table}`: how many, out of how many. `{zone}` is the project's time zone.
    words : str
        What was counted, as the end of a sentence that begins with the count.
    meaning : str
        What it means for the forecasts or send times, and what to do.
    worth_a_look : float
        From this share on it asks for a look; below, and above `least`, it is a note.
    least : float
        Up to this share there is nothing to tell.
    """

    table: str
    name: str
    count: str
    of: str
    words: str
    meaning: str
    worth_a_look: float = 0.05
    least: float = 0.0


SERIES = (
    "CREATE OR REPLACE TEMP TABLE series AS SELECT region_id, product_id, count(*) AS n, "
    "sum(units) AS units, min(date) AS first, max(date) AS final, "
    "max(date) FILTER (WHERE units IS NOT NULL) AS last, "
    "max(date) FILTER (WHERE units > 0) AS sold, median(units) FILTER (WHERE units > 0) AS usual "
    "FROM {table} GROUP BY ALL"
)
"""What the checks of sales ask of each series: made once, as `series`, before them."""
_PLACES = (
    "WITH places AS (SELECT date, row_number() OVER (ORDER BY date) AS place "
    "FROM (SELECT DISTINCT date FROM {table}))"
)
_SPANNED = "FROM series s JOIN places a ON a.date = s.first JOIN places b ON b.date = s.final"
_N_SERIES = "SELECT count(*) FROM series"
_ROWS = "SELECT count(*) FROM {table}"
_LOCAL = "timezone('{zone}', timezone('UTC', occurred_at))"

CHECKS = (
    Check(
        "sales", "gaps",
        f"{_PLACES} SELECT sum(b.place - a.place + 1 - s.n) {_SPANNED}",
        f"{_PLACES} SELECT sum(b.place - a.place + 1) {_SPANNED}",
        "periods have no row in a series although others do, between its first and last",
        "By day and week, a row that is not there counts as nothing sold; by month and quarter as "
        "not recorded. Where that is wrong forecasts are too low, or too high: send such rows with "
        "empty units, or with 0.",
    ),
    Check(
        "sales", "empty units",
        "SELECT count(*) FROM {table} t JOIN series s USING (region_id, product_id) "
        "WHERE t.units IS NULL AND t.date < s.last",
        _ROWS,
        "rows before a series' last sale have no units",
        "They are missing observations: left out, neither zero nor guessed.",
    ),
    Check(
        "sales", "never sold",
        "SELECT count(*) FROM series WHERE coalesce(units, 0) <= 0", _N_SERIES,
        "series never sold anything",
        "Nothing can be learned from them; take them out, or map them to what replaced them.",
    ),
    Check(
        "sales", "fell silent",
        "SELECT count(*) FROM series WHERE units > 0 AND last - sold > 56", _N_SERIES,
        "series sold nothing in their last eight weeks",
        "If they were delisted or the store has closed, say so (delisted_at, closed_at): else "
        "the forecast keeps some hope for them.",
    ),
    Check(
        "sales", "short",
        "SELECT count(*) FROM series WHERE last - first < 56", _N_SERIES,
        "series have less than eight weeks of history",
        "They are forecast from their category and region more than from themselves.",
        worth_a_look=0.2,
    ),
    Check(
        "sales", "outliers",
        "SELECT count(*) FROM {table} t JOIN series s USING (region_id, product_id) "
        "WHERE t.units > 20 * s.usual AND t.units > 20",
        "SELECT count(*) FROM {table} WHERE units > 0",
        "rows hold more than 20 times what the series sells on a usual day of sales",
        "Bulk orders or errors of entry: each of them pulls the forecast of its series up. "
        "Look at the greatest.",
        worth_a_look=0.001,
    ),
    Check(
        "sales", "no price",
        "SELECT count(*) FROM {table} WHERE units > 0 AND price IS NULL AND "
        "(SELECT count(price) FROM {table}) > 0",
        "SELECT count(*) FROM {table} WHERE units > 0",
        "rows with sales have no price",
        "What price does cannot be learned from them.",
    ),
    Check(
        "sales", "above list price",
        "SELECT count(*) FROM {table} WHERE price > 1.02 * base_price",
        "SELECT count(*) FROM {table} WHERE price IS NOT NULL AND base_price IS NOT NULL",
        "prices are above the regular price",
        "The two columns may be exchanged, or of different units.",
        worth_a_look=0.02,
    ),
    Check(
        "sales", "stock-outs",
        "SELECT count(*) FROM {table} WHERE is_stock_out OR (on_hand <= 0 AND units = 0)",
        "SELECT count(*) FROM {table} WHERE is_stock_out IS NOT NULL OR on_hand IS NOT NULL",
        "rows were without stock",
        "What was wanted then is an estimate; they are not scored.",
    ),
    Check(
        "events", "no hour",
        f"SELECT count(*) FROM {{table}} WHERE date_trunc('day', {_LOCAL}) = {_LOCAL}", _ROWS,
        "events lie exactly at midnight",
        "Their source most likely knows the day alone. They teach a false hour: give times, or "
        "leave such events out of what send times are learned from.",
        worth_a_look=0.01,
    ),
    Check(
        "events", "repeated",
        "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {table} "
        "GROUP BY customer_id, type, occurred_at, product_id, value, order_id, promotion_id "
        "HAVING count(*) > 1)",
        _ROWS,
        "events repeat another in all but their id",
        "If they were sent twice, they count twice; a stable event_id at the source prevents it.",
        worth_a_look=0.01,
    ),
    Check(
        "events", "orders without value",
        "SELECT count(*) FROM {table} WHERE type = 'order' AND value IS NULL",
        "SELECT count(*) FROM {table} WHERE type = 'order'",
        "orders have no value",
        "They count as orders; what customers are worth is learned from the others.",
    ),
    Check(
        "events", "one and done",
        "SELECT count(*) FROM (SELECT customer_id FROM {table} GROUP BY 1 HAVING count(*) = 1)",
        "SELECT count(DISTINCT customer_id) FROM {table}",
        "customers are known by a single event",
        "Their week is that of customers like them.",
        worth_a_look=0.5,
    ),
    Check(
        "events", "busiest customer",
        "SELECT max(n) FROM (SELECT count(*) AS n FROM {table} GROUP BY customer_id)", _ROWS,
        "events belong to one customer",
        "So many may be a till, a call centre or a test account that stands for many people.",
        worth_a_look=0.02, least=0.02,
    ),
    Check(
        "touches", "no propensity",
        "SELECT count(*) FROM {table} WHERE propensity IS NULL", _ROWS,
        "messages were logged without the probability of their hour",
        "What they prove rests on an estimate of it; `almanac plan-campaign` logs it.",
        worth_a_look=0.5,
    ),
    Check(
        "touches", "no answers",
        "SELECT count(*) FROM {table} WHERE opened_at IS NULL AND clicked_at IS NULL AND "
        "ordered_at IS NULL AND (SELECT count(opened_at) + count(clicked_at) + count(ordered_at) "
        "FROM {table}) = 0",
        _ROWS,
        "messages were sent, and of none is it known whether it was opened or clicked",
        "Send times cannot be learned from answers: they rest on activity.",
    ),
    Check(
        "touches", "answered before sent",
        "SELECT count(*) FROM {table} WHERE least(opened_at, clicked_at, ordered_at) < sent_at",
        _ROWS,
        "messages were answered before they were sent",
        "The two times are of different zones, or sent_at is when it was planned.",
        worth_a_look=0.001,
    ),
    Check(
        "touches", "machine opens",
        "SELECT count(*) FROM {table} WHERE is_machine_open",
        "SELECT count(*) FROM {table} WHERE opened_at IS NOT NULL",
        "opens were made by machines",
        "They are left out: nobody read the message then.",
        worth_a_look=0.5,
    ),
    Check(
        "customers", "no zone",
        "SELECT count(*) FROM {table} WHERE time_zone_source = 'project' OR time_zone IS NULL",
        _ROWS,
        "customers have no time zone of their own",
        "They get the project's. In a country of one zone that is right.",
        worth_a_look=1.01,
    ),
)  # fmt: skip
