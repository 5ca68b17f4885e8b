import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.stock import inputs
from models.stock.advice import advise_stock
from models.stock.policy import (
    find_position,
    set_levels_by_cost,
    set_levels_by_service,
    suggest_orders,
)
from models.stock.protection import sum_interval_demand


def draw_paths(n_items=3, n_periods=12, n_paths=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(2, 0.3, (n_items, n_periods, n_paths)).astype(float)


def test_demand_is_summed_along_each_path_over_its_own_lead_time():
    paths = draw_paths()
    leads = np.random.default_rng(1).integers(0, 6, (3, 40))

    demand = sum_interval_demand(paths, leads, review_periods=4)

    for item in range(3):
        during = []
        for path in range(40):
            lead = leads[item, path]
            assert demand.protection[item, path] == paths[item, : lead + 4, path].sum()
            during.append(paths[item, :lead, path].sum())
        assert demand.lead_time_mean[item] == pytest.approx(np.mean(during))


def test_quantiles_do_not_add():
    # two days, two paths: each day's 90 % quantile is 10, the sum never exceeds 10
    paths = np.array([[[10.0, 0.0], [0.0, 10.0]]])

    levels = set_levels_by_service(sum_interval_demand(paths, 1, review_periods=1), 0.9)

    assert levels.reorder_point.tolist() == [10.0]
    assert levels.safety_stock.tolist() == [0.0]


def test_the_level_is_the_quantile_by_loop():
    paths = draw_paths(n_items=2)

    levels = set_levels_by_service(
        sum_interval_demand(paths, [2, 3], review_periods=2), [0.8, 0.95]
    )

    for item, (end, share) in enumerate([(4, 0.8), (5, 0.95)]):
        sums = sorted(paths[item, :end, path].sum() for path in range(40))
        assert levels.reorder_point[item] == sums[math.ceil(share * 40) - 1]
        assert levels.order_up_to[item] == levels.reorder_point[item]
        assert levels.protection_demand[item] == pytest.approx(np.mean(sums))
        assert levels.safety_stock[item] == pytest.approx(
            levels.reorder_point[item] - np.mean(sums)
        )


def test_uncertain_lead_times_need_more_safety_stock():
    paths = np.full((1, 20, 400), 5.0)
    rng = np.random.default_rng(0)

    sure = set_levels_by_service(sum_interval_demand(paths, 6), 0.95)
    unsure = set_levels_by_service(
        sum_interval_demand(paths, rng.choice([2, 10], size=(1, 400))), 0.95
    )

    assert sure.safety_stock.tolist() == [0.0]
    assert unsure.reorder_point.tolist() == [55.0]  # eleven days of five


def test_costs_set_the_textbook_ratio_for_a_review_every_period():
    demand = sum_interval_demand(draw_paths(), 2)

    levels = set_levels_by_cost(demand, review_periods=1, lost_margin=4.0, holding_cost=1.0)

    assert levels.service_level.tolist() == pytest.approx([0.8] * 3)
    assert np.array_equal(levels.reorder_point, set_levels_by_service(demand, 0.8).reorder_point)


def test_an_order_cost_makes_lots():
    # 4 units a day for sure: Q = sqrt(2 x 50 x 4 / 1) = 20, five days; the position falls through
    # s anywhere within a day's 4 units, at .25, .75, 1.25 ... by eighths: half of them by 1.75
    demand = sum_interval_demand(np.full((1, 9, 3), 4.0), 2)

    levels = set_levels_by_cost(
        demand, review_periods=1, lost_margin=5.0, holding_cost=1.0, order_cost=50.0
    )

    assert levels.service_level.tolist() == [0.5]  # 5 / (5 + 1 x 5 days)
    assert levels.reorder_point.tolist() == [9.75]  # 8 over the lead time, and 1.75
    assert levels.order_up_to.tolist() == [27.75]  # and 20 less the mean undershoot of 2
    assert levels.safety_stock.tolist() == [-0.25]


def test_lots_come_with_a_service_level_too():
    paths = draw_paths()
    by_cost = advise_stock(
        paths, 2, on_hand=0, lost_margin=9.0, holding_cost=0.2, order_cost=[30, 0, 30]
    )

    by_service = advise_stock(
        paths,
        2,
        on_hand=0,
        service_level=by_cost.levels.service_level,
        holding_cost=0.2,
        order_cost=[30, 0, 30],
    )

    assert np.array_equal(by_cost.levels.order_up_to, by_service.levels.order_up_to)
    assert by_cost.levels.order_up_to[1] == by_cost.levels.reorder_point[1]
    assert by_cost.levels.order_up_to[0] > by_cost.levels.reorder_point[0]


def test_the_undershoot_is_the_residual_life_by_loop():
    rng = np.random.default_rng(2)
    paths = rng.poisson(5, (1, 5, 300)).astype(float)

    levels = set_levels_by_cost(
        sum_interval_demand(paths, 3, review_periods=2),
        review_periods=2,
        lost_margin=20.0,
        holding_cost=0.1,
        order_cost=40.0,
    )

    # a long row of reviews: where does the position first stand at or below s, and what follows?
    reach = []
    for _ in range(4_000):
        room = 200.0 + 10 * rng.random()
        while room > 0:
            path = rng.integers(300)
            room -= paths[0, :2, path].sum()
        reach.append(-room + paths[0, 2:, path].sum())
    wanted = np.quantile(reach, levels.service_level[0])
    assert levels.reorder_point[0] == pytest.approx(wanted, abs=0.8)


def test_goods_that_earn_nothing_are_not_stocked():
    demand = sum_interval_demand(draw_paths() + 1, 2)

    levels = set_levels_by_cost(demand, review_periods=1, lost_margin=0.0, holding_cost=1.0)

    assert levels.order_up_to.tolist() == [0.0] * 3


def test_orders_fill_up_in_packs_and_not_below_the_minimum():
    demand = sum_interval_demand(np.full((5, 5, 1), 4.0), 2)
    levels = set_levels_by_service(demand, 0.9)  # s = S = 12

    orders = suggest_orders(
        levels,
        [12, 11, 3, -5, 20],
        pack_size=[6, 6, 6, 5, 6],
        minimum_order=[0, 10, 0, 0, 10],
    )

    assert orders.tolist() == [0.0, 12.0, 12.0, 20.0, 0.0]


def test_between_the_two_levels_nothing_is_ordered():
    demand = sum_interval_demand(np.full((1, 9, 3), 4.0), 2)
    levels = set_levels_by_cost(
        demand, review_periods=1, lost_margin=5.0, holding_cost=1.0, order_cost=50.0
    )

    assert suggest_orders(levels, 10).tolist() == [0.0]
    assert suggest_orders(levels, 9).tolist() == [19.0]  # 27.75 less 9, in whole units


def test_the_position_counts_what_is_promised_and_what_is_coming():
    assert find_position([10, 2], [3, 5], [0, 4], 2).tolist() == [7.0, 1.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.9), st.floats(0.01, 0.09))
