"""Empirical Bayes for send times: from everybody, to a customer's segment, to the customer.

What little a customer has shown is weighed against what their segment does, and the segment
against everybody: a chain of Dirichlet priors over the 168 slots of the week. An event speaks for
its own slot, a little for the hours around it, and for the same hour of other days. The chain of
`models.receptivity.activity_level` does the same for how much activity there is at all.

The strengths of the priors maximise the marginal likelihood of the weeks that *followed* a
history. The marginal likelihood of the history itself would not do: decayed counts are fractions,
to which the Dirichlet-multinomial gives far too strong a prior, and it cannot see that habits
change.

References
----------
.. [1] Minka (2000), "Estimating a Dirichlet distribution".
.. [2] Hastie, Tibshirani & Friedman (2009), "The Elements of Statistical Learning", 6.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, gammaln

from features.schema import SLOTS_PER_WEEK
from models.receptivity.fitting import limit_pull, maximise_posterior, pick_customers
from models.receptivity.histories import Histories, Outcomes

HOURS, DAYS = 24, 7
_SLOTS = np.arange(SLOTS_PER_WEEK)
_APART = (_SLOTS[None, :] - _SLOTS[:, None]) % SLOTS_PER_WEEK


@dataclass(frozen=True)
class ShapeChain:
    """How activity spreads over the slots of the week, for any customer.

    Attributes
    ----------
    global_share : array of shape (168,)
        Share of everybody's activity by slot; sums to 1.
    segment_names : tuple of str
        Segments that were seen.
    segment_share : array of shape (n_segments, 168)
        Share by slot in each segment, already shrunk to the global one; rows sum to 1.
    segment_weight : array of shape (n_segments,)
        How much of `segment_share` is the segment's own; 0 to 1.
    segment_concentration, customer_concentration : float
        Strength of the prior above a segment and above a customer, in events.
    bandwidth_hours : float
        How far an event speaks for the hours around it: standard deviation of a circular normal.
    day_sharing : float
        Share of an event that speaks for the same hour of every day of the week; 0 to 1.
    """

    global_share: np.ndarray
    segment_names: tuple[str, ...]
    segment_share: np.ndarray
    segment_weight: np.ndarray
    segment_concentration: float
    customer_concentration: float
    bandwidth_hours: float
    day_sharing: float

    def share(self, histories: Histories) -> np.ndarray:
        """Return each customer's posterior mean share by slot, shape (n, 168); rows sum to 1."""
        kernel = build_kernel(self.bandwidth_hours, self.day_sharing)
        prior = np.vstack([self.segment_share, self.global_share])
        prior = prior[histories.codes_in(self.segment_names)]
        strength = self.customer_concentration
        own = np.asarray(histories.counts @ kernel)
        return np.asarray((own + strength * prior) / (histories.events + strength)[:, None])

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same chain of it, bit by bit."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {**asdict(self), **arrays}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        arrays = {name: np.array(values[name], dtype=np.float64) for name in _ARRAYS}
        arrays["segment_share"] = arrays["segment_share"].reshape(-1, SLOTS_PER_WEEK)
        return cls(**{**values, **arrays, "segment_names": tuple(values["segment_names"])})

    def weights(self, histories: Histories) -> np.ndarray:
        """Return what `share` is made of, shape (n, 3): own, segment, global; rows sum to 1."""
        events = histories.events
        own = events / (events + self.customer_concentration)
        of_segment = np.append(self.segment_weight, 0.0)[histories.codes_in(self.segment_names)]
        return np.column_stack([own, (1 - own) * of_segment, (1 - own) * (1 - of_segment)])


def build_kernel(bandwidth_hours: float, day_sharing: float) -> np.ndarray:
    """Return for which slots an event in each slot speaks, shape (168, 168); rows sum to 1.

    The week is a circle: Sunday 23:00 is next to Monday 00:00.

    Parameters
    ----------
    bandwidth_hours : float
        Standard deviation of the spread over neighbouring hours; > 0.
    day_sharing : float
        Part of an event that is spread evenly over the seven days at its hour; 0 to 1.
    """
    distance = np.minimum(_SLOTS, SLOTS_PER_WEEK - _SLOTS)
    near = np.exp(-0.5 * (distance / bandwidth_hours) ** 2)
    near /= near.sum()
    same_hour = near.reshape(DAYS, HOURS).mean(axis=0)
    by_distance = (1 - day_sharing) * near + day_sharing * np.tile(same_hour, DAYS)
    return np.asarray(by_distance[_APART])


