from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.stock.lead_times import sample_lead_times
from models.stock.newsvendor import find_sample_quantile
from models.stock.policy import set_levels_by_cost, set_levels_by_service
from models.stock.protection import sum_interval_demand
from models.stock.rules import set_mean_sd_levels, set_seasonal_naive_levels
from models.stock.scores import Costs, find_saving
from models.stock.simulation import compare_policies, simulate_policy
from models.stock.tuning import pick_service_level, score_service_levels, tune_service_level

M5 = Path(__file__).resolve().parents[2] / "shared" / "data" / "m5"


def test_scores_are_simulations_of_the_quantiles():
    rng = np.random.default_rng(0)
    sales = rng.poisson(3, (4, 20, 1)).astype(float)
    protection = rng.poisson(9, (4, 7, 30)).astype(float)
    costs = Costs(lost_margin=[1, 2, 3, 4], holding_cost=0.1)
    before = protection.copy()

    money = score_service_levels(
        sales,
        protection,
        lead_times=1,
        costs=costs,
        review_periods=3,
        warm_up=5,
        candidates=(0.6, 0.9),
    )

    for column, share in enumerate((0.6, 0.9)):
        level = np.quantile(protection, share, axis=2, method="inverted_cdf")
        score = simulate_policy(
            sales, level, level, lead_times=1, costs=costs, review_periods=3, warm_up=5
        )
        assert money[:, column] == pytest.approx(score.total_cost)
    assert np.array_equal(protection, before)


def test_items_or_their_groups_get_the_cheapest():
    money = np.array([[1.0, 5.0], [9.0, 6.0], [4.0, 4.0]])

    own = pick_service_level(money, candidates=(0.5, 0.9))
    grouped = pick_service_level(money, groups=["a", "b", "a"], candidates=(0.5, 0.9))
    pooled = pick_service_level(money, groups=[7, 7, 7], candidates=(0.5, 0.9))

    assert own.tolist() == [0.5, 0.9, 0.5]
    assert grouped.tolist() == [0.5, 0.9, 0.5]
    assert pooled.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("lead", "review", "holding"),
    [(10, 1, 0.3), (14, 1, 0.05), (4, 7, 0.2)],
)
def test_the_level_found_costs_about_the_least_possible(lead, review, holding):
    rng = np.random.default_rng(1)
    paths = rng.negative_binomial(2, 0.3, (1, 28, 128)).astype(float)
    sales = rng.negative_binomial(2, 0.3, (1, 350, 30)).astype(float)
    costs = Costs(lost_margin=3.0, holding_cost=holding)
    demand = sum_interval_demand(paths, lead, review_periods=review)

    def cost(level):
        score = simulate_policy(
            sales, level, level, lead_times=lead, costs=costs, review_periods=review, warm_up=50
        )
        return float(score.total_cost[0])

    share = tune_service_level(paths, lead, costs=costs, review_periods=review)
    tuned = cost(set_levels_by_service(demand, share).order_up_to)
    by_ratio = set_levels_by_cost(
        demand, review_periods=review, lost_margin=3.0, holding_cost=holding
    )

    top = float(by_ratio.order_up_to[0])
    best = min(cost(np.array([level])) for level in np.linspace(0.4 * top, 1.2 * top, 25))
    assert tuned <= 1.05 * best
    assert tuned < cost(by_ratio.order_up_to)


def test_bad_input_is_refused():
    paths, costs = np.ones((2, 5, 4)), Costs(1.0, 1.0)
    with pytest.raises(ValueError, match=r"expected 6 periods.*got 5"):
        tune_service_level(paths, 5, costs=costs)
    with pytest.raises(ValueError, match="holding_cost: expected numbers >= 0"):
        tune_service_level(paths, 1, costs=Costs(1.0, -1.0))
    with pytest.raises(ValueError, match="protection: expected shape"):
        score_service_levels(paths, np.ones((2, 5)), lead_times=1, costs=costs)


def draw_past_weeks(sales, at, rng, weeks=5, n_paths=100):
    """Three of the last whole weeks, drawn for each path: the plainest sample paths there are."""
    past = sales[:, at - 7 * weeks : at].reshape(len(sales), weeks, 7)
    drawn = rng.integers(weeks, size=(len(sales), n_paths, 3))
    paths = past[np.arange(len(sales))[:, None, None], drawn]
    return paths.reshape(len(sales), n_paths, 21).transpose(0, 2, 1)


@pytest.mark.slow
@pytest.mark.skipif(not M5.exists(), reason="the M5 subset is not here")
def test_on_real_sales_tuned_levels_from_paths_save_money():
    table = pd.read_parquet(M5 / "m5_280series_d1_d1941.parquet")
    wide = table.pivot_table(index=["item_id", "store_id"], columns="date", values="value")
    price = table.groupby(["item_id", "store_id"])["sell_price"].last().reindex(wide.index)
    sales, half = wide.to_numpy(dtype=np.float64), 182
    n_items, last = sales.shape
    rng = np.random.default_rng(0)
    costs = Costs(lost_margin=0.3 * price.to_numpy(), holding_cost=0.01 * price.to_numpy())
    leads = sample_lead_times(4, 1.5, n_items=n_items, shape=(100,), rng=rng)
    placed = sample_lead_times(4, 1.5, n_items=n_items, shape=(half, 1), rng=rng)

    def forecast(start):
        summed = [
            sum_interval_demand(draw_past_weeks(sales, at, rng), leads).protection
            for at in range(start, start + half)
        ]
        return np.stack(summed, axis=1)

    before = slice(last - 2 * half, last - half)
    money = score_service_levels(
        sales[:, before, None], forecast(before.start), lead_times=placed, costs=costs, warm_up=14
    )
    volume = sales[:, before].mean(axis=1)
    groups = np.searchsorted(np.quantile(volume, [1 / 3, 2 / 3]), volume)
    share = pick_service_level(money, groups=groups)
    ahead, ratio = forecast(before.stop), 0.3 / 0.31
    reviews = np.arange(before.stop, last)
    asked = {"interval_periods": 5, "service_level": ratio}
    rules = {
        "tuned": find_sample_quantile(ahead, share[:, None]),
        "ratio": find_sample_quantile(ahead, ratio),
        "mean_sd": set_mean_sd_levels(sales, reviews, lead_time_sd=1.5, **asked),
        "seasonal_naive": set_seasonal_naive_levels(sales, reviews, **asked),
    }

    scores = compare_policies(
        sales[:, before.stop :, None],
        {name: (level, level) for name, level in rules.items()},
        lead_times=placed,
        costs=costs,
        warm_up=14,
    )

    assert find_saving(scores["tuned"], scores["ratio"]).lower > 0
    assert find_saving(scores["tuned"], scores["seasonal_naive"]).lower > 0
    # resampled weeks know no more than the last month's mean and deviation do: no worse is all
    assert find_saving(scores["tuned"], scores["mean_sd"]).upper > 0
