from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.engine import open_engine
from features.errors import NotEnoughData, ProjectError, UnknownName
from features.region.design import build_forecast_design, build_training_design
from features.region.frequency import DAY, MONTH, QUARTER, WEEK, Bucket, build_buckets
from features.region.panel import Panel, build_panel
from features.region.totals import build_node_scales
from tests.sales_tables import make_sales, write_tables

ORIGIN = date(2024, 3, 31)


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as engine:
        yield engine


def panel_of(engine, folder, sales, *, origin=ORIGIN, horizon_days=14, frequency=DAY, **others):
    workspace = write_tables(folder, sales)
    return build_panel(
        engine,
        workspace,
        origin=origin,
        horizon_days=horizon_days,
        frequency=frequency,
        **others,
    )


def history(panel: Panel, region: str, product: str) -> pd.DataFrame:
    """One series' past columns and units, by date."""
    ids = panel.series[["region_id", "product_id"]].to_numpy().tolist()
    row = panel.series.iloc[ids.index([region, product])]
    count = panel.last_period - row["first_period"] + 1
    rows = slice(row["start_row"], row["start_row"] + count)
    frame = pd.DataFrame(panel.history[rows], columns=panel.history_names)
    periods = np.arange(row["first_period"], panel.last_period + 1)
    return frame.assign(units=panel.units[rows], date=panel.date_of(periods)).set_index("date")


def one_series(units: list[float | None], start: str = "2024-01-01", **columns) -> pd.DataFrame:
    dates = pd.date_range(start, periods=len(units)).date
    rows = pd.DataFrame({"region_id": "r", "product_id": "p", "date": dates, "units": units})
    return rows.assign(**columns)


def test_the_grid_starts_at_the_first_sale_and_fills_gaps_with_zero(engine, tmp_path):
    sales = one_series([0, 0, 3, 1, 2, 5]).drop(index=4)
    found = history(panel_of(engine, tmp_path, sales, origin=None, horizon_days=2), "r", "p")
    np.testing.assert_array_equal(found["units"], [3, 1, 0, 5, np.nan, np.nan])
    assert str(found.index[0].date()) == "2024-01-03"


def test_empty_units_and_stock_outs_are_missing_not_zero(engine, tmp_path):
    sales = one_series(
        [3, None, 0, 0, 0, 4],
        is_stock_out=[False, False, True, False, False, False],
        on_hand=[9, 9, 0, 0, 5, 5],
    )
    found = history(panel_of(engine, tmp_path, sales, origin=None, horizon_days=1), "r", "p")
    # The fourth day sold nothing from an empty shelf, the fifth from a full one.
    np.testing.assert_array_equal(found["units"], [3, np.nan, np.nan, np.nan, 0, 4, np.nan])


def test_past_columns_equal_a_plain_loop(engine, tmp_path):
    sales = make_sales(regions=1, products=1, periods=100)
    found = history(panel_of(engine, tmp_path, sales), "r0", "p0").loc[:"2024-03-31"]
    units = found["units"].tolist()
    price = sales["price"].tolist()
    first = pd.to_datetime(sales["date"]).tolist().index(found.index[0])
    for day in range(len(units)):
        row = found.iloc[day]
        past = units[: day + 1]
        assert row["units_lag_0"] == units[day]
        if day >= 7:
            assert row["units_lag_7"] == units[day - 7]
        assert row["units_mean_28"] == pytest.approx(np.mean(past[-28:]), rel=1e-6)
        assert row["units_std_28"] == pytest.approx(np.std(past[-28:]), rel=1e-5, abs=1e-6)
        zeros = [value == 0 for value in past[-28:]]
        assert row["units_zero_share_28"] == pytest.approx(np.mean(zeros))
        weekdays = [units[day - 7 * step] for step in range(4) if day >= 7 * step]
        assert row["units_slot_mean_4"] == pytest.approx(np.mean(weekdays))
        assert row["units_mean_since_listing"] == pytest.approx(np.mean(past), rel=1e-6)
        sold = [step for step, value in enumerate(reversed(past)) if value > 0]
        assert row["periods_since_units"] == sold[0]
        window = price[first : first + day + 1][-91:]
        assert row["price_median_91"] == pytest.approx(np.median(window))


