"""Cells of customers: columns cut in two and crossed, and what the offer did in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from features.errors import NotEnoughData
from models.offers.trial import Trial

MAX_CROSSED = 24
"""Of more columns only the most telling ones are crossed in pairs."""
MAX_CUSTOMERS = 100_000
"""Of more customers every second, third and so on chooses the columns; all measure the cells."""
AKAIKE = 2.0
"""What a further cell must add to Cochran's Q at the very least."""


@dataclass(frozen=True)
class Cut:
    """A column cut in two: above `threshold`, or not (nor where it is unknown)."""

    place: int
    name: str
    threshold: float
    is_flag: bool = False

    def describe(self, is_above: bool) -> str:
        """Return the side in words.

        Examples
        --------
        >>> Cut(0, "orders", 3.0).describe(True), Cut(1, "is_new", 0.5, True).describe(False)
        ('orders > 3', 'not is_new')
        """
        if self.is_flag:
            return self.name if is_above else f"not {self.name}"
        return f"{self.name} {'>' if is_above else '<='} {self.threshold:g}"

    def is_above(self, features: np.ndarray) -> np.ndarray:
        """Return which rows lie above, bool of shape (n,)."""
        return np.asarray(features[:, self.place] > self.threshold)


@dataclass(frozen=True)
class CellEffects:
    """What the offer did in each cell.

    Attributes
    ----------
    effect, variance : arrays of shape (n_cells,)
        Difference of mean outcomes, weighted by 1 / propensity, and its squared standard error;
        NaN where nobody is.
    customers : int array of shape (n_cells,)
    fewest : int
        Customers of the smaller arm in the smallest cell that anybody is in.
    """

    effect: np.ndarray
    variance: np.ndarray
    customers: np.ndarray
    fewest: int

    @property
    def heterogeneity(self) -> float:
        """Cochran's Q: about the number of cells − 1 if the offer does the same in all."""
        used = self.customers > 0
        precision = 1.0 / self.variance[used]
        mean = precision @ self.effect[used] / precision.sum()
        return float(precision @ (self.effect[used] - mean) ** 2)


def choose_cuts(trial: Trial, min_customers: int) -> tuple[tuple[Cut, ...], bool]:
    """Return the one or two cuts whose cells differ most for their number, and if they surely do.

    There is none where no cut passes even Akaike's criterion.

    Raises
    ------
    NotEnoughData
        If there are fewer than `min_customers` with, or without, the offer.
    """
    fewest = min(int(trial.treated.sum()), int((~trial.treated).sum()))
    if fewest < min_customers:
        raise NotEnoughData(
            f"cell rule: expected at least {min_customers} customers with the offer and as many "
            f"without it, got {fewest}; run the experiment on more customers"
        )
    step = -(-len(trial) // MAX_CUSTOMERS)
    if step > 1 and fewest >= 2 * step * min_customers:
        trial = trial.take(np.arange(0, len(trial), step))
    singles = _judge(trial, [(cut,) for cut in _make_cuts(trial)], min_customers)
    telling = sorted(singles, key=lambda one: (-_score(singles[one], AKAIKE), one[0].place))
    best = [one[0] for one in telling[:MAX_CROSSED]]
    pairs = [tuple(sorted(pair, key=lambda cut: cut.place)) for pair in combinations(best, 2)]
    judged = {(): (0.0, 0), **singles, **_judge(trial, pairs, min_customers)}
    for criterion in (float(np.log(len(trial))), AKAIKE):
        chosen = max(judged, key=lambda one: _score(judged[one], criterion))
        if chosen:
            return chosen, criterion != AKAIKE
    return (), True


def measure_cells(trial: Trial, cell: np.ndarray, n_cells: int) -> CellEffects:
    """Measure the effect in every cell.

    Parameters
    ----------
    trial : Trial
    cell : int array of shape (n,)
        0 to n_cells − 1.
    n_cells : int

    Returns
    -------
    CellEffects
        To each arm of a cell one customer with the trial's variance is added, so that a cell
        without a single outcome is not taken for certain.
    """
    chance = np.where(trial.treated, trial.propensity, 1.0 - trial.propensity)
    spread = trial.outcome.var() or 1.0
    mean, variance, count = np.empty((3, 2, n_cells))
    for arm in (0, 1):
        some = trial.treated == bool(arm)
        codes, y, weight = cell[some], trial.outcome[some], 1.0 / chance[some]
        count[arm] = np.bincount(codes, minlength=n_cells)
        total = np.bincount(codes, weight, minlength=n_cells)
        safe = np.where(count[arm] > 0, total, np.nan)
        mean[arm] = np.bincount(codes, weight * y, minlength=n_cells) / safe
        squares = np.bincount(codes, (weight * (y - mean[arm][codes])) ** 2, minlength=n_cells)
        variance[arm] = (squares + spread * weight.mean() ** 2) / safe**2
    used = count.sum(axis=0) > 0
    return CellEffects(
        effect=mean[1] - mean[0],
        variance=variance.sum(axis=0),
        customers=count.sum(axis=0).astype(np.int64),
        fewest=int(count[:, used].min()),
    )


def number_cells(features: np.ndarray, cuts: tuple[Cut, ...]) -> np.ndarray:
    """Return the cell of every row, int of shape (n,): one bit a cut."""
    cell = np.zeros(len(features), dtype=np.int64)
    for place, cut in enumerate(cuts):
        cell |= cut.is_above(features).astype(np.int64) << place
    return cell


def _make_cuts(trial: Trial) -> list[Cut]:
    """Cut every column between its two values, or else at its median; constant ones not at all."""
    cuts = []
    for place, name in enumerate(trial.names):
        values = trial.features[:, place]
        known = np.unique(values[np.isfinite(values)])
        if len(known) < 2:
            continue
        middle = float(known.mean() if len(known) == 2 else np.nanmedian(values))
        # half of the rows may share the highest value: the cut then lies just below it
        threshold = middle if middle < known[-1] else float(known[-2:].mean())
        cuts.append(Cut(place, name, threshold, bool(np.isin(known, (0.0, 1.0)).all())))
    return cuts


def _judge(
    trial: Trial, candidates: Sequence[tuple[Cut, ...]], min_customers: int
) -> dict[tuple[Cut, ...], tuple[float, int]]:
    """Return heterogeneity and cells beyond the first, of candidates with enough in each cell."""
    judged = {}
    for cuts in candidates:
        effects = measure_cells(trial, number_cells(trial.features, cuts), 2 ** len(cuts))
        if effects.fewest >= min_customers:
            judged[cuts] = (effects.heterogeneity, int((effects.customers > 0).sum()) - 1)
    return judged


def _score(found: tuple[float, int], criterion: float) -> float:
    return found[0] - criterion * found[1]
