import math

import numpy as np
import pytest

from models.classical.ets_forms import (
    ALPHA,
    BETA,
    FORMS,
    GAMMA,
    LEVEL,
    PHI,
    SEASON,
    SLOPE,
    EtsForm,
    run_recursion,
    scale_errors,
)

NAMES = [form.name for form in FORMS]


def make_theta(alpha, beta, gamma, phi, level, slope, seasonal):
    """One lane, from the plain parameters."""
    theta = np.zeros((SEASON + len(seasonal), 1, 1))
    theta[ALPHA], theta[PHI], theta[LEVEL], theta[SLOPE] = alpha, phi, level, slope
    theta[BETA] = beta / alpha
    theta[GAMMA] = gamma / (1 - alpha)
    theta[SEASON:, 0, 0] = seasonal
    return theta


def run_by_loop(values, form, alpha, beta, gamma, phi, level, slope, seasonal):
    """Hyndman et al. (2008), tables 2.2 and 2.3: each error in its own equations."""
    season = list(seasonal)
    phi = phi if form.trend == "Ad" else 1.0
    slope = slope if form.trend != "N" else 0.0
    beta = beta if form.trend != "N" else 0.0
    fitted = []
    for t, actual in enumerate(values):
        place = t % len(season)
        base = level + phi * slope
        s = season[place]
        mean = {"N": base, "A": base + s, "M": base * s}[form.season]
        fitted.append(mean)
        error = 0.0 if math.isnan(actual) else actual - mean
        if form.error == "M":
            error /= mean
            size = base + s if form.season == "A" else base
            level = base + alpha * size * error
            slope = phi * slope + beta * size * error
            season[place] = s + gamma * error * (size if form.season == "A" else s)
        else:
            level, slope = base + alpha * error, phi * slope + beta * error
            season[place] = s + gamma * error
        if form.season == "N":
            season[place] = s
    return fitted, level, slope, season


def test_simple_smoothing_by_hand():
    theta = make_theta(0.5, 0.0, 0.0, 1.0, 10.0, 0.0, [0.0])
    run = run_recursion(np.array([[12.0], [9.0], [14.0]]), theta, EtsForm("A", "N", "N"), 1)
    assert run.fitted[:, 0, 0].tolist() == [10.0, 11.0, 10.0]
    assert run.level[0, 0] == 12.0


def test_holt_winters_additive_by_hand():
    # t=0: base 11, forecast 13, error +2: level 12, slope 1.2, place 2.5
    # t=1: base 13.2, forecast 11.2, error -1: level 12.7, slope 1.1, place -2.25
    theta = make_theta(0.5, 0.1, 0.25, 1.0, 10.0, 1.0, [2.0, -2.0])
    run = run_recursion(np.array([[15.0], [10.2]]), theta, EtsForm("A", "A", "A"), 2)
    np.testing.assert_allclose(run.fitted[:, 0, 0], [13.0, 11.2])
    np.testing.assert_allclose([run.level[0, 0], run.slope[0, 0]], [12.7, 1.1])
    np.testing.assert_allclose(run.seasonal[:, 0, 0], [2.5, -2.25])


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_batched_recursion_equals_a_plain_loop(form):
    rng = np.random.default_rng(3)
    values = rng.uniform(50, 150, (30, 3))
    values[12, 1] = np.nan
    lanes = [
        (0.3, 0.1, 0.2, 0.9, 100.0, 1.0, [1.1, 0.9, 1.2, 0.8]),
        (0.9, 0.5, 0.05, 0.8, 80.0, -1.0, [0.7, 1.3, 1.1, 0.9]),
    ]
    theta = np.concatenate([make_theta(*lane) for lane in lanes], axis=1).repeat(3, axis=2)
    run = run_recursion(values, theta, form, 4)
    for k, lane in enumerate(lanes):
        for i in range(3):
            fitted, level, slope, season = run_by_loop(values[:, i], form, *lane)
            np.testing.assert_allclose(run.fitted[:, k, i], fitted, rtol=1e-10)
            np.testing.assert_allclose(run.level[k, i], level, rtol=1e-10)
            np.testing.assert_allclose(run.seasonal[:, k, i], season, rtol=1e-10)
            if form.trend != "N":
                np.testing.assert_allclose(run.slope[k, i], slope, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_states_wait_for_a_series_to_start(form):
    values = np.random.default_rng(5).uniform(50, 150, (16, 1))
    padded = np.vstack([np.full((4, 1), np.nan), values])
    both = np.hstack([padded, np.full((20, 1), 100.0)])
    theta = make_theta(0.3, 0.1, 0.2, 0.9, 100.0, 2.0, [1.1, 0.9, 1.2, 0.8])
    alone = run_recursion(values, theta, form, 4)
    later = run_recursion(both, theta.repeat(2, axis=2), form, 4)
    np.testing.assert_array_equal(later.fitted[4:, 0, 0], alone.fitted[:, 0, 0])
    assert later.level[0, 0] == alone.level[0, 0]
    np.testing.assert_array_equal(later.seasonal[:, 0, 0], alone.seasonal[:, 0, 0])


def test_scaled_errors_give_the_likelihood_of_a_multiplicative_error():
    actual = np.array([[12.0], [9.0], [np.nan], [14.0]])
    fitted = np.array([10.0, 11.0, 7.0, 10.0])[:, None, None]
    scaled = scale_errors(actual, fitted, EtsForm("M", "N", "N"))
    relative = [0.2, -2 / 11, 0.4]
    expected = 3 * math.log(sum(e * e for e in relative)) + 2 * math.log(10 * 11 * 10)
    assert 3 * math.log((scaled**2).sum()) == pytest.approx(expected)
    assert scaled[2, 0, 0] == 0.0


def test_a_lane_that_multiplies_is_impossible_below_zero():
    fitted = np.array([[1.0, 1.0], [1.0, -1.0]])[:, :, None]
    scaled = scale_errors(np.ones((2, 1)), fitted, EtsForm("M", "N", "N"))
    assert np.isfinite(scaled[:, 0]).all()
    assert np.isnan(scaled[:, 1]).all()


@pytest.mark.parametrize(
    ("name", "count"), [("ANN", 3), ("AAN", 5), ("AAdN", 6), ("MNA", 7), ("MAdM", 10)]
)
def test_parameters_are_counted_as_in_the_forecast_package(name, count):
    # R: length(par) + 1 for the variance; quarterly data, three free seasonal states
    form = FORMS[NAMES.index(name)]
    assert form.count_parameters(4) == count
