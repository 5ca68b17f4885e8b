"""The written gates between challenger and champion: each a number, a bound and a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from training.config import DemandGates, PromotionGates
from training.demand.calibration import ALMANAC as PUBLISHED
from training.demand.scores import EVERY
from training.palette import name_of

DEMAND_BASELINES = ("seasonal_naive", "seasonal_mean", "ets", "croston_sba", "tsb")
PROMOTION_BASELINES = ("best_global_hour", "customer_histogram")


@dataclass(frozen=True)
class Check:
    """One gate: what was measured, against what, and whether it passed."""

    name: str
    measured: float
    bound: float
    is_passed: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """All gates of one promotion."""

    checks: tuple[Check, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every gate passed."""
        return all(check.is_passed for check in self.checks)

    @property
    def failures(self) -> str:
        """The sentences of the gates that did not pass."""
        return "; ".join(check.words for check in self.checks if not check.is_passed)

    def to_json(self) -> str:
        """Return the verdict as JSON, for the run that it is logged to."""
        checks = [asdict(check) for check in self.checks]
        return json.dumps({"is_passed": self.is_passed, "checks": checks}, indent=2)


def check_at_most(name: str, measured: float, bound: float, words: str) -> Check:
    """Return a gate that passes when `measured` is at most `bound`; NaN never passes."""
    is_passed = not math.isnan(measured) and measured <= bound
    return Check(name, measured, bound, is_passed, f"{words}: {measured:.4g}, at most {bound:.4g}")


def check_above(name: str, measured: float, bound: float, words: str) -> Check:
    """Return a gate that passes when `measured` is greater than `bound`; NaN never passes."""
    is_passed = not math.isnan(measured) and measured > bound
    return Check(name, measured, bound, is_passed, f"{words}: {measured:.4g}, above {bound:.4g}")


def judge_demand(
    gates: DemandGates, challenger: pd.DataFrame, champion: pd.DataFrame | None
) -> Verdict:
    """Judge a demand challenger by its backtest.

    Parameters
    ----------
    gates : DemandGates
        The bounds.
    challenger : DataFrame
        `DemandBacktest.scores`: one row per model, level and horizon bucket.
    champion : DataFrame or None
        The champion's scores on the same data; None when there is no champion.
    """
    rows = _bottom(challenger)
    own = rows[PUBLISHED]
    there = [rows[name] for name in DEMAND_BASELINES if name in rows]
    baseline = min(row["wape"] for row in there)
    sharpest = min(row["pinball"] for row in there)
    checks = [
        check_at_most(
            "wape",
            _divide(own["wape"], baseline),
            gates.max_relative_wape,
            "WAPE ÷ that of the best baseline, at the finest level",
        ),
        check_at_most(
            "pinball",
            _divide(own["pinball"], sharpest),
            gates.max_relative_pinball,
            "scaled pinball loss ÷ that of the best baseline, at the finest level",
        ),
        check_at_most("bias", abs(own["bias"]), gates.max_abs_bias, "|bias| at the finest level"),
    ]
    for percent in (80, 95):
        error = abs(own[f"coverage_{percent}"] - percent / 100)
        words = f"|measured − nominal| coverage of the {percent} % interval"
        checks.append(check_at_most(f"coverage_{percent}", error, gates.max_coverage_error, words))
    if champion is not None:
        ratio = _divide(own["wape"], _bottom(champion)[PUBLISHED]["wape"])
        words = "WAPE ÷ that of the present champion, on the same data"
        checks.append(check_at_most("champion", ratio, 1.0, words))
    return Verdict(tuple(checks))


def judge_promotion(
    gates: PromotionGates,
    challenger: Mapping[str, pd.DataFrame],
    champion: Mapping[str, pd.DataFrame] | None,
) -> Verdict:
    """Judge a send-time challenger by its backtest.

    Parameters
    ----------
    gates : PromotionGates
        The bounds.
    challenger : mapping of name to DataFrame
        `PromotionBacktest.tables()` with the chosen model in 'best'.
    champion : mapping of name to DataFrame, or None
        The champion's tables on the same data; None when there is no champion.
    """
    name, own = _chosen(challenger)
    checks = [
        check_above(
            f"log_loss/{gain['baseline']}",
            gain["low"],
            gates.min_log_loss_gain,
            f"lower bound of the paired gain in log-loss over {name_of(gain['baseline'])}",
        )
        for gain in challenger["gains"].to_dict("records")
        if gain["model"] == name and gain["baseline"] in PROMOTION_BASELINES
    ]
    checks.append(
        check_at_most(
            "calibration",
            own["calibration_error"],
            gates.max_calibration_error,
            "expected calibration error",
        )
    )
    if champion is not None:
        _, rival = _chosen(champion)
        ratio = own["log_loss"] / rival["log_loss"]
        words = "log-loss ÷ that of the present champion, on the same data"
        checks.append(check_at_most("champion", ratio, 1.0, words))
    return Verdict(tuple(checks))


def _divide(own: float, other: float) -> float:
    """Return own ÷ other; where the other is perfect, 1 for as perfect and infinity for not."""
    if other == 0:
        return 1.0 if own == 0 else math.inf
    return own / other


def _bottom(scores: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    """Return the scores at the finest level over all horizons, by model."""
    whole = [row for row in scores.to_dict("records") if row["bucket"] == EVERY]
    finest = max(whole, key=lambda row: row["n_rows"])["level"]
    return {row["model"]: row for row in whole if row["level"] == finest}


def _chosen(tables: Mapping[str, pd.DataFrame]) -> tuple[str, dict[Any, Any]]:
    """Return the name of the model that was chosen, and its scores."""
    name = tables["best"].to_dict("records")[0]["model"]
    rows = {row["model"]: row for row in tables["scores"].to_dict("records")}
    return name, rows[name]
