from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.demand.quantiles import QUANTILE_NAMES
from training.demand.scores import (
    SCORES,
    score_bias,
    score_coverage,
    score_forecasts,
    score_mase,
    score_pinball,
    score_rmsse,
    score_wape,
)

ACTUAL = np.array([10.0, 0.0, 30.0])
FORECAST = np.array([8.0, 3.0, 30.0])


def test_scores_by_hand():
    assert score_wape(ACTUAL, FORECAST) == 5 / 40
    assert score_bias(ACTUAL, FORECAST) == 1 / 40
    assert score_mase(ACTUAL, FORECAST, np.array([2.0, 1.0, 1.0])) == (1 + 3 + 0) / 3
    # Series 0: errors -2 and 3 steps; series 1: none.
    step, series = np.ones(3), np.array([0, 0, 1])
    assert score_rmsse(ACTUAL, FORECAST, step, series) == pytest.approx((6.5**0.5 + 0) / 2)
    assert score_coverage(ACTUAL, FORECAST, FORECAST + 2) == 2 / 3


def test_pinball_of_the_median_is_the_wape():
    median = score_pinball(ACTUAL, FORECAST[:, None], levels=(0.5,))
    assert median == score_wape(ACTUAL, FORECAST)


def test_pinball_by_a_plain_loop():
    rng = np.random.default_rng(0)
    actual, quantiles = rng.poisson(5, 20).astype(float), np.sort(rng.uniform(0, 9, (20, 3)))
    levels = (0.1, 0.5, 0.9)
    total = 0.0
    for row in range(20):
        for place, level in enumerate(levels):
            error = actual[row] - quantiles[row, place]
            total += 2 * (level * error if error >= 0 else (level - 1) * error)
    expected = total / 3 / actual.sum()
    assert score_pinball(actual, quantiles, levels) == pytest.approx(expected)


def test_series_without_a_scale_are_left_out():
    scale = np.array([2.0, 0.0, np.nan])
    assert score_mase(ACTUAL, FORECAST, scale) == 1.0
    assert score_rmsse(ACTUAL, FORECAST, scale, np.array([0, 1, 2])) == 1.0


def test_nothing_sold_has_no_relative_error():
    nothing = np.zeros(2)
    assert np.isnan(score_wape(nothing, np.ones(2)))
    assert np.isnan(score_bias(nothing, np.ones(2)))
    assert np.isnan(score_mase(nothing, np.ones(2), np.zeros(2)))


def forecasts() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        [
            (origin, model, level, bucket, region, step)
            for origin in (1, 2)
            for model in ("a", "b")
            for level in ("store/all", "all/all")
            for region in ("r0", "r1")
            for step, bucket in ((1, "1-7"), (2, "1-7"), (8, "8-14"))
        ],
        columns=["origin", "model", "level", "bucket", "region", "step"],
    )
    rows = rows.assign(product="all", units=rng.poisson(9, len(rows)).astype(float))
    quantiles = np.sort(rng.uniform(0, 20, (len(rows), 9)), axis=1)
    rows[list(QUANTILE_NAMES)] = quantiles
    scales = rows["region"].map({"r0": 2.0, "r1": 5.0})
    return rows.assign(mean=quantiles[:, 4], season_error=scales, step_error=scales + 1)


def test_the_table_equals_the_single_scores():
    rows = forecasts()
    rows.loc[3, "units"] = np.nan
    before = rows.copy()
    table = score_forecasts(rows).set_index(["model", "level", "bucket"])
    pd.testing.assert_frame_equal(rows, before)
    assert len(table) == 2 * 2 * 3
    known = rows[rows["units"].notna()]
    for (model, level, bucket), found in table.iterrows():
        part = known[(known["model"] == model) & (known["level"] == level)]
        part = part if bucket == "all" else part[part["bucket"] == bucket]
        actual, mean = part["units"].to_numpy(), part["mean"].to_numpy()
        series = part["region"].map({"r0": 0, "r1": 1}).to_numpy()
        expected = {
            "wape": score_wape(actual, mean),
            "bias": score_bias(actual, mean),
            "mase": score_mase(actual, mean, part["season_error"].to_numpy()),
            "rmsse": score_rmsse(actual, mean, part["step_error"].to_numpy(), series),
            "pinball": score_pinball(actual, part[list(QUANTILE_NAMES)].to_numpy()),
            "coverage_80": score_coverage(actual, part["q10"].to_numpy(), part["q90"].to_numpy()),
            "coverage_95": score_coverage(actual, part["q025"].to_numpy(), part["q975"].to_numpy()),
        }
        for name in SCORES:
            assert found[name] == pytest.approx(expected[name]), (model, level, bucket, name)
        assert found["n_rows"] == len(part)


def test_origins_can_be_kept_apart():
    table = score_forecasts(forecasts(), by_origin=True)
    assert table.columns[0] == "origin"
    assert sorted(table["origin"].unique()) == [1, 2]
    assert len(table) == 2 * 2 * 2 * 3
