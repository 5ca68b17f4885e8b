import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.stock.newsvendor import (
    find_critical_ratio,
    find_sample_quantile,
    solve_normal_newsvendor,
    solve_poisson_newsvendor,
    solve_sampled_newsvendor,
)

COSTS = {"underage_cost": 0.7, "overage_cost": 0.18}


def cost_by_loop(samples, level, p, h):
    return sum(p * max(d - level, 0) + h * max(level - d, 0) for d in samples) / len(samples)


def test_the_published_normal_newsvendor():
    # Snyder & Shen (2019), example 4.3
    found = solve_normal_newsvendor(50, 8, **COSTS)

    assert float(found.level) == pytest.approx(56.60395592743389, abs=1e-9)
    assert float(found.cost) == pytest.approx(1.9976051931766445, abs=1e-9)


def test_the_published_base_stock_under_a_lead_time():
    # Snyder & Shen (2019), example 4.3 with a lead time of 4
    found = solve_normal_newsvendor(50, 8, **COSTS, lead_time=4)

    assert float(found.level) == pytest.approx(264.76689, abs=5e-6)
    assert float(found.cost) == pytest.approx(4.466781, abs=5e-7)


def test_the_published_poisson_newsvendor():
    found = solve_poisson_newsvendor(6, underage_cost=4, overage_cost=1)

    assert float(found.level) == 8.0
    assert float(found.cost) == pytest.approx(3.570106945770946, abs=1e-9)


def test_poisson_cost_is_the_expected_cost_by_loop():
    from scipy import stats

    mean, p, h = 2.5 * 3, 3.0, 2.0
    by_loop = {
        level: sum(
            stats.poisson.pmf(d, mean) * (p * max(d - level, 0) + h * max(level - d, 0))
            for d in range(80)
        )
        for level in range(20)
    }

    found = solve_poisson_newsvendor(2.5, underage_cost=p, overage_cost=h, lead_time=2)

    assert float(found.level) == min(by_loop, key=by_loop.get)
    assert float(found.cost) == pytest.approx(min(by_loop.values()))


def test_a_level_per_item():
    found = solve_normal_newsvendor(
        [50, 50], [8, 0], underage_cost=[0.7, 0.7], overage_cost=[0.18, 0.18]
    )

    assert found.level.tolist() == pytest.approx([56.60395592743389, 50.0])
    assert found.cost.tolist() == pytest.approx([1.9976051931766445, 0.0])


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=25),
    st.floats(0.01, 50),
    st.floats(0.01, 50),
)
def test_no_whole_level_is_cheaper_on_the_samples(samples, p, h):
    found = solve_sampled_newsvendor(samples, underage_cost=p, overage_cost=h)

    cheapest = min(cost_by_loop(samples, level, p, h) for level in range(32))
    assert float(found.cost) == pytest.approx(cheapest, rel=1e-9, abs=1e-9)
    assert cost_by_loop(samples, float(found.level), p, h) == pytest.approx(float(found.cost))


def test_many_samples_approach_the_normal_answer():
    drawn = np.random.default_rng(1).normal(50, 8, 200_000)

    found = solve_sampled_newsvendor(drawn, **COSTS)

    assert float(found.level) == pytest.approx(56.604, abs=0.1)
    assert float(found.cost) == pytest.approx(1.9976, rel=0.01)


def test_a_share_that_falls_on_a_sample_takes_that_sample():
    # .07 x 100 is 7.000000000000001 in floating point
    assert float(find_sample_quantile(np.arange(100.0), 0.07)) == 6.0
    assert float(find_sample_quantile(np.arange(100.0), 0.0)) == 0.0
    assert float(find_sample_quantile(np.arange(100.0), 1.0)) == 99.0


def test_a_share_for_each_row():
    rows = np.array([[3.0, 1.0, 2.0, 4.0], [30.0, 10.0, 20.0, 40.0]])

    assert find_sample_quantile(rows, [0.5, 0.75]).tolist() == [2.0, 30.0]


@pytest.mark.parametrize(("p", "h"), [(0, 0), (-1, 2), (1, -2), (float("nan"), 1)])
def test_costs_that_make_no_ratio_are_refused(p, h):
    with pytest.raises(ValueError, match="expected"):
        find_critical_ratio(p, h)


def test_out_of_range_inputs_are_refused_by_name():
    with pytest.raises(ValueError, match="lead_time: expected numbers >= 0, got -1"):
        solve_normal_newsvendor(50, 8, **COSTS, lead_time=-1)
    with pytest.raises(ValueError, match="sd: expected numbers >= 0"):
        solve_normal_newsvendor(50, -8, **COSTS)
    with pytest.raises(ValueError, match="mean: expected numbers >= 0"):
        solve_poisson_newsvendor(-1, **COSTS)
    with pytest.raises(ValueError, match=r"samples: expected numbers, got nan at \(1,\)"):
        solve_sampled_newsvendor([1.0, np.nan], **COSTS)
    with pytest.raises(ValueError, match="at least one per row"):
        solve_sampled_newsvendor([], **COSTS)
