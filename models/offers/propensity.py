"""Who got an offer: the logged chances where they can be, else estimated ones."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

FLOOR = 0.02
"""Estimated chances are kept within (0.02, 0.98): a rarer answer would rule the whole estimate."""
TOLERANCE = 0.1
"""By how much customers counted by 1 / propensity may miss their number."""


def is_consistent(treated: np.ndarray, propensity: np.ndarray) -> bool:
    """Say whether logged chances can be those of the offer against none.

    Each arm, weighted by 1 / its chance, must count all customers: chances that were logged for
    something else, such as for the hour of a message, do not.

    Parameters
    ----------
    treated : bool array of shape (n,)
    propensity : array of shape (n,)
        P(treated), NaN where it was not logged.

    Examples
    --------
    >>> treated = np.array([True, True, True, False])
    >>> is_consistent(treated, np.full(4, 0.75)), is_consistent(treated, np.full(4, 0.5))
    (True, False)
    """
    if not ((propensity > 0.0) & (propensity < 1.0)).all():
        return False
    counted = (1.0 / propensity[treated]).sum(), (1.0 / (1.0 - propensity[~treated])).sum()
    return all(abs(count / len(treated) - 1.0) <= TOLERANCE for count in counted)


def estimate_propensity(
    features: np.ndarray, treated: np.ndarray, prior: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Estimate P(treated) by logistic regression, cross-fitted.

    Parameters
    ----------
    features : array of shape (n, d)
        NaN counts as the column's mean.
    treated : bool array of shape (n,)
    prior : array of shape (n,)
        The share treated of each customer's campaign; its log-odds are one of the columns.
    folds : int array of shape (n,)
        Each fold's customers are judged by a model of the others.

    Returns
    -------
    array of shape (n,)
        Within 0.02 and 0.98.
    """
    known = features[:, np.isfinite(features).any(axis=0)]
    used = known[:, np.nanstd(known, axis=0) > 0.0]
    scaled = np.nan_to_num((used - np.nanmean(used, axis=0)) / np.nanstd(used, axis=0))
    share = np.clip(prior, FLOOR, 1.0 - FLOOR)
    columns = np.column_stack([np.clip(scaled, -5.0, 5.0), np.log(share / (1.0 - share))])
    chance = np.empty(len(treated))
    for number in np.unique(folds):
        held = folds == number
        model = LogisticRegression(C=0.1, max_iter=500)
        model.fit(columns[~held], treated[~held])
        chance[held] = model.predict_proba(columns[held])[:, 1]
    return np.clip(chance, FLOOR, 1.0 - FLOOR)
