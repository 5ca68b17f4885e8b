"""Compacting while the service runs: in the process that started it, never in one that answers."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from features.project import Project
from features.served.places import ServedPlaces
from serving.decisions.settings import read_settings
from serving.logs import FIELDS, LOGGER

log = logging.getLogger(LOGGER)
EVERY_SECONDS = 60.0


class Keeper:
    """Compacts every minute, in a thread, for as long as it is entered.

    Parameters
    ----------
    project : Project
    every_seconds : float
    """

    def __init__(self, project: Project, every_seconds: float = EVERY_SECONDS) -> None:
        self.places, self.every_seconds = ServedPlaces(project.workspace.root), every_seconds
        self.is_needed = read_settings(project).is_logged
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compaction", daemon=True)

    def __enter__(self) -> Keeper:
        """Begin."""
        if self.is_needed:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; what the workers left is compacted first."""
        if self.is_needed:
            self._ended.set()
            self._thread.join()
            self._compact()

    def _run(self) -> None:
        while not self._ended.wait(self.every_seconds):
            self._compact()

    def _compact(self) -> None:
        # when it is needed: the launcher starts, and stops, without pyarrow
        from serving.decisions.compaction import compact

        try:
            done = compact(self.places)
        except (OSError, ValueError) as error:
            # a full disk: the lines stay where they are, and the next minute tries again
            log.error("not compacted", extra={FIELDS: {"reason": str(error)[:200]}})
            return
        if done.torn:
            log.warning("torn lines", extra={FIELDS: {"lines": done.torn}})
