"""Generated customers, events and touches for the benchmarks: made up, and labelled so.

Not a model of any retailer. A seed decides every value; customers differ in how much they do; five
in six of a customer's events are at one store; hours are spread evenly over the week, which is the
hardest case for histograms by slot.

    python benchmarks/generate.py --events 1000000 --out /tmp/generated
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

from features.engine import open_engine
from features.project import Workspace

FIRST_DAY = "2021-01-01"
DAYS = 1461
EVENTS_PER_CUSTOMER = 20
"""On average; the busiest customers have some hundred times as many as the idle ones."""
ZONES = ("America/New_York", "America/Chicago", "Europe/Berlin", "Asia/Kolkata")
STORES, PRODUCTS, CATEGORIES = 400, 20_000, 40


def write_activity(root: Path, n_events: int, seed: int) -> Workspace:
    """Write the canonical tables events, touches (a tenth as many), customers and products."""
    workspace = Workspace(root)
    workspace.tables.mkdir(parents=True, exist_ok=True)
    n_customers = max(n_events // EVENTS_PER_CUSTOMER, 1)
    with open_engine() as engine:
        _define_draws(engine, seed, n_customers)
        for name, query in (
            ("events", _events(n_events)),
            ("touches", _touches(n_events // 10)),
            ("customers", _customers(n_customers)),
            ("products", _products()),
        ):
            engine.execute(f"COPY ({query}) TO '{workspace.table(name)}' (FORMAT parquet)")
    return workspace


def _define_draws(engine: duckdb.DuckDBPyConnection, seed: int, n_customers: int) -> None:
    engine.execute(
        f"CREATE MACRO draw(row_number, stream) AS hash(row_number, stream, {seed}) / 2.0 ** 64"
    )
    engine.execute(
        "CREATE MACRO one_of(row_number, stream, choices) AS "
        "choices[1 + CAST(floor(draw(row_number, stream) * len(choices)) AS INTEGER)]"
    )
    engine.execute(
        "CREATE MACRO id(letter, number) AS letter || lpad(CAST(number AS TEXT), 8, '0')"
    )
    engine.execute(
        "CREATE MACRO customer(row_number) AS id('c', "
        f"CAST(floor({n_customers} * draw(row_number, 'customer') ** 1.7) AS BIGINT))"
    )
    engine.execute(
        f"CREATE MACRO moment(row_number, stream) AS TIMESTAMP '{FIRST_DAY}' + "
        f"to_seconds(CAST(floor(draw(row_number, stream) * {DAYS} * 86400) AS BIGINT))"
    )


def _events(rows: int) -> str:
    kinds = ["order"] * 5 + ["item"] * 3 + ["redemption", "view"]
    return f"""
SELECT id('e', i) AS event_id, customer(i) AS customer_id, moment(i, 'at') AS occurred_at,
  one_of(i, 'channel', ['store', 'store', 'web', 'app']) AS channel,
  one_of(i, 'type', {kinds}) AS type,
  id('s', CAST(floor({STORES} * CASE WHEN i % 6 = 0 THEN draw(i, 'visit')
    ELSE draw(customer(i), 'home') END) AS BIGINT)) AS region_id,
  CASE WHEN type = 'item' THEN id('p', CAST(floor({PRODUCTS} * draw(i, 'product') ** 2) AS BIGINT))
    END AS product_id,
  CASE WHEN type IN ('order', 'item') THEN id('o', i // 2) END AS order_id,
  CASE WHEN type = 'redemption' THEN one_of(i, 'promotion', ['x', 'y', 'z']) END AS promotion_id,
  CAST(NULL AS TEXT) AS message_id,
  CASE WHEN type IN ('order', 'item') THEN 1 + floor(draw(i, 'quantity') * 9) END AS quantity,
  CASE WHEN type IN ('order', 'item') THEN floor(draw(i, 'value') * 20000) / 100 END AS value,
  'USD' AS currency, CAST(NULL AS TEXT) AS device_time_zone
FROM range({rows}) AS rows(i)"""


def _touches(rows: int) -> str:
    return f"""
SELECT id('m', i) AS message_id, customer(i) AS customer_id,
  one_of(i, 'medium', ['email', 'email', 'push', 'sms']) AS channel, moment(i, 'sent') AS sent_at,
  one_of(i, 'promotion', ['x', 'y', 'z']) AS promotion_id, CAST(NULL AS TEXT) AS arm,
  CAST(NULL AS DOUBLE) AS propensity,
  CASE WHEN draw(i, 'opened') < 0.4 THEN sent_at + to_minutes(CAST(600 * draw(i, 'wait') AS BIGINT))
    END AS opened_at,
  CASE WHEN draw(i, 'opened') < 0.1 THEN opened_at + INTERVAL 1 MINUTE END AS clicked_at,
  CAST(NULL AS TIMESTAMP) AS ordered_at, draw(i, 'machine') < 0.2 AS is_machine_open
FROM range({rows}) AS rows(i)"""


def _customers(rows: int) -> str:
    return f"""
SELECT id('c', i) AS customer_id,
  CASE WHEN draw(i, 'stated') < 0.7 THEN one_of(i, 'zone', {list(ZONES)}) END AS time_zone,
  CAST(NULL AS TEXT) AS time_zone_source, CAST(NULL AS TEXT) AS region_id,
  CAST(NULL AS TEXT) AS consent, CAST(NULL AS TIMESTAMP) AS created_at
FROM range({rows}) AS rows(i)"""


def _products() -> str:
    return f"""
SELECT id('p', i) AS product_id, id('k', i % {CATEGORIES}) AS parent_id, 'sku' AS level,
  'product ' || i AS name FROM range({PRODUCTS}) AS rows(i)
UNION ALL
SELECT id('k', i), 'all', 'category', 'category ' || i FROM range({CATEGORIES}) AS rows(i)"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_activity(arguments.out, arguments.events, arguments.seed)
