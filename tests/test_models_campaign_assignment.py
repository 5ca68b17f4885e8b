from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from models.campaign import assignment_search
from models.campaign.assignment import assign, assign_blocks

FREE = {"capacity": np.inf, "cost": 0.0, "budget": None}


def write_rows(value, capacity, cost, budget, most, gap, per_channel):
    """Every constraint as a dense row over every option, by plain loops."""
    n, n_hours, n_channels = value.shape
    rows, bounds = [], []

    def add(bound, where, amount=1.0):
        if np.isfinite(bound):
            row = np.zeros(value.shape)
            row[where] = amount
            rows.append(row.ravel())
            bounds.append(bound)

    for customer in range(n):
        add(most[customer], np.s_[customer])
        for hour in range(n_hours):
            add(1, np.s_[customer, hour : hour + max(1, gap)])
    for hour in range(n_hours):
        for channel in range(n_channels):
            add(capacity[hour, channel], np.s_[:, hour, channel])
    for channel in range(n_channels):
        add(per_channel[channel], np.s_[:, :, channel])
    add(np.inf if budget is None else budget, np.s_[:], cost)
    return np.array(rows), np.array(bounds)


def solve_both(value, *limits):
    """The optimum in whole messages and in fractions, over every option that can be paid."""
    matrix, bounds = write_rows(value, *limits)
    _, cost, budget = limits[:3]
    is_paid = np.broadcast_to(cost <= (np.inf if budget is None else budget), value.shape)
    worth, allowed = (
        -np.nan_to_num(value).ravel(),
        (~np.isnan(value) & is_paid).ravel().astype(float),
    )
    whole = milp(
        worth,
        integrality=np.ones(value.size),
        bounds=Bounds(0, allowed),
        constraints=LinearConstraint(matrix, ub=bounds),
        options={"mip_rel_gap": 0.0},
    )
    linear = linprog(
        worth, A_ub=matrix, b_ub=bounds, bounds=np.column_stack([0 * allowed, allowed])
    )
    return -whole.fun, -linear.fun


def draw_case(seed, most_customers=8):
    rng = np.random.default_rng(seed)
    n, n_hours, n_channels = rng.integers((1, 1, 1), (most_customers, 7, 4))
    value = rng.normal(0.5, 1.0, (n, n_hours, n_channels)).round(int(rng.choice([0, 1, 6])))
    value[rng.random(value.shape) < 0.15] = np.nan
    return (
        value,
        rng.choice([0, 1, 2, 3, np.inf], (n_hours, n_channels)),
        rng.choice([0.0, 0.1, 1.0, 2.0], n_channels),
        None if rng.random() < 0.4 else float(rng.choice([0.0, 0.3, 2.0, 5.0])),
        rng.integers(0, 4, n),
        int(rng.integers(0, 4)),
        rng.choice([0, 2, 5, np.inf], n_channels, p=[0.1, 0.3, 0.3, 0.3]),
    )


def solve(value, capacity, cost, budget, most, gap, per_channel):
    return assign(
        value,
        capacity=capacity,
        cost=cost,
        budget=budget,
        most_per_customer=most,
        min_gap_hours=gap,
        channel_capacity=per_channel,
    )


def check_constraints(found, value, capacity, cost, budget, most, gap, per_channel):
    sent = np.zeros(value.shape)
    np.add.at(sent, (found.customer, found.hour, found.channel), 1)
    assert sent.max(initial=0) <= 1
    assert (sent.sum(axis=(1, 2)) <= most).all()
    assert (sent.sum(axis=0) <= capacity).all()
    assert (sent.sum(axis=(0, 1)) <= per_channel).all()
    assert budget is None or float(sent.sum(axis=(0, 1)) @ cost) <= budget * (1 + 1e-9)
    order = np.lexsort((found.hour, found.customer))
    assert (order == np.arange(len(order))).all()
    is_same = np.diff(found.customer) == 0
    assert (np.diff(found.hour)[is_same] >= max(1, gap)).all()
    values = value[found.customer, found.hour, found.channel]
    assert (values > 0).all()
    assert found.value == pytest.approx(values.sum(), abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9))
