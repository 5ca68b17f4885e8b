"""Draws within shared limits: never beyond them, and with chances that are exact."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.campaign.exploration import Choice, choose_uniform
from serving.campaigns import draws
from serving.campaigns.draws import Drawn, Limits, draw_within


def write(choice: Choice) -> np.ndarray:
    return np.full(len(choice.index), "[]", dtype=object)


def limit(capacity, cost=0.0, budget=np.inf) -> Limits:
    capacity = np.asarray(capacity, dtype=np.float64)
    return Limits(capacity, np.broadcast_to(np.asarray(cost, float), capacity.shape), budget)


def draw_evenly(permitted, rng):
    return lambda customers, is_open: choose_uniform(permitted[customers] & is_open, rng=rng)


def draw(permitted, limits, seed=0, draw_one=None) -> Drawn:
    rng = np.random.default_rng(seed)
    drawn = Drawn.empty(len(permitted))
    one = draw_one or draw_evenly(permitted, rng)
    draw_within(np.arange(len(permitted)), one, write, limits, drawn, rng)
    return drawn


counts = st.lists(st.one_of(st.integers(0, 5), st.just(np.inf)), min_size=6, max_size=6)
prices = st.lists(st.sampled_from([0.0, 0.1, 0.25, 3.0]), min_size=6, max_size=6)


@settings(max_examples=80, deadline=None)
@given(counts, prices, st.one_of(st.floats(0, 5), st.just(np.inf)), st.integers(0, 2**16))
def test_limits_are_kept_and_nobody_is_left_out_while_there_is_room(capacity, cost, budget, seed):
    permitted = np.random.default_rng(seed).random((40, 6)) < 0.5
    limits = limit(capacity, cost, budget)
    drawn = draw(permitted, limits, seed)
    sent = drawn.option >= 0
    used = np.bincount(drawn.option[sent], minlength=6)
    spent = np.asarray(cost)[drawn.option[sent]].sum()
    assert (used <= capacity).all()
    assert spent <= budget + 1e-8
    np.testing.assert_allclose(limits.capacity, np.asarray(capacity) - used)
    if np.isfinite(budget):
        assert limits.budget == pytest.approx(budget - spent)
    assert permitted[sent, drawn.option[sent]].all()
    assert not (permitted[~sent] & limits.is_open()).any()
    assert (drawn.propensity[~sent] == 1.0).all()
    assert ((drawn.propensity > 0) & (drawn.propensity <= 1)).all()


def test_the_chances_logged_are_those_of_what_happened():
    """Over many draws each outcome is as frequent, given the order, as the product of its logs."""
    chance = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2]])
    n, outcomes = 4_000, Counter()
    logged: dict[tuple, float] = {}
    rng = np.random.default_rng(5)
    for _ in range(n):
        orders = []

        def draw_fixed(customers, is_open, orders=orders):
            orders.append(tuple(customers.tolist()))
            shares = chance[customers] * is_open
            shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
            index = (rng.random(len(customers))[:, None] > shares.cumsum(axis=1)).sum(axis=1)
            index = np.where(is_open.any(), np.minimum(index, 2), -1)
            own = np.where(index >= 0, shares[np.arange(len(index)), index], np.nan)
            none = np.zeros((len(index), 0))
            return Choice(index, own, own, none.astype(int), none, shares > 0)

        drawn = Drawn.empty(3)
        limits = limit([1, 1, np.inf], [0.0, 0.0, 1.0], 1.0)
        draw_within(np.arange(3), draw_fixed, write, limits, drawn, rng)
        key = (orders[0], tuple(drawn.option.tolist()))
        product = float(np.prod(drawn.propensity))
        assert logged.setdefault(key, product) == pytest.approx(product)
        outcomes[key] += 1
    for order in {key[0] for key in outcomes}:
        of_order = {key: count for key, count in outcomes.items() if key[0] == order}
        total = sum(of_order.values())
        assert sum(logged[key] for key in of_order) == pytest.approx(1.0)
        for key, count in of_order.items():
            sd = np.sqrt(total * logged[key] * (1 - logged[key]))
            assert abs(count - total * logged[key]) < 5 * sd + 1e-9


def test_who_comes_first_takes_the_last_message_with_the_chance_of_then():
    # one message an option, two customers, two options: 1/2 for the first, certain for the second
    for seed in range(20):
        drawn = draw(np.ones((2, 2), bool), limit([1, 1]), seed)
        assert sorted(drawn.option.tolist()) == [0, 1]
        assert sorted(drawn.propensity.tolist()) == [0.5, 1.0]


def test_where_nothing_is_open_nobody_gets_anything_for_certain():
    for limits in (limit([0, 0]), limit([np.inf, np.inf], 0.5, 0.49)):
        drawn = draw(np.ones((5, 2), bool), limits)
        assert drawn.option.tolist() == [-1] * 5
        assert drawn.propensity.tolist() == [1.0] * 5
        assert drawn.candidates == ["[]"] * 5


def test_money_in_decimals_pays_for_as_many_messages_as_it_should():
    drawn = draw(np.ones((1000, 1), bool), limit([np.inf], 0.1, 30.0))
    assert (drawn.option >= 0).sum() == 300


def test_no_message_is_an_option_that_costs_nothing_and_is_never_full():
    rng = np.random.default_rng(0)

    def draw_last(customers, is_open):
        return choose_uniform(np.tile([*is_open, True], (len(customers), 1)), rng=rng)

    drawn = draw(np.ones((300, 1), bool), limit([7]), draw_one=draw_last)
    assert (drawn.option == 0).sum() == 7
    assert set(drawn.propensity[drawn.option == 0]) == {0.5}
    assert set(drawn.propensity[drawn.option == -1]) == {0.5, 1.0}


@given(st.lists(st.integers(0, 9), min_size=3, max_size=3), st.floats(0, 1), st.integers(0, 99))
def test_a_share_of_the_limits_and_the_rest_are_the_whole(capacity, share, seed):
    limits = limit([*capacity, np.inf], 0.5, 10.0)
    part = limits.split(share, np.random.default_rng(seed))
    assert part.budget == pytest.approx(10.0 * share)
    finite = part.capacity[:3]
    assert (finite == np.floor(finite)).all()
    assert (np.abs(finite - share * np.array(capacity)) < 1).all()
    assert (limits.capacity >= 0).all()
    np.testing.assert_array_equal(limits.capacity[:3] + finite, capacity)
    limits.join(part)
    np.testing.assert_array_equal(limits.capacity, [*capacity, np.inf])
    assert limits.budget == pytest.approx(10.0)


def test_a_share_of_single_messages_is_dealt_by_chance():
    parts = [limit([1]).split(0.3, np.random.default_rng(s)).capacity[0] for s in range(2000)]
    assert np.mean(parts) == pytest.approx(0.3, abs=0.04)


def test_parts_of_an_audience_change_no_chance(monkeypatch):
    """Without limits the size of the parts is nothing anybody can see."""
    permitted = np.random.default_rng(1).random((50, 6)) < 0.7
    one = draw(permitted, limit([np.inf] * 6)).propensity
    monkeypatch.setattr(draws, "MOST_ROWS", 7)
    other = draw(permitted, limit([np.inf] * 6)).propensity
    np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(one, 1 / np.maximum(permitted.sum(axis=1), 1))
