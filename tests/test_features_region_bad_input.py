"""Bad input to demand, by name: each a clear error or a documented behaviour."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.door.tables import build_tables
from features.engine import open_engine
from features.errors import (
    DuplicateKey,
    NotEnoughData,
    OutOfRange,
    ProjectError,
    TableError,
    UnknownReference,
)
from features.progress import Silent
from features.project import load_project
from features.region.design import build_forecast_design, build_training_design
from features.region.frequency import (
    DAY,
    MONTH,
    QUARTER,
    WEEK,
    Bucket,
    Frequency,
    build_buckets,
)
from features.region.panel import Panel, build_panel
from tests.sales_tables import make_sales, write_tables


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as engine:
        yield engine


def panel_of(
    engine, folder, sales, *, frequency: Frequency = DAY, horizon_days: int = 7, **others
) -> Panel:
    workspace = write_tables(folder, sales)
    others = {"origin": None} | others
    return build_panel(engine, workspace, horizon_days=horizon_days, frequency=frequency, **others)


def one_series(units: list[float | None], start: str = "2024-01-01", **columns) -> pd.DataFrame:
    dates = pd.date_range(start, periods=len(units)).date
    rows = pd.DataFrame({"region_id": "r", "product_id": "p", "date": dates, "units": units})
    return rows.assign(**columns)


def build_door(folder: Path, sales: str, settings: str = "", **others: str) -> None:
    """Build tables from a CSV of date, region, product, units, and from others."""
    (folder / "sales.csv").write_text(f"date,region,product,units\n{sales}")
    columns = 'columns = { region_id = "region", product_id = "product" }'
    toml = f'[tables.sales]\npath = "sales.csv"\n{columns}\n{settings}\n'
    for name, text in others.items():
        (folder / f"{name}.csv").write_text(text)
        toml += f'[tables.{name}]\npath = "{name}.csv"\n'
    (folder / "almanac.toml").write_text(toml)
    build_tables(load_project(folder / "almanac.toml"), Silent())


# Gaps


def test_a_gap_in_daily_or_weekly_sales_is_a_period_without_a_sale(engine, tmp_path):
    daily = one_series([3.0, 3.0, 3.0, 3.0]).drop(index=[1, 2])
    assert panel_of(engine, tmp_path / "d", daily).units[:4].tolist() == [3, 0, 0, 3]
    weekly = make_sales(regions=1, products=1, periods=10, freq="W-SAT").drop(index=4)
    panel = panel_of(engine, tmp_path / "w", weekly, frequency=WEEK)
    assert panel.units[4] == 0


@pytest.mark.parametrize(("frequency", "freq"), [(MONTH, "MS"), (QUARTER, "QS")])
def test_a_gap_in_monthly_or_quarterly_sales_is_missing(engine, tmp_path, frequency, freq):
    sales = make_sales(regions=1, products=1, periods=20, freq=freq).drop(index=4)
    sales["units"] += 1
    panel = panel_of(engine, tmp_path, sales, frequency=frequency)
    assert np.flatnonzero(np.isnan(panel.units[:20])).tolist() == [4]
    design = build_training_design(panel, panel.origin_period, Bucket(1, 1))
    assert panel.first_period + 4 not in design.periods


# Duplicate dates


def test_duplicate_dates_are_refused_and_can_be_added_up(tmp_path):
    sales = "2024-01-01,r,p,1\n2024-01-01,r,p,2\n"
    with pytest.raises(DuplicateKey, match=r"again, as in row 1\. Add them up"):
        build_door(tmp_path, sales)
    build_door(tmp_path, sales, 'on_duplicate = "sum"')
    table = pd.read_parquet(tmp_path / ".almanac" / "tables" / "sales.parquet")
    assert table["units"].tolist() == [3.0]


@pytest.mark.parametrize(("frequency", "word"), [(MONTH, "month"), (QUARTER, "quarter")])
def test_two_dates_of_one_month_or_quarter_are_refused(engine, tmp_path, frequency, word):
    sales = one_series([1.0, 2.0], start="2024-01-30")
    sales.loc[1, "date"] = date(2024, 1, 31)
    with pytest.raises(ProjectError, match=f"expected one row per {word}, got 2 for region 'r'"):
        panel_of(engine, tmp_path, sales, frequency=frequency)


# Negative units


def test_negative_units_are_refused_with_a_hint(tmp_path):
    with pytest.raises(OutOfRange, match=r'expected a number >= 0, got .-2.*returns = "separate"'):
        build_door(tmp_path, "2024-01-01,r,p,5\n2024-01-02,r,p,-2\n")


def test_returns_kept_apart_are_no_demand_and_no_price(engine, tmp_path):
    sales = one_series([4.0, 0.0, 4.0], revenue=[8.0, -6.0, 6.0], returned_units=[None, 3.0, 1.0])
    panel = panel_of(engine, tmp_path, sales)
    assert panel.units[:3].tolist() == [4, 0, 4]
    price = panel.history[:, panel.history_names.index("price_lag_0")]
    # Revenue ÷ units is the price only where nothing came back.
    assert price[:3].tolist() == [2, 2, 2]


# A series of one point


def test_a_series_of_one_point_is_forecast_from_its_pools_and_teaches_nothing(engine, tmp_path):
    full = make_sales(regions=1, products=1, periods=60)
    point = full.tail(1).assign(product_id="point", units=9.0)
    panel = panel_of(engine, tmp_path, pd.concat([full, point]))
    design = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7)
    rows = design.features["product"] == "point"
    assert rows.sum() == 7
    assert design.features.loc[rows, "region_mean"].notna().all()
    assert design.baselines.loc[rows.to_numpy(), "slot_mean"].tolist() == [9.0] * 7
    assert np.isfinite(design.baselines.to_numpy()).all()
    train = build_training_design(panel, panel.origin_period, Bucket(1, 7))
    assert "point" not in set(train.features["product"])


def test_one_point_alone_makes_a_panel(engine, tmp_path):
    panel = panel_of(engine, tmp_path, one_series([2.0]))
    design = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7)
    assert design.baselines["naive"].tolist() == [2.0] * 7
    assert len(build_training_design(panel, panel.origin_period, Bucket(1, 7)).units) == 0


# All-zero series


def test_an_all_zero_series_is_skipped_with_its_reason(engine, tmp_path):
    zero = one_series([0.0] * 20).assign(product_id="zero")
    panel = panel_of(engine, tmp_path, pd.concat([one_series([1.0] * 20), zero]))
    assert panel.skipped["reason"].tolist() == ["no sale up to the origin"]
    assert panel.series["product_id"].tolist() == ["p"]


def test_nothing_but_zeros_is_an_error(engine, tmp_path):
    with pytest.raises(NotEnoughData, match="nothing was sold up to 2024-01-20"):
        panel_of(engine, tmp_path, one_series([0.0] * 20))


# Constant price


def test_a_constant_price_is_an_index_of_one(engine, tmp_path):
    sales = one_series([5.0] * 60, price=3.0, base_price=3.0)
    panel = panel_of(engine, tmp_path, sales, known_ahead=("price", "base_price"))
    design = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7)
    assert design.features["price_index"].tolist() == [1.0] * 7
    assert design.features["depth_planned"].tolist() == [0.0] * 7


def test_a_price_of_zero_has_no_index(engine, tmp_path):
    sales = one_series([5.0] * 30, price=0.0, base_price=0.0)
    panel = panel_of(engine, tmp_path, sales, known_ahead=("price", "base_price"))
    design = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7)
    assert design.features["price_index"].isna().all()
    assert np.isfinite(design.features["price_planned"]).all()


# Horizon beyond the plan


def test_a_plan_that_ends_before_the_horizon_is_told_and_continued(engine, tmp_path):
    sales = one_series([5.0] * 40, price=2.0, display=[0.0, 1.0] * 20, holiday=0.0)
    plan = one_series([None] * 3, start="2024-02-10", price=1.0, display=1.0)
    panel = panel_of(
        engine, tmp_path, pd.concat([sales, plan]), known_ahead=("price", "display", "holiday"),
        horizon_days=7,
    )  # fmt: skip
    assert panel.notes == (
        "price is planned until 2024-02-12; up to 2024-02-16 it keeps its last value",
        "display is planned until 2024-02-12; up to 2024-02-16 it takes its recent mean",
        "holiday has no plan after the origin; up to 2024-02-16 it takes its recent mean",
    )
    found = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7).features
    assert found["price_planned"].tolist() == [1.0] * 7
    assert found["display_planned"].tolist()[:3] == [1.0] * 3
    assert 0.5 < found["display_planned"].tolist()[3] < 1.0
    assert found["holiday_planned"].tolist() == [0.0] * 7


def test_a_plan_to_the_end_of_the_horizon_has_nothing_to_tell(engine, tmp_path):
    sales = pd.concat(
        [one_series([5.0] * 40, price=2.0), one_series([None] * 7, "2024-02-10", price=1.0)]
    )
    assert panel_of(engine, tmp_path, sales, known_ahead=("price",)).notes == ()


def test_a_horizon_beyond_all_buckets_is_refused():
    with pytest.raises(ProjectError, match="expected 1 to 12 periods of a quarter, got 13"):
        build_buckets(QUARTER, 13)


# A hierarchy with a cycle or two parents


def test_a_cycle_is_refused_at_the_door(tmp_path):
    regions = "region_id,parent_id,level\nr,s,store\ns,r,area\n"
    with pytest.raises(TableError, match="expected a tree, got a cycle: r > s > r"):
        build_door(tmp_path, "2024-01-01,r,p,1\n", regions=regions)


def test_two_parents_are_refused_at_the_door(tmp_path):
    products = "product_id,parent_id,level\np,food,sku\np,toys,sku\n"
    with pytest.raises(DuplicateKey, match="expected one row for each product_id, got p again"):
        build_door(tmp_path, "2024-01-01,r,p,1\n", products=products)


def test_sales_of_a_product_that_is_no_node_are_refused_at_the_door(tmp_path):
    with pytest.raises(UnknownReference, match="expected an id that is in products, got 'p'"):
        build_door(tmp_path, "2024-01-01,r,p,1\n", products="product_id\nq\n")


# Mixed frequencies


def test_weekly_dates_on_different_weekdays_are_refused(engine, tmp_path):
    sales = pd.concat(
        [
            make_sales(regions=1, products=1, periods=20, freq="W-SAT"),
            make_sales(regions=1, products=1, periods=20, freq="W-SUN").assign(product_id="q"),
        ]
    )
    with pytest.raises(ProjectError, match="same weekday, got dates on 2 weekdays"):
        panel_of(engine, tmp_path, sales, frequency=WEEK)


def test_a_weekly_plan_on_another_weekday_is_refused(engine, tmp_path):
    sales = make_sales(regions=1, products=1, periods=20, freq="W-SAT")
    plan = sales.tail(1).assign(date=date(2024, 5, 26), units=None)
    with pytest.raises(ProjectError, match="a plan has the weekday of the sales"):
        panel_of(engine, tmp_path, pd.concat([sales, plan]), frequency=WEEK)


@pytest.mark.parametrize("column", ["region_id", "product_id"])
def test_weekly_series_among_daily_ones_are_refused(engine, tmp_path, column):
    daily = make_sales(regions=1, products=1, periods=140)
    weekly = daily.iloc[5::7].assign(**{column: "weekly"})
    with pytest.raises(ProjectError, match=f"{column[:-3]} 'weekly' has rows exactly seven days"):
        panel_of(engine, tmp_path, pd.concat([daily, weekly]))


def test_one_that_sells_on_one_weekday_only_has_rows_of_zero_units(engine, tmp_path):
    daily = make_sales(regions=1, products=1, periods=140)
    stall = daily.assign(product_id="stall")
    stall["units"] = np.where(np.arange(140) % 7 == 5, 8.0, 0.0)
    panel = panel_of(engine, tmp_path, pd.concat([daily, stall]))
    assert len(panel.series) == 2


@pytest.mark.parametrize("freq", ["MS", "ME", "QS"])
def test_monthly_dates_are_not_read_as_days(engine, tmp_path, freq):
    sales = make_sales(regions=1, products=1, periods=20, freq=freq)
    with pytest.raises(ProjectError, match="every date in sales is the first or the last of a mon"):
        panel_of(engine, tmp_path, sales)


def test_quarterly_dates_are_not_read_as_months(engine, tmp_path):
    sales = make_sales(regions=1, products=1, periods=20, freq="QS")
    with pytest.raises(ProjectError, match="For quarterly sales set frequency = 'quarter'"):
        panel_of(engine, tmp_path, sales, frequency=MONTH)


def test_weekly_rows_are_not_read_as_months(engine, tmp_path):
    sales = make_sales(regions=1, products=1, periods=20, freq="W-SAT")
    with pytest.raises(ProjectError, match="expected one row per month, got 4"):
        panel_of(engine, tmp_path, sales, frequency=MONTH)
