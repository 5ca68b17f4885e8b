"""Gamma-Gamma: how much a customer spends when they buy, shrunk to what everybody does.

The value of each purchase is gamma distributed (shape p, rate ν) around a level of the customer's
own; ν is gamma distributed over customers (shape q, rate γ). All that matters of a history is how
many purchases were valued and their mean. How much and how often are taken as independent.

References
----------
.. [1] Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value", equations (1) to (5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from features.errors import ArtifactError, NotEnoughData

BOUNDS = (-7.0, 12.0)
"""Of the logarithms of p, q − 1 and γ over the mean value."""


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma model.

    Attributes
    ----------
    p, q, gamma : float
        p > 0, q > 1 (else no mean exists), γ > 0 in the unit of the values.
    log_likelihood : float
        Of the customers it was fitted to; NaN if it was not.
    """

    p: float
    q: float
    gamma: float
    log_likelihood: float = float("nan")

    def predict_value(self, purchases: np.ndarray, mean_value: np.ndarray) -> np.ndarray:
        """Return the expected value of each customer's next purchase, equation (5) of [1].

        Parameters
        ----------
        purchases : array of shape (n,)
            How many were valued; 0 gives the mean of everybody.
        mean_value : array of shape (n,)
            Their mean; not read where `purchases` is 0.

        Returns
        -------
        array of shape (n,)
            (γ + x m) p / (p x + q − 1): a weighted mean of the customer's own and everybody's.
        """
        spent = np.where(purchases > 0, purchases * np.nan_to_num(mean_value), 0.0)
        return np.asarray(self.p * (self.gamma + spent) / (self.p * purchases + self.q - 1))

    def to_json(self) -> dict[str, float]:
        """Return the parameters; `from_json` makes the same model of them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, float]) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ArtifactError
            If a parameter is missing or out of range.
        """
        try:
            model = cls(**{name: float(value) for name, value in values.items()})
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"Gamma-Gamma: cannot be read: {error}; train again") from None
        if not (model.p > 0 and model.q > 1 and model.gamma > 0):
            raise ArtifactError(
                f"Gamma-Gamma: expected p > 0, q > 1 and gamma > 0, got {values}; train again"
            )
        return model


def compute_value_log_likelihood(
    purchases: np.ndarray, mean_value: np.ndarray, parameters: np.ndarray
) -> np.ndarray:
    """Return the log-likelihood of each customer's mean value under (p, q, γ), equation (1a)."""
    p, q, gamma = parameters
    shape = p * purchases
    return np.asarray(
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(gamma)
        + (shape - 1) * np.log(mean_value)
        + shape * np.log(purchases)
        - (shape + q) * np.log(gamma + purchases * mean_value)
    )


def fit_gamma_gamma(purchases: np.ndarray, mean_value: np.ndarray) -> GammaGamma:
    """Fit by maximum likelihood to the customers with a valued purchase.

    Parameters
    ----------
    purchases : array of shape (n,)
        How many purchases of each customer were valued.
    mean_value : array of shape (n,)
        Their mean; customers where it is not above 0 say nothing and are left out.

    Raises
    ------
    NotEnoughData
        If fewer than two customers have a value above 0.
    """
    is_valued = (purchases > 0) & (np.nan_to_num(mean_value) > 0)
    count, value = purchases[is_valued].astype(np.float64), mean_value[is_valued]
    if len(count) < 2:
        raise NotEnoughData(
            f"Gamma-Gamma: expected two customers or more with orders of a known value above 0, "
            f"found {len(count)}; map the column of the order's value"
        )
    unit = float(np.mean(value))  # the same path of the optimiser whatever the currency

    def unpack(point: np.ndarray) -> np.ndarray:
        p, excess, gamma = np.exp(point)
        return np.array([p, 1 + excess, gamma * unit])

    def loss(point: np.ndarray) -> float:
        return -float(compute_value_log_likelihood(count, value, unpack(point)).mean())

    found = minimize(
        loss,
        np.array([1.0, 1.0, 0.0]),
        method="L-BFGS-B",
        bounds=[BOUNDS] * 3,
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
    )
    parameters = unpack(found.x)
    likelihood = compute_value_log_likelihood(count, value, parameters).sum()
    p, q, gamma = parameters.tolist()
    return GammaGamma(p, q, gamma, float(likelihood))
