import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.stock.lot_sizing import solve_lot_sizes


def cheapest_by_enumeration(demand, order_cost, holding_cost):
    """Try every set of periods to order in; each order lasts until the next."""
    best = float("inf")
    for orders in itertools.product([False, True], repeat=len(demand)):
        cost, stocked = 0.0, None
        for period, units in enumerate(demand):
            if orders[period]:
                stocked, cost = period, cost + order_cost[period]
            if units and stocked is None:
                cost = float("inf")
            elif units:
                cost += units * sum(holding_cost[stocked:period])
        best = min(best, cost)
    return best


def test_the_published_plan():
    # Snyder & Shen (2019), chapter 3
    plan = solve_lot_sizes([90, 120, 80, 70], order_cost=500, holding_cost=2)

    assert plan.orders.tolist() == [210.0, 0.0, 150.0, 0.0]
    assert plan.cost == 1380.0


@given(st.data(), st.integers(1, 7))
def test_no_plan_is_cheaper_by_enumeration(data, n_periods):
    whole = st.lists(st.integers(0, 20), min_size=n_periods, max_size=n_periods)
    demand, fixed, holding = (data.draw(whole) for _ in range(3))

    plan = solve_lot_sizes(demand, order_cost=fixed, holding_cost=holding)

    assert plan.cost == pytest.approx(cheapest_by_enumeration(demand, fixed, holding))
    stock = 0.0
    cost = 0.0
    for period in range(n_periods):
        stock += plan.orders[period] - demand[period]
        cost += fixed[period] * (plan.orders[period] > 0) + holding[period] * stock
        assert stock >= 0
    assert stock == 0
    assert cost == pytest.approx(plan.cost)


def test_no_demand_orders_nothing():
    assert solve_lot_sizes([0, 0], order_cost=5, holding_cost=1).cost == 0.0
    assert solve_lot_sizes([], order_cost=5, holding_cost=1).orders.tolist() == []


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="demand: expected numbers >= 0, got -1"):
        solve_lot_sizes([1, -1], order_cost=5, holding_cost=1)
    with pytest.raises(ValueError, match="holding_cost: expected one number or shape"):
        solve_lot_sizes([1, 1], order_cost=5, holding_cost=[1, 2, 3])
    with pytest.raises(ValueError, match="plan one item"):
        solve_lot_sizes([[1, 1]], order_cost=5, holding_cost=1)
