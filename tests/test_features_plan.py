"""Plans as they were known: regressors, dated rows of sales, and promotions."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.engine import open_engine
from features.errors import UnknownName
from features.region.design import build_forecast_design, build_training_design
from features.region.design_columns import build_plan_columns
from features.region.frequency import DAY, MONTH, WEEK, Bucket, build_buckets, known_from
from features.region.panel import Panel, build_panel
from features.region.promotions import split_ids
from tests.sales_tables import make_sales, write_tables

ORIGIN = date(2024, 3, 31)
QUIET = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as engine:
        yield engine


def panel_of(
    engine, folder, sales, *, promotions=None, origin=ORIGIN, frequency=DAY, tables=None, **others
) -> Panel:
    workspace = write_tables(folder, sales, **(tables or {}))
    if promotions is not None:
        promotions.to_parquet(workspace.table("promotions"))
    others = {"horizon_days": 14} | others
    return build_panel(engine, workspace, origin=origin, frequency=frequency, **others)


def one_series(units: list[float | None], start: str = "2024-01-01", **columns) -> pd.DataFrame:
    dates = pd.date_range(start, periods=len(units)).date
    rows = pd.DataFrame({"region_id": "r", "product_id": "p", "date": dates, "units": units})
    return rows.assign(**columns)


def make_promotions(*rows: tuple[str, str, float, str | None], **columns) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["starts_at", "ends_at", "discount", "known_since"])
    for name in ("starts_at", "ends_at", "known_since"):
        frame[name] = pd.to_datetime(frame[name], format="ISO8601")
    frame.insert(0, "promotion_id", [f"promo {place}" for place in range(len(frame))])
    return frame.assign(**columns)


def check_same(one: Panel, other: Panel, frequency=DAY, horizon: int = 14) -> None:
    """Check that training and forecast designs at the first panel's origin are equal."""
    origin = one.origin_period
    for bucket in build_buckets(frequency, horizon):
        for build in (
            lambda panel, bucket=bucket: build_training_design(panel, origin, bucket),
            lambda panel, bucket=bucket: build_forecast_design(panel, origin, bucket, horizon),
        ):
            pd.testing.assert_frame_equal(build(one).features, build(other).features)
            pd.testing.assert_frame_equal(build(one).baselines, build(other).baselines)


def test_regressors_are_read_ahead_if_planned_and_at_their_age_if_not(engine, tmp_path):
    rows = one_series([5.0] * 40 + [None] * 7, holiday=0.0, temp=np.arange(47.0))
    rows.loc[42:43, "holiday"] = 1.0
    panel = panel_of(
        engine, tmp_path, rows, origin=date(2024, 2, 9), horizon_days=7, known_ahead=("holiday",)
    )
    found = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7).features
    assert found["holiday_planned"].tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert found["temp_lag_0"].tolist() == [33, 34, 35, 36, 37, 38, 39]
    assert found["temp_mean_28"].tolist()[0] == np.mean(np.arange(6, 34))
    assert "temp_planned" not in found
    assert panel.notes == ()


@QUIET
@given(data=st.data())
def test_a_past_only_regressor_after_the_origin_changes_nothing(engine, tmp_path_factory, data):
    sales = make_sales(periods=110).assign(temp=1.0)
    sales["temp"] = np.arange(len(sales), dtype=np.float64)
    after = pd.to_datetime(sales["date"]) > pd.Timestamp(ORIGIN)
    changed = sales.copy()
    changed.loc[after, "temp"] = data.draw(st.floats(-50, 50))
    folder = tmp_path_factory.mktemp("temp")
    check_same(panel_of(engine, folder / "a", sales), panel_of(engine, folder / "b", changed))


def test_a_regressor_that_a_region_shares_holds_for_periods_without_a_row(engine, tmp_path):
    full = one_series([1.0] * 20, holiday=[0.0, 1.0] * 10)
    gaps = one_series([2.0] * 20, holiday=[0.0, 1.0] * 10).assign(product_id="q")
    sales = pd.concat([full, gaps.drop(index=[3, 5])])
    panel = panel_of(engine, tmp_path, sales, origin=None, horizon_days=7, known_ahead=("holiday",))
    assert panel.known[:20, 0].tolist() == [0.0, 1.0] * 10
    assert panel.known[27:47, 0].tolist() == [0.0, 1.0] * 10