def test_small_instances_reach_the_optimum_of_branch_and_bound(seed):
    case = draw_case(seed)
    found = solve(*case)
    check_constraints(found, *case)
    whole, linear = solve_both(*case)
    assert found.value == pytest.approx(whole, abs=1e-5)
    assert found.bound >= linear - 1e-7
    assert found.bound == pytest.approx(linear, abs=1e-4)
    assert found.is_solved
    assert found.gap == pytest.approx((found.bound - found.value) / max(found.bound, 1e-300))


@pytest.mark.parametrize("seed", range(12))
def test_narrow_boxes_and_samples_come_to_the_same_optimum(seed, monkeypatch):
    case = draw_case(seed + 100, most_customers=40)
    case = (
        np.round(case[0] + 1e-3 * np.random.default_rng(seed).normal(size=case[0].shape), 9),
        *case[1:],
    )
    monkeypatch.setattr(assignment_search, "SAMPLES", (4, 8))
    monkeypatch.setattr(assignment_search, "COLUMNS", 80)
    monkeypatch.setattr(assignment_search, "COLUMNS_LEARNING", 40)
    monkeypatch.setattr(assignment_search, "STEPS", 60)
    found = solve(*case)
    check_constraints(found, *case)
    whole, linear = solve_both(*case)
    assert found.bound >= whole - 1e-7
    assert found.is_solved
    assert found.bound == pytest.approx(linear, rel=1e-4, abs=1e-4)
    assert found.value <= whole + 1e-7


@pytest.mark.parametrize("seed", range(6))
def test_a_search_cut_short_still_holds_every_limit_and_its_bound(seed, monkeypatch):
    case = draw_case(seed + 300, most_customers=40)
    monkeypatch.setattr(assignment_search, "COLUMNS", 6)
    monkeypatch.setattr(assignment_search, "STEPS", 1)
    found = solve(*case)
    check_constraints(found, *case)
    whole, _ = solve_both(*case)
    assert found.bound >= whole - 1e-7


def test_a_full_hour_goes_to_who_loses_most_by_another():
    value = np.array([[[1.0], [5.0]], [[3.0], [4.0]], [[2.0], [2.5]]])
    found = assign(value, capacity=[[2], [1]], cost=1.0, budget=None, most_per_customer=1)
    assert found.hour.tolist() == [1, 0, 0]
    assert found.value == 10.0
    # a second place in hour 1 is worth 1, to customer 1; the only one is worth 4, to customer 0
    assert 1.0 - 1e-5 <= found.prices[1, 0] - found.prices[0, 0] <= 4.0 + 1e-5
    assert found.gap == pytest.approx(0.0, abs=1e-6)


def test_money_goes_to_the_messages_worth_most_of_it():
    # worth per money: 5, 4, 3, 2; with 2.5 the third would get half a message
    value = np.array([5.0, 4.0, 3.0, 2.0])[:, None, None]
    found = assign(value, capacity=np.inf, cost=1.0, budget=2.5, most_per_customer=1)
    assert found.customer.tolist() == [0, 1]
    assert found.bound == pytest.approx(10.5)
    assert found.gap == pytest.approx(1.5 / 10.5)
    assert found.budget_price == pytest.approx(3.0)
    assert not found.prices.any()


def test_a_dear_channel_gives_way_to_a_cheap_one_where_money_is_short():
    # 3 extra by the dear channel for the first customer, 1 for the second; money for one of them
    value = np.array([[[2.0, 5.0]], [[2.0, 3.0]]])
    found = assign(value, capacity=np.inf, cost=[0.0, 1.0], budget=1.0, most_per_customer=1)
    assert found.channel.tolist() == [1, 0]
    assert 1.0 - 1e-6 <= found.budget_price <= 3.0 + 1e-6


def test_a_channel_may_be_limited_over_all_hours():
    value = np.array([[[5.0, 1.0], [4.0, 1.0]], [[4.0, 2.0], [4.5, 1.0]]])
    found = assign(value, **FREE, most_per_customer=1, channel_capacity=[1, np.inf])
    assert list(zip(found.hour.tolist(), found.channel.tolist(), strict=True)) == [(0, 0), (0, 1)]
    assert found.channel_prices[0] > 2.0
    assert found.channel_prices[1] == 0.0


