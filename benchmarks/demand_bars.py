"""What the demand benchmark promised, held against its scores and costs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

ALMANAC = "almanac"
NEAR_BEST, WON_SHARE, MAX_BIAS, RMSSE_GAIN, MAX_GIB = 1.01, 2 / 3, 0.03, 0.95, 2.0
ANCHORS = {("aus_retail", "state/all"): 0.0171, ("aus_retail", "state/industry"): 0.0365}
TOURISM_RMSE = 38.75
OVERALL = "overall"
"""Level that holds the mean over all series of a dataset of their RMSE, and nothing else."""


@dataclass(frozen=True)
class Bar:
    """One thing that was promised, and whether it holds."""

    name: str
    is_met: bool
    found: str


def check_bars(table: pd.DataFrame, costs: pd.DataFrame) -> list[Bar]:
    """Hold the project's rows against the bars; none without its rows."""
    ours = table[(table["model"] == ALMANAC) & (table["level"] != OVERALL)]
    if ours.empty:
        return []
    peers = table[(table["model"] != ALMANAC) & (table["level"] != OVERALL)]
    best = peers.groupby(["dataset", "level"])[["wape", "pinball"]].min()
    pairs = ours.set_index(["dataset", "level"]).join(best.add_suffix("_best"))
    ratio = pairs["wape"] / pairs["wape_best"]
    n_won, n_rows = int((ratio < 1.0).sum()), len(ratio)
    worse = pairs["pinball"] >= pairs["pinball_best"]
    biased = pairs["bias"].abs() > MAX_BIAS
    far = ratio > NEAR_BEST
    bars = [
        Bar("WAPE best or within 1 % at every level", not far.any(), _name(ratio[far])),
        Bar("WAPE strictly best on two thirds", n_won >= WON_SHARE * n_rows, f"{n_won}/{n_rows}"),
        Bar(
            "pinball below every peer's",
            not worse.any(),
            _name((pairs["pinball"] / pairs["pinball_best"])[worse]),
        ),
        Bar("bias within 3 %", not biased.any(), _name(pairs["bias"][biased])),
    ]
    bars += [
        _check_anchor(pairs, key, limit) for key, limit in ANCHORS.items() if key in pairs.index
    ]
    bars += _check_tourism(table) + _check_m5(table) + _check_costs(costs)
    return bars


def _check_anchor(pairs: pd.DataFrame, key: tuple[str, str], limit: float) -> Bar:
    found = float(pairs.loc[key, "wape"])
    return Bar(
        f"{' '.join(key)} WAPE <= {100 * limit:.2f} %", found <= limit, f"{100 * found:.2f} %"
    )


def _check_tourism(table: pd.DataFrame) -> list[Bar]:
    rows = table[
        (table["dataset"] == "tourism") & (table["level"] == OVERALL) & (table["model"] == ALMANAC)
    ]
    return [
        Bar(f"tourism overall RMSE <= {TOURISM_RMSE}", bool(found <= TOURISM_RMSE), f"{found:.2f}")
        for found in rows["rmse"]
    ]


def _check_m5(table: pd.DataFrame) -> list[Bar]:
    rows = table[(table["dataset"] == "m5") & (table["level"] != OVERALL)]
    by_model = rows.pivot_table(index="level", columns="model", values="rmsse")
    if not {ALMANAC, "mlforecast"} <= set(by_model.columns):
        return []
    ratio = by_model[ALMANAC] / by_model["mlforecast"]
    high = ratio > RMSSE_GAIN
    return [Bar("m5 RMSSE below mlforecast's by 5 %", not high.any(), _name(ratio[high]))]


def _check_costs(costs: pd.DataFrame) -> list[Bar]:
    # of the processor: the wall clock also counts whatever else the machine does
    seconds = costs.pivot_table(index="dataset", columns="model", values="cpu")
    allowed = seconds.reindex(columns=["mlforecast", "autoets", "autotheta"]).sum(axis=1)
    ratio = (seconds[ALMANAC] / allowed).dropna()
    gib = costs[costs["model"] == ALMANAC].set_index("dataset")["gib"]
    slow, large = ratio > 1.0, gib > MAX_GIB
    return [
        Bar(
            "CPU seconds within mlforecast's + statsforecast's", not slow.any(), _name(ratio[slow])
        ),
        Bar("memory within 2 GiB", not large.any(), _name(gib[large])),
    ]


def _name(found: pd.Series) -> str:
    """Write the rows that miss a bar, with what was found there."""
    names = [" ".join(key) if isinstance(key, tuple) else str(key) for key in found.index]
    pairs = zip(names, found, strict=True)
    return "; ".join(f"{name} {value:.3f}" for name, value in pairs)