def test_a_regressor_that_differs_within_a_region_does_not(engine, tmp_path):
    full = one_series([1.0] * 20, rival_price=9.0)
    gaps = one_series([2.0] * 20, rival_price=3.0).assign(product_id="q")
    sales = pd.concat([full, gaps.drop(index=3)])
    panel = panel_of(
        engine, tmp_path, sales, origin=None, horizon_days=7, known_ahead=("rival_price",)
    )
    assert set(panel.known[27:47, 0]) == {3.0}


def test_unknown_planned_columns_name_the_regressors_too(engine, tmp_path):
    with pytest.raises(UnknownName, match=r"known-ahead column 'holidy' .* nearest: 'holiday'"):
        panel_of(engine, tmp_path, make_sales().assign(holiday=1.0), known_ahead=("holidy",))


def test_any_name_can_be_a_regressor_even_a_word_of_sql(engine, tmp_path):
    sales = make_sales(periods=60).assign(order=1.0, select=2.0)
    panel = panel_of(engine, tmp_path, sales, origin=None, known_ahead=("order",))
    assert "order_planned" in panel.known_names
    assert {"select_lag_0", "select_mean_28"} <= set(panel.history_names)


def test_a_dated_plan_is_read_only_from_the_day_it_was_known(engine, tmp_path):
    sales = one_series([5.0] * 47, price=2.0, is_promoted=False, known_since=None)
    sales.loc[36:, "price"] = 1.0  # from 6 February, decided on the 4th
    sales.loc[36:, "known_since"] = date(2024, 2, 4)
    sales.loc[40, "is_promoted"] = True
    panel = panel_of(
        engine, tmp_path, sales, origin=None, known_ahead=("price", "is_promoted"), horizon_days=7
    )
    design = build_training_design(panel, panel.origin_period, Bucket(1, 7))
    found = design.features.assign(day=design.periods - panel.first_period).set_index("day")
    # Seen from a week before, the 10th (day 40) was not known: day 40 − 7 = 33 is 3 February.
    assert found["price_planned"].loc[[35, 36, 40, 41, 46]].tolist() == [2, 2, 2, 1, 1]
    assert found["is_promoted_planned"].loc[40] == 0.0
    for origin, price, promoted in ((33, 2.0, 0.0), (34, 1.0, 1.0)):
        ahead = build_forecast_design(panel, panel.first_period + origin, Bucket(1, 7), 7)
        assert ahead.features["price_planned"].tolist()[-1] == price
        day = np.flatnonzero(ahead.periods == panel.first_period + 40)[0]
        assert ahead.features["is_promoted_planned"][day] == promoted


@QUIET
@given(data=st.data())
def test_a_plan_known_after_the_origin_changes_nothing(engine, tmp_path_factory, data):
    sales = make_sales(periods=140).assign(known_since=None, is_promoted=False)
    days = pd.to_datetime(sales["date"])
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    late = (days > pd.Timestamp(ORIGIN)) & (rng.random(len(sales)) < data.draw(st.floats(0.1, 1)))
    since = pd.Series(rng.integers(1, 41, len(sales)))
    dates = (pd.Timestamp(ORIGIN) + pd.to_timedelta(since, unit="D")).dt.date
    sales["known_since"] = dates.where(late, None)
    plain = sales.copy()
    columns = ["price", "base_price", "is_promoted"]
    plain[columns] = plain[columns].astype(object)
    plain.loc[late, columns] = None
    plain["price"] = plain["price"].astype(float)
    plain["base_price"] = plain["base_price"].astype(float)
    plain["is_promoted"] = plain["is_promoted"].astype("boolean")
    folder = tmp_path_factory.mktemp("since")
    known = {"known_ahead": ("price", "base_price", "is_promoted")}
    dated = panel_of(engine, folder / "a", sales, **known)
    check_same(dated, panel_of(engine, folder / "b", plain, **known))
    # And a backtest's panel, which was built later, sees no more from this origin.
    check_same(dated, panel_of(engine, folder / "c", sales, origin=None, **known))


