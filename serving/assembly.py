"""One worker put together: models, live customers, the API, and what runs beside it."""

from __future__ import annotations

import gc
import logging

import numpy as np
from starlette.types import ASGIApp

from features.project import Project
from serving.access.callers import open_access
from serving.api import build_api, utc_now
from serving.customers.customers import Customers, open_customers
from serving.customers.database import StoreUnavailable
from serving.customers.settings import is_store_used
from serving.decisions.log import DecisionLog
from serving.drain import Drain, place_mark
from serving.logs import FIELDS, LOGGER
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.rollout.settings import SECTION, ChallengerSettings
from serving.rollout.status import RolloutStatus
from serving.rollout.trials import Trials
from serving.rollout.watch import Watcher
from serving.settings import ServingSettings
from serving.tracing import open_provider, trace_api

log = logging.getLogger(LOGGER)


class Worker:
    """Send times and forecasts from the published champions, from start to end.

    Parameters
    ----------
    project : Project
    settings : ServingSettings

    Attributes
    ----------
    api : ASGI application
        Answers every address.
    """

    api: ASGIApp

    def __init__(self, project: Project, settings: ServingSettings) -> None:
        # Code stays: no search for cycles goes through it in a request. Models are not among it, as
        # one that is frozen could not be freed whole; they are arrays, and hold little to search.
        gc.collect()
        gc.freeze()
        challenger = project.section(SECTION, ChallengerSettings)
        predictor = _load(project, settings)
        self.predictor, metrics = predictor, Metrics()
        published = project.workspace.published
        rollout = RolloutStatus(
            predictor, challenger, published, settings.follow_registry_seconds, utc_now
        )
        # not the project's seed: workers, and the same worker tomorrow, must draw differently
        self.decisions = DecisionLog.open(project, np.random.default_rng())
        self.traces = open_provider(settings.tracing, project.path.parent)
        api = build_api(
            predictor,
            settings,
            drain=Drain(place_mark(project, settings)),
            access=open_access(project),
            decisions=self.decisions,
            metrics=metrics,
            rollout=rollout,
            workspace=project.workspace,
        )
        self.api = trace_api(api, self.traces)
        self.trials = Trials(project, challenger, predictor, metrics)
        if self.decisions is not None:
            self.trials.attach(self.decisions.record_shadow)
        self.watcher = Watcher(predictor, project, settings.required, self.trials, metrics)
        self.watcher.look()
        self.watcher.start()

    def close(self) -> None:
        """Store what was taken in, and leave a line in the log when that is done."""
        self.watcher.stop()
        if self.predictor.customers is not None:
            self.predictor.customers.close()
        if self.decisions is not None:
            self.decisions.close()
        if self.traces is not None:
            self.traces.shutdown()
        log.info("stopped")


def _load(project: Project, settings: ServingSettings) -> Predictor:
    """Load what is published, say what of it, and open the live customers."""
    predictor = Predictor.load(project.workspace.published, settings.required)
    for state in predictor.champions.states:
        level = logging.INFO if state.is_well else logging.WARNING
        fields = {"kind": state.kind, "state": state.state, "version": state.model_version}
        log.log(level, "model", extra={FIELDS: {**fields, "reason": state.reason}})
    predictor.customers = _open_customers(project, predictor)
    return predictor


def _open_customers(project: Project, predictor: Predictor) -> Customers | None:
    """Open the live customers.

    Without their store nobody knows who agreed and who was erased. So where there is one, a service
    that cannot open it does not start; where there never was one, published profiles answer.
    """
    try:
        return open_customers(project, predictor.champions)
    except (StoreUnavailable, OSError) as error:
        if is_store_used(project):
            raise
        reason = str(error)
        log.warning("customers", extra={FIELDS: {"state": "refused", "reason": reason}})
        return None
