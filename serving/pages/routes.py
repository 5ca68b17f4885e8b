"""The pages and their addresses.

How a page is added, say `/demand`:

1. `pages/demand.py`: `STRINGS` (texts that its script needs, English marked by `N_`) and
   `async def show(request) -> Response: return render(request, "demand.html", strings=STRINGS)`.
2. `pages/templates/demand.html` extends `layout.html`: blocks `title`, `style`, `content`,
   `script`; every text in `_("…")`; files by `asset("demand.js")`; nothing inline.
3. `pages/assets/demand.js` (a module: `import { getJson, showProblem } from "./api.js"`, charts by
   "./chart.js", texts by `t("name")` of "./strings.js") and `demand.css`.
4. `pages/locales/ar/demand.po`: the Arabic of every text; the tests hold it complete.
5. One line in `PAGES` below. Its name in the navigation is in `layout.NAVIGATION`.
6. `tests/test_pages_browser_demand.py`, by the fixtures of `tests/browser_site.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from serving.access.callers import Access
from serving.bodies import read_qualities
from serving.pages import assets, models, overview
from serving.pages.layout import ADDRESSES, render
from serving.pages.session import SessionEndpoints

Show = Callable[[Request], Awaitable[Response]]
PAGES: Mapping[str, Show] = {
    "/": overview.show,
    "/models": models.show,
}


def make_pages(access: Access | None, clock: Callable[[], datetime]) -> Router:
    """Return what answers the addresses of all pages, but `/`, which has one for machines too.

    Frames are open to everybody: they hold no data. A page's script asks the API for that, in the
    name of the session.

    Parameters
    ----------
    access : Access or None
        Who may ask what.
    clock : callable
        Returns the time, with a zone.
    """
    session = SessionEndpoints(access, clock)
    routes = [
        *(Route(path, frame(show), methods=["GET"]) for path, show in PAGES.items() if path != "/"),
        Route(assets.PATH, assets.show, methods=["GET"]),
        Route("/session", session.show, methods=["GET"]),
        Route("/session", session.open, methods=["POST"]),
        Route("/session", session.end, methods=["DELETE"]),
    ]
    return Router(routes, redirect_slashes=False, default=show_missing)


async def show_missing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is at no address: a page for who reads, a problem for who asks otherwise."""
    request = Request(scope, receive)
    if request.method != "GET" or not prefers_html(request.headers.get("accept", "")):
        raise HTTPException(404)
    scope[ADDRESSES] = tuple(PAGES)
    await render(request, "missing.html", status=404)(scope, receive, send)


def frame(show: Show) -> Show:
    """Return a page that knows which others there are."""

    async def show_framed(request: Request) -> Response:
        request.scope[ADDRESSES] = tuple(PAGES)
        return await show(request)

    return show_framed


def choose_front(landing: Show) -> Show:
    """Return what answers `/`: the overview for who asks for HTML, else `landing`."""
    show = frame(PAGES["/"])

    async def show_front(request: Request) -> Response:
        is_page = prefers_html(request.headers.get("accept", ""))
        return await (show if is_page else landing)(request)

    return show_front


def prefers_html(accepted: str) -> bool:
    """Say whether who sends this Accept header would rather have a page than JSON.

    Examples
    --------
    >>> prefers_html("text/html,application/xml;q=0.9,*/*;q=0.8"), prefers_html("*/*")
    (True, False)
    >>> prefers_html("text/html;q=0.5, application/json"), prefers_html("")
    (False, False)
    """
    qualities = read_qualities(accepted)
    html = qualities.get("text/html", 0.0)
    return html > 0.0 and html >= qualities.get("application/json", 0.0)
