"""Exploration: closed forms, exact propensities, floors, and draws that follow what is written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from features.errors import InvalidRequest
from models.campaign import exploration
from models.campaign.exploration import MOST_CANDIDATES, choose_explored, choose_uniform


def rng(seed=0):
    return np.random.default_rng(seed)


def test_two_options_share_by_the_probability_of_being_best():
    """P(first best) = Phi((0.3 - 0.1) / sqrt(0.2^2 + 0.1^2)); the floor takes 2 * 0.05 away."""
    mean, sd = np.array([[0.3, 0.1]]), np.array([[0.2, 0.1]])
    choice = choose_explored(mean, sd, np.ones((1, 2), bool), floor=0.05, rng=rng(), draws=200_000)
    best = stats.norm.cdf(0.2 / np.hypot(0.2, 0.1))
    expected = [0.05 + 0.9 * best, 0.05 + 0.9 * (1 - best)]
    assert choice.probabilities[0] == pytest.approx(expected, abs=0.004)


def test_what_is_drawn_follows_what_is_logged():
    n, mean = 40_000, np.array([0.2, 0.0, 0.1, 0.15, 9.9])
    permitted = np.tile([True, True, True, True, False], (n, 1))
    choice = choose_explored(
        np.tile(mean, (n, 1)), np.full((n, 5), 0.1), permitted, floor=0.02, rng=rng(1), draws=50
    )
    expected = choice.probabilities.sum(axis=0)
    found = np.bincount(choice.index, minlength=5)
    assert found[4] == expected[4] == 0
    # each row has its own probabilities, so the count of each option is a sum of such coins
    spread = np.sqrt((choice.probabilities * (1 - choice.probabilities)).sum(axis=0))
    assert (np.abs(found - expected)[:4] < 4 * spread[:4]).all()
    rows = np.arange(n)
    assert (choice.propensity == choice.probabilities[rows, choice.index]).all()
    # weighting by 1 / propensity counts every option once: mean over rows of 1{a = j} / p = 1
    for option in range(4):
        ones = (choice.index == option) / choice.propensity
        assert abs(ones.mean() - 1.0) < 4 * ones.std() / np.sqrt(n)


def test_certain_values_leave_only_the_floor_to_chance():
    permitted = np.array([[True, True, True]])
    choice = choose_explored(
        np.array([[1.0, 3.0, 2.0]]), np.zeros((1, 3)), permitted, floor=0.1, rng=rng()
    )
    assert choice.probabilities[0] == pytest.approx([0.1, 0.8, 0.1])
    greedy = choose_explored(
        np.array([[1.0, 3.0, 2.0]]), np.zeros((1, 3)), permitted, floor=0.0, rng=rng()
    )
    assert (greedy.index[0], greedy.propensity[0]) == (1, 1.0)


def test_a_floor_that_cannot_be_had_by_all_is_shared():
    choice = choose_explored(
        np.array([[1.0, 3.0, 2.0]]),
        np.zeros((1, 3)),
        np.array([[True, True, True]]),
        floor=0.5,
        rng=rng(),
    )
    assert choice.probabilities[0] == pytest.approx([1 / 3] * 3)


def test_nothing_permitted_and_one_permitted():
    mean = np.array([[np.nan, np.inf, 1.0], [np.nan, 5.0, np.nan]])
    permitted = np.array([[False] * 3, [False, True, False]])
    sd = np.where(permitted, 1.0, -np.inf)
    for choice in (
        choose_explored(mean, sd, permitted, floor=0.1, rng=rng()),
        choose_uniform(permitted, rng=rng()),
    ):
        assert choice.index.tolist() == [-1, 1]
        assert np.isnan(choice.propensity[0])
        assert choice.propensity[1] == pytest.approx(1.0)
        assert choice.probabilities.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_nobody_is_nothing():
    none = np.zeros((0, 4))
    choice = choose_explored(none, none, none.astype(bool), floor=0.1, rng=rng())
    assert choice.index.shape == (0,)
    assert choice.probabilities.shape == (0, 4)
    assert choose_uniform(none.astype(bool), rng=rng()).propensity.shape == (0,)


def test_of_many_options_only_the_hopeful_get_more_than_the_floor():
    k, floor = 100, 0.001
    mean, sd = np.linspace(0, 1, k)[None, :], np.full((1, k), 0.05)
    choice = choose_explored(mean, sd, np.ones((1, k), bool), floor=floor, rng=rng(), draws=2000)
    probabilities = choice.probabilities[0]
    assert probabilities.sum() == pytest.approx(1.0)
    assert probabilities[:-MOST_CANDIDATES] == pytest.approx(floor)
    # against draws of every option
    drawn = mean + sd * rng(5).standard_normal((20_000, k))
    wins = np.bincount(drawn.argmax(axis=1), minlength=k) / 20_000
    assert np.abs(probabilities - (floor + (1 - k * floor) * wins)).max() < 0.03


def test_the_random_arm_is_uniform_over_what_is_permitted():
    n = 30_000
    permitted = np.tile([True, False, True, True, False], (n, 1))
    choice = choose_uniform(permitted, rng=rng(3))
    assert choice.propensity == pytest.approx(np.full(n, 1 / 3))
    counts = np.bincount(choice.index, minlength=5)
    assert counts[[1, 4]].sum() == 0
    assert stats.chisquare(counts[[0, 2, 3]]).pvalue > 0.001


def test_the_same_seed_chooses_the_same_and_nothing_given_is_changed():
    mean, sd = rng(1).random((20, 30)), rng(2).random((20, 30))
    permitted = rng(3).random((20, 30)) < 0.5
    before = mean.copy(), sd.copy(), permitted.copy()
    one, other = (choose_explored(mean, sd, permitted, floor=0.01, rng=rng(4)) for _ in "ab")
    assert (one.index == other.index).all()
    assert (one.propensity == other.propensity).all()
    for given_array, kept in zip((mean, sd, permitted), before, strict=True):
        assert (given_array == kept).all()


@settings(max_examples=80, deadline=None, database=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 7),
    k=st.integers(1, 40),
    floor=st.sampled_from([0.0, 1e-6, 0.01, 0.2, 1.0]),
    share=st.floats(0, 1),
    chunk=st.sampled_from([1, 500, 10**6]),
)
def test_probabilities_are_a_distribution_over_what_is_permitted(seed, n, k, floor, share, chunk):
    random = rng(seed)
    permitted = random.random((n, k)) < share
    mean, sd = random.normal(size=(n, k)), random.random((n, k))
    kept, exploration._CHUNK = exploration._CHUNK, chunk
    try:
        choice = choose_explored(mean, sd, permitted, floor=floor, rng=random, draws=20)
    finally:
        exploration._CHUNK = kept
    whole, counts = choice.probabilities, permitted.sum(axis=1)
    assert whole.sum(axis=1) == pytest.approx((counts > 0).astype(float))
    assert (whole[~permitted] == 0).all()
    least = np.minimum(floor, 1 / np.maximum(counts, 1))[:, None]
    assert (whole >= least - 1e-12)[permitted].all()
    has = counts > 0
    rows = np.flatnonzero(has)
    assert permitted[rows, choice.index[rows]].all()
    assert (choice.propensity[rows] == whole[rows, choice.index[rows]]).all()
    assert (choice.propensity[rows] > 0).all()
    assert (choice.index[~has] == -1).all()


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"floor": -0.1}, InvalidRequest, "a floor from 0 to 1, got -0.1"),
        ({"floor": float("nan")}, InvalidRequest, "a floor from 0 to 1"),
        ({"draws": 0}, InvalidRequest, "1 or more draws"),
        ({"mean": np.array([[np.nan, 1.0]])}, ValueError, "finite numbers"),
        ({"sd": np.array([[-1.0, 1.0]])}, ValueError, "sd >= 0"),
        ({"sd": np.ones((1, 3))}, ValueError, "one and the same"),
    ],
)
def test_what_cannot_be_is_said(more, error, words):
    base = {"mean": np.ones((1, 2)), "sd": np.ones((1, 2)), "floor": 0.1, "draws": 10} | more
    with pytest.raises(error, match=words):
        choose_explored(
            base["mean"],
            base["sd"],
            np.ones((1, 2), bool),
            floor=base["floor"],
            rng=rng(),
            draws=base["draws"],
        )