@pytest.mark.parametrize(
    ("gap", "hours"), [(0, [0, 1, 2]), (1, [0, 1, 2]), (2, [0, 2, 4]), (3, [1, 4]), (5, [1])]
)
def test_messages_of_a_customer_keep_their_distance(gap, hours):
    value = np.array([3.0, 4.0, 3.0, 1.0, 2.0])[None, :, None]
    found = assign(value, **FREE, most_per_customer=3, min_gap_hours=gap)
    assert found.hour.tolist() == hours
    assert found.gap == 0.0
    assert found.iterations == 0


def test_never_two_channels_in_one_hour():
    found = assign(np.array([[[3.0, 2.9]]]), **FREE, most_per_customer=2)
    assert (found.hour.tolist(), found.channel.tolist()) == ([0], [0])


@pytest.mark.parametrize("capacity", [np.inf, [[9, 9], [9, 9], [9, 9]], [[9, 9], [2, 9], [9, 0]]])
def test_ties_go_to_the_earliest_hour_then_the_first_channel(capacity):
    value = np.ones((3, 3, 2))
    value[2, 0, 0] = np.nan
    value[2, 1, 0] = 2.0
    value[2, 2, 0] = 2.0
    found = assign(value, capacity=capacity, cost=0.0, budget=None, most_per_customer=1)
    assert found.hour.tolist() == [0, 0, 1]
    assert found.channel.tolist() == [0, 0, 0]


def test_ties_hold_while_another_hour_is_full():
    value = np.ones((4, 3, 1))
    value[:2, 2] = 3.0
    found = assign(value, capacity=[[9], [9], [1]], cost=0.0, budget=None, most_per_customer=1)
    assert sorted(found.hour.tolist()) == [0, 0, 0, 2]
    assert found.value == 6.0


def test_nothing_is_sent_where_it_is_worth_nothing():
    value = np.array([[[0.0], [-1.0]], [[np.nan], [np.nan]], [[1.0], [2.0]], [[1.0], [1.0]]])
    for limits in (FREE, {"capacity": [[1], [1]], "cost": 0.0, "budget": None}):
        found = assign(value, **limits, most_per_customer=[1, 1, 1, 0])
        assert (found.customer.tolist(), found.hour.tolist()) == ([2], [1])


@pytest.mark.parametrize(
    "limits",
    [
        {"capacity": 0.0, "cost": 0.0, "budget": None},
        {"capacity": 0.9, "cost": 0.0, "budget": None},
        {"capacity": np.inf, "cost": 1.0, "budget": 0.0},
        {"capacity": np.inf, "cost": 1.0, "budget": 0.5},
        {"capacity": np.inf, "cost": 0.0, "budget": None, "channel_capacity": 0.0},
    ],
)
def test_no_room_means_no_message_and_no_error(limits):
    found = assign(np.ones((3, 2, 2)), **limits, most_per_customer=1)
    assert len(found.customer) == 0
    assert (found.value, found.bound, found.gap) == (0.0, 0.0, 0.0)


def test_no_money_leaves_the_free_channel():
    value = np.array([[[2.0, 1.0]]])
    found = assign(value, capacity=np.inf, cost=[0.1, 0.0], budget=0.0, most_per_customer=1)
    assert found.channel.tolist() == [1]


def test_an_audience_of_nobody_gets_nothing():
    for limits in (FREE, {"capacity": 1.0, "cost": 1.0, "budget": 1.0}):
        found = assign(np.zeros((0, 4, 2)), **limits, most_per_customer=1)
        assert len(found.customer) == 0
        assert found.prices.shape == (4, 2)


def test_identical_customers_share_what_there_is():
    value = np.broadcast_to(np.array([3.0, 2.0, 1.0, -1.0])[None, :, None], (5_000, 4, 1))
    found = assign(
        value, capacity=[[100], [400], [1000], [9]], cost=0.0, budget=None, most_per_customer=1
    )
    assert np.bincount(found.hour).tolist() == [100, 400, 1000]
    assert len(np.unique(found.customer)) == 1_500
    assert found.value == 2_100.0
    assert found.gap == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("most", [1, 2])
