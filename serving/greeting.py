"""What `almanac serve` says when it has started: which models answer, and what to do if none do."""

from __future__ import annotations

import json
from typing import Any

from serving.launch import address, read_answer
from serving.pages.layout import NAVIGATION
from serving.pages.routes import PAGES
from serving.settings import ServingSettings


def greet(settings: ServingSettings, project_option: str = "") -> list[str]:
    """Return lines on what a service that has just started answers with.

    Parameters
    ----------
    settings : ServingSettings
    project_option : str
        What has to follow a command so that it is about the same project, such as ` -p my.toml`.
    """
    lines = [f"serving at {address(settings)}; stop with Ctrl+C"]
    found = read_answer(settings, "/readyz")
    try:
        models = json.loads(found)["models"]
    except (ValueError, KeyError, TypeError):
        return lines  # it is asked for a courtesy; what is wrong is in the service's own log
    lines.append(f"pages to look at:\n{list_pages(settings)}")
    lines += [_describe(model, project_option) for model in models]
    if not any(model["state"] == "loaded" for model in models):
        lines.append("no model answers yet; live customers are taken in all the same")
    return lines


def list_pages(settings: ServingSettings) -> str:
    """Return what every page is, with its address, a line each."""
    at = address(settings)
    names = {path: NAVIGATION[path][0] if path in NAVIGATION else path for path in PAGES}
    return "\n".join(f"  {name:<20}{at}{path}" for path, name in names.items())


def _describe(model: dict[str, Any], option: str) -> str:
    kind, state = model["kind"], model["state"]
    if state == "loaded":
        return f"{kind}: version {model['model_version']} answers"
    again = f"almanac train {kind}{option}, then almanac promote {kind}{option}"
    if state == "refused":
        return (
            f"{kind}: version {model['refused_version'] or '?'} cannot answer: {model['reason']}. "
            f"To mend it: almanac promote {kind}{option} puts it back from MLflow, and almanac "
            f"rollback {kind}{option} goes back to the version before. It is taken over at once"
        )
    return f"{kind}: nothing is published, so it answers 503. Next: {again}"
