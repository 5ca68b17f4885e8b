from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from models.demand.marginals import (
    KNOTS,
    PROBABILITIES,
    Marginals,
    Rows,
    Trial,
    build_candidates,
    find_deviation,
    fit_marginals,
    fit_pools,
    name_bins,
    read_quantiles,
    transform,
)
from models.demand.quantiles import NODES, QUANTILES, find_interval


def make_rows(mean: np.ndarray, *, width: float = 1.0, spread: float = 0.3) -> Rows:
    """Normal LightGBM quantiles around the mean, `width` times as wide as the truth."""
    nodes = mean[:, None] * (1 + width * spread * stats.norm.ppf(NODES))
    return Rows(mean, mean, np.maximum(nodes, 0.0), spread * mean, np.full(len(mean), "1-7"))


def draw(mean: np.ndarray, seed: int, spread: float = 0.3) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(mean))
    return np.maximum(mean * (1 + spread * noise), 0.0)


def three_sizes(n_rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([5.0, 50.0, 500.0], n_rows) * rng.uniform(0.8, 1.2, n_rows)


def try_out(rows: Rows, units: np.ndarray, pools) -> Trial:
    return Trial(build_candidates(rows, pools), rows, units, np.zeros(len(units), np.int64))


def test_before_anything_is_known_lightgbms_quantiles_stand():
    rows = make_rows(np.array([100.0]))
    none = rows.take(np.zeros(1, bool))
    made = fit_marginals(none, np.empty(0), [], 1.0, seed=0)
    np.testing.assert_allclose(
        read_quantiles(made.predict(rows))[0], 100 + 30 * stats.norm.ppf(QUANTILES), rtol=2e-3
    )
    assert made.predict(none).shape == (0, len(KNOTS))


def test_no_rows_have_no_distribution_once_pools_are_learned():
    mean = three_sizes(600, 1)
    rows = make_rows(mean)
    made = fit_marginals(rows, draw(mean, 2), [], 0.0, seed=0)
    assert made.predict(rows.take(np.zeros(600, bool))).shape == (0, len(KNOTS))


@settings(max_examples=40, deadline=None)
@given(
    arrays(float, 6, elements=st.floats(0.5, 1e4)),
    arrays(float, (6, 5), elements=st.floats(0, 1e4)),
)
def test_distributions_ascend_are_not_negative_and_zero_stays_zero(mean, nodes):
    past = three_sizes(400, 3)
    pools = fit_pools(make_rows(past), draw(past, 4))
    mean = np.append(mean, 0.0)
    nodes = np.vstack([nodes, np.zeros(5)])
    rows = Rows(mean, mean, nodes, np.full(7, 2.0), np.full(7, "1-7"))
    for weights in ([1.0, 0, 0], [0, 1.0, 0], [0.25, 0.5, 0.25]):
        found = Marginals(pools, np.array(weights), {}, 0.0).predict(rows)
        assert (found >= 0).all()
        assert (np.diff(found, axis=1) >= -1e-9 * np.maximum(found[:, 1:], 1.0)).all()
        assert (found[6] == 0).all()


@pytest.mark.parametrize("place", range(3))
def test_the_mean_is_kept_by_every_candidate(place):
    past = three_sizes(2000, 3)
    # Skewed outcomes whose pooled ratios do not average to one by themselves.
    units = past * np.random.default_rng(5).gamma(2.0, 0.6, len(past))
    pools = fit_pools(make_rows(past), units)
    mean = np.array([3.0, 60.0, 700.0])
    found = Marginals(pools, np.eye(3)[place], {}, 0.0).predict(make_rows(mean))
    # An oracle that knows nothing of the knots' weights: many draws of the interpolated quantiles.
    scores = np.random.default_rng(6).normal(size=200_000)
    for row, values in enumerate(found):
        drawn = np.interp(np.clip(scores, KNOTS[0], KNOTS[-1]), KNOTS, values)
        assert drawn.mean() == pytest.approx(mean[row], rel=0.01)


def test_what_is_below_half_the_smallest_sale_is_zero():
    mean = np.full(300, 2.0)
    made = fit_marginals(make_rows(mean, spread=0.6), draw(mean, 1, 0.6), [], 1.0, seed=0)
    found = made.predict(make_rows(mean[:1], spread=0.6))
    assert not ((found > 0) & (found < 0.5)).any()
    assert (found == 0).any()


def test_the_transform_of_a_calibrated_forecast_is_uniform():
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.3, 8.0, 20_000)
    values = stats.poisson.ppf(PROBABILITIES, rates[:, None])
    scores = transform(values, rng.poisson(rates).astype(float), rng)
    # Poisson steps between knots are interpolated, so the fit is close, not exact.
    counts, _ = np.histogram(scores, bins=10, range=(0, 1))
    np.testing.assert_allclose(counts / len(scores), 0.1, atol=0.02)
    assert ((scores >= 0) & (scores <= 1)).all()
    smooth = 50 + 9 * KNOTS
    normal = transform(np.tile(smooth, (20_000, 1)), rng.normal(50, 9, 20_000), rng)
    assert stats.kstest(normal, "uniform").statistic < 0.015