_NARROW, _WIDE = build_kernel(0.5, 0.0), build_kernel(1.5, 1.0)
"""How everybody's week is smoothed: finely where there are many events, else to a smooth day."""


def fit_shape(histories: Histories, outcomes: Outcomes) -> ShapeChain:
    """Fit the chain to histories and to the activity that followed them.

    Parameters
    ----------
    histories : Histories
        As of a cut-off.
    outcomes : Outcomes
        The same customers, after it. Few or none leave the strengths near their priors.

    Returns
    -------
    ShapeChain
        With the strengths that maximise the Dirichlet-multinomial likelihood of `outcomes` given
        the posterior after `histories`, under weak log-normal priors.
    """
    totals = _sum_by_segment(histories)
    rows = pick_customers(np.flatnonzero(outcomes.totals > 0))
    seen, after = histories.take(rows), outcomes.take(rows)
    cells = after.weeks_active.tocoo()
    segments = seen.segment_codes[cells.row]
    apart, weights, of_cell = _pair_cells(seen.counts, cells)

    def loss(point: np.ndarray) -> float:
        chain = _chain(point, totals, histories.segment_names)
        kernel = build_kernel(chain.bandwidth_hours, chain.day_sharing)
        own = np.bincount(of_cell, weights * kernel[0, apart], minlength=len(segments))
        prior = np.vstack([chain.segment_share, chain.global_share])[segments, cells.col]
        alpha = own + chain.customer_concentration * prior
        strength = seen.events + chain.customer_concentration
        inside = gammaln(strength) - gammaln(strength + after.totals)
        return -float(inside.sum() + (gammaln(alpha + cells.data) - gammaln(alpha)).sum())

    return _chain(maximise_posterior(loss, PRIOR), totals, histories.segment_names)


_ARRAYS = ("global_share", "segment_share", "segment_weight")
PRIOR = np.array([[np.log(500.0), 2.0], [np.log(10.0), 1.5], [np.log(1.0), 0.5], [0.8, 1.0]])
"""Centre and deviation of the log-normal priors: segment and customer concentration, bandwidth in
hours; and of the logit-normal one of the day sharing."""


def _chain(point: np.ndarray, totals: sparse.csr_array, names: tuple[str, ...]) -> ShapeChain:
    """Build the chain at `point`; the last row of `totals` holds customers without a segment."""
    above_segment, above_customer, bandwidth = np.exp(point[:3]).tolist()
    day_sharing = float(expit(point[3]))
    global_share = smooth_global(np.asarray(totals.sum(axis=0)))
    own = np.asarray(totals[:-1] @ build_kernel(bandwidth, day_sharing))
    events = np.asarray(totals[:-1].sum(axis=1))
    return ShapeChain(
        global_share=global_share,
        segment_names=names,
        segment_share=(own + above_segment * global_share) / (events + above_segment)[:, None],
        segment_weight=events / (events + above_segment),
        segment_concentration=above_segment,
        customer_concentration=above_customer,
        bandwidth_hours=bandwidth,
        day_sharing=day_sharing,
    )


def smooth_global(events: np.ndarray) -> np.ndarray:
    """Return everybody's share by slot: their week, drawn to a smooth day, drawn to evenness."""
    week = events @ _NARROW
    day = (events @ _WIDE + 1 / SLOTS_PER_WEEK) / (events.sum() + 1)
    return np.asarray((week + SLOTS_PER_WEEK * day) / (events.sum() + SLOTS_PER_WEEK))


def _sum_by_segment(histories: Histories) -> sparse.csr_array:
    """Return counts by segment and slot, no customer pulling too hard.

    The last row is of customers without a segment.
    """
    n_rows = len(histories.segment_names) + 1
    rows = histories.segment_codes % n_rows
    shape = (n_rows, len(histories))
    member = sparse.csr_array(
        (limit_pull(histories.events), (rows, np.arange(len(rows)))), shape=shape
    )
    return member @ histories.counts


def _pair_cells(
    counts: sparse.csr_array, cells: sparse.coo_array
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair each outcome cell with every count of its customer.

    Returns
    -------
    apart, weights, of_cell : arrays of shape (n_pairs,)
        Slots from the count to the cell around the week, the count, and the cell's position.
    """
    lengths = np.diff(counts.indptr)[cells.row]
    of_cell = np.repeat(np.arange(len(lengths)), lengths)
    first = np.cumsum(lengths) - lengths
    at = np.arange(len(of_cell)) - np.repeat(first - counts.indptr[cells.row], lengths)
    apart = (cells.col[of_cell] - counts.indices[at]) % SLOTS_PER_WEEK
    return apart, counts.data[at], of_cell
