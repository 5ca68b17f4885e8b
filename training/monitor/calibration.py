"""Whether the probabilities that decided came true: expected against observed answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from training.monitor.checks import Check, Verdict
from training.monitor.settings import MonitorSettings

KIND, MODEL = "calibration", "promotion"
N_BINS, LEAST_IN_BIN, N_DRAWS = 10, 50, 10_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Predictions against answers.

    Attributes
    ----------
    error : float
        Expected calibration error: mean |predicted − observed| over bins, weighted by sends.
    chance, point : float
        Its mean, and the value it exceeds with the asked probability, were all predictions true.
    bins : DataFrame
        `bin, sends, predicted, observed, low, high`; the last two are Jeffreys' 95 % interval.
    design_effect : float
        How much less than its number of sends the sample is worth, as customers repeat.
    """

    error: float
    chance: float
    point: float
    bins: pd.DataFrame
    design_effect: float


def measure_calibration(
    predicted: Floats,
    answered: Floats,
    customer: npt.NDArray[np.object_],
    rng: np.random.Generator,
    *,
    significance: float = 0.001,
) -> Calibration:
    """Return how far predictions are off, beside how far true ones would be.

    Parameters
    ----------
    predicted, answered : arrays of shape (n,)
        Probability, and 0 or 1.
    customer : array of shape (n,)
        Sends to one customer may depend on each other: the null is widened by their design effect.
    rng : numpy.random.Generator
        Draws answers as if every prediction were true.
    significance : float
        Of `point`.

    References
    ----------
    .. [1] Bröcker & Smith (2007), "Increasing the reliability of reliability diagrams", Weather
       and Forecasting 22 (consistency resampling).
    .. [2] Brown, Cai & DasGupta (2001), "Interval estimation for a binomial proportion".
    """
    order = np.argsort(predicted, kind="stable")
    n_bins = int(np.clip(len(predicted) // LEAST_IN_BIN, 1, N_BINS))
    bins = np.arange(len(predicted)) * n_bins // len(predicted)
    sends = np.bincount(bins)
    mean = np.bincount(bins, predicted[order]) / sends
    hits = np.bincount(bins, answered[order])
    table = pd.DataFrame(
        {
            "bin": np.arange(n_bins),
            "sends": sends,
            "predicted": mean,
            "observed": hits / sends,
            "low": stats.beta.ppf(0.025, hits + 0.5, sends - hits + 0.5),
            "high": stats.beta.ppf(0.975, hits + 0.5, sends - hits + 0.5),
        }
    )
    effect = measure_design_effect(predicted, answered, customer)
    drawn = rng.binomial(sends, np.clip(mean, 0.0, 1.0), (N_DRAWS, n_bins)) / sends
    null = (np.abs(drawn - mean) * sends).sum(axis=1) / len(predicted) * np.sqrt(effect)
    error = float(np.average(np.abs(mean - hits / sends), weights=sends))
    point = float(np.quantile(null, 1 - significance))
    return Calibration(error, float(null.mean()), point, table, effect)


def measure_design_effect(
    predicted: Floats, answered: Floats, customer: npt.NDArray[np.object_]
) -> float:
    """Return the variance of Σ(answered − predicted) by customers over that of free sends; ≥ 1.

    Examples
    --------
    >>> twice = np.array([1.0, 1.0, 0.0, 0.0])
    >>> measure_design_effect(np.full(4, 0.5), twice, np.array(["a", "a", "b", "b"], object))
    2.0
    """
    apart = answered - predicted
    sums = np.bincount(pd.factorize(customer)[0], apart)
    free = float((apart**2).sum())
    return max(float((sums**2).sum()) / free, 1.0) if free > 0 else 1.0


def check_calibration(
    sends: pd.DataFrame,
    settings: MonitorSettings,
    rng: np.random.Generator,
    *,
    is_response: bool,
) -> tuple[list[Check], list[dict[str, Any]]]:
    """Judge the champion's probabilities by the answers to what was sent.

    Parameters
    ----------
    sends : DataFrame
        Of `served.read_served`: the champion's, sent and mature.
    settings : MonitorSettings
    rng : numpy.random.Generator
    is_response : bool
        Whether the champion learned from answers. Else its probability is that of being active,
        whose level answers cannot confirm: then nothing is alerted.

    Returns
    -------
    list of Check, list of dict
        The second is the table of bins.
    """
    if len(sends) < settings.min_rows:
        reason = (
            f"{len(sends)} sends of the champion have had their time to be answered, "
            f"calibration is judged from {settings.min_rows} on"
        )
        return [Check(KIND, "answers", MODEL, Verdict.UNKNOWN, reason, len(sends))], []
    predicted = sends["probability"].to_numpy(np.float64)
    answered = sends["is_answered"].to_numpy(np.float64)
    customer = sends["customer"].to_numpy(object)
    found = measure_calibration(
        predicted, answered, customer, rng, significance=settings.significance
    )
    judge = _judge_level if is_response else _tell_level
    checks = [judge(found, len(sends), settings)]
    checks.append(_judge_total(predicted, answered, found.design_effect, is_response=is_response))
    rows = [
        {str(key): value for key, value in row.items()} for row in found.bins.to_dict("records")
    ]
    return checks, rows


def _judge_level(found: Calibration, n: int, settings: MonitorSettings) -> Check:
    verdict = Verdict.OK
    if found.error > found.point:
        is_far = found.error > settings.max_calibration_error
        verdict = Verdict.ALERT if is_far else Verdict.WATCH
    reason = (
        f"calibration error {found.error:.4f} over {n:,} sends; of true probabilities it would "
        f"be {found.chance:.4f} and stay below {found.point:.4f}"
    )
    bar = max(settings.max_calibration_error, found.point)
    return Check(
        *(KIND, "error", MODEL, verdict, reason, n, found.error, found.chance), threshold=bar
    )


def _tell_level(found: Calibration, n: int, settings: MonitorSettings) -> Check:  # noqa: ARG001
    reason = (
        f"calibration error {found.error:.4f} over {n:,} sends is not judged: the champion "
        "tells when customers are active, not whether they answer"
    )
    return Check(KIND, "error", MODEL, Verdict.OK, reason, n, found.error, found.chance)


def _judge_total(predicted: Floats, answered: Floats, effect: float, *, is_response: bool) -> Check:
    expected, observed, n = float(predicted.mean()), float(answered.mean()), len(answered)
    worth = n / effect
    hits = observed * worth
    low = float(stats.beta.ppf(0.025, hits + 0.5, worth - hits + 0.5))
    high = float(stats.beta.ppf(0.975, hits + 0.5, worth - hits + 0.5))
    is_off = is_response and not low <= expected <= high
    reason = (
        f"{observed:.2%} of {n:,} sends were answered (95 % interval {low:.2%} to {high:.2%}), "
        f"{expected:.2%} were expected"
    )
    verdict = Verdict.WATCH if is_off else Verdict.OK
    return Check(KIND, "rate", MODEL, verdict, reason, n, observed, expected, None, low, high)
