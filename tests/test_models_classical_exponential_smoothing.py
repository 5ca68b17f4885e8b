import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.classical.exponential_smoothing import forecast_ets, weigh_forms


def make_series(n_series=12, n_periods=60, season=4, seed=1):
    rng = np.random.default_rng(seed)
    time = np.arange(n_periods)
    level = 100 + np.cumsum(rng.normal(0, 2, (n_series, n_periods)), axis=1)
    wave = 1 + 0.2 * np.sin(2 * np.pi * time / season)
    return np.maximum(level * wave + rng.normal(0, 3, level.shape), 1.0)


def test_a_constant_series_forecasts_the_constant():
    made = forecast_ets(np.full((2, 40), 7.5), season=12, horizon=15)
    np.testing.assert_allclose(made.mean, 7.5, rtol=1e-6)
    np.testing.assert_allclose(made.sigma, 0.0, atol=1e-6)
    assert made.form.tolist() == ["ANN", "ANN"]


def test_a_straight_line_goes_on():
    line = 3.0 + 2.0 * np.arange(40.0)
    made = forecast_ets(line[None], season=1, horizon=5)
    np.testing.assert_allclose(made.mean[0], 3.0 + 2.0 * np.arange(40, 45), rtol=1e-3)
    assert "A" in made.form[0][1:]


@pytest.mark.parametrize("kind", ["add", "multiply"])
def test_a_pure_season_goes_on(kind):
    time = np.arange(72)
    level = 100.0 + 0.5 * time
    pattern = np.array([1.3, 0.7, 1.1, 0.9])[time % 4]
    series = level * pattern if kind == "multiply" else level + 100 * (pattern - 1)
    made = forecast_ets(series[None, :60], season=4, horizon=12)
    np.testing.assert_allclose(made.mean[0], series[60:], rtol=0.02)
    assert made.form[0][-1] == ("M" if kind == "multiply" else "A")


def test_scaling_the_values_scales_the_forecast():
    series = make_series()
    made = forecast_ets(series, season=4, horizon=6)
    large = forecast_ets(series * 1000, season=4, horizon=6)
    assert made.form.tolist() == large.form.tolist()
    np.testing.assert_allclose(large.mean, made.mean * 1000, rtol=1e-5)
    np.testing.assert_allclose(large.sigma, made.sigma * 1000, rtol=1e-4)


def test_neither_row_order_nor_company_matters():
    series = make_series()
    order = np.random.default_rng(0).permutation(len(series))
    made = forecast_ets(series, season=4, horizon=6)
    moved = forecast_ets(series[order], season=4, horizon=6)
    alone = forecast_ets(series[3:4], season=4, horizon=6)
    np.testing.assert_allclose(moved.mean, made.mean[order], rtol=1e-6)
    np.testing.assert_allclose(alone.mean[0], made.mean[3], rtol=1e-6)


@pytest.mark.parametrize("n_padding", [1, 4, 37])
def test_padding_before_the_start_does_not_matter(n_padding):
    series = make_series()
    made = forecast_ets(series, season=4, horizon=6)
    padded = np.hstack([np.full((len(series), n_padding), np.nan), series])
    padded[0, :n_padding] = series[1, :n_padding]
    late = forecast_ets(padded, season=4, horizon=6)
    assert late.form[1:].tolist() == made.form[1:].tolist()
    np.testing.assert_allclose(late.mean[1:], made.mean[1:], rtol=1e-5)


def test_the_same_seed_gives_the_same_forecast():
    series = make_series()
    first = forecast_ets(series, season=4, horizon=6, seed=3)
    again = forecast_ets(series.copy(), season=4, horizon=6, seed=3)
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.sigma, again.sigma)


def test_a_missing_period_hardly_moves_the_forecast():
    series = make_series()
    holed = series.copy()
    holed[:, 30] = np.nan
    made = forecast_ets(series, season=4, horizon=6)
    other = forecast_ets(holed, season=4, horizon=6)
    assert np.median(np.abs(other.mean / made.mean - 1)) < 0.03


