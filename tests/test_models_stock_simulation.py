import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.stock import inputs
from models.stock.newsvendor import solve_poisson_newsvendor
from models.stock.periodic_review import build_poisson_pmf, solve_reorder_levels
from models.stock.policy import set_levels_by_cost, set_levels_by_service
from models.stock.protection import sum_interval_demand
from models.stock.rules import set_mean_sd_levels, set_seasonal_naive_levels
from models.stock.scores import Costs, find_saving
from models.stock.simulation import compare_policies, simulate_policy

COSTS = Costs(lost_margin=3.0, holding_cost=0.5, order_cost=2.0)


def simulate_by_loop(path, s, S, leads, review, start, pack, least, warm_up):
    """One item, one path, in the plainest words."""
    on_hand, orders = start, []  # orders: (arrival, units)
    out = {"lost": 0.0, "held": 0.0, "orders": 0, "asked": 0.0, "cycles": [False]}
    for t, asked in enumerate(path):
        if t % review == 0:
            position = on_hand + sum(units for _, units in orders)
            if position <= s and position < S:
                units = math.ceil(max(S - position, least) / pack) * pack
                orders.append((t + leads[t // review], units))
                out["orders"] += t >= warm_up
        arrived = sum(units for at, units in orders if at == t)
        orders = [(at, units) for at, units in orders if at != t]
        on_hand += arrived
        sold = min(on_hand, asked)
        on_hand -= sold
        if t >= warm_up:
            if arrived and t > warm_up:
                out["cycles"].append(False)
            out["lost"] += asked - sold
            out["asked"] += asked
            out["held"] += on_hand
            out["cycles"][-1] |= asked > sold
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_every_path_by_loop(seed):
    rng = np.random.default_rng(seed)
    review, warm_up = int(rng.integers(1, 4)), int(rng.integers(0, 4))
    paths = rng.poisson(2, (2, 14, 3)).astype(float)
    leads = rng.integers(0, 5, (2, -(-14 // review), 3))
    s = rng.integers(0, 12, 2).astype(float)
    S = s + rng.integers(0, 8, 2)
    pack, least = rng.integers(1, 4, 2).astype(float), rng.integers(0, 5, 2).astype(float)

    score = simulate_policy(
        paths,
        s,
        S,
        lead_times=leads,
        costs=COSTS,
        review_periods=review,
        on_hand=[5, 0],
        pack_size=pack,
        minimum_order=least,
        warm_up=warm_up,
    )

    for item, start in enumerate([5.0, 0.0]):
        runs = [
            simulate_by_loop(
                paths[item, :, p], s[item], S[item], leads[item, :, p],
                review, start, pack[item], least[item], warm_up,
            )
            for p in range(3)
        ]  # fmt: skip
        mean = {key: np.mean([run[key] for run in runs]) for key in ("lost", "held", "orders")}
        assert score.lost_units[item] == pytest.approx(mean["lost"])
        assert score.mean_on_hand[item] == pytest.approx(mean["held"] / (14 - warm_up))
        assert score.orders[item] == pytest.approx(mean["orders"])
        assert score.cycles[item] == pytest.approx(np.mean([len(r["cycles"]) for r in runs]))
        assert score.short_cycles[item] == pytest.approx(np.mean([sum(r["cycles"]) for r in runs]))
        assert score.total_cost[item] == pytest.approx(
            3 * mean["lost"] + 0.5 * mean["held"] + 2 * mean["orders"]
        )


def test_by_hand():
    score = simulate_policy(np.full((1, 4, 1), 3.0), [4], [8], lead_times=1, costs=COSTS)

    # 8 - 3 = 5; 5 > 4, no order, 2 left; order 6 for tomorrow, sell 2, lose 1; 6 - 3 = 3
    assert score.lost_units.tolist() == [1.0]
    assert score.mean_on_hand.tolist() == [(5 + 2 + 0 + 3) / 4]
    assert score.orders.tolist() == [1.0]
    assert score.fill_rate == pytest.approx(11 / 12)
    assert score.cycle_service_level == pytest.approx(1 / 2)


def test_simulation_finds_the_newsvendor_cost():
    # lead time 0, review every period, S = 8: the published 3.57 has no carry-over of shortages
    demand = np.random.default_rng(0).poisson(6, (1, 400, 500)).astype(float)
    found = solve_poisson_newsvendor(6, underage_cost=4, overage_cost=1)

    score = simulate_policy(
        demand, found.level[None], found.level[None], lead_times=0, costs=Costs(4, 1)
    )

    assert score.total_cost[0] / 400 == pytest.approx(3.5701, rel=0.01)


def test_levels_may_change_at_each_review():
    demand = np.full((1, 4, 1), 2.0)

    score = simulate_policy(
        demand,
        [[2, 2, 10, 10]],
        [[2, 2, 10, 10]],
        lead_times=0,
        costs=COSTS,
    )

    assert score.lost_units.tolist() == [0.0]
    assert score.mean_on_hand.tolist() == [(0 + 0 + 8 + 8) / 4]


def test_chunks_change_nothing(monkeypatch):
    demand = np.random.default_rng(0).poisson(2, (9, 20, 6)).astype(np.float32)
    kwargs = {"lead_times": 2, "costs": COSTS, "review_periods": 3}
    whole = simulate_policy(demand, np.full(9, 8), np.full(9, 12), **kwargs)
    monkeypatch.setattr(inputs, "CHUNK_CELLS", 250)

    chunked = simulate_policy(demand, np.full(9, 8), np.full(9, 12), **kwargs)

    assert np.array_equal(whole.total_cost, chunked.total_cost)


def test_the_service_level_asked_for_is_the_one_found():
    rng = np.random.default_rng(4)
    sampled = rng.negative_binomial(3, 0.3, (30, 10, 2000)).astype(float)
    actual = rng.negative_binomial(3, 0.3, (30, 400, 10)).astype(float)
    leads = rng.integers(1, 4, (30, 2000))
    levels = set_levels_by_service(sum_interval_demand(sampled, leads, review_periods=5), 0.9)

    score = simulate_policy(
        actual,
        levels.reorder_point,
        levels.order_up_to,
        lead_times=rng.integers(1, 4, (30, 80, 10)),
        costs=COSTS,
        review_periods=5,
    )

    # lost sales leave more on the shelf than the backorders that the level reckons with
    assert 0.9 <= score.cycle_service_level <= 0.94


def test_the_cost_levels_are_near_the_best_of_all_levels():
    rng = np.random.default_rng(8)
    sampled = rng.poisson(10, (1, 8, 4000)).astype(float)
    actual = rng.poisson(10, (1, 200, 20)).astype(float)
    costs = Costs(lost_margin=9.0, holding_cost=1.0, order_cost=64.0)
    demand = sum_interval_demand(sampled, 0)
    ours = set_levels_by_cost(
        demand, review_periods=1, lost_margin=9.0, holding_cost=1.0, order_cost=64.0
    )

    def cost(s, S):
        return float(simulate_policy(actual, [s], [S], lead_times=0, costs=costs).total_cost[0])

    best = min(cost(s, S) for s in range(3, 13) for S in range(30, 48, 4))
    assert cost(ours.reorder_point[0], ours.order_up_to[0]) <= 1.05 * best
    exact = solve_reorder_levels(
        build_poisson_pmf(10), order_cost=64, holding_cost=1, backorder_cost=9
    )
    assert best <= cost(exact.reorder_point, exact.order_up_to)


def draw_shop(seed, n_items=60, n_days=260):
    """Skewed sales with a strong Saturday: days are neither normal nor alike."""
    rng = np.random.default_rng(seed)
    week = np.array([0.4, 0.4, 0.5, 0.6, 1.3, 3.0, 0.8])
    rate = rng.gamma(2.0, 1.5, n_items)[:, None] * week[np.arange(n_days) % 7]

    def sell(size):
        return rng.poisson(rng.gamma(1.5, 1 / 1.5, size) * rate[..., None]).astype(float)

    return sell, rate


def test_levels_from_paths_are_cheaper_than_the_rules_of_thumb():
    sell, _ = draw_shop(0)
    sales = sell((60, 260, 1))[..., 0]
    paths = sell((60, 260, 300))  # as a forecast that knows the distribution would draw them
    review, lead = 3, 2
    reviews = np.arange(182, 252, review)
    margin, holding = 4.0, 0.02
    ratio = margin / (margin + holding * review)
    ours = np.stack(
        [
            set_levels_by_cost(
                sum_interval_demand(paths[:, at : at + 8], lead, review_periods=review),
                review_periods=review,
                lost_margin=margin,
                holding_cost=holding,
            ).order_up_to
            for at in reviews
        ],
        axis=1,
    )
    asked = {"interval_periods": lead + review, "service_level": ratio}
    rules = {
        "paths": ours,
        "mean_sd": set_mean_sd_levels(sales, reviews, **asked),
        "seasonal_naive": set_seasonal_naive_levels(sales, reviews, **asked),
    }

    scores = compare_policies(
        sales[:, 182:254, None],
        {name: (level, level) for name, level in rules.items()},
        lead_times=lead,
        costs=Costs(margin, holding),
        review_periods=review,
        warm_up=6,
    )

    for rule in ("mean_sd", "seasonal_naive"):
        saving = find_saving(scores["paths"], scores[rule])
        assert saving.lower > 0
        assert saving.money == pytest.approx(
            scores[rule].total_cost.sum() - scores["paths"].total_cost.sum()
        )


def test_one_item_has_no_interval():
    score = simulate_policy(np.ones((1, 3, 1)), [2], [2], lead_times=0, costs=COSTS)

    saving = find_saving(score, score)

    assert saving.money == 0.0
    assert math.isnan(saving.lower)


def test_no_demand_is_met_in_full():
    score = simulate_policy(np.zeros((2, 3, 1)), [0, 0], [0, 0], lead_times=0, costs=COSTS)

    assert score.fill_rate == 1.0
    assert score.total_cost.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"demand": np.full((1, 3, 1), np.nan)}, "demand: expected finite demand"),
        ({"reorder_point": [np.nan]}, "reorder_point: expected numbers, got nan"),
        ({"order_up_to": [1, 2]}, "order_up_to: expected shape"),
        ({"lead_times": -1}, "lead_times: expected numbers >= 0"),
        ({"warm_up": 3}, "warm_up: expected 0 to 2"),
        ({"on_hand": -1}, "on_hand: expected numbers >= 0"),
        ({"costs": Costs(-1, 1)}, "lost_margin: expected numbers >= 0"),
        ({"review_periods": 0}, "review_periods"),
    ],
)
def test_bad_input_is_refused(changes, words):
    given_ = {
        "demand": np.ones((1, 3, 1)),
        "reorder_point": [1],
        "order_up_to": [1],
        "lead_times": 0,
        "costs": COSTS,
        **changes,
    }

    with pytest.raises(ValueError, match=words):
        simulate_policy(**given_)
