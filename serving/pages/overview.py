"""The page `/`: what is loaded, how fresh it is, what needs attention, and where to go."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.pages.layout import render
from serving.pages.locale import N_, Strings

STRINGS: Strings = {
    "promotion": N_("Promotion timing"),
    "demand": N_("Regional demand"),
    "loaded": N_("answers, version %(version)s"),
    "not-published": N_("nothing is published yet"),
    "refused": N_("was refused: %(reason)s"),
    "ready": N_("The service is ready."),
    "notReady": N_("The service is not ready."),
}


async def show(request: Request) -> Response:
    """Answer the page."""
    return render(request, "overview.html", strings=STRINGS)
