"""Draining: telling who sends requests to go elsewhere, some seconds before a service ends.

Whoever stops the service leaves a mark in a file; every worker then answers `/readyz` with 503 and
closes connections after their answers, while it goes on answering. So a balancer has left, and no
client writes to a kept connection, when the workers are told to end.
"""

from __future__ import annotations

import time
from pathlib import Path

from features.project import Project
from serving.settings import ServingSettings

LOOK_EVERY_SECONDS = 0.1


def place_mark(project: Project, settings: ServingSettings) -> Path:
    """Return where the mark of one service lies; it is told from others by its port."""
    return project.workspace.root / "serving" / f"{settings.port}.draining"


class Drain:
    """Whether the service is about to end.

    Parameters
    ----------
    mark : Path
        There while the service drains; looked for ten times a second at most.
    """

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        self._looked_at = float("-inf")
        self._is_found = False

    @property
    def is_under_way(self) -> bool:
        """Whether the mark was there when it was last looked for."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at, self._is_found = now, self._mark.exists()
        return self._is_found
