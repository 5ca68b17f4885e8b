"""BG/NBD: how often a customer will buy, and whether they still are one.

A customer buys at a Poisson rate λ of their own and after each purchase leaves with a probability
p of their own; λ is gamma distributed over customers (r, α), p beta distributed (a, b). All that
matters of a history is x (purchases after the first), t_x (time of the last one) and T (time
observed), the latter two from the first purchase on.

References
----------
.. [1] Fader, Hardie & Lee (2005), "Counting Your Customers the Easy Way: An Alternative to the
   Pareto/NBD Model", Marketing Science 24(2), equations (6) and (10).
.. [2] Fader, Hardie & Lee (2008), "Computing P(alive) Using the BG/NBD Model".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaln, hyp2f1, psi

from features.errors import ArtifactError, NotEnoughData

MAX_HISTORIES = 50_000
"""Distinct histories that are fitted on; of more, evenly spaced ones."""
BOUNDS = (-7.0, 9.0)
"""Of the logarithm of each parameter: where nobody leaves, a and b would run away together."""
START = (0.0, 1.0, 0.0, 1.0)
TINY = 1e-300
SINGULAR = 1e-5
"""Equation (10) divides by a − 1; closer to 1 than this, its neighbour is taken."""


@dataclass(frozen=True)
class BGNBD:
    """A fitted BG/NBD model; times are in one unit, which the caller chooses.

    Attributes
    ----------
    r, alpha : float
        Shape and rate of the purchase rates; > 0.
    a, b : float
        Of the beta distribution of the probability to leave; > 0.
    log_likelihood : float
        Of the histories it was fitted to; NaN if it was not.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")

    def predict_orders(
        self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray, time: float
    ) -> np.ndarray:
        """Return the expected purchases in `time` to come.

        Equation (10) of [1], its hypergeometric function after Euler's transformation
        2F1(A, B; C; z) = (1 − z)^(C−A−B) 2F1(C−A, C−B; C; z): the parameters then stay small for
        customers with hundreds of purchases, for whom the printed form overflows.

        Parameters
        ----------
        frequency, recency, age : array of shape (n,)
            x, t_x and T; 0 <= t_x <= T.
        time : float
            Length of the period; >= 0.

        Returns
        -------
        array of shape (n,)
        """
        a = self.a if abs(self.a - 1) > SINGULAR else 1 + SINGULAR
        total = a + self.b + frequency - 1
        z = time / (self.alpha + age + time)
        shrunk = (1 - z) ** (a - 1) * hyp2f1(a - 1, a + self.b - 1 - self.r, total, z)
        orders = total / (a - 1) * (1 - shrunk) * self.predict_alive(frequency, recency, age)
        return np.asarray(np.maximum(orders, 0.0))

    def predict_alive(
        self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray
    ) -> np.ndarray:
        """Return P(alive) at T, shape (n,), as in [2].

        It is 1 for every customer who never came back, however long ago: in this model one leaves
        only after a repeat purchase. As a churn score it is thus worse than useless for them; use
        1 − `predict_order_probability` of a horizon.
        """
        base = np.maximum(self.b + frequency - 1, 1e-12)
        power = (self.r + frequency) * np.log((self.alpha + age) / (self.alpha + recency))
        odds = np.exp(np.minimum(np.log(self.a / base) + power, 700.0))
        return np.asarray(np.where(frequency > 0, 1 / (1 + odds), 1.0))

    def predict_order_probability(
        self, frequency: np.ndarray, recency: np.ndarray, age: np.ndarray, time: np.ndarray | float
    ) -> np.ndarray:
        """Return P(at least one purchase in `time`).

        Nobody leaves before their next purchase, so the time to it is exponential given λ, and λ
        given alive is gamma(r + x, α + T): P = P(alive) (1 − ((α + T) / (α + T + time))^(r + x)).

        Parameters
        ----------
        frequency, recency, age : array of shape (n,)
        time : float or array
            Broadcast against the others: shape (k, 1) gives (k, n).
        """
        scale = self.alpha + age
        none = np.exp((self.r + frequency) * np.log(scale / (scale + time)))
        return np.asarray(self.predict_alive(frequency, recency, age) * (1 - none))

    def to_json(self) -> dict[str, float]:
        """Return the parameters; `from_json` makes the same model of them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, float]) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ArtifactError
            If a parameter is missing, or not above 0.
        """
        try:
            model = cls(**{name: float(value) for name, value in values.items()})
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"BG/NBD: cannot be read: {error}; train again") from None
        if not min(model.r, model.alpha, model.a, model.b) > 0:
            raise ArtifactError(f"BG/NBD: expected parameters above 0, got {values}; train again")
        return model


