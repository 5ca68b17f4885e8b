"""The BentoML service: lifecycle, workers and shutdown; every address is answered by `serving.api`.

Started by `almanac serve`, or by `bentoml serve serving.service:Almanac` with the project file in
the environment (`ALMANAC_PROJECT`, default ./almanac.toml).
"""

from __future__ import annotations

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
from serving.launch import check_exposure, make_ssl
from serving.logs import configure_logs
from serving.rollout.settings import SECTION, ChallengerSettings
from serving.settings import read_settings

PROJECT_VARIABLE = "ALMANAC_PROJECT"
BACKSTOP_SECONDS = 1.0
"""BentoML's own timer fires this much after ours: its answer is no problem document."""

# `bentoml serve` asks whether it may call home before it imports this module, and remembers.
usage_stats.do_not_track.cache_clear()

# The thread that stores messages hands over to the one that answers within half a millisecond.
sys.setswitchinterval(0.0005)
configure_logs()
project = load_project(Path(os.environ.get(PROJECT_VARIABLE, "almanac.toml")))
settings = read_settings(project)
check_exposure(project, settings)
project.section(SECTION, ChallengerSettings)  # refused here, before any worker is started


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
        # Here, not above: BentoML's own process reads this module as well, and answers nothing.
        from serving.assembly import Worker

        self.worker = Worker(project, settings)
        Front.api = self.worker.api

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def say_goodbye(self) -> None:
        """Store what was taken in."""
        self.worker.close()


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
