"""The page on channels: what several are worth, journeys, funnels and friction, in one file."""

from __future__ import annotations

from pathlib import Path

from features.project import Project
from training.chapters import Chapter, Section
from training.omnichannel.friction_chapter import write_friction_section, write_funnel_section
from training.omnichannel.insight import KNOWN_STEPS, Insight, ValueFound, find_insight
from training.omnichannel.journey_chapter import write_journey_sections
from training.omnichannel.numbers import write_numbers
from training.omnichannel.value_chapter import write_lift, write_value_section
from training.report import write_page

PAGE = "omnichannel.html"
ABOUT = "customers across channels"


def write_omnichannel_report(project: Project, out: Path) -> Path:
    """Write `omnichannel.html` on the project's table of events, and its numbers for the service.

    Parameters
    ----------
    project : Project
        Its events must have been built; `[insight]` says what is looked at.
    out : Path
        Folder; made if it is not there.

    Returns
    -------
    Path
        The page: one file, with its pictures inside.

    Raises
    ------
    NotEnoughData
        If there is no table of events, or it is empty. What single parts cannot tell, the page
        says in a sentence.
    """
    insight = find_insight(project)
    path = write_page(out / PAGE, project.settings.name, ABOUT, [write_chapter(insight)])
    write_numbers(insight, project.workspace)
    return path


def write_chapter(insight: Insight) -> Chapter:
    """Write what was found in words, pictures and tables."""
    value, headline = _write_value(insight.value)
    journeys = write_journey_sections(
        insight.transitions, insight.first_to_order, insight.settings.visit_gap_minutes
    )
    span = insight.span
    about = (
        f"{span.events:,} events of {span.customers:,} customers, {span.first:%Y-%m-%d} to "
        f"{span.last:%Y-%m-%d}."
    )
    return Chapter(
        "omnichannel",
        "Customers across channels",
        "What are several channels worth, where do customers go between them, and where are they "
        "lost?",
        f"{headline} {about}",
        (value, *journeys, *_write_funnels(insight)),
    )


def _write_value(found: ValueFound) -> tuple[Section, str]:
    windows = (
        f"Channels are those of the orders of {found.baseline_days} days from "
        f"{found.start:%Y-%m-%d}; orders and spend are counted in the {found.outcome_days} days "
        "after those, of customers with two orders or more before."
    )
    section = write_value_section(found.mixes, found.lift, windows, found.missing)
    if found.lift is None:
        return section, "What several channels are worth cannot be told from this data."
    return section, write_lift(found.lift)


def _write_funnels(insight: Insight) -> list[Section]:
    if not insight.funnels:
        reason = (
            "There is no funnel: name its steps in [insight] funnels, or send two or more of "
            f"{', '.join(KNOWN_STEPS)}."
        )
        return [Section("Funnels", (reason,))]
    rate, sections = insight.settings.false_discovery_rate, []
    for one in insight.funnels:
        if one.friction is None:
            sections.append(Section(f"Funnel: {one.funnel.name}", (one.missing,)))
            continue
        sections.append(write_funnel_section(one.rows, one.funnel, one.segments))
        sections.append(write_friction_section(one.rows, one.funnel, one.friction, rate))
    return sections
