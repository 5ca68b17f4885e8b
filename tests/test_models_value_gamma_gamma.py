from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import gamma as gamma_distribution

from features.errors import ArtifactError, NotEnoughData
from models.value.gamma_gamma import GammaGamma, compute_value_log_likelihood, fit_gamma_gamma

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PUBLISHED = GammaGamma(6.25, 3.74, 15.44)


def test_the_published_sample_gives_the_published_parameters():
    path = DATA / "cdnow.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    from benchmarks.promotion_cdnow_data import build_histories, pick_sample

    orders = pd.read_parquet(path)
    histories = build_histories(orders[orders["customer_id"].isin(pick_sample(orders))])
    repeats = histories[histories["frequency"] > 0]
    assert len(repeats) == 946
    model = fit_gamma_gamma(
        repeats["valued_repeats"].to_numpy(), repeats["mean_repeat_value"].to_numpy()
    )
    assert model.p == pytest.approx(6.25, abs=0.005)
    assert model.q == pytest.approx(3.74, abs=0.005)
    assert model.gamma == pytest.approx(15.44, abs=0.005)


def test_the_expected_value_lies_between_the_customers_own_and_everybodys():
    # nobody known: 6.25 × 15.44 / 2.74; two purchases of 22.35: (15.44 + 44.7) 6.25 / 15.24
    found = PUBLISHED.predict_value(np.array([0, 2, 500]), np.array([np.nan, 22.35, 22.35]))
    np.testing.assert_allclose(found, [35.219, 24.664, 22.361], atol=1e-3)


def test_the_likelihood_is_the_mixture_integrated():
    p, q, g, x, mean = 2.0, 3.0, 10.0, 3, 8.0

    def mixed(rate):  # mean of x gammas (shape p): gamma with shape p x and rate ν x
        return gamma_distribution.pdf(mean, p * x, scale=1 / (rate * x)) * gamma_distribution.pdf(
            rate, q, scale=1 / g
        )

    expected = np.log(quad(mixed, 0, 50, limit=200)[0])
    found = compute_value_log_likelihood(np.array([x]), np.array([mean]), np.array([p, q, g]))
    assert found[0] == pytest.approx(expected, abs=1e-8)


def test_parameters_of_simulated_customers_come_back_in_any_currency():
    rng = np.random.default_rng(5)
    count = rng.integers(1, 12, 20_000)
    rate = rng.gamma(4.0, 1 / 30.0, len(count))
    mean = rng.gamma(3.0 * count, 1 / rate) / count
    for factor in (1.0, 1000.0):
        model = fit_gamma_gamma(count, factor * mean)
        assert model.p == pytest.approx(3.0, rel=0.05)
        assert model.q == pytest.approx(4.0, rel=0.05)
        assert model.gamma == pytest.approx(30.0 * factor, rel=0.07)


def test_values_of_zero_or_unknown_say_nothing():
    count, mean = np.array([2, 3, 1, 2]), np.array([10.0, 12.0, 0.0, np.nan])
    assert fit_gamma_gamma(count, mean) == fit_gamma_gamma(count[:2], mean[:2])
    with pytest.raises(NotEnoughData, match="found 1"):
        fit_gamma_gamma(count[1:], mean[1:])


def test_parameters_survive_a_file_and_damage_is_refused():
    assert GammaGamma.from_json(PUBLISHED.to_json()).gamma == PUBLISHED.gamma
    with pytest.raises(ArtifactError, match="q > 1"):
        GammaGamma.from_json({**PUBLISHED.to_json(), "q": 0.5})
    with pytest.raises(ArtifactError, match="cannot be read"):
        GammaGamma.from_json({"p": 1.0})
