"""What couples customers: messages an hour and channel, messages a channel, money.

Each limit is one row of the linear programme and has one price. A message's price is the sum over
the limits that it uses, so that a customer can choose without knowing of anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ROUNDING = 1e-9
"""Share of a limit by which rounding may pass it: ten messages at 0.1 cost 1."""


@dataclass(frozen=True)
class Limits:
    """The limits that customers share; option hour * n_channels + channel is an hour and channel.

    Attributes
    ----------
    uses : sparse matrix of shape (n_limits, n_options)
        What one message takes of each limit: 1, or money.
    amounts : array of shape (n_limits,)
        What there is of each; whole for messages.
    is_open : array of shape (n_options,)
        False where a limit has no room for even one message.
    shape : tuple of int
        (n_hours, n_channels).
    cells : array of int64
        Option of each limit by hour; these limits come first.
    channels : array of int64
        Channel of each limit by channel; these come next, and the budget last.
    """

    uses: sp.csr_matrix
    amounts: Floats
    is_open: Flags
    shape: tuple[int, int]
    cells: Whole
    channels: Whole

    def find_load(self, options: Whole) -> Floats:
        """Return what messages with these options take of each limit."""
        counts = np.bincount(options, minlength=len(self.is_open)).astype(np.float64)
        return np.asarray(self.uses @ counts)

    def find_spare(self, options: Whole) -> Floats:
        """Return what such messages leave of each limit; below zero where it is exceeded."""
        spare = self.amounts - self.find_load(options)
        return np.where(np.abs(spare) <= ROUNDING * np.maximum(self.amounts, 1.0), 0.0, spare)

    def price_options(self, prices: Floats) -> Floats:
        """Return the price of one message of each option, from one price a limit."""
        return np.asarray(self.uses.T @ prices, dtype=np.float64)

    def split_prices(self, prices: Floats) -> tuple[Floats, Floats, float]:
        """Return prices by hour and channel, by channel, and of money; 0 where nothing limits."""
        by_cell = np.zeros(len(self.is_open))
        by_cell[self.cells] = prices[: len(self.cells)]
        by_channel = np.zeros(self.shape[1])
        last = len(self.cells) + len(self.channels)
        by_channel[self.channels] = prices[len(self.cells) : last]
        return by_cell.reshape(self.shape), by_channel, float(prices[last:].sum())


def build_limits(
    capacity: Floats, cost: Floats, budget: float | None, channel_capacity: Floats
) -> Limits:
    """Make one limit of each finite capacity and of the budget.

    Parameters
    ----------
    capacity : array of shape (n_hours, n_channels)
        Messages an hour and channel; >= 0, inf = no limit. Fractions of a message are cut.
    cost : array of shape (n_channels,)
        Money a message; >= 0.
    budget : float or None
        Money in all; >= 0.
    channel_capacity : array of shape (n_channels,)
        Messages a channel over all hours; >= 0, inf = no limit.
    """
    n_hours, n_channels = capacity.shape
    per_cell, per_channel = np.floor(capacity).ravel(), np.floor(channel_capacity)
    channel = np.tile(np.arange(n_channels), n_hours)
    is_open = (per_cell >= 1) & (per_channel >= 1)[channel]
    if budget is not None:
        is_open &= (cost <= budget * (1 + ROUNDING))[channel]
    cells = np.flatnonzero(np.isfinite(per_cell) & is_open)
    channels = np.flatnonzero(np.isfinite(per_channel) & (per_channel >= 1))
    rows = [
        sp.csr_matrix(
            (np.ones(len(cells)), (np.arange(len(cells)), cells)), (len(cells), len(channel))
        )
    ]
    rows.append(sp.csr_matrix((channel == channels[:, None]).astype(np.float64)))
    amounts = [per_cell[cells], per_channel[channels]]
    if budget is not None and (cost > 0).any():
        rows.append(sp.csr_matrix(cost[channel][None, :]))
        amounts.append(np.array([budget]))
    uses = sp.vstack(rows, format="csr")
    uses.eliminate_zeros()
    return Limits(uses, np.concatenate(amounts), is_open, (n_hours, n_channels), cells, channels)
