import pandas as pd
import pytest

from benchmarks.demand_bars import ALMANAC, check_bars
from benchmarks.demand_table import format_rows, mark_best

COSTS = pd.DataFrame(
    {
        "dataset": "shop",
        "model": [ALMANAC, "mlforecast", "autoets", "autotheta"],
        "seconds": 1.0,
        "cpu": [8.0, 4.0, 3.0, 2.0],
        "gib": [1.5, 0.5, 0.4, 0.4],
    }
)


def make_table(ours, peer, *, bias=0.01, pinball=(0.1, 0.2)):
    """Rows of two models at as many levels as there are WAPEs."""
    rows = []
    for model, wapes, loss in ((ALMANAC, ours, pinball[0]), ("autoets", peer, pinball[1])):
        for place, wape in enumerate(wapes):
            rows.append(
                {
                    "dataset": "shop",
                    "level": f"level {place}",
                    "model": model,
                    "wape": wape,
                    "bias": bias,
                    "rmse": 4.0,
                    "rmsse": 0.5,
                    "pinball": loss,
                    "coverage_80": 0.79 if model == ALMANAC else 0.83,
                    "coverage_95": 0.95,
                    "n_rows": 10,
                    "n_missing": 0,
                }
            )
    return pd.DataFrame(rows)


def find_bars(table, costs=COSTS):
    return {bar.name: bar for bar in check_bars(table, costs)}


def test_best_is_marked_by_level_and_ties_are_shared():
    table = make_table([0.2, 0.3, 0.4], [0.3, 0.3, 0.1])
    assert mark_best(table).tolist() == [True, True, False, False, True, True]


def test_best_bias_and_coverage_are_the_nearest_ones():
    table = make_table([0.2], [0.3])
    table["bias"] = [-0.02, 0.01]
    ours, peer = (line.split(" | ") for line in format_rows(table)[2:])
    assert (ours[3], peer[3]) == ("**0.2000**", "0.3000")
    assert (ours[4], peer[4]) == ("-0.0200", "**0.0100**")
    assert (ours[7], peer[7]) == ("**0.7900**", "0.8300")


def test_wape_bars_hold_within_one_percent_and_with_two_thirds_won():
    bars = find_bars(make_table([0.1, 0.2, 0.303], [0.2, 0.3, 0.3]))
    assert bars["WAPE best or within 1 % at every level"].is_met
    assert bars["WAPE strictly best on two thirds"].is_met
    assert bars["WAPE strictly best on two thirds"].found == "2/3"


def test_a_level_that_is_two_percent_worse_is_named():
    bar = find_bars(make_table([0.1, 0.306], [0.2, 0.3]))["WAPE best or within 1 % at every level"]
    assert not bar.is_met
    assert bar.found == "shop level 1 1.020"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pinball below every peer's", {"pinball": (0.2, 0.2)}),
        ("bias within 3 %", {"bias": -0.031}),
    ],
)
def test_pinball_and_bias_bars_are_missed(name, changes):
    assert find_bars(make_table([0.1], [0.2]))[name].is_met
    assert not find_bars(make_table([0.1], [0.2], **changes))[name].is_met


def test_seconds_are_held_against_three_peers_together():
    name = "CPU seconds within mlforecast's + statsforecast's"
    assert find_bars(make_table([0.1], [0.2]))[name].is_met
    slower = COSTS.assign(cpu=[9.5, 4.0, 3.0, 2.0], gib=[2.1, 0.5, 0.4, 0.4])
    bars = find_bars(make_table([0.1], [0.2]), slower)
    assert bars[name].found == "shop 1.056"
    assert not bars["memory within 2 GiB"].is_met


def test_without_the_projects_rows_there_is_no_bar():
    assert check_bars(make_table([0.1], [0.2]).query("model != 'almanac'"), COSTS) == []


def test_anchors_and_m5_are_held():
    table = make_table([0.0172], [0.02]).assign(dataset="aus_retail", level="state/all")
    assert not find_bars(table)["aus_retail state/all WAPE <= 1.71 %"].is_met
    table = make_table([0.1], [0.2]).assign(dataset="m5").replace({"autoets": "mlforecast"})
    table["rmsse"] = [0.94, 1.0]
    assert find_bars(table)["m5 RMSSE below mlforecast's by 5 %"].is_met
    table["rmsse"] = [0.96, 1.0]
    assert not find_bars(table)["m5 RMSSE below mlforecast's by 5 %"].is_met