def test_more_service_never_needs_less_stock(seed, share, more):
    demand = sum_interval_demand(draw_paths(seed=seed), 3)

    low, high = (set_levels_by_service(demand, s) for s in (share, share + more))

    assert (low.reorder_point <= high.reorder_point).all()


def test_paths_that_are_too_short_are_refused_or_carried_on_at_their_mean():
    paths = np.array([[[1.0, 2.0], [3.0, 2.0]]])

    with pytest.raises(ValueError, match=r"expected 5 periods.*got 2"):
        sum_interval_demand(paths, 4)
    demand = sum_interval_demand(paths, [[4, 1]], is_extended=True)

    assert demand.protection.tolist() == [[10.0, 4.0]]
    assert demand.beyond_share.tolist() == [0.5]


def test_chunks_change_nothing(monkeypatch):
    paths = draw_paths(n_items=7).astype(np.float32)
    whole = advise_stock(paths, 3, on_hand=20, service_level=0.9)
    monkeypatch.setattr(inputs, "CHUNK_CELLS", 500)

    chunked = advise_stock(paths, 3, on_hand=20, service_level=0.9)

    assert np.array_equal(whole.levels.order_up_to, chunked.levels.order_up_to)
    assert np.array_equal(whole.outlook.lost_units, chunked.outlook.lost_units)