def test_pools_are_means_over_the_series_listed_by_then(engine, tmp_path):
    early = one_series([2.0] * 40).assign(region_id="a")
    late = one_series([6.0] * 20, start="2024-01-21").assign(region_id="b")
    panel = panel_of(engine, tmp_path, pd.concat([early, late]), origin=None, horizon_days=7)
    middle = panel.pools.whole[0, :, panel.pools.names.index("units_mean_28")]
    assert middle[19] == 2.0
    assert middle[20] == pytest.approx((20 * 2 + 4) / 21)
    assert np.isnan(panel.pools.region[1, 19]).all()


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_nothing_after_the_origin_moves_a_row(engine, tmp_path_factory, data):
    sales = make_sales(periods=110)
    after = pd.to_datetime(sales["date"]) > pd.Timestamp(ORIGIN)
    changed = sales.copy()
    changed.loc[after, "units"] = data.draw(
        st.lists(st.integers(0, 500), min_size=int(after.sum()), max_size=int(after.sum()))
    )
    dropped = data.draw(st.booleans())
    if dropped:
        changed = changed[~after | (changed["region_id"] == "r0")]
    new = one_series([7.0] * 5, start="2024-04-02").assign(price=1.0, base_price=9.0)
    changed = pd.concat([changed, new], ignore_index=True)
    changed.loc[pd.to_datetime(changed["date"]) > pd.Timestamp(ORIGIN), "price"] = 77.0
    folder = tmp_path_factory.mktemp("origin")
    before = panel_of(engine, folder / "before", sales)
    moved = panel_of(engine, folder / "moved", changed)
    for bucket in build_buckets(DAY, 14):
        for one, other in (
            (designed(before, bucket), designed(moved, bucket)),
            (trained(before, bucket), trained(moved, bucket)),
        ):
            pd.testing.assert_frame_equal(one.features, other.features)
            pd.testing.assert_frame_equal(one.baselines, other.baselines)
    pd.testing.assert_frame_equal(
        build_node_scales(before, [before.origin_period]),
        build_node_scales(moved, [moved.origin_period]),
    )


def designed(panel: Panel, bucket: Bucket):
    return build_forecast_design(panel, panel.origin_period, bucket, 14)


def trained(panel: Panel, bucket: Bucket):
    return build_training_design(panel, panel.origin_period, bucket)


def test_a_later_panel_seen_from_an_earlier_origin_is_the_earlier_panel(engine, tmp_path):
    sales = make_sales(periods=140)
    early = panel_of(engine, tmp_path / "early", sales)
    late = panel_of(engine, tmp_path / "late", sales, origin=None)
    origin = early.origin_period
    for bucket in build_buckets(DAY, 14):
        one = build_forecast_design(early, origin, bucket, 14)
        other = build_forecast_design(late, origin, bucket, 14)
        pd.testing.assert_frame_equal(one.features, other.features)
        pd.testing.assert_frame_equal(one.baselines, other.baselines)
        pd.testing.assert_frame_equal(
            build_training_design(early, origin, bucket).features,
            build_training_design(late, origin, bucket).features,
        )
    pd.testing.assert_frame_equal(
        build_node_scales(early, [origin]), build_node_scales(late, [origin])
    )


