"""The quantiles that every forecast carries, and the ones in between."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
QUANTILE_NAMES = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")
NODES = (0.025, 0.1, 0.5, 0.9, 0.975)
"""Quantiles that are modelled; the others lie between them in normal-score space."""
NODE_NAMES = tuple(dict(zip(QUANTILES, QUANTILE_NAMES, strict=True))[node] for node in NODES)


def complete_quantiles(nodes: Floats) -> Floats:
    """Interpolate the quantiles between the modelled ones, sort them and cut them at zero.

    Parameters
    ----------
    nodes : array of shape (n_rows, 5)
        Values at `NODES`.

    Returns
    -------
    array of shape (n_rows, 9)
        Values at `QUANTILES`; linear in the standard normal quantile between two nodes.

    Examples
    --------
    >>> complete_quantiles(np.array([[0.0, 1.0, 2.0, 3.0, 4.0]])).round(2).tolist()
    [[0.0, 0.46, 1.0, 1.47, 2.0, 2.53, 3.0, 3.54, 4.0]]
    """
    ordered = np.sort(np.maximum(nodes, 0.0), axis=1)
    at, wanted = stats.norm.ppf(NODES), stats.norm.ppf(QUANTILES)
    right = np.clip(np.searchsorted(at, wanted - 1e-12), 1, len(NODES) - 1)
    share = (wanted - at[right - 1]) / (at[right] - at[right - 1])
    filled = ordered[:, right - 1] * (1 - share) + ordered[:, right] * share
    return np.asarray(np.maximum.accumulate(filled, axis=1))


def find_interval(quantiles: Floats, coverage: float) -> tuple[Floats, Floats]:
    """Return the bounds that hold a share of what may come.

    Central, but for rows whose lower quantile is zero: nothing can fall below, so the interval
    holds zero and everything up to the quantile `coverage`. That is the shortest interval of this
    content for a distribution with much of its mass at zero, and it does not hold more than it
    says as long as zero is less likely than `coverage`.

    Parameters
    ----------
    quantiles : array of shape (n_rows, 9)
        At `QUANTILES`, ascending, >= 0.
    coverage : float
        0.5, 0.8, 0.9 or 0.95, whose central bounds are among `QUANTILES`.

    Returns
    -------
    lower, upper : arrays of shape (n_rows,)

    Examples
    --------
    >>> row = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]])
    >>> [bound.round(2).tolist() for bound in find_interval(row, 0.8)]
    [[0.0], [2.28]]
    >>> [bound.tolist() for bound in find_interval(row + 1, 0.8)]
    [[1.0], [4.0]]
    """
    low, high, right, share = _place(coverage)
    lower, upper = quantiles[:, low], quantiles[:, high]
    one_sided = quantiles[:, right - 1] * (1 - share) + quantiles[:, right] * share
    return lower, np.where(lower > 0, upper, one_sided)


@lru_cache(maxsize=16)
def _place(coverage: float) -> tuple[int, int, int, float]:
    """Return where among `QUANTILES` the bounds are, and the share of the one right of `coverage`.

    The same for every row; SciPy takes longer for it than a look-up in the forecasts may.
    """
    tail = (1 - coverage) / 2
    at = np.asarray(QUANTILES)
    low, high = (int(np.argmin(np.abs(at - bound))) for bound in (tail, 1 - tail))
    right = int(np.searchsorted(at, coverage - 1e-12))
    scores = stats.norm.ppf([at[right - 1], at[right], coverage])
    return low, high, right, float((scores[2] - scores[0]) / (scores[1] - scores[0]))
