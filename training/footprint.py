"""How long work took and how much memory its processes held together at their peak."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import psutil

_SECONDS_BETWEEN_LOOKS = 0.25
_BYTES_PER_GIB = 2**30


class Footprint:
    """Measures the block it surrounds: wall time, and memory of this process and its children.

    Pages that processes share are counted once for each, so the figure is an upper bound. Peaks
    shorter than a quarter of a second may be missed.

    Examples
    --------
    >>> with Footprint() as footprint:
    ...     numbers = list(range(1000))
    >>> footprint.seconds > 0 and footprint.peak_gib > 0
    True
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_gib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._started
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        here = psutil.Process()
        held = 0
        for process in (here, *here.children(recursive=True)):
            try:
                held += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self.peak_gib = max(self.peak_gib, held / _BYTES_PER_GIB)
