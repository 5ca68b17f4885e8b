from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import NotEnoughData
from models.demand.quantiles import QUANTILE_NAMES
from tests.training_evidence import SCRIPT, make_forecasts
from training.findings import compare_wape, find_zero_share, pick_series, score_regions


def make_rows(cells: dict[tuple[str, str], dict[str, tuple[float, float, float]]]) -> pd.DataFrame:
    """One row a cell (region, date) and model: (units, mean of almanac, mean of the baseline)."""
    rows = []
    for (region, date), products in cells.items():
        for product, (units, own, other) in products.items():
            means = {"almanac": own, "seasonal_mean": other, "seasonal_naive": other + 1.0}
            rows.extend(
                {
                    "origin": "2025-01-05", "level": "r/p", "region": region, "product": product,
                    "date": date, "bucket": "1-7", "units": units, "mean": mean, "model": model,
                    **dict.fromkeys(QUANTILE_NAMES, mean),
                }
                for model, mean in means.items()
            )  # fmt: skip
    return pd.DataFrame(rows)


SMALL = {
    ("north", "2025-01-06"): {"tea": (10.0, 9.0, 7.0), "milk": (0.0, 0.5, 1.0)},
    ("south", "2025-01-06"): {"tea": (4.0, 6.0, 5.0), "milk": (6.0, 6.0, 9.0)},
}


def test_the_gain_is_over_the_better_baseline():
    """Errors of almanac 1 + 0.5 + 2 + 0 = 3.5 of 20 units, of the mean 3 + 1 + 1 + 3 = 8."""
    gain = compare_wape(make_rows(SMALL), np.random.default_rng(1))
    assert gain.wape == pytest.approx(3.5 / 20)
    assert gain.baseline_wape == pytest.approx(8 / 20)
    assert gain.baseline == "seasonal_mean"
    assert gain.relative == pytest.approx(1 - 3.5 / 8)
    assert gain.low < gain.relative < gain.high


def test_a_gain_that_is_the_same_everywhere_has_no_spread():
    gain = compare_wape(make_forecasts(), np.random.default_rng(1))
    assert (gain.relative, gain.low, gain.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_that_of_a_plain_loop():
    """Series and weeks are drawn with replacement; a cell counts as often as both were drawn."""
    rng = np.random.default_rng(3)
    cells = {
        (f"r{r}", f"2025-01-{day:02d}"): {"p": (5.0, *rng.uniform(2, 8, 2))}
        for r in range(4)
        for day in (6, 7, 13, 20)  # weeks of two, one and one day
    }
    rows = make_rows(cells)
    gain = compare_wape(rows, np.random.default_rng(9), n_resamples=200)
    draws = np.random.default_rng(9)
    days = {0: (6, 7), 1: (13,), 2: (20,)}
    gains = []
    for _ in range(200):
        regions, weeks = draws.integers(0, 4, 4), draws.integers(0, 3, 3)
        drawn = [cells[f"r{r}", f"2025-01-{day:02d}"]["p"]
                 for r in regions for week in weeks for day in days[week]]  # fmt: skip
        own = sum(abs(units - mean) for units, mean, _ in drawn)
        gains.append(1 - own / sum(abs(units - mean) for units, _, mean in drawn))
    assert (gain.low, gain.high) == pytest.approx(tuple(np.quantile(gains, [0.025, 0.975])))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(seed):
    rows = make_rows(SMALL)
    shuffled = rows.sample(frac=1.0, random_state=seed)
    before = shuffled.copy()
    assert compare_wape(shuffled, np.random.default_rng(1), n_resamples=50) == compare_wape(
        rows, np.random.default_rng(1), n_resamples=50
    )
    pd.testing.assert_frame_equal(score_regions(shuffled), score_regions(rows))
    pd.testing.assert_frame_equal(shuffled, before)


def test_rows_without_outcome_do_not_count():
    rows = make_rows(SMALL)
    ahead = make_rows({("north", "2025-01-13"): {"tea": (math.nan, 9.0, 7.0)}})
    both = pd.concat([rows, ahead], ignore_index=True)
    assert compare_wape(both, np.random.default_rng(1)).wape == pytest.approx(3.5 / 20)


def test_coarser_levels_do_not_count():
    rows = make_rows(SMALL)
    whole = rows.head(3).assign(level="all/all", units=1000.0)
    both = pd.concat([rows, whole], ignore_index=True)
    assert compare_wape(both, np.random.default_rng(1)).wape == pytest.approx(3.5 / 20)


def test_a_single_series_is_told_by_its_own_name():
    rows = make_rows({("north", "2025-01-06"): {"tea": (10.0, 9.0, 8.0)}})
    whole = rows.assign(level="all/all", region="all", product="all")
    both = pd.concat([whole, rows], ignore_index=True)
    assert list(score_regions(both)["region"]) == ["north"]


def test_a_perfect_baseline_leaves_nothing_to_gain():
    rows = make_rows({("north", "2025-01-06"): {"tea": (10.0, 9.0, 10.0)}})
    gain = compare_wape(rows, np.random.default_rng(1))
    assert (gain.wape, gain.baseline_wape) == (0.1, 0.0)
    assert math.isnan(gain.relative)
    assert math.isnan(gain.low)
    assert math.isnan(score_regions(rows)["relative"][0])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (make_rows({("a", "2025-01-06"): {"b": (0.0, 1.0, 2.0)}}), "nothing was sold"),
        (make_rows({("a", "2025-01-06"): {"b": (math.nan, 1.0, 2.0)}}), "known outcome"),
    ],
)
def test_nothing_sold_is_said(rows, words):
    with pytest.raises(NotEnoughData, match=words):
        compare_wape(rows, np.random.default_rng(1))