def test_a_thousand_customers_come_within_the_gap_and_the_same_each_time(most):
    rng = np.random.default_rng(3)
    value = rng.gamma(1.0, 1.0, (1_000, 24, 2)).astype(np.float32)
    value *= (1 + 3 * np.exp(-0.5 * ((np.arange(24) - 19) / 2) ** 2))[None, :, None]
    value -= np.float32(1.0)
    case = (value, np.full((24, 2), 13.0), np.array([1.0, 0.2]), 300.0)
    found = solve(*case, np.full(1_000, most), 6, np.array([np.inf, np.inf]))
    check_constraints(
        found, value.astype(float), *case[1:], np.full(1_000, most), 6, np.full(2, np.inf)
    )
    assert found.is_solved
    assert 0 <= found.gap < 1e-3
    again = solve(*case, np.full(1_000, most), 6, np.array([np.inf, np.inf]))
    assert np.array_equal(found.hour, again.hour)
    assert np.array_equal(found.prices, again.prices)
    # the dual function at the prices, by a plain loop for customers with one message
    if most == 1:
        price = found.prices + found.budget_price * case[2]
        best = np.maximum((value - price).reshape(1_000, -1).max(axis=1), 0.0).sum()
        dual = best + (13.0 * found.prices).sum() + 300.0 * found.budget_price
        assert found.bound <= dual * (1 + 1e-9)
        assert found.bound == pytest.approx(dual, rel=1e-6)


def test_blocks_of_any_size_give_the_same_messages():
    case = draw_case(11, most_customers=40)
    value, capacity, cost, budget, most, gap, per_channel = case
    whole = solve(*case)

    def read():
        return (value[at : at + 3] for at in range(0, len(value), 3))

    found = assign_blocks(
        read,
        shape=value.shape[1:],
        capacity=capacity,
        cost=cost,
        budget=budget,
        most_per_customer=most,
        min_gap_hours=gap,
        channel_capacity=per_channel,
    )
    assert np.array_equal(found.customer, whole.customer)
    assert np.array_equal(found.hour, whole.hour)
    assert found.value == whole.value


def test_the_values_of_the_caller_are_left_as_they_are():
    value = np.array([[[1.0], [np.nan]], [[2.0], [3.0]]])
    before = value.copy()
    assign(value, capacity=1.0, cost=1.0, budget=1.0, most_per_customer=2)
    assert np.array_equal(value, before, equal_nan=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": np.ones((2, 3))}, r"value: expected shape \(n, n_hours, n_channels\)"),
        ({"value": np.full((2, 3, 2), np.inf)}, "value: expected finite numbers or NaN"),
        ({"value": np.ones((2, 0, 2))}, "at least"),
        ({"capacity": np.ones((2, 2))}, r"capacity: expected one number or shape \(3, 2\)"),
        ({"capacity": -1.0}, "capacity: expected numbers >= 0, got -1"),
        ({"capacity": np.nan}, "capacity: expected numbers >= 0, got nan"),
        ({"cost": [1.0, -2.0]}, "cost: expected finite numbers >= 0, got -2"),
        ({"cost": np.inf}, "cost: expected finite numbers >= 0, got inf"),
        ({"budget": -1.0}, "budget: expected finite numbers >= 0"),
        ({"budget": np.nan}, "budget: expected finite numbers >= 0"),
        ({"most_per_customer": [1, 1, 1]}, "most_per_customer: expected one number or shape"),
        ({"most_per_customer": [1, -1]}, "most_per_customer: expected numbers >= 0"),
        ({"most_per_customer": [1, 0.5]}, "most_per_customer: expected one whole number"),
        ({"min_gap_hours": -1}, "min_gap_hours: expected 0 or more"),
        ({"channel_capacity": [1.0, 2.0, 3.0]}, "channel_capacity: expected one number"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    given = {"value": np.ones((2, 3, 2)), **FREE, "most_per_customer": 1} | change
    with pytest.raises(ValueError, match=words):
        assign(given.pop("value"), **given)


def test_blocks_must_hold_every_customer_once():
    shape, most = (2, 1), np.ones(3, dtype=int)
    with pytest.raises(ValueError, match="expected 3 customers, as most_per_customer has, got 2"):
        assign_blocks(lambda: [np.ones((2, 2, 1))], shape=shape, most_per_customer=most, **FREE)
    with pytest.raises(ValueError, match="at most 1 more customers"):
        assign_blocks(lambda: [np.ones((2, 2, 1))] * 2, shape=shape, most_per_customer=most, **FREE)
