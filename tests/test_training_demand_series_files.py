"""What is published of each series: counted by hand on small panels of days and of weeks."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from features.region.panel import Panel
from tests.sales_tables import make_sales, write_project
from training.demand.past_series import Past, iterate_histories, read_past
from training.demand.series_files import score_series
from training.demand.steps import load_panel

QUANTILES = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")


def read(folder, sales: pd.DataFrame, settings: str) -> tuple[Panel, Past, np.ndarray]:
    project = write_project(folder, sales, settings)
    panel = load_panel(project)
    window = np.arange(panel.first_period, panel.last_period + 1)
    return panel, read_past(project, panel, panel.series, window), panel.date_of(window)


def place(panel: Panel, region: str, product: str) -> int:
    keys = panel.series[["region_id", "product_id"]]
    return int(keys.index[(keys["region_id"] == region) & (keys["product_id"] == product)][0])


@pytest.fixture
def sales() -> pd.DataFrame:
    """Two stores, two products, 60 days; one promoted day, one stock-out, a plan of one day."""
    table = make_sales(periods=60).assign(is_promoted=False, on_hand=5.0)
    own = (table["region_id"] == "r0") & (table["product_id"] == "p1")
    table.loc[own & (table["date"] == date(2024, 1, 10)), "is_promoted"] = True
    out = own & (table["date"] == date(2024, 1, 20))
    table.loc[out, ["units", "on_hand"]] = [0.0, 0.0]
    ahead = (
        table[own]
        .tail(1)
        .assign(date=date(2024, 3, 2), units=np.nan, is_promoted=True, on_hand=np.nan)
    )
    return pd.concat([table, ahead], ignore_index=True)


def test_promotions_stock_outs_and_the_plan_are_marked_on_their_days(tmp_path, sales):
    settings = 'horizon_days = 7\nknown_ahead = ["price", "is_promoted"]'
    panel, past, dates = read(tmp_path, sales, settings)
    at = place(panel, "r0", "p1")
    days = [str(day.astype("datetime64[D]")) for day in dates]
    assert [days[i] for i in np.flatnonzero(past.promoted[at])] == ["2024-01-10", "2024-03-02"]
    assert [days[i] for i in np.flatnonzero(past.out[at])] == ["2024-01-20"]
    assert past.units[at, days.index("2024-01-20")] == 0.0
    assert np.isnan(past.units[:, days.index("2024-03-01") :]).all()
    assert past.promoted.sum() == 2


def test_what_is_not_planned_is_not_marked_ahead(tmp_path, sales):
    _, past, dates = read(tmp_path, sales, "horizon_days = 7")
    ahead = dates > np.datetime64("2024-02-29")
    assert past.promoted[:, ahead].sum() == 0
    assert past.promoted.sum() == 1


def test_a_promotion_of_everything_marks_only_where_sales_tell_nothing(tmp_path, sales):
    promotions = pd.DataFrame(
        {
            "promotion_id": ["all", "one"],
            "starts_at": pd.to_datetime(["2024-01-03", "2024-01-05"]),
            "ends_at": pd.to_datetime(["2024-01-05", "2024-01-06"]),
            "discount": [0.1, 0.1],
            "channels": "",
            "regions": ["", "r1"],
            "products": "",
        }
    )
    with_flags, without = tmp_path / "flags", tmp_path / "none"
    for folder, table in ((with_flags, sales), (without, sales.drop(columns="is_promoted"))):
        folder.mkdir()
        write_project(folder, table)
        promotions.to_parquet(folder / "tables" / "promotions.parquet")
    _, past, _ = read(with_flags, sales, "horizon_days = 7")
    assert past.promoted.sum() == 1 + 2  # the flag, and one day of two products in r1
    _, past, _ = read(without, sales.drop(columns="is_promoted"), "horizon_days = 7")
    assert past.promoted.sum() == 2 * 4 + 2


def test_weeks_have_a_period_a_week(tmp_path):
    sales = make_sales(periods=60, freq="W-MON", regions=1, products=1)
    _, past, dates = read(tmp_path, sales, 'frequency = "week"\nhorizon_days = 28')
    known = np.isfinite(past.units[0])
    assert known.sum() == 60
    assert past.units[0, known].tolist() == sales["units"].tolist()
    assert len(dates) == 64


def test_a_node_sums_units_and_shares_its_marks():
    units = np.array([[1.0, np.nan, np.nan], [2.0, 3.0, np.nan]], np.float32)
    price = np.array([[10.0, 10.0, 10.0], [4.0, np.nan, 4.0]], np.float32)
    yes, no = [True] * 3, [False] * 3
    past = Past(
        units, price, np.array([yes, no]), np.array([no, no]), np.array([yes, [False, True, True]])
    )
    (found,) = iterate_histories(past, sparse.csr_array(np.ones((1, 2))))
    assert found.units.tolist()[:2] == [3.0, 3.0]
    assert np.isnan(found.units[2])
    # weights of the prices: 1 and 5 units sold in all
    assert found.price == pytest.approx([(10 + 20) / 6, 10.0, (10 + 20) / 6], abs=2e-3)
    assert found.promoted == pytest.approx([1.0, 0.5, 0.5])


def test_scores_of_one_series_by_hand():
    own = pd.DataFrame(
        {"region": "r", "product": "p", "units": [4.0, 6.0, np.nan], "mean": [5.0, 8.0, 1.0]}
    ).assign(model="almanac")
    own[list(QUANTILES)] = 0.0
    own.loc[0, list(QUANTILES)] = np.linspace(3, 7, 9)  # holds 4 within both intervals
    own.loc[1, list(QUANTILES)] = np.linspace(7, 9, 9)  # does not hold 6
    naive = own.assign(model="seasonal_naive", mean=[4.0, 1.0, 1.0])
    (row,) = score_series(pd.concat([own, naive])).to_dict("records")
    assert row["judged_rows"] == 2
    assert row["judged_units"] == 10.0
    assert row["wape"] == pytest.approx(0.3)
    assert row["bias"] == pytest.approx(0.3)
    assert row["naive_wape"] == pytest.approx(0.5)
    assert (row["coverage_80"], row["coverage_95"]) == (0.5, 0.5)
