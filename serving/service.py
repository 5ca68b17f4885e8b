"""The BentoML service: lifecycle, workers and shutdown; every address is answered by `serving.api`.

Started by `almanac serve`, or by `bentoml serve serving.service:Almanac` with the project file in
the environment (`ALMANAC_PROJECT`, default ./almanac.toml).
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path

# Before the imports below read them: nothing may call home, and one request is one thread's work.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import bentoml
import numpy as np
from bentoml._internal.utils.analytics import usage_stats
from starlette.types import ASGIApp, Receive, Scope, Send

from features.project import load_project
from serving.access.callers import open_access
from serving.api import build_api, utc_now
from serving.campaigns.desk import CampaignDesk
from serving.customers.customers import Customers, open_customers
from serving.customers.database import StoreUnavailable
from serving.customers.settings import is_store_used
from serving.decisions.log import DecisionLog
from serving.drain import Drain, place_mark
from serving.launch import check_exposure, make_ssl
from serving.logs import FIELDS, LOGGER, configure_logs
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.rollout.settings import SECTION, ChallengerSettings
from serving.rollout.status import RolloutStatus
from serving.rollout.trials import Trials
from serving.rollout.watch import Watcher
from serving.settings import read_settings
from serving.tracing import open_provider, trace_api

PROJECT_VARIABLE = "ALMANAC_PROJECT"
BACKSTOP_SECONDS = 1.0
"""BentoML's own timer fires this much after ours: its answer is no problem document."""

# `bentoml serve` asks whether it may call home before it imports this module, and remembers.
usage_stats.do_not_track.cache_clear()

# The thread that stores messages hands over to the one that answers within half a millisecond.
sys.setswitchinterval(0.0005)
configure_logs()
log = logging.getLogger(LOGGER)
project = load_project(Path(os.environ.get(PROJECT_VARIABLE, "almanac.toml")))
settings = read_settings(project)
check_exposure(project, settings)
challenger = project.section(SECTION, ChallengerSettings)


class Front:
    """Middleware that answers every HTTP request with Almanac's own application.

    BentoML's /livez, /healthz, /readyz and /schema.json come before anything that is mounted, and
    would say that a service without models is well.
    """

    api: ASGIApp | None = None
    """Set when the models are loaded, before the first request is accepted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; lifespan and the like stay BentoML's."""
        if scope["type"] == "http" and Front.api is not None:
            await Front.api(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Service:
    """Send times and forecasts from the published champions."""

    def __init__(self) -> None:
        # Code stays: no search for cycles goes through it in a request. Models are not among it, as
        # one that is frozen could not be freed whole; they are arrays, and hold little to search.
        gc.collect()
        gc.freeze()
        predictor = Predictor.load(project.workspace.published, settings.required)
        for state in predictor.champions.states:
            level = logging.INFO if state.is_well else logging.WARNING
            fields = {"kind": state.kind, "state": state.state, "version": state.model_version}
            log.log(level, "model", extra={FIELDS: {**fields, "reason": state.reason}})
        predictor.customers = _open_customers(predictor)
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
            campaigns=CampaignDesk(project),
        )
        Front.api = trace_api(api, self.traces)
        self.trials = Trials(project, challenger, predictor, metrics)
        if self.decisions is not None:
            self.trials.attach(self.decisions.record_shadow)
        self.watcher = Watcher(predictor, project, settings.required, self.trials, metrics)
        self.watcher.look()
        self.watcher.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def say_goodbye(self) -> None:
        """Store what was taken in, and leave a line in the log when that is done."""
        self.watcher.stop()
        if self.predictor.customers is not None:
            self.predictor.customers.close()
        if self.decisions is not None:
            self.decisions.close()
        if self.traces is not None:
            self.traces.shutdown()
        log.info("stopped")


def _open_customers(predictor: Predictor) -> Customers | None:
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


Almanac = bentoml.service(
    name="almanac",
    workers=settings.workers,
    threads=1,
    traffic={"timeout": settings.timeout_seconds + BACKSTOP_SECONDS},
    http={"host": str(settings.host), "port": settings.port},
    ssl=make_ssl(settings),
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"sample_rate": 0.0, "excluded_urls": ".*"},
    runner_probe={"enabled": False},
)(Service)
Almanac.add_asgi_middleware(Front)