def test_a_column_of_empty_dates_is_no_dated_plan(engine, tmp_path):
    sales = one_series([5.0] * 30, holiday=1.0, known_since=None).drop(index=3)
    shared = one_series([5.0] * 30, holiday=1.0, known_since=None).assign(product_id="q")
    panel = panel_of(
        engine, tmp_path, pd.concat([sales, shared]), origin=None, known_ahead=("holiday",)
    )
    assert panel.plan is None
    assert panel.known[3].tolist() == [1.0]


def test_a_promotion_by_hand(engine, tmp_path):
    sales = one_series([5.0] * 40)  # up to 9 February
    promotions = make_promotions(("2024-02-11", "2024-02-13", 0.3, None))
    panel = panel_of(engine, tmp_path, sales, promotions=promotions, origin=None, horizon_days=7)
    found = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7).features
    assert found["promotion_is_on"].tolist() == [0, 1, 1, 0, 0, 0, 0]
    assert found["promotion_depth"].tolist()[:4] == pytest.approx([0, 0.3, 0.3, 0])
    nan = np.nan
    np.testing.assert_equal(found["promotion_days_since_start"].tolist()[:4], [nan, 0, 1, nan])
    np.testing.assert_equal(found["promotion_days_to_end"].tolist()[:4], [nan, 1, 0, nan])
    np.testing.assert_equal(found["promotion_days_to_next"].tolist()[:4], [1, nan, nan, nan])
    train = build_training_design(panel, panel.origin_period, Bucket(1, 7))
    # The first of four weeks before: 14 January, four weeks before the 11th of February.
    days = train.features["promotion_days_to_next"]
    assert train.periods[days.notna()].min() - panel.first_period == 13
    assert days.max() == 28


def test_promotions_hold_for_nodes_of_any_level(engine, tmp_path):
    sales = make_sales(regions=3, products=2, periods=60)
    regions = pd.DataFrame(
        {
            "region_id": ["r0", "r1", "r2", "north"],
            "parent_id": ["north", "north", "all", "all"],
            "level": ["store", "store", "store", "area"],
        }
    )
    promotions = make_promotions(
        ("2024-02-20", "2024-03-10", 0.1, None),
        ("2024-02-20", "2024-03-10", 0.4, None),
        regions=["north", "r2"],
        products=["", "p1; p0"],
    )
    promotions.loc[1, "products"] = "p1"
    panel = panel_of(
        engine, tmp_path, sales, promotions=promotions, origin=None, tables={"regions": regions}
    )
    design = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 1)
    depth = design.features.groupby(["region", "product"], observed=True)["promotion_depth"].max()
    assert depth.round(6).to_dict() == pytest.approx(
        {
            ("r0", "p0"): 0.1, ("r0", "p1"): 0.1, ("r1", "p0"): 0.1, ("r1", "p1"): 0.1,
            ("r2", "p0"): 0.0, ("r2", "p1"): 0.4,
        }
    )  # fmt: skip


def test_a_promotion_for_a_region_that_is_none_is_named(engine, tmp_path):
    promotions = make_promotions(("2024-02-20", "2024-03-10", 0.1, None), regions="r9")
    with pytest.raises(UnknownName, match="region of promotion 'promo 0' 'r9' is not known; near"):
        panel_of(engine, tmp_path, make_sales(), promotions=promotions)


def test_promotions_start_at_local_midnight(engine, tmp_path):
    promotions = make_promotions(("2024-01-10T05:00", "2024-01-11T05:00", 0.5, None))
    found = {}
    for zone in ("America/New_York", "UTC"):
        panel = panel_of(
            engine, tmp_path / zone.replace("/", "-"), one_series([5.0] * 40), origin=None,
            promotions=promotions, time_zone=zone,
        )  # fmt: skip
        design = build_training_design(panel, panel.origin_period, Bucket(1, 1))
        on = design.periods[design.features["promotion_is_on"] > 0]
        found[zone] = (on - panel.first_period + 1).tolist()
    assert found == {"America/New_York": [10], "UTC": [10, 11]}


