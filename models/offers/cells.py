"""The cell rule: customers in a handful of cells, and what the offer did in each.

One or two columns, each cut in two, are crossed. The rule that any learner must beat before it
ships, because everybody can read it and because it is hard to beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Self

import numpy as np

from features.errors import NotEnoughData
from models.offers.learners import UpliftLearner
from models.offers.shrinkage import shrink_effects
from models.offers.trees import Trees
from models.offers.trial import Trial

MAX_CROSSED = 24
"""Of more columns only the most telling ones are crossed in pairs."""
MAX_CUSTOMERS = 100_000
"""Of more customers every second, third and so on chooses the columns; all measure the cells."""


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


class CellRule(UpliftLearner):
    """Uplift per cell, shrunk by empirical Bayes.

    The columns are those whose cells differ most, by Cochran's Q less log(n) for each cell beyond
    the first (the Bayesian information criterion), so that a cell must earn its keep.

    Parameters
    ----------
    trees : Trees, optional
        Not used; there as in every learner.
    min_customers : int
        With, and without, the offer, that a cell must have.

    Attributes
    ----------
    cuts_ : tuple of Cut
        None, one or two.
    uplift_, sd_ : arrays of shape (n_cells,)
        Posterior of each cell.
    customers_ : int array of shape (n_cells,)
    """

    name = "cell_rule"
    cuts_: tuple[Cut, ...]
    uplift_: np.ndarray
    sd_: np.ndarray
    customers_: np.ndarray

    def __init__(self, trees: Trees | None = None, *, min_customers: int = 50) -> None:
        super().__init__(trees)
        self.min_customers = min_customers

    def fit(self, trial: Trial) -> Self:
        """Choose the columns and measure the cells."""
        self.boosters_ = {}
        self.cuts_ = choose_cuts(trial, self.min_customers)
        effects = measure_cells(trial, self.cells(trial.features), 2 ** len(self.cuts_))
        used = effects.customers > 0
        shrunk = shrink_effects(effects.effect[used], effects.variance[used])
        self.uplift_ = np.full(len(used), shrunk.common)
        self.sd_ = np.full(len(used), shrunk.common_sd)
        self.uplift_[used], self.sd_[used] = shrunk.mean, shrunk.sd
        self.customers_ = effects.customers
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the uplift of each row's cell, shape (n,)."""
        return np.asarray(self.uplift_[self.cells(features)])

    def cells(self, features: np.ndarray) -> np.ndarray:
        """Return the cell of every row, int of shape (n,)."""
        return number_cells(features, self.cuts_)

    def describe(self) -> tuple[str, ...]:
        """Return each cell in words, such as 'is_new and orders <= 3'."""
        words = []
        for cell in range(2 ** len(self.cuts_)):
            parts = (cut.describe(bool(cell >> place & 1)) for place, cut in enumerate(self.cuts_))
            words.append(" and ".join(parts) or "everybody")
        return tuple(words)

    def _to_json(self) -> dict[str, Any]:
        return {
            "cuts": [asdict(cut) for cut in self.cuts_],
            "uplift": self.uplift_.tolist(),
            "sd": self.sd_.tolist(),
            "customers": self.customers_.tolist(),
        }

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.cuts_ = tuple(Cut(**cut) for cut in fitted["cuts"])
        self.uplift_, self.sd_ = np.array(fitted["uplift"]), np.array(fitted["sd"])
        self.customers_ = np.array(fitted["customers"], dtype=np.int64)


def choose_cuts(trial: Trial, min_customers: int) -> tuple[Cut, ...]:
    """Return the one or two cuts whose cells differ most for their number; none if none does.

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
    singles: dict[tuple[Cut, ...], float] = {
        (cut,): _judge(trial, (cut,), min_customers) for cut in _make_cuts(trial)
    }
    telling = sorted(singles, key=lambda cuts: (-singles[cuts], cuts[0].place))[:MAX_CROSSED]
    pairs = (
        tuple(sorted((*a, *b), key=lambda cut: cut.place)) for a, b in combinations(telling, 2)
    )
    judged: dict[tuple[Cut, ...], float] = {(): 0.0, **singles}
    judged |= {pair: _judge(trial, pair, min_customers) for pair in pairs}
    return max(judged, key=lambda cuts: judged[cuts])


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


def _judge(trial: Trial, cuts: tuple[Cut, ...], min_customers: int) -> float:
    effects = measure_cells(trial, number_cells(trial.features, cuts), 2 ** len(cuts))
    if effects.fewest < min_customers:
        return -np.inf
    more_cells = int((effects.customers > 0).sum()) - 1
    return effects.heterogeneity - more_cells * float(np.log(len(trial)))
