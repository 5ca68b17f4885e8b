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
from bentoml._internal.utils.analytics import usage_stats
from starlette.types import ASGIApp, Receive, Scope, Send

from features.project import load_project
from serving.api import build_api
from serving.customers.customers import Customers, open_customers
from serving.customers.database import StoreUnavailable
from serving.customers.settings import is_store_used
from serving.logs import FIELDS, LOGGER, configure_logs
from serving.predictor import Predictor
from serving.settings import ServingSettings
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
settings = project.section("serving", ServingSettings)


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
        predictor = Predictor.load(project.workspace.published, settings.required)
        for state in predictor.champions.states:
            level = logging.INFO if state.is_well else logging.WARNING
            fields = {"kind": state.kind, "state": state.state, "version": state.model_version}
            log.log(level, "model", extra={FIELDS: {**fields, "reason": state.reason}})
        predictor.customers = _open_customers(predictor)
        self.customers = predictor.customers
        self.traces = open_provider(settings.tracing, project.path.parent)
        Front.api = trace_api(
            build_api(predictor, settings, workspace=project.workspace), self.traces
        )
        # Models and profiles stay: no search for cycles goes through them in a request.
        gc.collect()
        gc.freeze()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def say_goodbye(self) -> None:
        """Store what was taken in, and leave a line in the log when that is done."""
        if self.customers is not None:
            self.customers.close()
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
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"sample_rate": 0.0, "excluded_urls": ".*"},
    runner_probe={"enabled": False},
)(Service)
Almanac.add_asgi_middleware(Front)
