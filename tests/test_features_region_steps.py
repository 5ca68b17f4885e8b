from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.engine import open_engine
from features.region.frequency import DAY, MONTH, QUARTER, WEEK
from features.region.panel import Panel, build_panel
from features.region.steps import WINDOWS, StepMatrix
from tests.sales_tables import make_sales, write_tables

ORIGIN = date(2024, 3, 31)


@pytest.fixture(scope="module")
def engine():
    with open_engine(1, "512MB") as connection:
        yield connection


def panel_of(engine, folder, sales, *, origin=ORIGIN, horizon_days=14, frequency=DAY, known=()):
    workspace = write_tables(folder, sales)
    return build_panel(
        engine,
        workspace,
        origin=origin,
        horizon_days=horizon_days,
        frequency=frequency,
        known_ahead=known,
    )


def one_series(units, start="2024-01-01", **columns) -> pd.DataFrame:
    dates = pd.date_range(start, periods=len(units)).date
    return pd.DataFrame(
        {"region_id": "r", "product_id": "p", "date": dates, "units": units, **columns}
    )


def read(matrix: StepMatrix, period: int) -> pd.DataFrame:
    series = np.arange(len(matrix.panel.series))
    return pd.DataFrame(matrix.build(period, series), columns=list(matrix.names))


def late_start(periods: int = 130) -> pd.DataFrame:
    """Four series of 130 days, of which one was listed on the sixtieth."""
    sales = make_sales(periods=periods)
    early = pd.to_datetime(sales["date"]) < pd.Timestamp("2024-03-01")
    return sales[~(early & (sales["region_id"] == "r1") & (sales["product_id"] == "p1"))]


@pytest.fixture(scope="module")
def panel(engine, tmp_path_factory) -> Panel:
    sales = late_start()
    return panel_of(engine, tmp_path_factory.mktemp("steps"), sales, origin=None)


def by_loop(panel: Panel, at: int) -> pd.DataFrame:
    """The same features, number by number from lists of what each series sold."""
    windows = WINDOWS["day"]
    first = panel.series["first_period"].to_numpy() - panel.first_period
    width = panel.origin_period - panel.first_period + 1
    units = [
        [0.0] * start + panel.units[row : row + width - start].tolist()
        for start, row in zip(first, panel.series["start_row"], strict=True)
    ]
    rows = []
    for series, values in enumerate(units):
        past = values[first[series] : at]

        def mean(window, past=past):
            return float(np.mean(past[-window:])) if past else 0.0

        row = {f"units_lag_{lag}": past[-lag] if lag <= len(past) else np.nan
               for lag in windows.lags}  # fmt: skip
        row |= {f"units_mean_{window}": mean(window) for window in windows.windows}
        row["units_std"] = float(np.std(past[-windows.windows[1] :])) if past else 0.0
        same = [past[-7 * place] for place in range(1, 5) if 7 * place <= len(past)]
        row["units_slot_mean"] = float(np.mean(same)) if same else mean(windows.level)
        row["periods_since_listing"] = max(at - first[series], 0)
        rows.append(row)
    found = pd.DataFrame(rows)
    for name in ("region", "product"):
        group = panel.series[name].to_numpy()
        for place in range(len(group)):
            peers = [other for other in range(len(group))
                     if group[other] == group[place] and first[other] < at]  # fmt: skip
            level = np.mean([found.loc[other, "units_mean_28"] for other in peers])
            now = np.mean([found.loc[other, "units_mean_7"] for other in peers])
            found.loc[place, f"{name}_mean"] = level
            found.loc[place, f"{name}_trend"] = now / level
    return found


@pytest.mark.parametrize("at", [1, 5, 30, 61, 75, 129])
def test_features_equal_a_plain_loop(panel, at):
    matrix = StepMatrix(panel, panel.origin_period, 0)
    found = read(matrix, panel.first_period + at)
    expected = by_loop(panel, at)
    for name in expected:
        np.testing.assert_allclose(
            found[name], expected[name].astype(float), rtol=1e-5, atol=1e-5, err_msg=name
        )


def test_last_year_is_the_week_around_the_same_day(engine, tmp_path):
    sales = one_series([float(day) for day in range(1, 401)])
    panel = panel_of(engine, tmp_path, sales, origin=None)
    matrix = StepMatrix(panel, panel.origin_period, 0)
    for at, expected in ((380, 17.0), (367, 4.0)):
        # Day 380 sold 381; 364 days before it 17, in the middle of 14 to 20.
        assert read(matrix, panel.first_period + at)["units_last_year"].item() == expected
    assert np.isnan(read(matrix, panel.first_period + 366)["units_last_year"].item())


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cut=st.integers(20, 120),
    units=st.lists(st.floats(0, 1e4), min_size=4, max_size=4),
)
def test_nothing_after_the_origin_moves_a_feature(panel, cut, units):
    """Neither do later units of the panel, nor what is written after the period that is read."""
    origin = panel.first_period + cut
    early, late = StepMatrix(panel, origin, 5), StepMatrix(panel, panel.origin_period, 5)
    pd.testing.assert_frame_equal(read(early, origin + 1), read(late, origin + 1))
    np.testing.assert_array_equal(early.level(origin + 1), late.level(origin + 1))
    before = read(early, origin + 1)
    early.write(origin + 1, np.array(units, np.float32))
    pd.testing.assert_frame_equal(read(early, origin + 1), before)


