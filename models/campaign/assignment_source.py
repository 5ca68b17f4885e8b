"""The value of every option, read in blocks of customers as often as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.campaign.assignment_limits import Flags, Floats, Whole

CHUNK_CELLS = 500_000
"""Options worked on at a time: 4 MB, which stays in the processor's cache."""

Blocks = Callable[[], Iterable[npt.NDArray[np.floating]]]


@dataclass(frozen=True)
class Source:
    """Values of customers in order.

    Attributes
    ----------
    blocks : callable
        Called for each reading; yields arrays of shape (any, n_hours, n_channels), the same each
        time, NaN = not permitted.
    n : int
        Customers in all.
    shape : tuple of int
        (n_hours, n_channels).
    is_open : array of bool, shape (n_options,)
        False where nobody may be sent anything.
    """

    blocks: Blocks
    n: int
    shape: tuple[int, int]
    is_open: Flags

    def read(self) -> Iterator[tuple[slice, Floats]]:
        """Yield some customers and their values, shape (customers, n_options), -inf where closed.

        Raises
        ------
        ValueError
            If a block has another shape, a value is inf, or customers are too many or too few.
        """
        step, start = max(1, CHUNK_CELLS // len(self.is_open)), 0
        for block in self.blocks():
            self._check_block(block, start)
            flat = block.reshape(len(block), len(self.is_open))
            for first in range(0, len(flat), step):
                part = flat[first : first + step].astype(np.float64)
                part[np.isnan(part)] = -np.inf
                part[:, ~self.is_open] = -np.inf
                if part.max(initial=-np.inf) == np.inf:
                    raise ValueError(
                        "value: expected finite numbers or NaN for what is not permitted, got inf "
                        f"among customers {start} to {start + len(part) - 1}; correct it"
                    )
                yield slice(start, start + len(part)), part
                start += len(part)
        if start != self.n:
            raise ValueError(
                f"value: expected {self.n} customers, as most_per_customer has, got {start}; "
                "yield each customer once, at every reading"
            )

    def _check_block(self, block: npt.NDArray[np.floating], start: int) -> None:
        if block.ndim != 3 or block.shape[1:] != self.shape or start + len(block) > self.n:
            raise ValueError(
                f"value: expected shape (n, {self.shape[0]}, {self.shape[1]}) with at most "
                f"{self.n - start} more customers, got {block.shape}; bring value, capacity and "
                "most_per_customer to the same customers, hours and channels"
            )


def hold(values: Floats, source: Source) -> Source:
    """Return values that are in memory, shape (n, n_options), as a source."""
    block = values.reshape(len(values), *source.shape)
    return Source(lambda: (block,), len(values), source.shape, source.is_open)


def spread_evenly(n: int, size: int) -> Whole:
    """Return `size` of `n` customers, evenly spread."""
    return np.arange(size, dtype=np.int64) * n // size
