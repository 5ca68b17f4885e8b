"""Rankings sorted once and judged on many resamples of the same customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.offers.trial import Trial


@dataclass(frozen=True)
class Ranked:
    """A ranking sorted once, whose Qini area is then known for any weights of the customers.

    Attributes
    ----------
    order : int array of shape (n,)
        Customers, best first.
    last : int array of shape (n_distinct_scores,)
        Places in that order after which a new score begins.
    arms : array of shape (4, n)
        In that order: 1, treated, outcome of the treated, outcome of the others.
    """

    order: np.ndarray
    last: np.ndarray
    arms: np.ndarray

    @classmethod
    def build(cls, trial: Trial, score: np.ndarray) -> Self:
        """Sort the customers of a trial by `score`, highest first."""
        order = np.argsort(score, kind="stable")[::-1]
        last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
        t, y = trial.treated[order].astype(np.float64), trial.outcome[order]
        return cls(order, last, np.array([np.ones(len(order)), t, y * t, y * (1.0 - t)]))

    @classmethod
    def build_perfect(cls, trial: Trial) -> Self:
        """Sort them as nobody could: treated with the outcome first, control with it last."""
        return cls.build(trial, trial.outcome * np.where(trial.treated, 1.0, -1.0))

    def area(self, times: np.ndarray) -> float:
        """Return the area between Qini curve and diagonal, customer i counted `times[i]` times."""
        sums = np.cumsum(self.arms * times[self.order], axis=1)[:, self.last]
        n, treated, with_offer, without = np.column_stack([np.zeros(4), sums])
        control = n - treated
        scale = np.divide(treated, control, out=np.zeros_like(n), where=control > 0)
        y = with_offer - without * scale
        return float(np.trapezoid(y, n) - 0.5 * n[-1] * y[-1])


def draw_times(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of `n` customers is in a resample of as many, shape (n,)."""
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)


def resample_qini(
    trial: Trial,
    scores: Mapping[str, np.ndarray],
    folds: np.ndarray,
    rng: np.random.Generator,
    n_resamples: int,
) -> dict[str, np.ndarray]:
    """Return the Qini of every ranking on the customers and on resamples of them.

    Parameters
    ----------
    trial : Trial
    scores : mapping of name to array of shape (n,)
    folds : int array of shape (n,)
        Rankings are judged within folds and averaged, as different fits are not on one scale.
    rng : numpy.random.Generator
    n_resamples : int

    Returns
    -------
    dict of str to array of shape (n_resamples + 1,)
        The first entry is that of the customers themselves; all rankings share each resample.
    """
    numbers = np.unique(folds)
    total = {name: np.zeros(n_resamples + 1) for name in scores}
    for number in numbers:
        held = np.flatnonzero(folds == number)
        some = trial.take(held)
        ranked = {name: Ranked.build(some, score[held]) for name, score in scores.items()}
        perfect = Ranked.build_perfect(some)
        for draw in range(n_resamples + 1):
            times = draw_times(len(some), rng) if draw > 0 else np.ones(len(some))
            best = perfect.area(times)
            for name, one in ranked.items():
                total[name][draw] += one.area(times) / best / len(numbers)
    return total
