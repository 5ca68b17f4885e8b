import numpy as np
import pytest
from scipy.optimize import minimize

from models.classical.ets_forms import (
    BETA,
    FORMS,
    HIGHEST,
    HIGHEST_PHI,
    LEVEL,
    LOWEST,
    LOWEST_PHI,
    PHI,
)
from models.classical.ets_search import compute_aicc, fit_forms
from models.classical.ets_steps import improve_lanes, measure_lanes

NAMES = [form.name for form in FORMS]


def make_values(n_series=4, n_periods=60, seed=3):
    rng = np.random.default_rng(seed)
    level = np.cumsum(rng.normal(0.01, 0.03, (n_periods, n_series)), axis=0) + 1
    wave = 1 + 0.2 * np.sin(np.pi * np.arange(n_periods) / 2)[:, None]
    return level * wave + rng.normal(0, 0.03, level.shape)


@pytest.mark.parametrize("name", ["ANN", "AAN", "AAdN", "MNN", "ANA", "MAM"])
def test_finds_what_a_general_optimiser_finds(name):
    form = FORMS[NAMES.index(name)]
    values = make_values(3, 44)
    fits = fit_forms(values, 4, forms=(form,))
    theta, squares = improve_lanes(values, fits.theta[0], form, 4, 30)
    rows = form.list_free_rows(4)
    bounds = [(LOWEST, HIGHEST) if row < LEVEL else (None, None) for row in rows]
    bounds = [
        (LOWEST_PHI, HIGHEST_PHI) if row == PHI else b for row, b in zip(rows, bounds, strict=True)
    ]
    for i in range(values.shape[1]):
        one = values[:, i : i + 1]

        def cost(point, one=one, i=i):
            lane = theta[:, i : i + 1, None].copy()
            lane[rows, 0, 0] = point
            return np.log(min(measure_lanes(one, lane, form, 4)[0, 0], 1e6))

        starts = [theta[rows, i], fits.theta[0][rows, i] * 0.98 + 0.01]
        found = min(minimize(cost, x, bounds=bounds, method="L-BFGS-B").fun for x in starts)
        assert len(one) * (np.log(squares[i]) - found) < 0.2


def test_steps_never_make_a_fit_worse():
    values = make_values(8)
    form = FORMS[NAMES.index("MAdM")]
    theta = fit_forms(values, 4, forms=(form,)).theta[0]
    squares = measure_lanes(values, theta[:, None], form, 4)[0]
    for _ in range(4):
        theta, lower = improve_lanes(values, theta, form, 4, 1)
        assert (lower <= squares).all()
        np.testing.assert_allclose(lower, measure_lanes(values, theta[:, None], form, 4)[0])
        squares = lower


def test_parameters_stay_within_their_bounds():
    values = make_values(20, 24, seed=9)
    fits = fit_forms(values, 4)
    shares = fits.theta[:, : BETA + 1]
    assert (shares[np.isfinite(fits.squares)[:, None].repeat(2, axis=1)] <= HIGHEST).all()
    damped = [i for i, form in enumerate(FORMS) if form.trend == "Ad"]
    phi = fits.theta[damped, PHI][np.isfinite(fits.squares[damped])]
    assert ((phi >= LOWEST_PHI) & (phi <= HIGHEST_PHI)).all()


def test_aicc_by_hand():
    # ANN, n = 10, k = 3: 10 log 2.5 + 6 + 2 * 3 * 4 / 6
    values = np.ones((10, 1))
    made = compute_aicc(values, np.array([[2.5]]), 1, (FORMS[0],))
    assert made[0, 0] == pytest.approx(10 * np.log(2.5) + 10)
    assert np.isinf(compute_aicc(np.ones((4, 1)), np.array([[2.5]]), 1, (FORMS[0],)))


def test_forms_which_cannot_be_had_are_infinite():
    values = make_values(2)
    values[5, 1] = 0.0
    squares = fit_forms(values, 4).squares
    multiplies = np.array([form.needs_positive for form in FORMS])
    assert np.isfinite(squares[:, 0]).all()
    assert np.isinf(squares[multiplies, 1]).all()
    assert np.isfinite(squares[~multiplies, 1]).all()
