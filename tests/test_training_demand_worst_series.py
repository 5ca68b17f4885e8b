"""The worst series of small backtests, and what is said of them."""

from __future__ import annotations

import pandas as pd
import pytest

from features.errors import NotEnoughData
from models.demand.quantiles import QUANTILE_NAMES
from tests.training_evidence import SCRIPT, make_forecasts
from training.demand.worst_series import find_worst_series, take_series

DAYS = 10


def make_backtest(series: dict[str, tuple[list[float], list[float], float]]) -> pd.DataFrame:
    """One region; each product has what it sold, what was forecast, and the baseline's mean."""
    rows = []
    for product, (units, means, baseline) in series.items():
        for day, (sold, mean) in enumerate(zip(units, means, strict=True)):
            origin = "2025-01-05" if day < DAYS // 2 else "2025-01-19"
            for model, value in (("almanac", mean), ("seasonal_mean", baseline)):
                rows.append(
                    {"origin": origin, "level": "r/p", "region": "r", "product": product,
                     "date": pd.Timestamp("2025-01-06") + pd.Timedelta(days=day),
                     "bucket": "1-7", "units": sold, "mean": value, "model": model,
                     **dict.fromkeys(QUANTILE_NAMES, value)}
                )  # fmt: skip
    return pd.DataFrame(rows)


def explain(units: list[float], means: list[float], baseline: float = 99.0) -> str:
    return str(find_worst_series(make_backtest({"p": (units, means, baseline)}))["because"][0])


def test_the_worst_is_sought_among_those_that_sell_and_ranked_by_wape():
    """'tiny' has the greatest WAPE, and sells 10 of 310: it comes after the four fifths."""
    table = find_worst_series(
        make_backtest(
            {
                "large": ([20.0] * DAYS, [19.0] * DAYS, 16.0),
                "worse": ([10.0] * DAYS, [14.0] * DAYS, 11.0),
                "tiny": ([1.0] * DAYS, [3.0] * DAYS, 1.0),
            }
        )
    )
    assert list(table["product"]) == ["worse", "large"]
    worse, large = table.to_dict("records")
    assert (worse["wape"], worse["bias"], worse["baseline_wape"]) == pytest.approx((0.4, 0.4, 0.1))
    assert (large["wape"], large["bias"], large["baseline_wape"]) == pytest.approx(
        (0.05, -0.05, 0.2)
    )
    assert worse["share_of_error"] == pytest.approx(40 / 70)
    assert len(find_worst_series(make_forecasts(), most=2)) == 2


def test_what_stands_out_is_said():
    assert explain([10.0] * DAYS, [14.0] * DAYS).startswith("forecast too high throughout")
    assert explain([10.0] * DAYS, [6.0] * DAYS).startswith("forecast too low throughout")
    spike = [10.0] * 9 + [40.0]
    assert explain(spike, [11.0] * DAYS).startswith(
        "one date makes 76% of its error: 2025-01-15, 40 sold and 11 forecast"
    )
    assert "sales rose from 10.0 to 20.0 a period" in explain([10.0] * 5 + [20.0] * 5, [15.0] * 10)
    assert "sales fell from 20.0 to 10.0 a period" in explain([20.0] * 5 + [10.0] * 5, [15.0] * 10)
    assert "a baseline does better here" in explain([10.0, 12.0] * 5, [11.5, 10.5] * 5, 11.0)
    rare = explain([0.0, 0.0, 0.0, 0.0, 5.0] * 2, [1.0] * DAYS)
    assert "sells on 20% of the dates only" in rare


def test_nothing_may_stand_out():
    backtest = make_backtest({"p": ([10.0, 12.0] * 5, [11.5, 10.5] * 5, 99.0)})
    own = backtest["model"] == "almanac"
    wide = backtest.assign(q10=backtest["q10"].mask(own, 0.0), q90=backtest["q90"].mask(own, 20.0))
    assert find_worst_series(wide)["because"][0].startswith("nothing stands out")


def test_a_series_is_taken_by_name_and_an_unknown_one_is_refused():
    rows = take_series(make_forecasts(), SCRIPT, "tea")
    assert len(rows) == 28
    assert set(rows["mean"]) == {97.0}
    with pytest.raises(NotEnoughData, match="no forecast of region north and product rum"):
        take_series(make_forecasts(), "north", "rum")