def test_a_forecast_that_is_written_is_read_by_the_next_step(panel):
    matrix = StepMatrix(panel, panel.origin_period, 3)
    forecast = np.array([7.0, 8.0, 9.0, 10.0], np.float32)
    matrix.write(panel.origin_period + 1, forecast)
    found = read(matrix, panel.origin_period + 2)
    np.testing.assert_array_equal(found["units_lag_1"], forecast)
    known = matrix.known[-6:].sum(axis=0)
    np.testing.assert_allclose(found["units_mean_7"], (known + forecast) / 7, rtol=1e-5)
    assert len(matrix.known) == panel.origin_period - panel.first_period + 1
    # Its own forecasts are no history.
    np.testing.assert_array_equal(matrix.history(1)[0], matrix.known[-1])


def test_a_missing_value_is_its_usual_one_in_lags_and_never_a_target(engine, tmp_path):
    units = [10.0, 20, 30, 40, 50, 60, 70] * 6
    sales = one_series(units, is_stock_out=False)
    sales.loc[38, ["units", "is_stock_out"]] = [0.0, True]  # a fourth day of the week: 40
    panel = panel_of(engine, tmp_path, sales, origin=None)
    matrix = StepMatrix(panel, panel.origin_period, 1)
    assert np.isnan(matrix.known[38, 0])
    found = read(matrix, panel.first_period + 39)
    assert found["units_lag_1"].item() == 40.0
    assert found["units_mean_7"].item() == 40.0
    assert matrix.history(4)[0, 0] == 40.0
    assert not np.isnan(matrix.history(42)).any()


def test_levels_follow_the_recent_mean_but_never_fall_to_nothing(engine, tmp_path):
    dead = panel_of(engine, tmp_path / "a", one_series([100.0] * 60 + [0.0] * 40), origin=None)
    matrix = StepMatrix(dead, dead.origin_period, 0)
    assert matrix.level(dead.first_period + 50)[0] == pytest.approx(100.0)
    # 28 days without a sale: a twentieth of the mean of all, 60.
    assert matrix.level(dead.first_period + 100)[0] == pytest.approx(0.05 * 60)
    assert matrix.level(dead.first_period)[0] == pytest.approx(1e-3)


def test_history_is_empty_before_listing(panel):
    matrix = StepMatrix(panel, panel.origin_period, 0)
    found = matrix.history(130)
    assert np.isnan(found[:60, 3]).all()
    assert np.isfinite(found[60:, 3]).all()
    assert np.isfinite(found[:, :3]).all()


def test_the_plan_is_read_as_it_was_known_the_period_before(engine, tmp_path):
    sales = one_series([5.0] * 50, price=4.0, known_since=pd.NaT)
    sales.loc[40:, "price"] = 2.0
    # The lower price of the last five days was decided on the day itself.
    dated = sales["known_since"].astype(object)
    for place in range(45, 50):
        dated[place] = sales.loc[place, "date"]
    sales["known_since"] = pd.to_datetime(dated)
    sales.loc[45:, "price"] = 1.0
    panel = panel_of(engine, tmp_path, sales, origin=None, known=("price",))
    matrix = StepMatrix(panel, panel.origin_period, 0)
    prices = [
        read(matrix, panel.first_period + at)["price_planned"].item() for at in (39, 40, 44, 45, 46)
    ]
    assert prices[:3] == [4.0, 2.0, 2.0]
    assert prices[3] == 2.0  # seen from the day before, the first low price was not known yet
    assert prices[4] == 1.0


@pytest.mark.parametrize(
    ("frequency", "freq", "periods"), [(WEEK, "W-MON", 60), (MONTH, "MS", 30), (QUARTER, "QS", 14)]
)
def test_other_frequencies_have_lags_of_their_own(engine, tmp_path, frequency, freq, periods):
    sales = make_sales(regions=1, products=1, periods=periods, freq=freq)
    panel = panel_of(engine, tmp_path, sales, origin=None, frequency=frequency, horizon_days=90)
    matrix = StepMatrix(panel, panel.origin_period, 2)
    found = read(matrix, panel.origin_period + 1)
    assert len(matrix.names) == len(set(matrix.names)) == found.shape[1]
    for lag in WINDOWS[frequency.name].lags:
        if lag <= periods:
            assert found[f"units_lag_{lag}"].item() == panel.units[periods - lag]