def test_a_design_reads_a_whole_bucket_before_its_target(engine, tmp_path):
    sales = one_series([float(day) for day in range(1, 61)])  # 1 January sells 1, and so on
    panel = panel_of(engine, tmp_path, sales, origin=None)
    design = build_training_design(panel, panel.origin_period, Bucket(8, 14))
    rows = pd.DataFrame({"units": design.units, "seen": design.features["units_lag_0"]}).dropna()
    assert (rows["units"] - rows["seen"] == 14).all()
    assert len(rows) == 60 - 14
    future = build_forecast_design(panel, panel.origin_period, Bucket(8, 14), 10)
    assert future.periods.tolist() == [panel.origin_period + step for step in (8, 9, 10)]
    assert future.features["units_lag_0"].tolist() == [54.0, 55.0, 56.0]
    # The naive forecast takes the newest same weekday: two weeks before, within the data.
    assert future.baselines["naive"].tolist() == [54.0, 55.0, 56.0]
    assert future.baselines["slot_mean"].tolist() == [43.5, 44.5, 45.5]
    assert np.isnan(future.units).all()


def test_known_ahead_columns_are_read_after_the_origin_and_others_are_not(engine, tmp_path):
    sales = one_series([5.0] * 40, price=2.0, base_price=2.0)
    plan = one_series([None] * 7, start="2024-02-10", price=1.0, base_price=2.0)
    both = pd.concat([sales, plan], ignore_index=True)
    planned = panel_of(
        engine, tmp_path / "plan", both, origin=date(2024, 2, 9), horizon_days=7,
        known_ahead=("price", "base_price"),
    )  # fmt: skip
    found = build_forecast_design(planned, planned.origin_period, Bucket(1, 7), 7).features
    assert found["price_planned"].tolist() == [1.0] * 7
    assert found["depth_planned"].tolist() == [0.5] * 7
    assert found["price_index"].tolist() == [0.5] * 7
    blind = panel_of(engine, tmp_path / "blind", both, origin=date(2024, 2, 9), horizon_days=7)
    found = build_forecast_design(blind, blind.origin_period, Bucket(1, 7), 7).features
    assert "price_planned" not in found
    assert found["price_index"].tolist() == [1.0] * 7


def test_dates_without_a_plan_keep_the_last_price_and_the_recent_mean(engine, tmp_path):
    sales = one_series([5.0] * 40, price=[2.0] * 39 + [3.0], display=[0.0, 1.0] * 20)
    panel = panel_of(
        engine, tmp_path, sales, origin=None, horizon_days=7, known_ahead=("price", "display")
    )
    found = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7).features
    assert found["price_planned"].tolist() == [3.0] * 7
    assert found["display_planned"].tolist()[0] == pytest.approx(0.5)


def test_weekly_data_keeps_its_weekday(engine, tmp_path):
    sales = make_sales(regions=1, products=1, periods=30, freq="W-WED")
    panel = panel_of(engine, tmp_path, sales, origin=None, horizon_days=28, frequency=WEEK)
    assert panel.last_period - panel.origin_period == 4
    dates = pd.DatetimeIndex(panel.date_of(np.arange(panel.first_period, panel.last_period + 1)))
    assert set(dates.day_of_week) == {2}


def test_a_month_without_a_row_is_missing(engine, tmp_path):
    sales = make_sales(regions=1, products=1, periods=30, freq="MS").drop(index=4)
    panel = panel_of(engine, tmp_path, sales, origin=None, horizon_days=60, frequency=MONTH)
    found = history(panel, "r0", "p0")["units"]
    assert found.iloc[:30].isna().sum() == 1
    assert len(found) == 32


def test_quarters_may_be_dated_anywhere_within_and_are_read_as_their_first_day(engine, tmp_path):
    starts = make_sales(regions=1, products=1, periods=20, freq="QS")
    starts = starts.assign(units=starts["units"] + 1)
    ends = starts.assign(date=pd.date_range("2024-01-01", periods=20, freq="QE").date)
    for folder, sales in ((tmp_path / "starts", starts), (tmp_path / "ends", ends)):
        panel = panel_of(engine, folder, sales, origin=None, horizon_days=365, frequency=QUARTER)
        found = history(panel, "r0", "p0")
        assert found["units"].tolist()[:20] == starts["units"].tolist()
        assert str(found.index[-1].date()) == "2029-10-01"
        design = build_forecast_design(panel, panel.origin_period, Bucket(3, 4), 4)
        # The same quarter a year before.
        assert design.baselines["naive"].tolist() == starts["units"].tolist()[-2:]


