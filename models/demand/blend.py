"""Several forecasts of the same thing made into one, with weights learned from earlier errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Floats = npt.NDArray[np.float64]


def fit_blend_weights(
    members: Floats, actual: Floats, scale: Floats, prior: Floats, *, prior_share: float
) -> Floats:
    """Find the weights that would have forecast best: none negative, together one.

    Parameters
    ----------
    members : array of shape (n_rows, n_members)
        Forecasts of each member, made before `actual` was known. A member that made none of them
        is all NaN and gets weight 0; rows where another member is NaN are left out.
    actual : array of shape (n_rows,)
        What came.
    scale : array of shape (n_rows,)
        Rows are divided by it, so that large regions do not decide alone; > 0.
    prior : array of shape (n_members,)
        Weights to believe before any evidence; non-negative, sum 1.
    prior_share : float
        What the prior counts beside the evidence: so many times the given rows, seen again with
        the prior blend exactly right. 0 ignores the prior.

    Returns
    -------
    array of shape (n_members,)
        Non-negative, sum 1; the prior over the members there are when no row is usable.

    References
    ----------
    .. [1] Lawson & Hanson (1995), "Solving Least Squares Problems", chapter 23; the sum is held
       to one by writing the error as a weighted sum of the members' errors.

    Examples
    --------
    >>> fit_blend_weights(np.array([[1.0, 3.0], [2.0, 4.0]]), np.array([2.0, 3.0]), np.ones(2),
    ...                   np.array([1.0, 0.0]), prior_share=0.0)
    array([0.5, 0.5])
    """
    there = np.isfinite(members).any(axis=0)
    if not there.any():
        raise ValueError("no member made a forecast; at least one column must hold numbers")
    rows = np.isfinite(members[:, there]).all(axis=1) & np.isfinite(actual)
    errors = (members[rows][:, there] - actual[rows, None]) / scale[rows, None]
    before = prior[there] if prior[there].sum() > 0 else np.ones(int(there.sum()))
    before = before / before.sum()
    weights = np.zeros(members.shape[1])
    weights[there] = before
    largest = float(np.abs(errors).max(initial=0.0))
    if largest <= 1e-9:
        return weights
    errors = errors / largest
    pull = np.sqrt(prior_share) * (errors - (errors @ before)[:, None])
    # The row of ones outweighs the errors, so the sum is one up to the final division.
    heavy = 1e4 * np.sqrt((errors**2).sum())
    system = np.vstack([errors, pull, np.full(errors.shape[1], heavy)])
    target = np.append(np.zeros(2 * len(errors)), heavy)
    found, _ = nnls(system, target)
    weights[there] = found / found.sum()
    return weights


def blend_members(members: Floats, weights: Floats) -> Floats:
    """Return the weighted mean of the members that are there, row by row.

    Parameters
    ----------
    members : array of shape (n_rows, n_members)
        NaN where a member makes no forecast; its weight then goes to the others. Where only
        members without weight are there, they count alike.
    weights : array of shape (n_rows, n_members) or (n_members,)

    Returns
    -------
    array of shape (n_rows,)
    """
    there = np.isfinite(members)
    given = np.where(there, np.broadcast_to(weights, members.shape), 0.0)
    empty = given.sum(axis=1) <= 0
    given[empty] = there[empty]
    total = (np.where(there, members, 0.0) * given).sum(axis=1)
    return np.asarray(total / given.sum(axis=1))