def test_weeks_and_months_count_the_days_that_a_promotion_covers(engine, tmp_path):
    promotions = make_promotions(("2024-03-28", "2024-04-02", 0.5, None))
    weekly = make_sales(regions=1, products=1, periods=30, freq="W-WED")
    panel = panel_of(
        engine, tmp_path / "week", weekly, origin=None, frequency=WEEK, promotions=promotions
    )
    design = build_training_design(panel, panel.origin_period, Bucket(1, 2))
    found = design.features.set_index(panel.date_of(design.periods).astype(str))
    # 27 March to 2 April holds five of its days; as weeks dated by their end, 28 March to 3 April.
    assert found["promotion_is_on"].loc["2024-03-27"] == pytest.approx(5 / 7)
    assert found["promotion_is_on_until_7d"].loc["2024-04-03"] == pytest.approx(5 / 7)
    assert found["promotion_is_on_until_7d"].loc["2024-03-27"] == 0
    monthly = make_sales(regions=1, products=1, periods=20, freq="MS", start=date(2023, 1, 1))
    panel = panel_of(
        engine, tmp_path / "month", monthly, origin=None, frequency=MONTH, promotions=promotions
    )
    design = build_training_design(panel, panel.origin_period, Bucket(1, 1))
    found = design.features.set_index(panel.date_of(design.periods).astype(str))
    assert found["promotion_is_on"].loc["2024-03-01"] == pytest.approx(4 / 31)
    assert found["promotion_is_on"].loc["2024-04-01"] == pytest.approx(1 / 30)


@QUIET
@given(data=st.data())
def test_a_promotion_known_after_the_origin_changes_nothing(engine, tmp_path_factory, data):
    sales = make_sales(periods=140)
    day = st.integers(-60, 40)
    rows = [("2024-01-20", "2024-01-25", 0.2, None)]
    late = []
    for _ in range(data.draw(st.integers(1, 4))):
        first, length = data.draw(day), data.draw(st.integers(1, 20))
        start = pd.Timestamp(ORIGIN) + pd.Timedelta(days=first)
        since = pd.Timestamp(ORIGIN) + pd.Timedelta(days=data.draw(st.integers(1, 30)))
        late.append((str(start), str(start + pd.Timedelta(days=length)), 0.5, str(since)))
    folder = tmp_path_factory.mktemp("promotions")
    before = panel_of(engine, folder / "a", sales, promotions=make_promotions(*rows))
    after = make_promotions(*rows, *late)
    check_same(before, panel_of(engine, folder / "b", sales, promotions=after))
    check_same(before, panel_of(engine, folder / "c", sales, promotions=after, origin=None))


def test_training_rows_see_promotions_as_old_as_forecasts_do(engine, tmp_path):
    sales = one_series([5.0] * 60)
    promotions = make_promotions(("2024-02-01", "2024-02-11", 0.5, "2024-01-28"))
    panel = panel_of(engine, tmp_path, sales, promotions=promotions, origin=None)
    design = build_training_design(panel, panel.origin_period, Bucket(1, 7))
    on = design.periods[design.features["promotion_is_on"] > 0] - panel.first_period + 1
    # Known on the 28th day; a week later it may be seen: the 35th, 4 February.
    assert on.tolist() == list(range(35, 42))
    loop = [
        build_plan_columns(
            panel, np.array([0]), np.array([period]), np.array([panel.first_period + 27])
        )["promotion_is_on"][0]
        for period in range(panel.first_period, panel.first_period + 60)
    ]
    assert loop == [1.0 if 32 <= day <= 41 else 0.0 for day in range(1, 61)]


def test_known_from_takes_the_first_period_that_is_over_by_then():
    days = np.array(["2024-01-03", "2024-01-04", "NaT"], "datetime64[D]")
    wednesday = known_from(np.array(["2024-01-03"], "datetime64[D]"), WEEK, 2)[0]
    assert known_from(days, WEEK, 2).tolist()[:2] == [wednesday, wednesday + 1]
    assert known_from(days, DAY)[2] == np.iinfo(np.int32).min
    assert known_from(days, MONTH).tolist()[:2] == [648, 648]


def test_ids_are_parted_by_comma_semicolon_or_bar():
    assert split_ids("a, b|c d;'e'") == ["a", "b", "c d", "e"]
    assert split_ids(float("nan")) == []
