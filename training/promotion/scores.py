"""How good send times are: scores over customers × slots × weeks, and paired gains.

A cell is one customer's slot; `Outcomes` says in how many of the weeks it was active. Probabilities
have shape (n, 168). Log-loss, Brier score, calibration error and gains judge the probabilities;
hits and share losses judge only *when*, given that something happens at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from features.schema import SLOTS_PER_WEEK
from models.receptivity.histories import Outcomes

_SLOTS = np.arange(SLOTS_PER_WEEK)
GROUPS = {
    "slot": _SLOTS,
    "hour": _SLOTS % 24,
    "block": _SLOTS % 24 // 3,
    "weekday": _SLOTS // 24,
}
"""Coarser clocks: group of each slot. A block is three hours of the day."""


def score_customer_log_loss(probability: np.ndarray, outcomes: Outcomes) -> np.ndarray:
    """Return each customer's mean negative log-likelihood per slot and week, in nats, shape (n,).

    Lower is better. The binomial coefficient is left out, as it is the same for every model.
    """
    cells = outcomes.weeks_active.tocoo()
    rate = cells.data / outcomes.n_weeks
    found = probability[cells.row, cells.col]
    loss = -np.log1p(-probability).sum(axis=1)
    loss += np.bincount(
        cells.row, rate * (np.log1p(-found) - np.log(found)), minlength=len(probability)
    )
    return np.asarray(loss / SLOTS_PER_WEEK)


def score_brier(probability: np.ndarray, outcomes: Outcomes) -> float:
    """Return the mean squared error per slot and week; lower is better."""
    cells = outcomes.weeks_active.tocoo()
    rate = cells.data / outcomes.n_weeks
    missed = (rate * (1 - 2 * probability[cells.row, cells.col])).sum()
    return float(((probability**2).sum() + missed) / probability.size)


def score_calibration_error(
    probability: np.ndarray, outcomes: Outcomes, *, n_bins: int = 20
) -> float:
    """Return the expected calibration error over bins of equally many cells; lower is better.

    Mean of |mean probability − observed frequency| over the bins, in probability. Divide by the
    base rate to compare between data sets: where little happens it is small by itself.

    References
    ----------
    .. [1] Naeini, Cooper & Hauskrecht (2015), "Obtaining well calibrated probabilities using
       Bayesian binning", AAAI.
    """
    raw = probability.ravel()
    order = np.argsort(raw, kind="stable")
    rate = (outcomes.weeks_active.toarray() / outcomes.n_weeks).ravel()[order]
    gap = np.concatenate([[0.0], np.cumsum(raw[order] - rate)])
    edges = np.linspace(0, len(raw), n_bins + 1).astype(np.int64)
    return float(np.abs(np.diff(gap[edges])).sum() / len(raw))


def score_top_hit(probability: np.ndarray, outcomes: Outcomes, group: str) -> float:
    """Return the share of activity that fell in each customer's most probable group of slots.

    Parameters
    ----------
    probability : array of shape (n, 168)
    outcomes : Outcomes
        Of the same customers.
    group : str
        'slot', 'hour', 'block' or 'weekday'; see `GROUPS`. Ties go to the earliest.

    Returns
    -------
    float
        0 to 1; higher is better, NaN without any activity.
    """
    active = _sum_groups(outcomes.weeks_active.toarray(), group)
    best = _sum_groups(_to_share(probability), group).argmax(axis=1)
    hits = active[np.arange(len(active)), best].sum()
    return float(hits / active.sum()) if active.any() else float("nan")


def score_share_loss(probability: np.ndarray, outcomes: Outcomes, group: str) -> float:
    """Return the mean −log of the share given to the group of slots where activity fell, in nats.

    The share is the rate −log(1 − probability), scaled to sum to 1 within the customer: how
    active somebody is cancels out. Lower is better; NaN without any activity.
    """
    active = _sum_groups(outcomes.weeks_active.toarray(), group)
    share = _sum_groups(_to_share(probability), group)
    found = active > 0
    if not found.any():
        return float("nan")
    return float(-(active[found] * np.log(share[found])).sum() / active.sum())


def build_scores(probability: np.ndarray, outcomes: Outcomes) -> dict[str, float]:
    """Return every score of one model on one test window, by name.

    `customers`, `activity` (active slot-weeks) and `base_rate` say what they rest on.
    """
    rate = float(outcomes.totals.sum() / (probability.size * outcomes.n_weeks))
    error = score_calibration_error(probability, outcomes)
    scores = {
        "customers": float(len(probability)),
        "activity": float(outcomes.totals.sum()),
        "base_rate": rate,
        "log_loss": float(score_customer_log_loss(probability, outcomes).mean()),
        "brier": score_brier(probability, outcomes),
        "calibration_error": error,
        "calibration_error_relative": error / rate if rate else float("nan"),
    }
    scores |= {f"{group}_hit": score_top_hit(probability, outcomes, group) for group in GROUPS}
    return scores | {
        f"{group}_loss": score_share_loss(probability, outcomes, group) for group in GROUPS
    }


def build_reliability(
    probability: np.ndarray, outcomes: Outcomes, *, n_bins: int = 20
) -> pd.DataFrame:
    """Return predicted against observed frequency, over bins that expect equally many positives.

    Returns
    -------
    DataFrame
        `bin, cells, predicted, observed, observed_low, observed_high`, lowest probabilities
        first; the last two are Wilson's 95 % interval over the bin's cells and weeks.
    """
    raw = probability.ravel()
    order = np.argsort(raw, kind="stable")
    raw, weeks = raw[order], outcomes.weeks_active.toarray().ravel()[order]
    mass = np.cumsum(raw)
    bins = np.minimum((mass - 0.5 * raw) / mass[-1] * n_bins, n_bins - 1).astype(np.int64)
    cells = np.bincount(bins, minlength=n_bins)
    used = cells > 0
    trials = cells[used] * outcomes.n_weeks
    observed = np.bincount(bins, weeks, minlength=n_bins)[used] / trials
    low, high = _wilson(observed, trials)
    return pd.DataFrame(
        {
            "bin": np.flatnonzero(used),
            "cells": cells[used],
            "predicted": np.bincount(bins, raw, minlength=n_bins)[used] / cells[used],
            "observed": observed,
            "observed_low": low,
            "observed_high": high,
        }
    )


@dataclass(frozen=True)
class PairedGain:
    """What a model gains over a baseline on the same customers and weeks.

    Attributes
    ----------
    gain : float
        Baseline's log-loss − model's, in nats per slot and week; above 0 the model is better.
    low, high : float
        95 % bootstrap interval, customers resampled whole.
    relative : float
        `gain` as a fraction of the baseline's log-loss.
    customers : int
        Different customers it rests on.
    """

    gain: float
    low: float
    high: float
    relative: float
    customers: int


def compare_losses(
    loss: np.ndarray,
    baseline: np.ndarray,
    customer_id: np.ndarray,
    rng: np.random.Generator,
    *,
    n_resamples: int = 1000,
) -> PairedGain:
    """Compare two models' losses row by row, resampling customers.

    Parameters
    ----------
    loss, baseline : array of shape (n_rows,)
        Loss of the model and of the baseline per customer and fold.
    customer_id : array of shape (n_rows,)
        Whose row it is; a customer of several folds is resampled with all of them.
    rng : numpy.random.Generator
    n_resamples : int

    Raises
    ------
    NotEnoughData
        If there is no row.

    References
    ----------
    .. [1] Efron & Tibshirani (1993), "An Introduction to the Bootstrap", 13.3 (percentiles).
    """
    if len(loss) == 0:
        raise NotEnoughData(
            "paired gain: expected at least one customer in the test windows, got 0"
        )
    codes, customers = pd.factorize(customer_id)
    n = len(customers)
    differences = np.bincount(codes, baseline - loss, minlength=n)
    rows = np.bincount(codes, minlength=n).astype(np.float64)
    gains = np.empty(n_resamples)
    for index in range(n_resamples):
        drawn = np.bincount(rng.integers(0, n, n), minlength=n)
        gains[index] = drawn @ differences / (drawn @ rows)
    low, high = np.quantile(gains, [0.025, 0.975])
    gain = float(differences.sum() / len(loss))
    return PairedGain(gain, float(low), float(high), gain / float(baseline.mean()), n)


def _to_share(probability: np.ndarray) -> np.ndarray:
    rate = -np.log1p(-probability)
    return np.asarray(rate / rate.sum(axis=1, keepdims=True))


def _sum_groups(values: np.ndarray, group: str) -> np.ndarray:
    member = GROUPS[group][:, None] == np.unique(GROUPS[group])[None, :]
    return np.asarray(values @ member.astype(np.float64))


def _wilson(rate: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z2 = 1.959963984540054**2
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (rate * (1 - rate) + z2 / (4 * trials)) / trials) / (1 + z2 / trials)
    return middle - half, middle + half
