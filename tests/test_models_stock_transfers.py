import itertools

import numpy as np
import pytest

from models.stock.lanes import build_lanes
from models.stock.transfers import plan_transfers


def profit_by_loop(samples, stock, margin, overage):
    return np.mean([margin * min(d, stock) - overage * max(stock - d, 0) for d in samples])


def best_by_enumeration(samples, on_hand, lanes, margin, overage, pack):
    """Try every number of packs on every lane; one item."""
    most = [int(on_hand[at] // pack) for at in lanes.origin]
    base = sum(profit_by_loop(d, x, margin, overage) for d, x in zip(samples, on_hand, strict=True))
    best = 0.0
    for packs in itertools.product(*(range(count + 1) for count in most)):
        stock, sent, cost = on_hand.astype(float).copy(), np.zeros(len(on_hand)), 0.0
        for lane, count in enumerate(packs):
            units = count * pack
            sent[lanes.origin[lane]] += units
            stock[lanes.origin[lane]] -= units
            stock[lanes.destination[lane]] += units
            cost += units * lanes.unit_cost[lane] + (count > 0) * lanes.shipment_cost[lane]
        if (sent <= on_hand).all():
            gain = sum(
                profit_by_loop(d, x, margin, overage) for d, x in zip(samples, stock, strict=True)
            )
            best = max(best, gain - base - cost)
    return best


def all_lanes(n, shipment_cost, unit_cost):
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    origin, destination = zip(*pairs, strict=True)
    return build_lanes(
        origin, destination, shipment_cost=shipment_cost, unit_cost=unit_cost, n_locations=n
    )


@pytest.mark.parametrize("seed", range(15))
def test_no_plan_is_better_by_enumeration(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    samples = rng.poisson(rng.integers(1, 7, n)[:, None], (n, 8)).astype(float)
    on_hand = rng.integers(0, 7 if n == 2 else 4, n).astype(float)
    lanes = all_lanes(n, float(rng.integers(0, 4)), float(rng.choice([0.0, 0.2])))
    overage, pack = float(rng.choice([0.0, 0.5])), float(rng.choice([1.0, 2.0]))

    plan = plan_transfers(
        samples[None], on_hand[None], lanes, margin=3.0, overage_cost=overage, pack_size=pack
    )

    best = best_by_enumeration(samples, on_hand, lanes, 3.0, overage, pack)
    assert plan.is_optimal
    assert plan.gain - plan.cost == pytest.approx(best, abs=1e-6)
    stock = on_hand.copy()
    for lane, units in enumerate(plan.units[0]):
        assert units % pack == 0
        stock[lanes.origin[lane]] -= units
        stock[lanes.destination[lane]] += units
    assert (stock >= 0).all()
    gain = sum(
        profit_by_loop(d, x, 3.0, overage) - profit_by_loop(d, before, 3.0, overage)
        for d, x, before in zip(samples, stock, on_hand, strict=True)
    )
    assert plan.gain == pytest.approx(gain, abs=1e-6)


def test_a_search_cut_short_says_how_good_its_plan_is():
    rng = np.random.default_rng(0)
    samples = rng.negative_binomial(2, 0.2, (4, 7, 60)).astype(float)
    stock = rng.poisson(8, (4, 7)) * rng.integers(0, 3, (4, 7))

    plan = plan_transfers(
        samples, stock, all_lanes(7, 8.0, 0.1), margin=3.0, pack_size=2, time_limit_seconds=2.0
    )

    assert 0 < plan.gain - plan.cost <= plan.best_possible + 1e-6
    assert not np.any(np.mod(plan.units, 2))
    sent = np.zeros((4, 7))
    np.add.at(sent.T, all_lanes(7, 8.0, 0.1).origin, plan.units.T)
    assert (sent <= stock).all()


def test_items_share_a_shipment():
    # each item alone gains 4 by moving 4 units, the truck costs 6: only both together pay
    samples = np.tile([[[0.0], [4.0]]], (2, 1, 1))
    lanes = build_lanes([0], [1], shipment_cost=6.0, unit_cost=0.0, n_locations=2)

    both = plan_transfers(samples, [[4, 0], [4, 0]], lanes, margin=1.0)
    one = plan_transfers(samples[:1], [[4, 0]], lanes, margin=1.0)

    assert both.units.tolist() == [[4.0], [4.0]]
    assert (both.gain, both.cost) == (8.0, 6.0)
    assert one.units.tolist() == [[0.0]]
    assert (one.gain, one.cost) == (0.0, 0.0)


def test_goods_do_not_pass_through():
    # 0 -> 1 -> 2, and 1 has nothing of its own to send
    samples = np.array([[[0.0], [0.0], [5.0]]])
    lanes = build_lanes([0, 1], [1, 2], shipment_cost=0.0, unit_cost=0.0, n_locations=3)

    plan = plan_transfers(samples, [[5, 0, 0]], lanes, margin=1.0)

    assert plan.gain == 0.0


def test_leftovers_move_to_where_they_cost_less():
    lanes = build_lanes([0], [1], shipment_cost=1.0, unit_cost=0.1, n_locations=2)

    plan = plan_transfers(
        np.zeros((1, 2, 3)), [[10, 0]], lanes, margin=1.0, overage_cost=[[1.0, 0.5]]
    )

    assert plan.units.tolist() == [[10.0]]
    assert plan.gain == pytest.approx(5.0)
    assert plan.cost == pytest.approx(2.0)


def test_no_lanes_move_nothing():
    lanes = build_lanes([], [], shipment_cost=0.0, unit_cost=0.0, n_locations=2)

    assert plan_transfers(np.ones((1, 2, 3)), [[1, 0]], lanes, margin=1.0).units.shape == (1, 0)


def test_bad_input_is_refused():
    costs = {"shipment_cost": 1.0, "unit_cost": 0.0, "n_locations": 2}
    for origin, destination, words in [
        ([0], [0], "leads to its origin"),
        ([0], [2], "positions 0 to 1"),
        ([0, 1], [1], "of one length"),
    ]:
        with pytest.raises(ValueError, match=words):
            build_lanes(origin, destination, **costs)
    with pytest.raises(ValueError, match="shipment_cost: expected numbers >= 0"):
        build_lanes([0], [1], shipment_cost=-1, unit_cost=0, n_locations=2)
    lanes = build_lanes([0], [1], **costs)
    with pytest.raises(ValueError, match="on_hand: expected numbers >= 0, got nan"):
        plan_transfers(np.ones((1, 2, 3)), [[np.nan, 0]], lanes, margin=1.0)
    with pytest.raises(ValueError, match="on_hand: expected a number or shape"):
        plan_transfers(np.ones((1, 2, 3)), [[1, 0, 2]], lanes, margin=1.0)
    with pytest.raises(ValueError, match="samples: expected shape"):
        plan_transfers(np.ones((2, 3)), [[1, 0]], lanes, margin=1.0)
    with pytest.raises(ValueError, match="lanes: expected locations"):
        plan_transfers(np.ones((1, 1, 3)), [[1]], lanes, margin=1.0)