def test_short_and_empty_series_have_their_mean():
    values = np.full((6, 30), np.nan)
    values[0] = 0.0
    values[1, -1] = 5.0
    values[2, -2:] = [4.0, 8.0]
    values[3, -3:] = [1.0, 2.0, 6.0]
    values[4, -4:] = [1.0, 2.0, 3.0, 4.0]
    made = forecast_ets(values, season=12, horizon=3)
    assert made.form.tolist() == ["ANN", "mean", "mean", "mean", made.form[4], "mean"]
    np.testing.assert_allclose(made.mean[[0, 1, 2, 3, 5], 0], [0.0, 5.0, 6.0, 3.0, 0.0])
    np.testing.assert_allclose(made.sigma[[1, 2, 3, 5], 0], [0.0, 8**0.5, 7**0.5, 0.0])
    assert np.isfinite(made.mean).all()
    assert np.isfinite(made.sigma).all()


def test_no_season_before_two_of_them():
    values = make_series(n_periods=23, season=12)
    assert {form[-1] for form in forecast_ets(values, season=12, horizon=2).form} == {"N"}


def test_a_long_season_is_put_back():
    time = np.arange(3 * 52 + 20)
    wave = 1 + 0.4 * np.sin(2 * np.pi * time / 52)
    rng = np.random.default_rng(2)
    series = 200 * wave * rng.normal(1, 0.02, (5, len(time)))
    series[4] -= 250
    made = forecast_ets(series[:, :156], season=52, horizon=20)
    assert all(form.endswith("+season") for form in made.form)
    errors = np.abs(made.mean - series[:, 156:]) / 200
    assert errors.mean() < 0.04


def test_noise_without_a_long_season_gets_none():
    series = np.random.default_rng(4).normal(100, 5, (30, 156))
    forms = forecast_ets(series, season=52, horizon=4).form
    assert sum(form.endswith("+season") for form in forms) < 8


def test_sigma_covers_what_was_simulated_from_the_model():
    # local level with alpha .5, sigma 1: var_h = 1 + (h - 1) / 4
    rng = np.random.default_rng(6)
    shocks = rng.normal(0, 1, (200, 140))
    level = np.hstack([np.zeros((200, 1)), 0.5 * np.cumsum(shocks, axis=1)[:, :-1]])
    series = level + shocks
    made = forecast_ets(series[:, :120], season=1, horizon=20)
    simple = made.form == "ANN"
    assert simple.mean() > 0.6
    theory = np.sqrt(1 + np.arange(20) / 4)
    np.testing.assert_allclose(np.median(made.sigma[simple], axis=0), theory, rtol=0.15)


def test_a_form_that_multiplies_stays_positive():
    series = np.linspace(100, 2, 48)[None] * np.random.default_rng(8).normal(1, 0.02, (6, 48))
    made = forecast_ets(series, season=12, horizon=36)
    multiplies = np.array(["M" in form for form in made.form])
    assert multiplies.any()
    assert (made.mean[multiplies] > 0).all()


def test_wild_positive_series_stay_finite_far_ahead():
    rng = np.random.default_rng(12)
    series = np.exp(rng.normal(0, 3, (12, 40)) + np.linspace(0, 8, 40))
    made = forecast_ets(series, season=4, horizon=600)
    assert np.isfinite(made.mean).all()
    assert np.isfinite(made.sigma).all()


def test_akaike_weights_by_hand():
    # two units of AICc are a factor e; a form 20 units behind counts for nothing
    made = weigh_forms(np.array([[3.0, np.inf], [1.0, np.inf], [21.0, np.inf]]))
    np.testing.assert_allclose(made[:, 0], [1 / (1 + np.e), np.e / (1 + np.e), 0.0])
    assert made[:, 1].tolist() == [1.0, 0.0, 0.0]


@settings(max_examples=25, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 30)),
        elements=st.one_of(st.just(0.0), st.just(np.nan), st.floats(-1e6, 1e9, width=32)),
    ),
    st.sampled_from([1, 4, 26]),
)
def test_forecasts_are_always_finite(values, season):
    before = values.copy()
    made = forecast_ets(values, season=season, horizon=5)
    assert np.isfinite(made.mean).all()
    assert np.isfinite(made.sigma).all()
    assert (made.sigma >= 0).all()
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ("values", "season", "horizon", "message"),
    [
        (np.ones(3), 1, 1, "n_series, n_periods"),
        (np.array([[1.0, np.inf]]), 1, 1, "row 0 is infinite"),
        (np.ones((1, 9)), 0, 1, "season and horizon"),
        (np.ones((1, 9)), 1, 0, "season and horizon"),
    ],
)
def test_bad_input_is_refused(values, season, horizon, message):
    with pytest.raises(ValueError, match=message):
        forecast_ets(values, season=season, horizon=horizon)
