"""Scores of an audience, made once and kept: a campaign reads them for prices, draws and records.

Only the slots are scored that some hour of the campaign falls into, and channels whose scores come
from the same source share them. Of an audience too large to be kept, scores are made each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from serving.slot_scores import LEVEL, Measure, SlotScorer

MAX_CELLS = 120_000_000
"""Customers × slots × sources that are kept: 1.4 GB at most, of which a campaign of 100,000
customers, a week outside quiet hours and three channels needs a quarter."""
SD_PER_WIDTH = 1.0 / (2.0 * NormalDist().inv_cdf(0.5 + LEVEL / 2.0))
"""Standard deviations in the width of an interval, of a normal distribution."""


@dataclass
class _Kept:
    """Scores of one source: probability and spread, (n, n_slots), and whose are made, (n,)."""

    probability: np.ndarray
    spread: np.ndarray
    is_made: np.ndarray


@dataclass(frozen=True)
class AudienceScores:
    """Scores of n customers at the slots of a campaign.

    Attributes
    ----------
    scorer : SlotScorer
    rows : array of int64, shape (n,)
        Row of each customer in the profiles; -1 = not known.
    discount : array of float64, shape (n,)
        Of the promotion each would get; NaN = none.
    slots : array of int64, shape (n_slots,)
        Hours of the local week, sorted.
    has_spread : bool
        Whether spreads are asked for; where they are not, none are made.
    max_cells : int
        Cells that are kept at most, over all sources.
    """

    scorer: SlotScorer
    rows: np.ndarray
    discount: np.ndarray
    slots: np.ndarray
    has_spread: bool
    max_cells: int = MAX_CELLS
    _kept: dict[tuple[Measure, str], _Kept] = field(default_factory=dict, repr=False)

    def measure(self, channel: str) -> Measure:
        """Say what a score over the channel is the probability of."""
        return self.scorer.measure(channel)

    def read(self, customers: np.ndarray, channel: str) -> tuple[np.ndarray, np.ndarray]:
        """Return probability and its standard deviation at `slots`, (m, n_slots) both.

        Parameters
        ----------
        customers : array of int64, shape (m,)
            Places in the audience.
        channel : str

        Returns
        -------
        probability : array of float64
        spread : array of float32
            0 where there is `has_spread` False.
        """
        kept = self._find_kept(channel)
        if kept is None:
            return self._make(customers, channel)
        missing = customers[~kept.is_made[customers]]
        if len(missing):
            kept.probability[missing], spread = self._make(missing, channel)
            if self.has_spread:
                kept.spread[missing] = spread
            kept.is_made[missing] = True
        return kept.probability[customers], kept.spread[customers]

    def bound(
        self, customers: np.ndarray, channel: str, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the 90 % interval at one slot of each customer, (m,) both."""
        rows, discount = self.rows[customers], self.discount[customers]
        low, high = self.scorer.bound(rows, channel, slots[:, None], discount=discount)
        return low[:, 0], high[:, 0]

    def _find_kept(self, channel: str) -> _Kept | None:
        source = self.scorer.find_source(channel)
        if source not in self._kept:
            shape = (len(self.rows), len(self.slots))
            if (len(self._kept) + 1) * shape[0] * shape[1] > self.max_cells:
                return None
            no_spread = np.broadcast_to(np.float32(0.0), shape)
            self._kept[source] = _Kept(
                probability=np.empty(shape),
                spread=np.empty(shape, dtype=np.float32) if self.has_spread else no_spread,
                is_made=np.zeros(len(self.rows), dtype=np.bool_),
            )
        return self._kept[source]

    def _make(self, customers: np.ndarray, channel: str) -> tuple[np.ndarray, np.ndarray]:
        rows, discount = self.rows[customers], self.discount[customers]
        whole = self.scorer.score(rows, channel, discount=discount).probability
        shape = (len(customers), len(self.slots))
        if not self.has_spread:
            return whole[:, self.slots], np.broadcast_to(np.float32(0.0), shape)
        slots = np.broadcast_to(self.slots, shape)
        low, high = self.scorer.bound(rows, channel, slots, discount=discount)
        return whole[:, self.slots], ((high - low) * SD_PER_WIDTH).astype(np.float32)
