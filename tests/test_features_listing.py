"""What is forecast at all: delisted, closed and silent series, and pairs never sold."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.region.design import build_forecast_design, build_training_design
from features.region.frequency import DAY, MONTH, Bucket
from features.region.listing import OPEN, explain_ended
from features.region.panel import Panel, build_panel
from tests.sales_tables import make_sales, write_tables

WEEK_AHEAD = Bucket(1, 7)


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as engine:
        yield engine


def panel_of(engine, folder, sales, *, origin=None, tables=None, frequency=DAY, **others) -> Panel:
    workspace = write_tables(folder, sales, **(tables or {}))
    return build_panel(
        engine, workspace, origin=origin, horizon_days=7, frequency=frequency, **others
    )


def sold_on(days: list[int], product: str = "p", until: int = 400, **columns) -> pd.DataFrame:
    """A series that sells 1 on some days from 1 January 2023 on, and 0 on the others."""
    units = np.zeros(until)
    units[days] = 1.0
    dates = pd.date_range("2023-01-01", periods=until).date
    rows = pd.DataFrame({"region_id": "r", "product_id": product, "date": dates, "units": units})
    return rows.assign(**columns)


ALIVE = sold_on(list(range(400)), product="alive")


def forecast(panel: Panel, origin: int | None = None) -> list[str]:
    at = panel.origin_period if origin is None else origin
    design = build_forecast_design(panel, at, WEEK_AHEAD, 7)
    return sorted(design.features["product"].astype(str).unique())


def reasons(panel: Panel) -> dict[str, str]:
    return dict(zip(panel.skipped["product_id"], panel.skipped["reason"], strict=True))


def test_a_delisted_product_has_no_forecast_but_keeps_its_history(engine, tmp_path):
    sales = make_sales(periods=100)  # up to 9 April 2024
    products = pd.DataFrame(
        {
            "product_id": ["p0", "p1", "food"],
            "parent_id": ["food", "food", "all"],
            "level": ["sku", "sku", "group"],
            "delisted_at": [date(2024, 3, 1), None, None],
        }
    )
    panel = panel_of(engine, tmp_path, sales, tables={"products": products})
    assert panel.skipped.to_dict("records") == [
        {"region_id": region, "product_id": "p0", "reason": "delisted since 2024-03-01"}
        for region in ("r0", "r1")
    ]
    assert forecast(panel) == ["p1"]
    train = build_training_design(panel, panel.origin_period, WEEK_AHEAD)
    assert set(train.features["product"]) == {"p0", "p1"}
    # On 29 February it was still listed.
    assert forecast(panel, panel.first_period + 59) == ["p1"]
    assert forecast(panel, panel.first_period + 58) == ["p0", "p1"]


def test_what_lies_below_a_closed_region_is_closed(engine, tmp_path):
    sales = make_sales(periods=60)
    regions = pd.DataFrame(
        {
            "region_id": ["r0", "r1", "north"],
            "parent_id": ["north", "all", "all"],
            "level": ["store", "store", "area"],
            "closed_at": [None, None, date(2024, 2, 1)],
        }
    )
    panel = panel_of(engine, tmp_path, sales, tables={"regions": regions})
    assert set(panel.skipped["region_id"]) == {"r0"}
    assert set(panel.skipped["reason"]) == {"closed since 2024-02-01"}
    assert panel.series["end_period"].tolist()[2:] == [OPEN, OPEN]


def test_an_end_within_the_horizon_is_told_and_forecast(engine, tmp_path):
    products = pd.DataFrame(
        {"product_id": ["alive"], "parent_id": "all", "delisted_at": date(2024, 2, 7)}
    ).assign(level="sku")
    panel = panel_of(engine, tmp_path, ALIVE, tables={"products": products})
    assert panel.skipped.empty
    assert panel.notes == (
        "1 series end within the horizon and are forecast beyond, such as r / alive: "
        "delisted from 2024-02-07",
    )


def test_a_series_is_dead_after_half_a_year_of_silence(engine, tmp_path):
    for last, is_dead in ((217, True), (218, False)):
        sales = pd.concat([ALIVE, sold_on(list(range(last + 1)), product="old")])
        panel = panel_of(engine, tmp_path / str(last), sales)
        assert forecast(panel) == (["alive"] if is_dead else ["alive", "old"])
    assert reasons(panel_of(engine, tmp_path / "217", sales)) == {}


def test_the_reason_names_the_last_sale(engine, tmp_path):
    panel = panel_of(engine, tmp_path, pd.concat([ALIVE, sold_on([0, 5, 9], product="old")]))
    assert reasons(panel) == {"old": "no sale since 2023-01-10"}
    assert panel.series["product_id"].tolist() == ["alive", "old"]


def test_slow_sellers_have_ten_times_their_mean_gap(engine, tmp_path):
    # A gap of 25 days on average: 250 days of patience.
    for last, is_dead in ((149, True), (150, False)):
        slow = sold_on([last - 25 * step for step in range(5)], product="slow")
        panel = panel_of(engine, tmp_path / str(last), pd.concat([ALIVE, slow]))
        assert (reasons(panel) != {}) == is_dead


def test_what_paused_as_long_before_is_not_dead(engine, tmp_path):
    season = sold_on([*range(10), *range(210, 215)], until=420, product="season")
    alive = sold_on(list(range(420)), product="alive", until=420)
    # Silent for 205 days, and once for 201 before.
    assert "season" in reasons(panel_of(engine, tmp_path / "b", pd.concat([alive, season])))
    earlier = date(2024, 2, 18)  # silent for 199 days
    panel = panel_of(engine, tmp_path / "a", pd.concat([alive, season]), origin=earlier)
    assert reasons(panel) == {}


def test_days_without_stock_are_not_silence(engine, tmp_path):
    old = sold_on(list(range(200)), product="old", is_stock_out=False)
    old.loc[250:300, "is_stock_out"] = True
    alive = ALIVE.assign(is_stock_out=False)
    assert reasons(panel_of(engine, tmp_path, pd.concat([alive, old]))) == {}


def test_silence_can_be_forecast_all_the_same(engine, tmp_path):
    sales = pd.concat([ALIVE, sold_on([0, 5, 9], product="old")])
    panel = panel_of(engine, tmp_path, sales, dead_after_days=0)
    assert panel.skipped.empty
    assert forecast(panel) == ["alive", "old"]


def test_each_origin_of_one_panel_has_its_own_dead(engine, tmp_path):
    sales = pd.concat([ALIVE, sold_on(list(range(100)), product="old")])
    late = panel_of(engine, tmp_path, sales)
    assert forecast(late, late.first_period + 280) == ["alive", "old"]
    assert forecast(late, late.first_period + 281) == ["alive"]
    early = panel_of(engine, tmp_path, sales, origin=date(2023, 10, 8))
    assert explain_ended(early, early.origin_period).tolist() == []
    assert explain_ended(late, early.origin_period).tolist() == []


def test_a_month_without_a_row_is_silence_too(engine, tmp_path):
    alive = make_sales(regions=1, products=1, periods=30, freq="MS")
    gone = alive.head(20).assign(product_id="gone", units=3.0)
    panel = panel_of(engine, tmp_path, pd.concat([alive, gone]), frequency=MONTH)
    assert reasons(panel) == {"gone": "no sale since 2025-08-01"}


def test_a_planned_pair_that_never_sold_is_listed_with_its_first_planned_period(engine, tmp_path):
    plan = sold_on([], until=7, product="new").assign(
        date=pd.date_range("2024-02-07", periods=7).date, units=None
    )
    never = sold_on([], product="never")
    panel = panel_of(engine, tmp_path, pd.concat([ALIVE, never, plan, plan.assign(region_id="s")]))
    first = panel.origin_period + 3
    assert panel.unseen.to_dict("records") == [
        {"region_id": "r", "product_id": "new", "first_period": first},
        {"region_id": "s", "product_id": "new", "first_period": first},
    ]
    assert reasons(panel) == {"never": "no sale up to the origin"}
    assert panel.series["product_id"].tolist() == ["alive"]


def test_later_sales_are_no_plan(engine, tmp_path):
    later = sold_on([399], product="later")
    later = later[later["units"] > 0]
    panel = panel_of(engine, tmp_path, pd.concat([ALIVE, later]), origin=date(2024, 1, 1))
    assert panel.unseen.empty
    assert panel.skipped.empty