def test_advice_is_its_parts():
    paths = draw_paths()
    arrivals = np.zeros((3, 12))
    arrivals[1, 2] = 9
    before = paths.copy(), arrivals.copy()

    advice = advise_stock(
        paths,
        [1, 2, 3],
        on_hand=[30, 5, 0],
        reserved=[4, 0, 2],
        arrivals=arrivals,
        later_arrivals=[0, 0, 7],
        review_periods=3,
        lost_margin=5.0,
        holding_cost=0.1,
        pack_size=4,
    )

    demand = sum_interval_demand(paths, [1, 2, 3], review_periods=3)
    levels = set_levels_by_cost(demand, review_periods=3, lost_margin=5.0, holding_cost=0.1)
    assert advice.position.tolist() == [26.0, 14.0, 5.0]
    assert np.array_equal(advice.levels.order_up_to, levels.order_up_to)
    needed = np.maximum(levels.order_up_to - advice.position, 0)
    assert np.array_equal(advice.order, np.ceil(needed / 4) * 4)
    assert np.array_equal(paths, before[0])
    assert np.array_equal(arrivals, before[1])


def test_no_items_give_no_advice():
    advice = advise_stock(np.zeros((0, 5, 4)), 1, on_hand=0, service_level=0.9)

    assert advice.order.shape == (0,)
    assert advice.outlook.days_of_cover.shape == (0, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on_hand": [1, np.nan, 2]}, "on_hand: expected numbers, got nan at"),
        ({"on_hand": [1, 2]}, r"on_hand: expected one number or shape \(3,\)"),
        ({"reserved": -1}, "reserved: expected numbers >= 0"),
        ({"service_level": 1.0}, "0.95 means 95 %"),
        ({"service_level": None}, "got neither"),
        ({"service_level": None, "lost_margin": 1.0}, "holding_cost: expected with"),
        ({"order_cost": 1.0}, "holding_cost: expected with"),
        ({"lost_margin": 1.0}, "got both"),
        ({"review_periods": 0}, "review_periods: expected numbers >= 1"),
        ({"review_periods": 1.5}, "whole number"),
        ({"lead_times": -2}, "lead_times: expected numbers >= 0"),
        ({"pack_size": 0}, "pack_size: expected"),
        ({"minimum_order": np.inf}, "minimum_order: expected finite"),
        ({"arrivals": np.zeros((3, 2))}, "arrivals: expected shape"),
        ({"paths": np.zeros((3, 12))}, "paths: expected shape"),
        ({"paths": np.full((3, 12, 2), np.nan)}, "got nan for item 0, period 0, path 0"),
        ({"paths": np.full((3, 12, 2), -1.0)}, "got -1.0 for item 0"),
        ({"service_level": None, "lost_margin": 0.0, "holding_cost": 0.0}, "expected > 0"),
        (
            {"service_level": None, "lost_margin": 1.0, "holding_cost": 0.0, "order_cost": 3.0},
            "lots would be endless",
        ),
    ],
)
def test_bad_input_is_refused(changes, words):
    given = {"paths": draw_paths(), "lead_times": 1, "on_hand": 5, "service_level": 0.9, **changes}

    with pytest.raises(ValueError, match=words):
        advise_stock(given.pop("paths"), given.pop("lead_times"), **given)