def test_regions_come_worst_first():
    """South is off by 2 of 10 units with a bias of +2, north by 1.5 of 10 with one of −0.5."""
    regions = score_regions(make_rows(SMALL))
    assert regions.to_dict("list") == {
        "region": ["south", "north"],
        "units": [10.0, 10.0],
        "wape": pytest.approx([0.2, 0.15]),
        "bias": pytest.approx([0.2, -0.05]),
        "baseline_wape": pytest.approx([0.4, 0.4]),
        "relative": pytest.approx([0.5, 0.625]),
    }
    assert regions.attrs["baseline"] == "seasonal_mean"


def test_a_region_that_sold_nothing_has_no_wape():
    rows = make_rows(SMALL | {("empty", "2025-01-06"): {"tea": (0.0, 1.0, 1.0)}})
    assert list(score_regions(rows)["region"]) == ["south", "north"]


def test_zeros_are_counted_once_and_not_per_model():
    assert find_zero_share(make_rows(SMALL)) == 0.25


def test_a_series_picked_for_two_reasons_comes_once_with_both():
    """Tea sold 2,800 in each region, the formula 280; the greatest error is in the script."""
    picks = pick_series(make_forecasts())
    assert [(pick.why, pick.region, pick.product) for pick in picks] == [
        ("largest, worst of the larger half", SCRIPT, "tea"),
        ("median", "south", "tea"),
    ]
    assert [len(pick.rows) for pick in picks] == [28, 28]


def test_the_picked_series_are_the_largest_the_median_and_the_worst_of_the_larger_half():
    """Sold 100, 80, 60, 40 and 1; off by 1, 20, 2, 1 and 9: e is off by more, but sells little."""
    errors = {"a": (100, 1), "b": (80, 20), "c": (60, 2), "d": (40, 1), "e": (1, 9)}
    cells = {
        (region, "2025-01-06"): {"p": (float(units), float(units + error), 0.0)}
        for region, (units, error) in errors.items()
    }
    picks = pick_series(make_rows(cells))
    assert [(pick.why, pick.region) for pick in picks] == [
        ("largest", "a"),
        ("median", "c"),
        ("worst of the larger half", "b"),
    ]


def test_small_series_are_not_called_worst():
    cells = {
        ("large", "2025-01-06"): {"p": (100.0, 90.0, 80.0)},
        ("middle", "2025-01-06"): {"p": (50.0, 40.0, 40.0)},
        ("small", "2025-01-06"): {"p": (1.0, 9.0, 9.0)},
    }
    worst = pick_series(make_rows(cells))[-1]
    assert (worst.why, worst.region) == ("median, worst of the larger half", "middle")
