from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import beta, roots_jacobi

from features.errors import ArtifactError, NotEnoughData
from models.value.bg_nbd import BGNBD, compute_gradient, compute_log_likelihood, fit_bg_nbd
from tests.value_customers import draw_histories

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PUBLISHED = BGNBD(r=0.2426, alpha=4.4136, a=0.7930, b=2.4262)
"""Fader, Hardie & Lee (2005), table 2."""


def one(x, last, seen):
    return np.array([float(x)]), np.array([float(last)]), np.array([float(seen)])


def test_the_published_customer_is_expected_to_buy_1_226_times():
    assert PUBLISHED.predict_orders(*one(2, 30.43, 38.86), 39.0)[0] == pytest.approx(
        1.226, abs=5e-4
    )


def test_the_published_sample_gives_the_published_parameters():
    path = DATA / "cdnow.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    from benchmarks.promotion_cdnow_data import build_histories, pick_sample

    orders = pd.read_parquet(path)
    histories = build_histories(orders[orders["customer_id"].isin(pick_sample(orders))])
    model = fit_bg_nbd(*histories[["frequency", "recency_weeks", "age_weeks"]].to_numpy().T)
    assert len(histories) == 2357
    assert model.r == pytest.approx(0.2426, abs=5e-5)
    assert model.alpha == pytest.approx(4.4136, abs=5e-5)
    assert (model.a, model.b) == (pytest.approx(0.7930, abs=2e-4), pytest.approx(2.4262, abs=5e-4))
    assert model.log_likelihood == pytest.approx(-9582.43, abs=0.005)


histories = st.tuples(
    st.integers(0, 60), st.floats(0.0, 1.0), st.floats(0.5, 100.0), st.floats(0.1, 60.0)
)
parameters = st.builds(
    BGNBD,
    st.floats(0.1, 5.0),
    st.floats(0.5, 20.0),
    st.one_of(st.just(1.0), st.floats(0.2, 4.0)),
    st.floats(0.5, 8.0),
)


@given(histories, parameters)
def test_expected_orders_equal_the_integral_they_stand_for(history, model):
    # E[purchases] = P(alive) ∫ (1 − ((α+T)/(α+T+pt))^(r+x)) / p dBeta(p; a, b+x)
    x, share, age, time = history
    scale = model.alpha + age
    nodes, weights = roots_jacobi(120, model.b + x - 1, model.a - 1)  # over (−1, 1)
    p = (1 + nodes) / 2
    inner = -np.expm1((model.r + x) * np.log(scale / (scale + p * time))) / p
    row = one(x, share * age if x else 0.0, age)
    expected = weights @ inner / weights.sum() * model.predict_alive(*row)[0]
    assert model.predict_orders(*row, time)[0] == pytest.approx(expected, rel=1e-4, abs=1e-7)


@given(histories, parameters)
def test_orders_and_probabilities_hold_together(history, model):
    x, share, age, time = history
    row = one(x, share * age if x else 0.0, age)
    probability = model.predict_order_probability(*row, time)[0]
    assert 0 <= probability <= model.predict_alive(*row)[0] <= 1
    assert probability <= model.predict_orders(*row, time)[0] * (1 + 1e-6) + 1e-9
    assert model.predict_order_probability(*row, 2 * time)[0] >= probability


def test_who_never_came_back_is_alive_by_the_model_but_unlikely_to_buy():
    row = one(0, 0, 38.86)
    assert PUBLISHED.predict_alive(*row)[0] == 1.0
    # 1 − (43.2736 / 47.2736)^0.2426
    assert PUBLISHED.predict_order_probability(*row, 4.0)[0] == pytest.approx(0.021221, abs=1e-5)


def test_a_thousand_purchases_neither_overflow_nor_vanish():
    found = PUBLISHED.predict_orders(*one(1000, 99.9, 100), 4.0)[0]
    # 1000.24 / 104.41 × 4 = 38.32, of which half × 0.00079 × 38 is lost to leaving
    assert found == pytest.approx(37.74, rel=0.005)
    assert PUBLISHED.predict_alive(*one(1000, 10, 100))[0] < 1e-300


def test_the_likelihood_is_that_of_the_printed_formula():
    r, alpha, a, b = 0.5, 3.0, 0.8, 2.0
    x, last, seen = one(1, 4, 10)
    # B(a, b+x)/B(a, b) Γ(r+x)α^r / (Γ(r)(α+T)^(r+x)) + B(a+1, b+x−1)/B(a, b) Γ(r+x)α^r / …
    stay = beta(a, b + 1) / beta(a, b) * r * alpha**r / (alpha + 10) ** (r + 1)
    leave = beta(a + 1, b) / beta(a, b) * r * alpha**r / (alpha + 4) ** (r + 1)
    found = compute_log_likelihood(x, last, seen, np.array([r, alpha, a, b]))[0]
    assert found == pytest.approx(np.log(stay + leave), abs=1e-12)


@given(histories, parameters)
def test_the_gradient_is_that_of_the_likelihood(history, model):
    x, share, age, _ = history
    row = one(x, share * age if x else 0.0, age)
    point = np.array([model.r, model.alpha, model.a, model.b])
    found = compute_gradient(*row, point)[:, 0]
    for place in range(4):
        step = np.zeros(4)
        step[place] = 1e-5 * point[place]
        up, down = (compute_log_likelihood(*row, point + sign * step)[0] for sign in (1, -1))
        slope = (up - down) / (2 * step[place])
        assert found[place] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_the_parameters_of_simulated_customers_come_back():
    truth = BGNBD(0.8, 6.0, 0.9, 3.0)
    model = fit_bg_nbd(*draw_histories(truth, 20_000, weeks=60, seed=3))
    assert model.r == pytest.approx(truth.r, rel=0.1)
    assert model.alpha == pytest.approx(truth.alpha, rel=0.1)
    assert model.a / (model.a + model.b) == pytest.approx(0.9 / 3.9, rel=0.1)


def test_the_unit_of_time_does_not_matter():
    x, last, seen = draw_histories(BGNBD(0.8, 6.0, 0.9, 3.0), 2_000, weeks=60, seed=3)
    weeks, days = fit_bg_nbd(x, last, seen), fit_bg_nbd(x, 7 * last, 7 * seen)
    assert days.alpha == pytest.approx(7 * weeks.alpha, rel=1e-3)
    assert days.b == pytest.approx(weeks.b, rel=1e-3)


def test_bad_histories_are_refused():
    with pytest.raises(NotEnoughData, match="two purchase days"):
        fit_bg_nbd(*one(0, 0, 5))
    with pytest.raises(ValueError, match="in row 0"):
        fit_bg_nbd(*one(2, 6, 5))
    with pytest.raises(ValueError, match="who never bought"):
        fit_bg_nbd(*one(0, np.nan, np.nan))


def test_parameters_survive_a_file_and_damage_is_refused():
    assert BGNBD.from_json(PUBLISHED.to_json()).alpha == PUBLISHED.alpha
    with pytest.raises(ArtifactError, match="above 0"):
        BGNBD.from_json({**PUBLISHED.to_json(), "a": -1.0})
    with pytest.raises(ArtifactError, match="cannot be read"):
        BGNBD.from_json({"r": 1.0})
