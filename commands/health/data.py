"""The project file, section by section, and whether every source can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from commands.health.finding import Finding, guard, ok, problem, warning

if TYPE_CHECKING:
    from pathlib import Path

    from features.project import Project, Settings

NEXT = "correct that line of the project file"


def open_for_check(path: Path) -> tuple[Project | None, list[Finding]]:
    """Return the project, if its file can be read at all, and what there is to say of it."""
    from features.errors import ProjectError
    from features.project import load_project

    if not path.exists():
        words = f"{path} is not there, so only the machine is looked at"
        mend = "name yours with --project, or write one: almanac init --sales FILE.csv"
        return None, [warning("project file", words, mend)]
    try:
        project = load_project(path)
    except ProjectError as error:
        return None, [problem("project file", str(error), NEXT)]
    except OSError as error:
        words = f"{path} cannot be read: {error.strerror}"
        return None, [problem("project file", words, "look at its owner and permissions")]
    return project, []


def check_sections(project: Project) -> Iterator[Finding]:
    """Read every section with the model of the folder that it belongs to."""
    wrong = 0
    for name, model in _list_sections().items():
        for finding in guard("project file", lambda n=name, m=model: _read(project, n, m), NEXT):  # type: ignore[misc]
            wrong += 1
            yield finding
    if not wrong:
        yield ok("project file", f"{project.path}: every section can be read")


def check_sources(project: Project) -> Iterator[Finding]:
    """Look whether what each table is read from is there and may be read."""
    from features.door.readable import check_readable

    if not project.tables:
        yield warning(
            "sources",
            f"{project.path} names no table, so there is nothing to learn from",
            "add [tables.sales] or [tables.events]; `almanac init` drafts them",
        )
    for name, settings in project.tables.items():
        yield from guard(
            f"source {name}",
            lambda n=name, s=settings: [ok(f"source {n}", check_readable(project, s))],  # type: ignore[misc]
            f"correct [tables.{name}], or put the source where it says; then `almanac check`",
        )


def _read(project: Project, name: str, model: type[Settings]) -> list[Finding]:
    project.section(name, model)
    return []


def _list_sections() -> dict[str, type[Settings]]:
    from serving.access.settings import AccessSettings
    from serving.campaigns.settings import CampaignSettings
    from serving.customers.settings import CustomersSettings
    from serving.decisions.settings import DecisionSettings
    from serving.rollout.settings import ChallengerSettings
    from serving.settings import ServingSettings
    from training.config import DemandSettings, PromotionSettings, StockSettings, TrackingSettings
    from training.monitor.settings import MonitorSettings
    from training.omnichannel.settings import InsightSettings

    return {
        "demand": DemandSettings,
        "stock": StockSettings,
        "promotion": PromotionSettings,
        "campaign": CampaignSettings,
        "customers": CustomersSettings,
        "decisions": DecisionSettings,
        "insight": InsightSettings,
        "tracking": TrackingSettings,
        "monitor": MonitorSettings,
        "serving": ServingSettings,
        "access": AccessSettings,
        "challenger": ChallengerSettings,
    }
