"""The frame of every page: its language, direction, theme, navigation and texts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from serving.access.sessions import read_cookie
from serving.pages.assets import load_assets
from serving.pages.locale import COOKIE as LANGUAGE_COOKIE
from serving.pages.locale import (
    LANGUAGES,
    N_,
    SHELL,
    Strings,
    choose_language,
    load_texts,
)

FOLDER = Path(__file__).parent / "templates"
THEME_COOKIE = "almanac_theme"
THEMES = ("light", "dark")
ADDRESSES = "almanac.pages"
"""What a connection's scope holds: the addresses of the pages that there are."""
HTML = "text/html; charset=utf-8"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
NAVIGATION: Mapping[str, tuple[str, str]] = {
    "/": (N_("Overview"), N_("What is loaded, how fresh it is, and what needs attention.")),
    "/demand": (
        N_("Regional demand"),
        N_("How much each region will want, how sure that is, and why."),
    ),
    "/timing": (
        N_("Promotion timing"),
        N_("When to write to whom, and a campaign planned before it is sent."),
    ),
    "/customer": (
        N_("Customer"),
        N_("One person across all channels: timeline, consent, best moments."),
    ),
    "/channels": (
        N_("Channels"),
        N_("What customers of several channels are worth, and how they move between them."),
    ),
    "/models": (
        N_("Models"),
        N_("Which models answer, how they were judged, and whether they still hold."),
    ),
}
"""Name and one sentence of every page; those are shown that `serving.pages.routes` lists."""
LANGUAGE_NAMES = {
    "en": "English",
    "ar": "العربية",
    "fa": "فارسی",
    "hy": "Հայերեն",
    "ne": "नेपाली",
}
STRINGS: Strings = {
    "shell.enterKey": N_("Enter a key"),
    "shell.signOut": N_("Sign out"),
    "shell.signedIn": N_("Signed in with the key %(key)s."),
    "shell.keyWrong": N_("This key is not known, or has ended. Check that it was copied whole."),
    "shell.needsKey": N_("This needs a key."),
    "shell.needsScope": N_("The key you entered may not see this."),
    "shell.unreachable": N_("The service cannot be reached. Is it still running?"),
    "shell.failed": N_("This could not be shown."),
    "shell.retry": N_("Try again"),
    "shell.loading": N_("Loading …"),
    "shell.nothing": N_("Nothing to show."),
    "shell.requestId": N_("Request %(id)s"),
    "chart.table": N_("Show as table"),
    "chart.date": N_("Date"),
    "chart.low": N_("%(label)s, low"),
    "chart.high": N_("%(label)s, high"),
    "chart.zoomIn": N_("Zoom in"),
    "chart.zoomOut": N_("Zoom out"),
    "chart.all": N_("Show all"),
    "chart.label": N_("Chart. Arrow keys move from date to date, plus and minus zoom."),
    "chart.to": N_("%(low)s to %(high)s"),
    "chart.noValue": N_("no value"),
    "chart.marks": N_("Marked"),
    "chart.hint": N_("Drag to move, Ctrl and wheel to zoom."),
}
"""Texts that the shared scripts need, on every page."""


@cache
def load_templates() -> Environment:
    """Return the templates; text is escaped in all of them, and what is not there is an error."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = load_assets().address
    return environment


def render(
    request: Request, template: str, *, status: int = 200, strings: Strings | None = None,
    **values: object,
) -> Response:  # fmt: skip
    """Return a page in the reader's language and theme.

    Parameters
    ----------
    request : Request
    template : str
        File below `templates/`; its name without the suffix is that of its catalogue.
    status : int
    strings : mapping, optional
        Texts that the page's script asks `t(key)` for, in English.
    **values
        What the template needs beside them.
    """
    headers = request.scope["headers"]
    chosen = read_cookie(headers, LANGUAGE_COOKIE)
    language = choose_language(chosen, request.headers.get("accept-language", ""))
    texts = load_texts(template.removesuffix(".html"), language)
    shell = load_texts(SHELL, language)
    theme = read_cookie(headers, THEME_COOKIE)
    content = load_templates().get_template(template).render(
        _=texts.gettext,
        ngettext=texts.ngettext,
        language=language,
        direction=texts.direction,
        theme=theme if theme in THEMES else "auto",
        path=request.scope["path"],
        navigation=[
            (path, shell.gettext(name), shell.gettext(sentence))
            for path, (name, sentence) in NAVIGATION.items()
            if path in request.scope.get(ADDRESSES, ())
        ],
        languages=[(one, LANGUAGE_NAMES[one]) for one in LANGUAGES],
        strings={**shell.pack(STRINGS), **texts.pack(strings or {})},
        **values,
    )  # fmt: skip
    return Response(
        content,
        status_code=status,
        headers={
            "Content-Type": HTML,
            "Content-Language": language,
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store",
            "Vary": "Accept, Accept-Language, Cookie",
        },
    )
