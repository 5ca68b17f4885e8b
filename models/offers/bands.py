"""What an offer does to customers whom a ranking puts together, with intervals.

A ranking only orders. What the offer did is measured in bands of it (the cells of the cell rule,
or quantiles of a learner's cross-fitted uplift) from doubly robust pseudo-outcomes, and shrunk by
empirical Bayes. So an interval is that of the mean effect among customers alike, and holds even
where the learner's own numbers are too bold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from models.offers.pseudo_outcomes import PseudoOutcomes
from models.offers.shrinkage import shrink_effects

MAX_BANDS = 5
CUSTOMERS_A_BAND = 400
"""Fewest customers of the smaller arm that a band of a learner should hold."""


@dataclass(frozen=True)
class Bands:
    """Effects per band.

    Attributes
    ----------
    edges : array of shape (n_bands − 1,)
        Of the learner's uplift, ascending; empty where the cells of the cell rule are the bands.
    effect, effect_sd : arrays of shape (n_bands,)
        Posterior of the mean outcome with the offer − without it.
    control, control_sd : arrays of shape (n_bands,)
        Mean outcome without the offer, and its standard error.
    covariance : array of shape (n_bands,)
        Of `effect` and `control`; below 0, as what the control had is what the effect is short of.
    customers : int array of shape (n_bands,)
        Of the experiment.
    """

    edges: np.ndarray
    effect: np.ndarray
    effect_sd: np.ndarray
    control: np.ndarray
    control_sd: np.ndarray
    covariance: np.ndarray
    customers: np.ndarray

    def place(self, uplift: np.ndarray) -> np.ndarray:
        """Return the band of every uplift, int of shape (n,)."""
        return np.asarray(np.searchsorted(self.edges, uplift, side="right"))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {name: getattr(self, name).tolist() for name in _FIELDS}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        values = {name: np.array(document[name], dtype=np.float64) for name in _FIELDS}
        values["customers"] = values["customers"].astype(np.int64)
        return cls(**values)


_FIELDS = ("edges", "effect", "effect_sd", "control", "control_sd", "covariance", "customers")


def cut_bands(uplift: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Return the edges between up to five bands of equal size, ascending.

    Parameters
    ----------
    uplift : array of shape (n,)
        Cross-fitted.
    treated : bool array of shape (n,)
        A band should hold 400 of the smaller arm; with fewer customers there are fewer bands.
    """
    fewest = min(int(treated.sum()), int((~treated).sum()))
    n_bands = int(np.clip(fewest // CUSTOMERS_A_BAND, 1, MAX_BANDS))
    inner = np.unique(np.quantile(uplift, np.arange(1, n_bands) / n_bands))
    # a band begins at its edge: one at the lowest uplift would leave the band below it empty
    return np.asarray(inner[inner > uplift.min()])


def measure_bands(
    pseudo: PseudoOutcomes, band: np.ndarray, n_bands: int, edges: np.ndarray
) -> Bands:
    """Measure every band.

    Parameters
    ----------
    pseudo : PseudoOutcomes
        Of n customers.
    band : int array of shape (n,)
        0 to n_bands − 1.
    n_bands : int
    edges : array
        Kept with the result.

    Returns
    -------
    Bands
        A band without customers gets what the others have in common, with their spread as doubt.
    """
    n = np.bincount(band, minlength=n_bands)
    used = n > 0
    effect, control = pseudo.effect, pseudo.control
    # where nobody ever did anything there is no noise to learn from: next to none is assumed
    variance = np.maximum(_covariance(effect, effect, band, n), 1e-12)
    shrunk = shrink_effects(_mean(effect, band, n)[used], variance[used])
    posterior = np.full((3, n_bands), [[shrunk.common], [shrunk.common_sd], [0.0]])
    posterior[:, used] = shrunk.mean, shrunk.sd, shrunk.weight
    base, doubt = _mean(control, band, n), np.sqrt(_covariance(control, control, band, n))
    base[~used], doubt[~used] = control.mean(), control.std()
    shared = np.where(used, _covariance(effect, control, band, n), 0.0)
    return Bands(edges, posterior[0], posterior[1], base, doubt, posterior[2] * shared, n)


def _mean(values: np.ndarray, band: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(band, values, minlength=len(n)) / np.maximum(n, 1))


def _covariance(a: np.ndarray, b: np.ndarray, band: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Covariance of the means of bands, with one customer like the average one added to each."""
    of_all = float(np.mean((a - a.mean()) * (b - b.mean())))
    products = (a - _mean(a, band, n)[band]) * (b - _mean(b, band, n)[band])
    sums = np.bincount(band, products, minlength=len(n))
    return np.asarray((sums + of_all) / np.maximum(n, 1) ** 2)
