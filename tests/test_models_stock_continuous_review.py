import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import minimize

from models.stock.continuous_review import (
    score_rq_cost,
    solve_rq_exact,
    solve_rq_expected_inventory,
)

# Snyder & Shen (2019), example 5.1: demand N(1300, 150^2) a year, a month of lead time
DEMAND = {"mean": 1300, "sd": 150, "lead_time": 1 / 12}
COSTS = {"order_cost": 8, "holding_cost": 0.225}


def test_the_published_answer_is_the_expected_inventory_level_approximation():
    found = solve_rq_expected_inventory(**DEMAND, **COSTS, penalty=7.5)

    assert found.reorder_point == pytest.approx(213.970, abs=5e-4)
    assert found.quantity == pytest.approx(318.590, abs=5e-4)
    assert found.cost == pytest.approx(95.451140222851961, abs=1e-6)


@pytest.mark.parametrize(
    ("point", "quantity", "published"),
    [(126.8, 328.5, 78.071162509282942), (100, 250, 87.346478028174985)],
)
def test_the_published_exact_costs(point, quantity, published):
    cost = score_rq_cost(point, quantity, **DEMAND, **COSTS, backorder_cost=7.5)

    assert cost == pytest.approx(published, abs=1e-9)


def test_the_exact_optimum_is_the_published_one():
    # Snyder & Shen print r = 126.8, Q = 328.5, cost 78.07
    found = solve_rq_exact(**DEMAND, **COSTS, backorder_cost=7.5)

    assert found.reorder_point == pytest.approx(126.8670642878315, abs=1e-5)
    assert found.quantity == pytest.approx(328.4491413581765, abs=1e-5)
    assert found.cost == pytest.approx(78.0711, abs=1e-4)


def test_no_search_finds_a_cheaper_policy():
    def cost(x):
        return score_rq_cost(x[0], x[1], 40, 9, 2, order_cost=30, holding_cost=3, backorder_cost=10)

    searched = minimize(cost, [80.0, 30.0], method="Nelder-Mead", options={"xatol": 1e-7})

    found = solve_rq_exact(40, 9, 2, order_cost=30, holding_cost=3, backorder_cost=10)

    assert found.cost == pytest.approx(searched.fun, rel=1e-8)
    assert [found.reorder_point, found.quantity] == pytest.approx(searched.x, abs=1e-2)


def test_the_exact_cost_is_the_integral_by_quadrature():
    mean, sd, h, p = 80.0, 9.0 * 2**0.5, 3.0, 10.0

    def rate(y):
        def paid(d):
            return (h * max(y - d, 0) + p * max(d - y, 0)) * stats.norm.pdf(d, mean, sd)

        return integrate.quad(paid, mean - 8 * sd, mean + 8 * sd, points=[y], limit=200)[0]

    over = np.mean([rate(75 + (step + 0.5) * 35 / 50) for step in range(50)]) * 35

    cost = score_rq_cost(75, 35, 40, 9, 2, order_cost=30, holding_cost=h, backorder_cost=p)

    assert cost == pytest.approx((30 * 40 + over) / 35, rel=1e-4)


def test_without_uncertainty_it_is_the_economic_order_quantity_with_backorders():
    # Q = sqrt(2 K d (h + p) / (h p)), r = lead-time demand - Q h / (h + p)
    found = solve_rq_exact(1300, 0, 1 / 12, **COSTS, backorder_cost=7.5)

    assert found.quantity == pytest.approx(308.5737801203754, abs=1e-5)
    assert found.reorder_point == pytest.approx(1300 / 12 - 308.5737801203754 * 0.225 / 7.725)


def test_out_of_range_inputs_are_refused():
    with pytest.raises(ValueError, match="lead_time: expected numbers >= 0"):
        solve_rq_exact(1300, 150, -1, **COSTS, backorder_cost=7.5)
    with pytest.raises(ValueError, match="mean: expected"):
        solve_rq_expected_inventory(0, 150, 1, **COSTS, penalty=7.5)
    with pytest.raises(ValueError, match="order_cost: expected"):
        solve_rq_exact(1300, 150, 1, order_cost=0, holding_cost=1, backorder_cost=7.5)
    with pytest.raises(ValueError, match="quantity: expected"):
        score_rq_cost(1, 0, **DEMAND, **COSTS, backorder_cost=7.5)
    with pytest.raises(ValueError, match="raise the penalty"):
        solve_rq_expected_inventory(**DEMAND, order_cost=8, holding_cost=50, penalty=1)
