"""What each series sold, at what price, promoted or out of stock: one packed block a series.

A block holds every period of the window, so that nothing but the block itself is read to answer;
the file may be far larger than memory. A block is checked by its digest each time it is read.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import ArtifactError
from models.artifact import LargeFile

HISTORY_FILE = "history.bin"
DIGEST_BYTES = 16
_WHOLE = 255
"""What a share of one is stored as."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class History:
    """The past of one series, and what is planned for it; all of shape (n_periods,).

    Attributes
    ----------
    units : float32
        Sold; NaN where it is not known, so also after the origin.
    price : float32
        Per unit, of several series the mean by what each sold in all; NaN where there is none.
    promoted, out : float32
        Share of the series below that were promoted, or out of stock.
    """

    units: Floats
    price: Floats
    promoted: Floats
    out: Floats


def pack_history(history: History) -> bytes:
    """Return a history as a block.

    Examples
    --------
    >>> few = np.array([1.0, np.nan], np.float32)
    >>> unpack_history(pack_history(History(few, few, few * 0, few * 0)), 2).units.tolist()
    [1.0, nan]
    """
    numbers = np.stack([history.units, history.price]).astype("<f4")
    # Bytes of one rank lie together: they repeat, and so pack to half.
    ranked = numbers.view(np.uint8).reshape(-1, 4).T.tobytes()
    shares = np.nan_to_num(np.stack([history.promoted, history.out]))
    content = ranked + np.ceil(shares * _WHOLE).astype(np.uint8).tobytes()
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


def unpack_history(block: bytes, n_periods: int) -> History:
    """Remake a history from `pack_history`."""
    content = pa.Codec("zstd").decompress(block, decompressed_size=10 * n_periods, asbytes=True)
    whole = np.frombuffer(content, np.uint8)
    numbers = whole[: 8 * n_periods].reshape(4, -1).T.copy().view("<f4").reshape(2, n_periods)
    shares = whole[8 * n_periods :].reshape(2, n_periods).astype(np.float32) / _WHOLE
    return History(numbers[0], numbers[1], shares[0], shares[1])


def digest_block(block: bytes) -> bytes:
    """Return what a block is checked by."""
    return hashlib.blake2b(block, digest_size=DIGEST_BYTES).digest()


class HistoryBlocks:
    """The blocks of a published model, in memory or in their file.

    Parameters
    ----------
    content : bytes or LargeFile
        `history.bin`.
    sizes : array of int, shape (n_series,)
        Bytes of each block, which follow one another.
    digests : list of bytes
        Of each block.
    n_periods : int
        In every block.

    Raises
    ------
    ArtifactError
        If it is not as long as its blocks.
    """

    def __init__(
        self,
        content: bytes | LargeFile,
        sizes: npt.NDArray[np.integer],
        digests: list[bytes],
        n_periods: int,
    ) -> None:
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._sizes, self._digests, self._n_periods = sizes, digests, n_periods
        self._content = content if isinstance(content, bytes) else None
        self._file = -1
        if isinstance(content, LargeFile):
            try:
                self._file = os.open(content.path, os.O_RDONLY)
            except OSError as error:
                raise ArtifactError(f"{content.path}: {error.strerror}; promote again") from None
            weakref.finalize(self, os.close, self._file)
        size = os.fstat(self._file).st_size if self._content is None else len(self._content)
        expected = int(self._ends[-1]) if len(self._ends) else 0
        if size != expected:
            raise ArtifactError(
                f"{HISTORY_FILE}: expected {expected} bytes, got {size}; train and promote again"
            )

    def read(self, at: int) -> History:
        """Return the history of the series at a position.

        Raises
        ------
        ArtifactError
            If its block is not what was written.
        """
        size, end = int(self._sizes[at]), int(self._ends[at])
        if self._content is None:
            block = os.pread(self._file, size, end - size)
        else:
            block = self._content[end - size : end]
        if digest_block(block) != self._digests[at]:
            raise ArtifactError(f"{HISTORY_FILE}: damaged; promote again")
        return unpack_history(block, self._n_periods)
