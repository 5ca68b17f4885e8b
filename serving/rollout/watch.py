"""Taking over what is published: one thread looks, loads, checks, and swaps one reference."""

from __future__ import annotations

import gc
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from features.project import Project
from models.artifact import POINTER
from serving.champions import Champions, Kind, ModelState, reload_champion
from serving.customers.customers import Customers, follow_champions, list_learned
from serving.logs import FIELDS, LOGGER
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.rollout.trials import Trials

LOOK_SECONDS = 1.0
RETRY_SECONDS = 30.0
KINDS: tuple[Kind, ...] = ("promotion", "demand")
Stamp = tuple[int, int, int] | None
log = logging.getLogger(LOGGER)


class Watcher:
    """Looks every second for another pointer, and lets what it points at answer.

    What is refused is tried again when the pointer changes, or after half a minute; until then the
    last good model serves. Nothing of this happens on the event loop.

    Parameters
    ----------
    predictor : Predictor
        Whose models are swapped.
    project : Project
    required : sequence of str
        Kinds without which the service is not ready.
    trials : Trials
        Opens challengers.
    metrics : Metrics
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(
        self,
        predictor: Predictor,
        project: Project,
        required: Sequence[str],
        trials: Trials,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.predictor, self.project, self.required = predictor, project, required
        self.trials, self.metrics, self.clock = trials, metrics, clock
        self._seen: dict[Path, Stamp] = {}
        self._retry_at: dict[Path, float] = {}
        for kind in KINDS:  # those were loaded when the service started
            pointer = self._pointer(kind)
            self._seen[pointer] = read_stamp(pointer)
            self._mind(pointer, predictor.champions.state(kind))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models-watcher", daemon=True)

    def start(self) -> None:
        """Look from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what is being loaded is waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.trials.stop()

    def look(self) -> None:
        """Take over whatever was published since the last look, and close what nobody uses."""
        for kind in KINDS:
            pointer = self._pointer(kind)
            if self._is_due(pointer):
                self._reload(kind)
                self._mind(pointer, self.predictor.champions.state(kind))
        if self.trials.is_on and self._is_due(self.trials.pointer):
            self._retry_trial()
        if self.predictor.holder.close_unused():
            # what a model leaves behind in circles is freed now, not whenever a search comes by
            gc.collect()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                # what serves goes on serving, and the next look may be luckier
                log.exception("models could not be looked for", extra={FIELDS: {}})

    def _pointer(self, kind: Kind) -> Path:
        return self.project.workspace.published / kind / POINTER

    def _is_due(self, pointer: Path) -> bool:
        """Say whether a pointer changed, or something refused is to be tried again."""
        stamp = read_stamp(pointer)
        is_new = pointer not in self._seen or stamp != self._seen[pointer]
        # noted before it is read: if it moves meanwhile, the next look sees that
        self._seen[pointer] = stamp
        return is_new or self.clock() >= self._retry_at.get(pointer, math.inf)

    def _mind(self, pointer: Path, state: ModelState) -> None:
        self._retry_at[pointer] = self.clock() + RETRY_SECONDS if state.is_refused else math.inf

    def _reload(self, kind: Kind) -> None:
        held = self.predictor.holder.held
        before, customers = held.champions, held.customers
        after = reload_champion(before, self.project.workspace.published, kind, self.required)
        is_new = _version_of(after, kind) is not _version_of(before, kind)
        if is_new and kind == "promotion" and customers is not None:
            try:
                customers = follow_champions(self.project, customers, after)
            except Exception as error:  # noqa: BLE001 - without live customers it must not answer
                after, is_new = _refuse(before, after, error), False
        if after != before or is_new:
            self.predictor.holder.swap(replace(held, champions=after, customers=customers, users=0))
        self._tell_learned(after, customers)
        self._report(kind, before, after, is_new=is_new)

    def _retry_trial(self) -> None:
        held = self.predictor.holder.held
        trial, state = self.trials.open(held)
        self.predictor.holder.swap(replace(held, trial=trial, trial_state=state, users=0))
        self._mind(self.trials.pointer, state)
        self._tell_learned(held.champions, held.customers)
        outcome = "refused" if state.refused_version else state.state
        self.metrics.count_reload("challenger", outcome)
        _log("challenger", state)

    def _tell_learned(self, champions: Champions, customers: Customers | None) -> None:
        """Let an erasure name every model that answers now."""
        if customers is None:
            return
        trial = self.predictor.holder.held.trial
        tried = () if trial is None else (trial.models,)
        customers.learned.models = list_learned(champions, *tried)

    def _report(self, kind: Kind, before: Champions, after: Champions, *, is_new: bool) -> None:
        state, old = after.state(kind), before.state(kind)
        if not (is_new or state.is_refused or state != old):
            return
        self.metrics.count_reload(kind, "refused" if state.is_refused else "loaded")
        _log(kind, state)


def read_stamp(path: Path) -> Stamp:
    """Return what changes whenever a file is replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _version_of(champions: Champions, kind: Kind) -> object:
    return champions.promotion if kind == "promotion" else champions.demand


def _refuse(before: Champions, after: Champions, error: Exception) -> Champions:
    """Keep what served, as live customers could not be read with what was loaded."""
    refused = after.state("promotion")
    reason = f"live customers could not be opened with it: {error}"
    old = before.state("promotion")
    return before.with_state(replace(old, reason=reason, refused_version=refused.model_version))


def _log(kind: str, state: ModelState) -> None:
    fields = {
        "kind": kind,
        "state": state.state,
        "version": state.model_version,
        "proof": state.proof,
        "refused": state.refused_version,
        "reason": state.reason,
    }
    log.log(logging.WARNING if state.is_refused else logging.INFO, "model", extra={FIELDS: fields})
