import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.stock.periodic_review import (
    build_poisson_pmf,
    build_sampled_pmf,
    solve_reorder_levels,
)


def average_cost_by_markov_chain(pmf, point, top, order_cost, h, p):
    """Stationary distribution of the position after ordering, states point + 1 to top."""
    states = list(range(point + 1, top + 1))
    moves = np.zeros((len(states), len(states)))
    for row, state in enumerate(states):
        for units, chance in enumerate(pmf):
            after = state - units
            moves[row, -1 if after <= point else states.index(after)] += chance
    size = len(states)
    system = np.vstack([moves.T - np.eye(size), np.ones(size)])
    stationary = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]
    cost = 0.0
    for weight, state in zip(stationary, states, strict=True):
        for units, chance in enumerate(pmf):
            paid = h * max(state - units, 0) + p * max(units - state, 0)
            paid += order_cost * (state - units <= point)
            cost += weight * chance * paid
    return cost


@pytest.mark.parametrize(
    ("mean", "point", "top", "cost"),
    [
        (10, 6, 40, 35.022),
        (15, 10, 49, 42.698),
        (20, 14, 62, 49.173),
        (25, 19, 56, 54.262),
        (50, 42, 108, 70.975),
        (70, 62, 81, 79.037),
    ],
)
def test_the_table_of_zheng_and_federgruen(mean, point, top, cost):
    found = solve_reorder_levels(
        build_poisson_pmf(mean), order_cost=64, holding_cost=1, backorder_cost=9
    )

    assert (found.reorder_point, found.order_up_to) == (point, top)
    assert found.cost == pytest.approx(cost, abs=5e-4)


def test_the_published_poisson_example():
    # Snyder & Shen (2019), example 4.7
    found = solve_reorder_levels(
        build_poisson_pmf(6), order_cost=5, holding_cost=1, backorder_cost=4
    )

    assert (found.reorder_point, found.order_up_to) == (4, 10)
    assert found.cost == pytest.approx(8.034112, abs=5e-7)


def test_without_an_order_cost_it_is_the_newsvendor():
    found = solve_reorder_levels(
        build_poisson_pmf(6), order_cost=0, holding_cost=1, backorder_cost=4
    )

    assert (found.reorder_point, found.order_up_to) == (7, 8)
    assert found.cost == pytest.approx(3.570106945770946)


def test_several_levels_of_one_cost_and_free_orders():
    # half of the demand is at most 3, so that 3 and 4 cost the same; s stays below S
    found = solve_reorder_levels(
        np.array([0, 2, 0, 4, 3, 3]) / 12, order_cost=0, holding_cost=1, backorder_cost=1
    )

    assert found.reorder_point == found.order_up_to - 1
    assert found.order_up_to in (3, 4)
    assert found.cost == pytest.approx((2 * 2 + 3 * 1 + 3 * 2) / 12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=7).filter(lambda w: sum(w[1:]) > 0),
    st.floats(0, 40),
    st.floats(0.2, 3),
    st.floats(0.2, 12),
)
def test_no_policy_is_cheaper_by_markov_chain(weights, order_cost, h, p):
    pmf = np.array(weights) / sum(weights)

    found = solve_reorder_levels(pmf, order_cost=order_cost, holding_cost=h, backorder_cost=p)

    own = average_cost_by_markov_chain(
        pmf, found.reorder_point, found.order_up_to, order_cost, h, p
    )
    assert found.cost == pytest.approx(own, rel=1e-7, abs=1e-9)
    for point in range(found.reorder_point - 2, found.reorder_point + 3):
        for top in range(max(point + 1, found.order_up_to - 3), found.order_up_to + 4):
            other = average_cost_by_markov_chain(pmf, point, top, order_cost, h, p)
            assert found.cost <= other + 1e-7


def test_a_lead_time_covers_the_demand_of_its_periods():
    # with no order cost the level is the newsvendor of the convolved demand
    found = solve_reorder_levels(
        build_poisson_pmf(2), order_cost=0, holding_cost=1, backorder_cost=4, lead_time=2
    )

    assert found.order_up_to == 8  # Poisson(6), as above
    assert found.cost == pytest.approx(3.570106945770946)


def test_samples_of_a_distribution_find_about_its_policy():
    drawn = np.random.default_rng(3).poisson(10, 100_000)

    found = solve_reorder_levels(
        build_sampled_pmf(drawn), order_cost=64, holding_cost=1, backorder_cost=9
    )

    assert abs(found.reorder_point - 6) <= 1
    assert abs(found.order_up_to - 40) <= 1
    assert found.cost == pytest.approx(35.022, rel=0.01)


def test_bad_distributions_are_refused():
    costs = {"order_cost": 1, "holding_cost": 1, "backorder_cost": 1}
    for pmf, words in [
        ([0.5, 0.4], "sum to 1"),
        ([1.0, 0.0], "some demand"),
        ([[1.0]], "shape"),
        ([1.5, -0.5], "pmf: expected numbers >= 0"),
        ([np.nan, 1.0], "pmf: expected numbers"),
    ]:
        with pytest.raises(ValueError, match=words):
            solve_reorder_levels(pmf, **costs)
    with pytest.raises(ValueError, match="lead_time"):
        solve_reorder_levels([0.5, 0.5], **costs, lead_time=-1)
    with pytest.raises(ValueError, match="holding_cost"):
        solve_reorder_levels([0.5, 0.5], order_cost=1, holding_cost=0, backorder_cost=1)
    with pytest.raises(ValueError, match="whole units"):
        build_sampled_pmf([0.5])
    with pytest.raises(ValueError, match="at least one"):
        build_sampled_pmf([])
