import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.offers.qini import (
    build_qini_curve,
    build_uplift_curve,
    score_qini,
    score_uplift_area,
    score_uplift_at,
)
from models.offers.ranked import resample_qini
from models.offers.trial import make_trial

Y = np.array([1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1])
T = np.array([1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0])
S = np.array([0.9, 0.8, 0.8, 0.7, 0.5, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1])


def draw_world(n=2000, seed=4):
    rng = np.random.default_rng(seed)
    treated, x = rng.integers(0, 2, n), rng.random(n)
    outcome = (rng.random(n) < 0.1 + 0.2 * treated * x).astype(int)
    return outcome, np.round(x + rng.random(n), 1), treated


def test_curves_are_as_drawn_by_hand():
    # targeting the first three (0.9, then the two of 0.8): treated 2 with 1 outcome, control 1
    # with 1; Qini 1 - 1 * 2 / 1, uplift (1/2 - 1/1) * 3
    x, qini = build_qini_curve(Y, S, T)
    assert x.tolist() == [0, 1, 3, 4, 7, 8, 9, 10, 12]
    np.testing.assert_allclose(qini, [0, 1, -1, 0, -2 / 3, 0, 0.5, 1, 0], atol=1e-12)
    _, uplift = build_uplift_curve(Y, S, T)
    np.testing.assert_allclose(uplift, [0, 1, -1.5, 0, -7 / 6, 0, 0.9, 2, 0], atol=1e-12)


def test_scores_are_those_of_scikit_uplift():
    # scikit-uplift 0.5.1: qini_auc_score, uplift_auc_score, uplift_at_k(strategy="overall")
    assert score_qini(Y, S, T) == pytest.approx(0.02469135802469137, abs=1e-12)
    assert score_uplift_area(Y, S, T) == pytest.approx(0.020164609053497925, abs=1e-12)
    assert score_uplift_at(Y, S, T, 0.5) == 0.0
    world = draw_world()
    assert score_qini(*world) == pytest.approx(0.12734363697327566, abs=1e-12)
    assert score_uplift_area(*world) == pytest.approx(0.0714145067177873, abs=1e-12)
    assert score_uplift_at(*world) == pytest.approx(0.17092731829573937, abs=1e-12)


def test_perfect_is_one_and_everybody_alike_is_zero():
    outcome, _, treated = draw_world()
    perfect = outcome * (2 * treated - 1)
    assert score_qini(outcome, perfect, treated) == pytest.approx(1.0)
    assert score_qini(outcome, np.zeros(len(outcome)), treated) == pytest.approx(0.0, abs=1e-12)
    assert score_uplift_area(outcome, np.zeros(len(outcome)), treated) == pytest.approx(0, abs=1e-9)


@given(st.integers(0, 10_000))
def test_only_the_order_counts(seed):
    outcome, score, treated = draw_world(200, seed)
    shuffled = np.random.default_rng(seed).permutation(200)
    stretched = np.exp(score[shuffled]) - 7.0
    expected = score_qini(outcome, score, treated)
    assert score_qini(outcome[shuffled], stretched, treated[shuffled]) == pytest.approx(expected)


@given(st.integers(0, 10_000))
def test_resampled_qini_is_that_of_repeated_rows(seed):
    outcome, score, treated = draw_world(300, seed)
    trial = make_trial(score[:, None], treated, outcome)
    drawn = resample_qini(trial, {"a": score}, np.zeros(300), np.random.default_rng(seed), 1)["a"]
    assert drawn[0] == pytest.approx(score_qini(outcome, score, treated))
    rows = np.random.default_rng(seed).integers(0, 300, 300)
    assert drawn[1] == pytest.approx(score_qini(outcome[rows], score[rows], treated[rows]))


def test_what_cannot_be_judged_says_so():
    with pytest.raises(ValueError, match=r"outcomes: expected 0 and 1, both of them, got \[1"):
        score_qini(np.ones(4), np.arange(4), np.array([0, 1, 0, 1]))
    with pytest.raises(ValueError, match="treatments"):
        score_uplift_area(np.array([0, 1]), np.arange(2), np.array([0, 2]))
    with pytest.raises(ValueError, match="one outcome, score and treatment a customer, got 2, 3"):
        score_qini(np.array([0, 1]), np.arange(3), np.array([0, 1]))
    with pytest.raises(ValueError, match="got 2 treated of 2"):
        score_uplift_at(np.zeros(4), np.arange(4), np.array([0, 0, 1, 1]), 0.5)
