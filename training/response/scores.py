"""How good foreseen answers are: scores over touches."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOUR_GROUPS = ("00-06", "06-12", "12-18", "18-24")
"""Groups of local hours that calibration is told by."""
_Z = 1.959963984540054


def score_touch_log_loss(probability: np.ndarray, engaged: np.ndarray) -> np.ndarray:
    """Return the negative log-likelihood of each touch, in nats, shape (m,); lower is better."""
    return np.asarray(-np.where(engaged, np.log(probability), np.log1p(-probability)))


def score_touch_brier(probability: np.ndarray, engaged: np.ndarray) -> float:
    """Return the mean squared error; lower is better."""
    return float(np.mean((probability - engaged) ** 2))


def score_touch_calibration(
    probability: np.ndarray, engaged: np.ndarray, *, n_bins: int = 10
) -> float:
    """Return the expected calibration error over bins of equally many touches; lower is better.

    Mean of |mean probability − observed rate| over the bins, weighted by their touches.
    """
    order = np.argsort(probability, kind="stable")
    gap = np.concatenate([[0.0], np.cumsum((probability - engaged)[order])])
    edges = np.linspace(0, len(order), n_bins + 1).astype(np.int64)
    return float(np.abs(np.diff(gap[edges])).sum() / len(order))


def build_touch_scores(probability: np.ndarray, engaged: np.ndarray) -> dict[str, float]:
    """Return every score of one model on some touches, by name; NaN where there is no touch."""
    if len(probability) == 0:
        return dict.fromkeys(
            ("touches", "base_rate", "predicted", "log_loss", "brier", "calibration_error"),
            float("nan"),
        ) | {"touches": 0.0}
    return {
        "touches": float(len(probability)),
        "base_rate": float(np.mean(engaged)),
        "predicted": float(np.mean(probability)),
        "log_loss": float(score_touch_log_loss(probability, engaged).mean()),
        "brier": score_touch_brier(probability, engaged),
        "calibration_error": score_touch_calibration(probability, engaged),
    }


def build_group_scores(touches: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the scores of one model by channel and by group of hours.

    Parameters
    ----------
    touches : DataFrame
        `channel, slot, engaged, p_<model>`.
    model : str

    Returns
    -------
    DataFrame
        `model, by` ('channel' or 'hours'), `group`, and the scores.
    """
    hours = np.array(HOUR_GROUPS, dtype=object)[touches["slot"].to_numpy() % 24 // 6]
    rows = []
    for by, groups in (("channel", touches["channel"].to_numpy(dtype=object)), ("hours", hours)):
        for group in np.unique(groups.astype(str)):
            own = touches[groups == group]
            scores = build_touch_scores(own[f"p_{model}"].to_numpy(), own["engaged"].to_numpy())
            rows.append({"model": model, "by": by, "group": group, **scores})
    return pd.DataFrame(rows)


def build_touch_reliability(
    probability: np.ndarray, engaged: np.ndarray, *, n_bins: int = 10
) -> pd.DataFrame:
    """Return predicted against observed rates, over bins of equally many touches.

    Returns
    -------
    DataFrame
        `bin, touches, predicted, observed, observed_low, observed_high`; the last two are
        Wilson's 95 % interval.
    """
    order = np.argsort(probability, kind="stable")
    bins = np.empty(len(order), dtype=np.int64)
    bins[order] = np.arange(len(order)) * n_bins // max(len(order), 1)
    table = pd.DataFrame({"bin": bins, "predicted": probability, "observed": engaged * 1.0})
    found = table.groupby("bin", as_index=False).agg(
        touches=("observed", "size"), predicted=("predicted", "mean"), observed=("observed", "mean")
    )
    n, rate = found["touches"], found["observed"]
    middle = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(rate * (1 - rate) / n + (_Z / (2 * n)) ** 2) / (1 + _Z**2 / n)
    return found.assign(observed_low=middle - half, observed_high=middle + half)
