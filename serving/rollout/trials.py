"""Opening a challenger: loaded and checked as a champion is, with readers of its own."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from features.project import Project
from models.artifact import CHALLENGER_POINTER
from serving.champions import NOTHING, Champion, Champions, ModelState, Timing, load_challenger
from serving.customers.answers import LiveAnswers
from serving.customers.customers import Customers, make_answers, prepare_live
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.rollout.held import Held
from serving.rollout.settings import ChallengerSettings
from serving.rollout.shadow import Shadow, Sink
from serving.rollout.trial import Thread, Trial


class Trials:
    """Opens whatever challenger is published, as `[challenger]` says.

    Parameters
    ----------
    project : Project
    settings : ChallengerSettings
    predictor : Predictor
    metrics : Metrics

    Attributes
    ----------
    shadow : Shadow or None
        The thread that scores unseen; None unless the mode says so.
    """

    def __init__(
        self,
        project: Project,
        settings: ChallengerSettings,
        predictor: Predictor,
        metrics: Metrics,
    ) -> None:
        self.project, self.settings, self.metrics = project, settings, metrics
        is_shadow = settings.mode == "shadow"
        self.shadow = Shadow(predictor.use, settings.max_waiting) if is_shadow else None

    @property
    def is_on(self) -> bool:
        """Whether challengers are tried at all."""
        return self.settings.mode != "off"

    @property
    def pointer(self) -> Path:
        """Where the challenger is pointed at."""
        return self.project.workspace.published / "promotion" / CHALLENGER_POINTER

    def attach(self, sink: Sink) -> None:
        """Give every answer in shadow to `sink`, in the thread that scores."""
        if self.shadow is not None:
            self.shadow.sink = sink

    def open(self, held: Held) -> tuple[Trial | None, ModelState]:
        """Load what is pointed at; what cannot be loaded leaves the trial as it is held.

        A challenger that was taken back ends its trial.
        """
        timing, state = load_challenger(self.project.workspace.published)
        if timing is None:
            if state.state == "not-published" or held.trial is None:
                return None, state
            kept = replace(held.trial_state, reason=state.reason)
            return held.trial, replace(kept, refused_version=state.refused_version or "?")
        try:
            return self._begin(timing, held.customers), state
        except Exception as error:  # noqa: BLE001 - the champion answers whatever it is
            reason = f"live customers could not be opened with it: {error}"
            refused = replace(
                state, state="refused", model_version=None, refused_version=timing.version
            )
            return None, replace(refused, reason=reason)

    def stop(self) -> None:
        """End the thread that scores unseen."""
        if self.shadow is not None:
            self.shadow.stop()

    def _begin(self, timing: Champion[Timing], customers: Customers | None) -> Trial:
        model, parts = timing.model
        challenger = Champion(timing.version, timing.digest, model)
        models = replace(NOTHING, promotion=challenger, live=parts)
        threads: tuple[Thread, ...] = ("inline", "batch") if self.shadow is None else ("shadow",)
        live = {} if customers is None else self._open(threads, models, customers)
        offer = self.shadow.offer if self.shadow is not None else _take_nothing
        return Trial(self.settings, models, live, offer, self.metrics.count_challenger)

    def _open(
        self, threads: tuple[Thread, ...], models: Champions, customers: Customers
    ) -> dict[Thread, LiveAnswers]:
        if models.promotion is None or models.live is None:
            return {}
        read = prepare_live(self.project, customers.writer.store, models)
        opened: dict[Thread, LiveAnswers] = {}
        with ExitStack() as stack:
            for thread in threads:
                live = read()
                stack.callback(live.close)
                opened[thread] = make_answers(models.promotion.model, live, models.live)
            stack.pop_all()
        return opened


def _take_nothing(*_: object) -> bool:
    return False
