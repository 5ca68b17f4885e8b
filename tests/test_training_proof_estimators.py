import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.proof.estimators import (
    count_effective_sends,
    estimate_direct,
    estimate_doubly_robust,
    estimate_on_policy,
    estimate_self_normalised,
    weigh_sends,
)
from training.proof.intervals import (
    find_normal_interval,
    measure_standard_error,
    resample_customers,
)
from training.proof.logged import LoggedSends
from training.proof.nuisance import draw_customer_folds, predict_propensities, predict_rewards


def make_sends(customer, action, reward, propensity, context=None, k=2):
    n = len(action)
    return LoggedSends(
        customer=np.asarray(customer),
        action=np.asarray(action),
        reward=np.asarray(reward, dtype=float),
        propensity=np.asarray(propensity, dtype=float),
        context=np.zeros((n, 0)) if context is None else context,
        allowed=np.ones((n, k), dtype=bool),
    )


def test_estimates_of_three_sends_by_hand():
    sends = make_sends([0, 1, 2], [0, 1, 1], [1, 0, 1], [0.5, 0.25, 0.8])
    policy = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    predicted = np.array([[0.6, 0.2], [0.4, 0.4], [0.1, 0.9]])

    weight = weigh_sends(policy, sends, sends.propensity, most_weight=100)

    assert weight.tolist() == pytest.approx([2.0, 2.0, 1.25])
    # (2·1 + 2·0 + 1.25·1) ÷ 5.25
    assert estimate_self_normalised(weight, sends.reward).value == pytest.approx(3.25 / 5.25)
    # models: .6, .4, .9; errors: 2·(1 − .6), 2·(0 − .4), 1.25·(1 − .9)
    robust = estimate_doubly_robust(policy, weight, sends.reward, predicted, sends.action)
    assert robust.value == pytest.approx((0.6 + 0.8 + 0.4 - 0.8 + 0.9 + 0.125) / 3)
    assert estimate_direct(policy, predicted).value == pytest.approx(1.9 / 3)
    assert estimate_on_policy(sends.reward).value == pytest.approx(2 / 3)
    assert count_effective_sends(weight) == pytest.approx(5.25**2 / (4 + 4 + 1.5625))


def test_weights_are_cut():
    sends = make_sends([0, 1], [0, 0], [1, 0], [0.001, 0.5])

    weight = weigh_sends(np.array([[1.0, 0.0]] * 2), sends, sends.propensity, most_weight=200)

    assert weight.tolist() == [200.0, 2.0]


def test_a_policy_that_no_send_matches_has_no_value():
    nothing = estimate_self_normalised(np.zeros(3), np.ones(3))

    assert np.isnan(nothing.value)
    assert count_effective_sends(np.zeros(3)) == 0.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_estimates_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    n, k = 30, 4
    p = rng.dirichlet(np.ones(k), n)
    action = np.array([rng.choice(k, p=row) for row in p])
    sends = make_sends(rng.integers(0, 9, n), action, rng.random(n), p[np.arange(n), action], k=k)
    policy, predicted = rng.dirichlet(np.ones(k), n), rng.random((n, k))
    weight = weigh_sends(policy, sends, sends.propensity, most_weight=20)

    whole, top, robust = 0.0, 0.0, 0.0
    for i in range(n):
        w = min(policy[i, action[i]] / sends.propensity[i], 20)
        whole, top = whole + w, top + w * sends.reward[i]
        model = sum(policy[i, a] * predicted[i, a] for a in range(k))
        robust += model + w * (sends.reward[i] - predicted[i, action[i]])

    found = estimate_doubly_robust(policy, weight, sends.reward, predicted, action)
    assert found.value == pytest.approx(robust / n)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    if whole > 0:
        assert estimate_self_normalised(weight, sends.reward).value == pytest.approx(top / whole)


def test_with_a_perfect_model_the_weights_do_not_matter():
    rng = np.random.default_rng(5)
    predicted = rng.random((50, 3))
    action = rng.integers(0, 3, 50)
    policy = rng.dirichlet(np.ones(3), 50)
    reward = predicted[np.arange(50), action]

    robust = estimate_doubly_robust(policy, rng.random(50) * 9, reward, predicted, action)

    assert robust.value == pytest.approx(estimate_direct(policy, predicted).value)


def test_standard_error_of_unclustered_rows_is_the_textbooks():
    values = np.array([1.0, 4.0, 2.0, 7.0, 6.0])

    found = measure_standard_error(values - values.mean(), np.arange(5))

    assert found == pytest.approx(values.std(ddof=1) / np.sqrt(5))
    assert np.isnan(measure_standard_error(values, np.zeros(5)))


def test_repeated_rows_of_a_customer_tell_nothing_new():
    values = np.random.default_rng(2).normal(size=40)
    once = measure_standard_error(values - values.mean(), np.arange(40))

    often = np.repeat(values, 7)

    found = measure_standard_error(often - often.mean(), np.repeat(np.arange(40), 7))
    assert found == pytest.approx(once)
    assert measure_standard_error(often - often.mean(), np.arange(280)) < 0.5 * once


