"""The page `/`: what is loaded, how fresh it is, what needs attention, and where to go."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.pages.layout import render
from serving.pages.locale import N_, NN_, Strings

STRINGS: Strings = {
    "kind.promotion": N_("Promotion timing"),
    "kind.demand": N_("Regional demand"),
    "ready": N_("The service is ready, and nothing needs attention."),
    "attention": N_("The service is ready; this needs attention:"),
    "notReady": N_("The service is not ready:"),
    "draining": N_("It is about to end, and takes no new work."),
    "loaded": N_("Version %(version)s answers."),
    "not-published": N_(
        "Nothing is published yet: almanac train %(kind)s, almanac promote %(kind)s."
    ),
    "refused": N_("%(kind)s: what is published cannot be loaded."),
    "refusedVersion": N_(
        "%(kind)s: version %(version)s was refused, so the one before answers on."
    ),
    "challengerRefused": N_("%(kind)s: version %(version)s was trained, and a gate refused it."),
    "challengerWaits": N_("%(kind)s: version %(version)s was trained, and waits to be judged."),
    "unreachable": N_("The registry of models does not answer; what is loaded answers on."),
    "monitorNever": N_("Whether the models still hold is not known: run almanac monitor."),
    "monitorOld": NN_(
        "The monitor last ran %(n)s day ago; run almanac monitor.",
        "The monitor last ran %(n)s days ago; run almanac monitor.",
    ),
    "retrain": N_("Train again: %(because)s"),
    "watch": NN_(
        "The monitor saw %(n)s thing move that is to be watched.",
        "The monitor saw %(n)s things move that are to be watched.",
    ),
    "stale": NN_(
        "%(kind)s: the data ended %(n)s day ago. Bring newer data in and train again.",
        "%(kind)s: the data ended %(n)s days ago. Bring newer data in and train again.",
    ),
    "trained": N_("Trained"),
    "published": N_("Published"),
    "dataUntil": N_("Data until"),
    "unknown": N_("not known"),
    "more": N_("Enter a key to see how fresh the models are and what the monitor found."),
}


async def show(request: Request) -> Response:
    """Answer the page."""
    return render(request, "overview.html", strings=STRINGS)