def test_dates_of_another_frequency_are_refused(engine, tmp_path):
    daily, weekly = make_sales(periods=60), make_sales(periods=20, freq="W-WED")
    with pytest.raises(ProjectError, match="got dates on 7 weekdays"):
        panel_of(engine, tmp_path, daily, origin=None, frequency=WEEK)
    with pytest.raises(ProjectError, match="every date in sales is on the same weekday"):
        panel_of(engine, tmp_path, weekly, origin=None)
    with pytest.raises(ProjectError, match="expected one row per month, got 31"):
        panel_of(engine, tmp_path, daily, origin=None, frequency=MONTH)
    with pytest.raises(ProjectError, match="expected one row per quarter, got 60"):
        panel_of(engine, tmp_path, daily, origin=None, frequency=QUARTER)


def test_origins_outside_the_sales_are_refused(engine, tmp_path):
    for origin in (date(2023, 12, 31), date(2024, 5, 1)):
        with pytest.raises(NotEnoughData, match="expected a date within the sales, 2024-01-01 to"):
            panel_of(engine, tmp_path, make_sales(periods=100), origin=origin)


def test_series_that_never_sold_are_named(engine, tmp_path):
    sales = pd.concat([one_series([1.0] * 20), one_series([0.0] * 20).assign(product_id="dead")])
    panel = panel_of(engine, tmp_path, sales, origin=None)
    assert panel.skipped.to_dict("records") == [
        {"region_id": "r", "product_id": "dead", "reason": "no sale up to the origin"}
    ]
    with pytest.raises(NotEnoughData, match="nothing was sold up to"):
        panel_of(engine, tmp_path, one_series([0.0] * 20), origin=None)


def test_a_column_that_cannot_be_planned_is_refused(engine, tmp_path):
    with pytest.raises(UnknownName, match="known-ahead column 'prise' is not known; nearest: 'pri"):
        panel_of(engine, tmp_path, make_sales(), known_ahead=("prise",))


def test_a_new_series_has_no_past_but_its_pools(engine, tmp_path):
    old = one_series([4.0] * 60)
    new = one_series([9.0] * 3, start="2024-02-27").assign(product_id="new")
    panel = panel_of(engine, tmp_path, pd.concat([old, new]), origin=None)
    design = build_forecast_design(panel, panel.origin_period, Bucket(8, 14), 14)
    rows = design.features[design.features["product"] == "new"]
    # The first step that may see one of the three days is the twelfth.
    assert rows["units_mean_28"].isna().tolist() == [True] * 4 + [False] * 3
    assert rows["region_mean"].notna().all()
    assert rows["periods_since_listing"].tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert design.baselines.loc[rows.index, "slot_mean"].tolist() == [9.0] * 7


def test_node_scales_by_hand(engine, tmp_path):
    sales = one_series([float(7 * (day // 7) + 1) for day in range(28)])
    panel = panel_of(engine, tmp_path, sales, origin=None)
    scales = build_node_scales(panel, [panel.origin_period, panel.origin_period - 21])
    found = scales[scales["level"] == "all/all"].set_index("origin")
    # A step of 7 every week; three steps in 27 days.
    assert found["season_error"].loc[panel.origin_period] == 7.0
    assert found["step_error"].loc[panel.origin_period] == pytest.approx(np.sqrt(3 * 49 / 27))
    # One week in, the last value stands in for the season: no error at all.
    assert found["season_error"].loc[panel.origin_period - 21] == 0.0