def test_zeros_spread_over_the_probability_they_have():
    values = np.where(KNOTS < 0, 0.0, 1.0 + KNOTS)[None].repeat(4000, axis=0)
    scores = transform(values, np.zeros(4000), np.random.default_rng(1))
    assert scores.min() < 0.01
    assert scores.max() == pytest.approx(0.45, abs=0.06)
    assert scores.mean() == pytest.approx(scores.max() / 2, abs=0.01)


@pytest.mark.parametrize("width", [0.65, 1.0, 2.5])
def test_coverage_is_brought_to_what_it_says_in_every_volume_class(width):
    past, late, new = (three_sizes(6000, seed) for seed in (1, 2, 3))
    rows, tried = make_rows(past, width=width), make_rows(late, width=width)
    units = draw(late, 12)
    trial = Trial(
        np.stack([build_candidates(tried, None)[0]] * 3), tried, units, np.zeros(6000, int)
    )
    made = fit_marginals(rows, draw(past, 11), [trial], 0.0, seed=0)
    assert made.weights.tolist() == [1.0, 0.0, 0.0]
    wanted = make_rows(new, width=width)
    quantiles = read_quantiles(made.predict(wanted))
    actual = draw(new, 13)
    for size in (5.0, 50.0, 500.0):
        member = np.abs(new / size - 1) < 0.3
        for coverage in (0.8, 0.95):
            low, high = find_interval(quantiles[member], coverage)
            inside = (low <= actual[member]) & (actual[member] <= high)
            assert inside.mean() == pytest.approx(coverage, abs=0.03)


def test_past_errors_take_over_where_lightgbm_is_hopelessly_sure():
    past, late, new = (three_sizes(6000, seed) for seed in (1, 2, 3))
    rows, tried = make_rows(past, width=0.1), make_rows(late, width=0.1)
    trial = try_out(tried, draw(late, 12), fit_pools(rows, draw(past, 11)))
    made = fit_marginals(rows, draw(past, 11), [trial], 0.0, seed=0)
    assert made.weights[0] == 0.0
    quantiles, actual = read_quantiles(made.predict(make_rows(new, width=0.1))), draw(new, 13)
    for coverage, low, high in ((0.8, 2, 6), (0.95, 0, 8)):
        inside = (quantiles[:, low] <= actual) & (actual <= quantiles[:, high])
        assert inside.mean() == pytest.approx(coverage, abs=0.02)


def test_classes_that_are_wrong_in_different_ways_are_corrected_apart():
    past, late, new = (three_sizes(6000, seed) for seed in (4, 5, 6))

    def lopsided(mean):
        """Too narrow where little is sold, far too wide where much is."""
        width = np.where(mean < 20, 0.65, np.where(mean < 200, 1.0, 2.5))
        nodes = np.maximum(mean[:, None] * (1 + 0.3 * width[:, None] * stats.norm.ppf(NODES)), 0)
        return Rows(mean, mean, nodes, 0.3 * mean, np.full(len(mean), "1-7"))

    tried = lopsided(late)
    trial = Trial(build_candidates(tried, None), tried, draw(late, 7), np.zeros(6000, int))
    made = fit_marginals(lopsided(past), draw(past, 8), [trial], 0.0, seed=0)
    quantiles, actual = read_quantiles(made.predict(lopsided(new))), draw(new, 9)
    for size in (5.0, 50.0, 500.0):
        member = np.abs(new / size - 1) < 0.3
        inside = (quantiles[member, 2] <= actual[member]) & (actual[member] <= quantiles[member, 6])
        assert inside.mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("best", range(3))
