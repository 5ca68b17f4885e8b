"""The process that follows the registry of models: started beside the service, and ended with it.

It is another program, as the service never speaks with the registry: whatever becomes of that, or
of the process, the service goes on with what is published.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from features.project import Project
from serving.settings import ServingSettings

RESTART_SECONDS = 5.0
END_SECONDS = 10.0


class Follower:
    """Keeps the process running while the service does.

    Parameters
    ----------
    project : Project
    settings : ServingSettings
        Without `follow_registry_seconds` nothing is started.
    """

    def __init__(self, project: Project, settings: ServingSettings) -> None:
        self.project, self.seconds = project, settings.follow_registry_seconds
        self.process: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-follower", daemon=True)

    def start(self) -> None:
        """Start it, and start it again whenever it ends."""
        if self.seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        """End it: politely, then at once."""
        self._stop.set()
        if self._thread.is_alive():
            if self.process is not None:
                self.process.terminate()
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.process = self._begin()
            self._wait(self.process)
            self._stop.wait(RESTART_SECONDS)

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "training.follow"),
                *(str(self.project.path), str(self.seconds)),
            ],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            if not self._stop.wait(0.2):
                continue
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
