import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest
from training.proof.policies import (
    average_blocks,
    choose_best,
    choose_randomly,
    follow_histogram,
    follow_median_hour,
    restrict_policy,
    score_blocks,
)

ALL = np.ones((1, 8), dtype=bool)


def hours_of(*hours):
    return np.bincount(hours, minlength=24)[None, :].astype(float)


def test_ties_are_split_and_what_is_not_allowed_is_never_best():
    score = np.array([[9.0, 1.0, 1.0, np.nan]])
    allowed = np.array([[False, True, True, True]])

    assert choose_best(score, allowed).tolist() == [[0, 0.5, 0.5, 0]]
    assert choose_randomly(allowed)[0].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    # nothing known of any: all that is allowed
    assert choose_best(np.full((1, 4), np.nan), allowed)[0, 1:].tolist() == pytest.approx(
        [1 / 3] * 3
    )


def test_a_row_without_any_block_is_refused():
    with pytest.raises(InvalidRequest, match="at least one allowed block"):
        choose_best(np.ones(2), np.zeros((1, 2), dtype=bool))


def test_blocks_are_scored_per_send_not_by_counting_responses():
    # block 0: 2,000 sends, 200 responses; block 1: 500 and 100; block 2: one lucky send
    action = np.repeat([0, 1, 2], [2000, 500, 1])
    reward = np.concatenate([np.arange(2000) < 200, np.arange(500) < 100, [True]]).astype(float)
    overall = 301 / 2501

    score = score_blocks(action, reward, n_actions=4)

    assert score[0] == pytest.approx((200 + 50 * overall) / 2050)
    assert score[1] == pytest.approx((100 + 50 * overall) / 550)
    assert score.argmax() == 1
    assert score[3] == pytest.approx(overall)


def test_weights_undo_that_a_block_was_used_for_those_who_respond_anyway():
    # responsive: half respond at any hour, 90 % of their sends at 1; others: a tenth, 10 % at 1
    p_late = np.repeat([0.9, 0.9, 0.1, 0.1], [9000, 1000, 1000, 9000])
    action = np.repeat([1, 0, 1, 0], [9000, 1000, 1000, 9000])
    rate = np.repeat([0.5, 0.5, 0.1, 0.1], [9000, 1000, 1000, 9000])
    propensity = np.where(action == 1, p_late, 1 - p_late)

    naive = score_blocks(action, rate, n_actions=2)
    weighed = score_blocks(action, rate, n_actions=2, propensity=propensity)

    assert naive[1] - naive[0] > 0.3
    assert weighed.tolist() == pytest.approx([0.3, 0.3])


def test_without_sends_no_block_is_better():
    assert score_blocks(np.array([], dtype=int), np.array([])).tolist() == [0.0] * 8


def test_histogram_is_the_customers_own_and_everybodys_where_there_is_none():
    activity = np.array([[0.0, 3.0, 1.0], [0.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    allowed = np.array([[True] * 3, [True] * 3, [False, True, True]])

    policy = follow_histogram(activity, np.array([9.0, 1.0, 2.0]), allowed)

    # the third was only active where nothing may be sent
    assert policy.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("hours", "blocks"),
    [
        (hours_of(18, 19, 19, 20, 21), {6: 1.0}),  # median 19: 18, 19, 20
        (hours_of(10, 11, 11, 12, 13), {3: 2 / 3, 4: 1 / 3}),  # median 11: 10, 11, 12
        (hours_of(0, 0, 0, 0, 0), {7: 1 / 3, 0: 2 / 3}),  # median 0: 23, 0, 1
        (hours_of(8, 8, 8, 20, 20, 20), {2: 2 / 3, 3: 1 / 3}),  # even: the lower median, 8
        (hours_of(20, 20, 20, 20), {3: 1.0}),  # four are too few: 9 to 12
        (hours_of(), {3: 1.0}),
    ],
)
def test_median_hour_rule(hours, blocks):
    policy = follow_median_hour(hours, ALL)[0]

    assert {int(b): pytest.approx(policy[b]) for b in np.flatnonzero(policy)} == blocks


def test_what_a_model_says_of_a_block_is_that_of_its_weekday():
    probability = np.arange(336, dtype=float).reshape(2, 168)

    blocks = average_blocks(probability, np.array([5, 30]))

    assert blocks[0].tolist() == [1, 4, 7, 10, 13, 16, 19, 22]
    assert blocks[1, 0] == 168 + 25


def test_policies_are_moved_to_what_is_allowed():
    policy = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    allowed = np.array([[False, True, True], [False, True, True]])

    moved = restrict_policy(policy, allowed)

    assert moved.policy.tolist() == [[0, 0.5, 0.5], [0, 0.5, 0.5]]
    assert moved.outside == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (np.ones((1, 3)), r"expected shape \(1, 8\)"),
        (np.full((1, 8), 0.2), "sum to 1"),
        (np.array([[2.0, -1.0, 0, 0, 0, 0, 0, 0]]), "sum to 1"),
    ],
)
def test_what_is_no_policy_is_refused(policy, words):
    with pytest.raises(InvalidRequest, match=words):
        restrict_policy(policy, ALL)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_policy_is_a_probability_within_what_is_allowed(seed):
    rng = np.random.default_rng(seed)
    n = 20
    allowed = rng.random((n, 8)) < 0.4
    allowed[np.arange(n), rng.integers(0, 8, n)] = True
    hours = rng.poisson(0.3, (n, 24)).astype(float)
    counts = hours.reshape(n, 8, 3).sum(axis=2)
    for policy in (
        choose_best(np.round(rng.random((n, 8)), 1), allowed),
        choose_randomly(allowed),
        follow_histogram(counts, counts.sum(axis=0), allowed),
        follow_median_hour(hours, allowed),
        restrict_policy(rng.dirichlet(np.ones(8), n), allowed).policy,
    ):
        assert policy.sum(axis=1).tolist() == pytest.approx([1.0] * n)
        assert (policy >= 0).all()
        assert (policy[~allowed] == 0).all()