def test_weights_choose_the_candidate_that_was_right(best):
    past, late = three_sizes(3000, 1), three_sizes(3000, 2)
    pools = fit_pools(make_rows(past), draw(past, 3))
    tried = make_rows(late)
    right = build_candidates(tried, pools)[0]
    wrong = late[:, None] + 4 * (right - late[:, None])
    candidates = np.stack([np.maximum(wrong, 0.0)] * 3)
    candidates[best] = right
    trial = Trial(candidates, tried, draw(late, 4), np.zeros(3000, int))
    made = fit_marginals(make_rows(past), draw(past, 3), [trial], 0.0, seed=0)
    assert made.weights.tolist() == np.eye(3)[best].tolist()


def test_trials_are_cut_where_their_outcome_is_not_known_yet():
    rows = make_rows(np.array([1.0, 2.0, 3.0]))
    trial = Trial(build_candidates(rows, None), rows, np.array([7.0, 8, 9]), np.array([4, 6, 5]))
    cut = trial.until(5)
    assert cut.units.tolist() == [7.0, 9.0]
    assert cut.rows.mean.tolist() == [1.0, 3.0]
    assert cut.candidates.shape == (3, 2, len(KNOTS))


def test_bins_are_named_by_bucket_and_class():
    rows = make_rows(np.array([0.5, 1.0, 9.0]))
    assert name_bins(rows, (1.0, 5.0)).tolist() == ["1-7|0", "1-7|1", "1-7|2"]


def test_deviation_of_a_normal():
    # Tails beyond three deviations are folded onto the outermost knots.
    assert find_deviation(50 + 10 * KNOTS[None])[0] == pytest.approx(10.0, rel=0.01)
    assert find_deviation(np.full((1, len(KNOTS)), 4.0))[0] == 0.0


@pytest.mark.parametrize("rate", [0.15, 0.5, 1.5, 4.0])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_intervals_hold_what_they_say_on_sales_that_are_often_zero(rate, coverage):
    """As a whole number is inside or outside, never less than they say, by at most one step."""
    rng = np.random.default_rng(3)
    quantiles = np.tile(stats.poisson.ppf(QUANTILES, rate), (1, 1))
    low, high = find_interval(quantiles, coverage)
    units = rng.poisson(rate, 40_000)
    inside = ((low <= units) & (units <= high)).mean()
    largest = stats.poisson.pmf(np.arange(20), rate).max()
    assert coverage - 0.035 <= inside <= coverage + largest + 0.02


def test_intervals_of_a_smooth_distribution_with_zeros_cover_exactly():
    """A quarter of zeros, then an exponential: the interval is [0, the 80 % quantile]."""
    at = np.asarray(QUANTILES)
    quantiles = np.where(at <= 0.25, 0.0, -np.log((1 - at) / 0.75))[None]
    low, high = find_interval(quantiles, 0.8)
    assert low[0] == 0.0
    assert 1 - 0.75 * np.exp(-high[0]) == pytest.approx(0.8, abs=0.01)


def test_a_handful_of_errors_gives_tails_although_it_has_none():
    mean = np.full(12, 50.0)
    rows = make_rows(mean, width=0.05)
    units = mean + np.tile([-5.0, 5.0], 6)
    learned = fit_marginals(rows, units, [try_out(rows, units, None)], 0.0, seed=1)
    quantiles = read_quantiles(learned.predict(rows))[0]
    assert (np.diff(quantiles) > 0).all()
    # Student's t with four degrees of freedom: ±1.53 at 80 %, ±2.78 at 95 %, times an error of 5.
    lower, upper = find_interval(quantiles[None], 0.8)
    assert (upper - lower)[0] == pytest.approx(2 * 1.533 * 5.0, rel=0.03)
    assert learned.weights.tolist() == [0.0, 0.0, 1.0]
