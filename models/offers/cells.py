"""The cell rule: customers in a handful of cells, and what the offer did in each.

One or two columns, each cut in two, are crossed. The rule that any learner must beat before it
ships, because everybody can read it and because it is hard to beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np

from models.offers.cuts import Cut, choose_cuts, measure_cells, number_cells
from models.offers.learner_base import UpliftLearner
from models.offers.shrinkage import shrink_effects
from models.offers.trees import Trees
from models.offers.trial import Trial


class CellRule(UpliftLearner):
    """Uplift per cell, shrunk by empirical Bayes.

    The columns are those whose cells differ most, by Cochran's Q less log(n) for each cell beyond
    the first (the Bayesian information criterion), so that a cell must earn its keep. Where none
    does, the best by Akaike's criterion (2 instead of log(n)) still give an order, though not a
    sure one: what the offer does in them is then to be measured on other customers.

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
    is_sure_ : bool
        Whether the cells earned their keep.
    uplift_, sd_ : arrays of shape (n_cells,)
        Posterior of each cell.
    customers_ : int array of shape (n_cells,)
    """

    name = "cell_rule"
    cuts_: tuple[Cut, ...]
    is_sure_: bool
    uplift_: np.ndarray
    sd_: np.ndarray
    customers_: np.ndarray

    def __init__(self, trees: Trees | None = None, *, min_customers: int = 50) -> None:
        super().__init__(trees)
        self.min_customers = min_customers

    def fit(self, trial: Trial) -> Self:
        """Choose the columns and measure the cells."""
        self.boosters_ = {}
        self.cuts_, self.is_sure_ = choose_cuts(trial, self.min_customers)
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
            "is_sure": self.is_sure_,
            "uplift": self.uplift_.tolist(),
            "sd": self.sd_.tolist(),
            "customers": self.customers_.tolist(),
        }

    def _from_json(self, fitted: Mapping[str, Any]) -> None:
        self.cuts_ = tuple(Cut(**cut) for cut in fitted["cuts"])
        self.is_sure_ = bool(fitted["is_sure"])
        self.uplift_, self.sd_ = np.array(fitted["uplift"]), np.array(fitted["sd"])
        self.customers_ = np.array(fitted["customers"], dtype=np.int64)
