"""What `/metrics` measures when it is asked: models, processes, and what the monitor found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.core import GaugeMetricFamily, Metric

from features.errors import AlmanacError
from features.project import Workspace
from models.artifact import MANIFEST, read_pointer
from serving.champions import ModelState
from serving.metrics import list_workers

VERDICTS = {"not enough data": -1.0, "ok": 0.0, "watch": 1.0, "alert": 2.0}
STATES = ("loaded", "not-published", "refused")


class Scrape:
    """Everything that is measured at the time of asking.

    Parameters
    ----------
    workspace : Workspace or None
        None leaves out what is read from files.
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(self, workspace: Workspace | None, clock: Callable[[], datetime]) -> None:
        self.workspace, self.clock = workspace, clock
        self.monitor = None if workspace is None else MonitorFile(workspace)

    def measure(self, states: Sequence[ModelState]) -> list[Metric]:
        """Return the metrics of now."""
        now = self.clock()
        found = [*describe_models(states), *describe_processes()]
        if self.workspace is not None:
            found.append(describe_ages(states, self.workspace.published, now))
        if self.monitor is not None:
            found += self.monitor.describe(now)
        return found


def describe_models(states: Sequence[ModelState]) -> list[Metric]:
    """Return which version of each kind answers, and the state of each kind."""
    loaded = GaugeMetricFamily(
        "almanac_model_loaded",
        "1 for the model version that answers; 0 for a kind that does not.",
        labels=("kind", "version"),
    )
    stated = GaugeMetricFamily(
        "almanac_model_state", "1 for the state that a kind is in.", labels=("kind", "state")
    )
    for one in states:
        loaded.add_metric((one.kind, one.model_version or ""), float(one.state == "loaded"))
        for state in sorted({*STATES, one.state}):
            stated.add_metric((one.kind, state), float(one.state == state))
    return [loaded, stated]


def describe_ages(states: Sequence[ModelState], published: Path, now: datetime) -> Metric:
    """Return how long ago the files of each loaded model were made."""
    ages = GaugeMetricFamily(
        "almanac_model_age_seconds", "Since the model's files were made.", labels=("kind",)
    )
    for one in states:
        made_at = _find_time(published, one)
        if made_at is not None:
            ages.add_metric((one.kind,), now.timestamp() - made_at)
    return ages


def _find_time(published: Path, state: ModelState) -> float | None:
    if state.model_version is None:
        return None
    folders = list((published / state.kind).glob(f"v{state.model_version}-*"))
    try:
        pointer = read_pointer(published, state.kind)
        if pointer.version == state.model_version:
            folders = [published / state.kind / pointer.directory]
        return (folders[0] / MANIFEST).stat().st_mtime
    except (AlmanacError, OSError, IndexError):
        return None


def describe_processes() -> list[Metric]:
    """Return memory and open descriptors of every worker that lives, of whichever is asked."""
    memory = GaugeMetricFamily(
        "almanac_worker_memory_bytes", "Resident memory of a worker.", labels=("pid",)
    )
    descriptors = GaugeMetricFamily(
        "almanac_worker_open_descriptors", "Open files and sockets of a worker.", labels=("pid",)
    )
    for process in _list_processes():
        try:
            with process.oneshot():
                resident, n_open = process.memory_info().rss, process.num_fds()
        except psutil.Error:
            continue  # it ended meanwhile
        memory.add_metric((str(process.pid),), float(resident))
        descriptors.add_metric((str(process.pid),), float(n_open))
    return [memory, descriptors]


def _list_processes() -> Iterator[psutil.Process]:
    own = psutil.Process()
    yield own
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return
    for worker in sorted(list_workers(Path(folder)) - {own.pid}):
        try:
            process = psutil.Process(worker)
            # A number that was given again belongs to somebody else's child.
            if process.ppid() == own.ppid():
                yield process
        except psutil.Error:
            continue


class MonitorFile:
    """What `almanac monitor` wrote last; read again only when the file is another.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.root / "monitor" / "monitor.json"
        self._seen: tuple[int, int, int] | None = None
        self._found: dict[str, Any] | None = None

    def read(self) -> dict[str, Any] | None:
        """Return its content; None where there is none, or none that can be read."""
        try:
            found = self.path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                self._seen = seen
                content = json.loads(self.path.read_bytes())
                self._found = content if content.get("format") == 1 else None
        except FileNotFoundError:
            self._seen = self._found = None
        except (OSError, ValueError, AttributeError):
            self._found = None
        return self._found

    def describe(self, now: datetime) -> list[Metric]:
        """Return the findings as metrics; empty where there are none."""
        found = self.read()
        if found is None:
            return []
        try:
            return _describe_findings(found, now)
        except (KeyError, TypeError, ValueError):
            return []


def _describe_findings(found: dict[str, Any], now: datetime) -> list[Metric]:
    drift = GaugeMetricFamily(
        "almanac_drift_psi",
        "Population stability index of a customer feature since the champion was trained.",
        labels=("feature",),
    )
    ratio = GaugeMetricFamily(
        "almanac_forecast_wape_ratio",
        "WAPE on arrived sales over the WAPE that the backtest promised.",
        labels=("version",),
    )
    verdict = GaugeMetricFamily(
        "almanac_monitor_verdict",
        "What a check came to: -1 not enough data, 0 ok, 1 watch, 2 alert.",
        labels=("check", "kind", "model"),
    )
    error = GaugeMetricFamily(
        "almanac_calibration_error", "Mean |predicted - observed| share of answered sends."
    )
    for check in found["checks"]:
        name, value, baseline = check["check"], check["value"], check["baseline"]
        verdict.add_metric((name, check["kind"], check["model"]), VERDICTS[check["verdict"]])
        if value is None:
            continue
        if check["kind"] == "drift":
            drift.add_metric((check["subject"],), value)
        elif name == "calibration/error":
            error.add_metric((), value)
        elif check["kind"] == "forecast" and name.endswith("/wape") and baseline:
            ratio.add_metric((check["subject"].partition("/")[0],), value / baseline)
    made_at = datetime.fromisoformat(found["made_at"]).astimezone(UTC)
    age = GaugeMetricFamily("almanac_monitor_age_seconds", "Since `almanac monitor` last ran.")
    age.add_metric((), (now - made_at).total_seconds())
    return [drift, ratio, verdict, error, age]