def test_bootstrap_and_normal_interval_agree():
    rng = np.random.default_rng(3)
    customer = np.repeat(np.arange(800), 5)
    level = np.repeat(rng.random(800), 5)
    reward = (rng.random(4000) < level).astype(float)
    weight = rng.choice([0.0, 1.0, 4.0], 4000)
    estimate = estimate_self_normalised(weight, reward)

    drawn = resample_customers({"a": estimate}, customer, rng, n_resamples=2000)

    low, high = drawn.interval("a")
    normal = find_normal_interval(estimate.value, estimate.influence, customer)
    width = normal[1] - normal[0]
    assert (low, high) == pytest.approx(normal, abs=0.06 * width)


def test_grouped_customers_give_the_same_interval(monkeypatch):
    rng = np.random.default_rng(4)
    reward = rng.normal(size=6000)
    estimate = estimate_on_policy(reward)
    customer = np.repeat(np.arange(3000), 2)
    whole = resample_customers({"a": estimate}, customer, np.random.default_rng(0))
    monkeypatch.setattr("training.proof.intervals._MOST_CLUSTERS", 500)

    grouped = resample_customers({"a": estimate}, customer, np.random.default_rng(0))

    assert grouped.values["a"].std() == pytest.approx(whole.values["a"].std(), rel=0.12)


def test_differences_are_paired():
    rng = np.random.default_rng(6)
    reward = rng.normal(size=500)
    estimates = {"a": estimate_on_policy(reward + 1.0), "b": estimate_on_policy(reward)}

    drawn = resample_customers(estimates, np.arange(500), rng)

    assert drawn.interval("a", "b") == pytest.approx((1.0, 1.0))
    assert drawn.interval("a")[1] - drawn.interval("a")[0] > 0.1


def test_folds_hold_whole_customers():
    customer = np.random.default_rng(0).integers(0, 101, 3000)

    folds = draw_customer_folds(customer, 5, np.random.default_rng(1))

    by_customer = [set(folds[customer == code]) for code in range(101)]
    assert all(len(found) == 1 for found in by_customer)
    sizes = np.bincount([found.pop() for found in by_customer])
    assert sizes.max() - sizes.min() <= 1


def make_log(n_customers=300, sends=8, seed=0):
    """The action follows the context nine times of ten; the reward depends on both."""
    rng = np.random.default_rng(seed)
    n = n_customers * sends
    customer = np.repeat(np.arange(n_customers), sends)
    context = np.repeat(rng.integers(0, 3, n_customers), sends)
    p = np.full((n, 3), 0.05)
    p[np.arange(n), context] += 0.85
    action = (p.cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
    truth = np.array([[0.1, 0.3, 0.5], [0.6, 0.2, 0.2], [0.4, 0.4, 0.8]])[context]
    reward = (rng.random(n) < truth[np.arange(n), action]).astype(float)
    sends_ = make_sends(customer, action, reward, np.full(n, np.nan), context[:, None] * 1.0, k=3)
    return sends_, p, truth


def test_nobody_is_predicted_by_a_model_that_saw_them():
    # a number that tells customers apart, and a coin each that decides all of their rows
    rng = np.random.default_rng(1)
    customer = np.repeat(np.arange(200), 60)
    coin = rng.integers(0, 2, 200)[customer]
    number = rng.permutation(200).astype(float)[customer]
    sends = make_sends(customer, coin, coin, np.full(12_000, np.nan), number[:, None])
    folds = draw_customer_folds(customer, 5, rng)

    sent_at_one = make_sends(customer, np.ones(12_000, int), coin, np.ones(12_000), number[:, None])
    rewards = predict_rewards(sent_at_one, folds, seed=1)
    propensity = predict_propensities(sends, folds, seed=1)

    # with rows instead of customers in the folds, both are above 0.5
    assert abs(np.corrcoef(rewards[:, 1], coin)[0, 1]) < 0.3
    assert abs(np.corrcoef(propensity[:, 1], coin)[0, 1]) < 0.3


def test_nuisances_find_what_made_the_log():
    sends, p, truth = make_log(n_customers=2000)
    folds = draw_customer_folds(sends.customer, 5, np.random.default_rng(1))

    propensity = predict_propensities(sends, folds, seed=1)
    rewards = predict_rewards(sends, folds, seed=1)

    assert propensity.sum(axis=1).tolist() == pytest.approx([1.0] * len(sends))
    assert np.abs(propensity - p).mean() < 0.01
    assert np.abs(rewards - truth).mean() < 0.07
    # each action's mean inverse weight is near 1: rare ones are not over-confident
    for action in range(3):
        mine = sends.action == action
        assert (mine / propensity[:, action]).mean() == pytest.approx(1, abs=0.15)


def test_rewards_that_are_all_alike_need_no_model():
    sends = make_sends([0, 1, 2], [0, 1, 0], [2, 2, 2], [0.5] * 3)

    assert predict_rewards(sends, np.array([0, 1, 2]), seed=1).tolist() == [[2, 2]] * 3
