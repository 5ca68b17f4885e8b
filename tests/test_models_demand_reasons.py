from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.region.design import build_forecast_design
from features.region.frequency import DAY, FREQUENCIES, MONTH, WEEK, Bucket
from features.region.steps import StepMatrix
from models.demand.members import LIGHTGBM
from models.demand.reasons import (
    HOLIDAY,
    PARTS,
    PRICE,
    PROMOTION,
    REGRESSORS,
    SEASON,
    TREND,
    explain_series,
    find_base,
    find_group,
    find_regressors,
    log_mean,
    split_block,
)
from models.demand.tree_rows import TreeBlock, build_blocks, predict_trees
from tests.sales_tables import make_sales, write_project
from training.demand.explanations import reason_nodes
from training.demand.steps import load_panel


class Told:
    """A booster whose contributions are stated: intercept last."""

    def __init__(self, contributions: list[float]) -> None:
        self.contributions = np.array([contributions])

    def predict(self, rows: np.ndarray, *, pred_contrib: bool, num_threads: int) -> np.ndarray:
        assert pred_contrib
        assert num_threads == 1
        return np.repeat(self.contributions, len(rows), axis=0)


def test_parts_by_hand():
    # Base 10. The trees say 20 · e^0.1 · e^0.7 · 1 ÷ 2 = 22.2554, whose logarithm over the base
    # is 0.8: 0.1 of it season, 0.7 promotion, and trend what is left, ln 2 − ln 2 = 0.
    features = ("weekday", "is_promoted_planned", "units_lag_0")
    told = Told([0.1, 0.7, 0.0, np.log(0.5)])
    block = TreeBlock(
        LIGHTGBM, "1-7", 0, 1.0, features, np.zeros((1, 1, 3), np.float32), np.array([[20.0]]), told
    )
    parts = split_block(block, [SEASON, PROMOTION, TREND], np.array([10.0]))[0, 0]
    found = dict(zip(PARTS, parts, strict=True))
    # L(22.2554, 10) = 12.2554 ÷ 0.8 = 15.3193.
    assert found["base"] == 10.0
    assert found["season"] == pytest.approx(1.53193, abs=1e-5)
    assert found["promotion"] == pytest.approx(10.72348, abs=1e-5)
    assert found["trend"] == pytest.approx(0.0, abs=1e-9)
    assert parts.sum() == pytest.approx(22.25541, abs=1e-5)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_the_logarithmic_mean_lies_between_and_is_symmetric(a, b):
    one, other = (
        log_mean(np.array([a]), np.array([b]))[0],
        log_mean(np.array([b]), np.array([a]))[0],
    )
    assert one == pytest.approx(other, rel=1e-6)
    assert min(a, b) * (1 - 1e-6) <= one <= max(a, b) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("feature", "group"),
    [
        ("region", TREND), ("periods_since_listing", TREND), ("units_lag_13", TREND),
        ("units_mean_since_listing", TREND), ("units_zero_share_28", TREND),
        ("whole_trend", TREND), ("units_slot_mean_4", SEASON), ("units_slot_mean", SEASON),
        ("units_last_year", SEASON), ("product_slot_ratio", SEASON), ("week_of_year", SEASON),
        ("days_in_quarter", SEASON), ("price_index", PRICE), ("price_median_91", PRICE),
        ("depth_planned", PROMOTION), ("display_mean_28", PROMOTION),
        ("promotion_days_to_next", PROMOTION), ("is_holiday", HOLIDAY),
        ("holidays_until_7d", HOLIDAY), ("price_of_fuel_planned", REGRESSORS),
        ("price_of_fuel_mean_28", REGRESSORS),
    ],
)  # fmt: skip
def test_the_table_of_groups(feature, group):
    assert find_group(feature, ("price_of_fuel",), DAY) == group


def test_the_newest_periods_of_a_week_are_no_season():
    assert find_group("units_slot_mean_4", (), WEEK) == TREND
    assert find_group("units_slot_mean_4", (), MONTH) == SEASON


def test_a_feature_that_nobody_placed_is_refused():
    with pytest.raises(ValueError, match="'moon_phase' has no group"):
        find_group("moon_phase", (), DAY)


@pytest.mark.parametrize(("name", "freq"), [("day", "D"), ("week", "W-MON"), ("month", "MS")])
def test_every_feature_of_the_trees_has_a_group(tmp_path, name, freq):
    sales = make_sales(regions=1, products=1, periods=60, freq=freq)
    sales = sales.assign(is_promoted=True, display=1.0, mailer=0.0, school=1.0, rain=2.0)
    known = '["price", "base_price", "is_promoted", "display", "mailer", "school"]'
    demand = f'frequency = "{name}"\nhorizon_days = 7\nknown_ahead = {known}'
    panel = load_panel(write_project(tmp_path, sales, demand))
    regressors = find_regressors(panel)
    assert regressors == ("school", "rain")
    design = build_forecast_design(panel, panel.origin_period, Bucket(1, 1), 1)
    features = {*design.features, *StepMatrix(panel, panel.origin_period, 0).names}
    groups = {find_group(feature, regressors, FREQUENCIES[name]) for feature in features}
    assert groups == set(PARTS) - {"base", "other_models"}


def test_parts_sum_to_the_published_mean_at_every_node(champion):
    reasons = reason_nodes(champion.panel, champion.model, champion.made)
    keys = ["level", "region_id", "product_id", "date"]
    assert reasons[keys].equals(champion.forecasts[keys])
    total = reasons[list(PARTS)].sum(axis=1)
    np.testing.assert_allclose(total, champion.forecasts["mean"], atol=1e-6)
    whole = reasons[reasons["level"] == "all/all"][list(PARTS)].to_numpy()
    leaves = reasons[reasons["level"] == "region/product"]
    by_date = leaves.groupby("date")[list(PARTS)].sum().to_numpy()
    np.testing.assert_allclose(whole, by_date, atol=1e-6)


def test_the_trees_own_forecast_is_explained_without_rest(champion):
    members = champion.made.members
    blocks = build_blocks(
        champion.panel, champion.model.fitted, champion.made.weights, members.n_steps
    )
    trees = predict_trees(blocks, members.n_steps)
    parts = explain_series(champion.panel, blocks, trees, find_base(champion.panel))
    np.testing.assert_allclose(parts[..., PARTS.index("other_models")], 0.0, atol=1e-6)
    shares = [block.weight for block in blocks if block.bucket == "1-7"]
    direct, recursive = (members.series[name][:, :7] for name in ("lightgbm", "recursive"))
    expected = shares[0] * direct + shares[1] * recursive
    np.testing.assert_allclose(trees[:, :7], expected, rtol=1e-4)


def test_the_base_is_the_mean_of_all_sales(champion):
    sales = [
        champion.panel.units[start : start + champion.panel.origin_period - first + 1].mean()
        for start, first in champion.panel.series[["start_row", "first_period"]].to_numpy()
    ]
    np.testing.assert_allclose(find_base(champion.panel), sales, rtol=1e-5)


def test_asked_for_some_series_the_parts_are_the_same(champion):
    whole = reason_nodes(champion.panel, champion.model, champion.made)
    some = reason_nodes(champion.panel, champion.model, champion.made, np.array([2]))
    key = champion.panel.series.iloc[2]
    rows = (whole["region_id"] == key["region_id"]) & (whole["product_id"] == key["product_id"])
    np.testing.assert_allclose(some[rows][list(PARTS)], whole[rows][list(PARTS)], atol=1e-9)
