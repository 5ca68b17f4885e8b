"""A trial: customers, who of them was treated, with which probability, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import NotEnoughData


@dataclass(frozen=True)
class Trial:
    """One offer against none, one row per customer.

    Attributes
    ----------
    features : array of shape (n, d)
        What was known of each customer before the decision; NaN where it is not known.
    treated : bool array of shape (n,)
        Whether the offer was made.
    outcome : array of shape (n,)
        What came of it: 0 or 1, or an amount; no NaN.
    propensity : array of shape (n,)
        P(treated), within (0, 1).
    names : tuple of str
        Of the d columns.
    """

    features: np.ndarray
    treated: np.ndarray
    outcome: np.ndarray
    propensity: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.outcome)

    @property
    def is_binary(self) -> bool:
        """Whether every outcome is 0 or 1."""
        return bool(np.isin(self.outcome, (0.0, 1.0)).all())

    def take(self, rows: np.ndarray) -> Trial:
        """Return the customers at `rows`: positions or a mask."""
        return Trial(
            self.features[rows],
            self.treated[rows],
            self.outcome[rows],
            self.propensity[rows],
            self.names,
        )


def make_trial(
    features: np.ndarray,
    treated: np.ndarray,
    outcome: np.ndarray,
    propensity: np.ndarray | float | None = None,
    *,
    names: tuple[str, ...] | None = None,
) -> Trial:
    """Check arrays and put them together.

    Parameters
    ----------
    features : array of shape (n, d)
    treated, outcome : arrays of shape (n,)
    propensity : array of shape (n,), float or None
        P(treated); None for the share treated, right where a coin decided.
    names : tuple of str, optional
        Of the columns; by default x0, x1 and so on.

    Raises
    ------
    ValueError
        If shapes differ, an outcome is NaN, or a propensity is not within (0, 1).
    NotEnoughData
        If nobody was treated, or everybody.
    """
    features = np.ascontiguousarray(features, dtype=np.float64)
    treated, outcome = np.asarray(treated).astype(bool), np.asarray(outcome, dtype=np.float64)
    n = len(features)
    if treated.shape != (n,) or outcome.shape != (n,) or not np.isfinite(outcome).all():
        raise ValueError(
            f"trial: expected {n} treatments and {n} finite outcomes, one a row of features, "
            f"got shapes {treated.shape} and {outcome.shape}"
        )
    if n == 0 or treated.all() or not treated.any():
        raise NotEnoughData(
            f"trial: expected customers with the offer and others without it, got {treated.sum()} "
            f"of {n} with it; an effect needs both, so keep a control group"
        )
    chance = np.broadcast_to(treated.mean() if propensity is None else propensity, (n,))
    if not ((chance > 0) & (chance < 1)).all():
        raise ValueError(
            f"trial: expected propensities in (0, 1), got {chance.min():g} to {chance.max():g}; "
            "customers who could not get the other answer cannot be compared: leave them out"
        )
    names = names or tuple(f"x{place}" for place in range(features.shape[1]))
    return Trial(features, treated, outcome, np.array(chance, dtype=np.float64), names)


def assign_folds(trial: Trial, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return each customer's fold, 0 to n_folds − 1, stratified by treatment and outcome above 0.

    Raises
    ------
    NotEnoughData
        If a fold would miss customers with or without the offer.
    """
    fewest = min(int(trial.treated.sum()), int((~trial.treated).sum()))
    if fewest < n_folds:
        raise NotEnoughData(
            f"trial: expected at least {n_folds} customers with and without the offer, one a fold, "
            f"got {fewest}; run the experiment on more customers"
        )
    stratum = 2 * trial.treated + (trial.outcome > 0)
    order = np.lexsort((rng.random(len(trial)), stratum))
    folds = np.empty(len(trial), dtype=np.int64)
    folds[order] = np.arange(len(trial)) % n_folds
    return folds
