import numpy as np
import pytest

from models.classical.theta import forecast_theta


def smooth(values, alpha, level):
    for value in values:
        level += alpha * (value - level)
    return level


def find_simple(values):
    """Alpha and first level with the smallest squares, by a fine grid and exact regression."""
    best = (np.inf, 0.0, 0.0)
    for alpha in np.linspace(0.0001, 0.9999, 4001):
        # errors are linear in the first level: e_t = a_t - (1 - alpha)^t level
        errors, weight, level = [], [], 0.0
        for t, value in enumerate(values):
            errors.append(value - level)
            weight.append((1 - alpha) ** t)
            level += alpha * (value - level)
        errors, weight = np.array(errors), np.array(weight)
        first = errors @ weight / (weight @ weight)
        squares = ((errors - weight * first) ** 2).sum()
        if squares < best[0]:
            best = (squares, alpha, first)
    return best


def test_equals_smoothing_with_half_the_drift():
    values = 50 + 0.8 * np.arange(30) + np.cumsum(np.random.default_rng(2).normal(0, 2, 30))
    slope = np.polyfit(np.arange(30), values, 1)[0]
    _, alpha, first = find_simple(values)
    level = smooth(values, alpha, first)
    lag = 1 / alpha - (1 - alpha) ** 30 / alpha
    expected = [level + slope / 2 * (h - 1 + lag) for h in range(1, 6)]
    made = forecast_theta(values[None], season=1, horizon=5)
    np.testing.assert_allclose(made[0], expected, rtol=1e-3)


def test_a_straight_line_goes_on_with_half_its_slope():
    values = 10.0 + 4.0 * np.arange(40)
    made = forecast_theta(values[None], season=1, horizon=4)
    np.testing.assert_allclose(np.diff(made[0]), 2.0, rtol=1e-6)


@pytest.mark.parametrize("shift", [0.0, -100.0])
def test_a_season_goes_on(shift):
    pattern = np.tile([80.0, 120.0, 110.0, 90.0], 8) + shift
    made = forecast_theta(pattern[None, :27], season=4, horizon=5)
    np.testing.assert_allclose(made[0], pattern[27:], atol=1e-6)


def test_scale_order_and_padding_do_not_matter():
    rng = np.random.default_rng(5)
    values = 100 + np.cumsum(rng.normal(0, 2, (6, 48)), axis=1) + np.tile([9, -9, 4, -4], 12)
    made = forecast_theta(values, season=4, horizon=6)
    np.testing.assert_allclose(forecast_theta(values * 8, season=4, horizon=6), made * 8)
    np.testing.assert_allclose(forecast_theta(values[::-1], season=4, horizon=6), made[::-1])
    padded = np.hstack([np.full((6, 7), np.nan), values])
    padded[0, :7] = 100.0
    late = forecast_theta(padded, season=4, horizon=6)
    np.testing.assert_allclose(late[1:], made[1:], rtol=1e-9)


def test_short_and_empty_series_have_their_mean():
    values = np.full((5, 20), np.nan)
    values[0] = 0.0
    values[1, -1] = 5.0
    values[2, -2:] = [4.0, 8.0]
    values[3, -4:] = [1.0, 2.0, 3.0, 5.0]
    made = forecast_theta(values, season=12, horizon=3)
    np.testing.assert_allclose(made[[0, 1, 2, 4], 0], [0.0, 5.0, 6.0, 0.0])
    assert np.isfinite(made).all()


def test_missing_periods_are_bridged():
    values = 10.0 + np.zeros((1, 30))
    values[0, [3, 29]] = np.nan
    np.testing.assert_allclose(forecast_theta(values, season=4, horizon=2), 10.0, rtol=1e-6)