def compute_log_likelihood(
    frequency: np.ndarray, recency: np.ndarray, age: np.ndarray, parameters: np.ndarray
) -> np.ndarray:
    """Return the log-likelihood of each history under (r, α, a, b), equation (6) of [1].

    Both ways a history can go on (still a customer; left after the last purchase) are summed as
    logarithms, so that nothing overflows.
    """
    stayed, left = _weigh_endings(frequency, recency, age, parameters)
    return np.asarray(_shared_terms(frequency, parameters) + np.logaddexp(stayed, left))


def compute_gradient(
    frequency: np.ndarray, recency: np.ndarray, age: np.ndarray, parameters: np.ndarray
) -> np.ndarray:
    """Return the derivatives of `compute_log_likelihood` by r, α, a and b, shape (4, n)."""
    r, alpha, a, b = parameters
    stayed, left = _weigh_endings(frequency, recency, age, parameters)
    gone = expit(left - stayed)  # P(left | history)
    both = psi(a + b) - psi(a + b + frequency)
    log_time = (1 - gone) * np.log(alpha + age) + gone * np.log(alpha + recency)
    per_time = (1 - gone) / (alpha + age) + gone / (alpha + recency)
    by_b = psi(b + frequency) - psi(b) - gone / np.maximum(b + frequency - 1, TINY)
    return np.array(
        [
            psi(r + frequency) - psi(r) + np.log(alpha) - log_time,
            r / alpha - (r + frequency) * per_time,
            both + gone / a,
            both + by_b,
        ]
    )


def _shared_terms(frequency: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    r, alpha, a, b = parameters
    return np.asarray(
        gammaln(r + frequency)
        - gammaln(r)
        + r * np.log(alpha)
        + gammaln(a + b)
        - gammaln(a + b + frequency)
        + gammaln(b + frequency)
        - gammaln(b)
    )


def _weigh_endings(
    frequency: np.ndarray, recency: np.ndarray, age: np.ndarray, parameters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithms of both terms in braces of equation (6)."""
    r, alpha, a, b = parameters
    stayed = -(r + frequency) * np.log(alpha + age)
    base = np.maximum(b + frequency - 1, TINY)
    left = np.log(a) - np.log(base) - (r + frequency) * np.log(alpha + recency)
    return stayed, np.where(frequency > 0, left, -np.inf)


def fit_bg_nbd(frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> BGNBD:
    """Fit by maximum likelihood.

    Customers with the same history are one term of the likelihood.

    Parameters
    ----------
    frequency, recency, age : array of shape (n,)
        x, t_x and T of each customer.

    Raises
    ------
    NotEnoughData
        If no customer bought more than once.
    ValueError
        If a history is not 0 <= t_x <= T with x >= 0.
    """
    _check_histories(frequency, recency, age)
    rows = np.column_stack([frequency, recency, age]).astype(np.float64)
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    step = -(-len(distinct) // MAX_HISTORIES)
    (x, last, seen), weight = distinct[::step].T, counts[::step] / counts[::step].sum()

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = np.exp(point)
        value = weight @ compute_log_likelihood(x, last, seen, parameters)
        slope = compute_gradient(x, last, seen, parameters) @ weight * parameters
        return -float(value), -slope

    unit = max(float(np.mean(seen)), 1e-9)  # the start is the same whatever the unit of time
    start = np.array(START) + np.array([0.0, np.log(unit / 10), 0.0, 0.0])
    found = minimize(
        loss,
        np.clip(start, *BOUNDS),
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUNDS] * 4,
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
    )
    parameters = np.exp(found.x)
    likelihood = compute_log_likelihood(frequency, recency, age, parameters).sum()
    r, alpha, a, b = parameters.tolist()
    return BGNBD(r, alpha, a, b, float(likelihood))


def _check_histories(frequency: np.ndarray, recency: np.ndarray, age: np.ndarray) -> None:
    is_sound = (frequency >= 0) & (recency >= 0) & (recency <= age)
    if not is_sound.all():
        row = int(np.argmin(is_sound))
        raise ValueError(
            f"BG/NBD: expected 0 <= recency <= age and frequency >= 0, got {frequency[row]}, "
            f"{recency[row]}, {age[row]} in row {row}; leave out who never bought"
        )
    if not (frequency > 0).any():
        raise NotEnoughData(
            f"BG/NBD: expected customers with two purchase days or more, found none among "
            f"{len(frequency)}; give a longer history"
        )
