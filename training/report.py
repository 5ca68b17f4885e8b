"""What the last trainings found, as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from matplotlib.figure import Figure

from features.errors import NotTrained
from features.project import Project
from training.chapters import Chapter, Grid, Section, write_number
from training.comparison.chapter import write_change
from training.comparison.plots import make_change_figures
from training.config import DemandSettings
from training.demand.chapter import write_demand_chapter
from training.gates import Verdict
from training.lifecycle import Tables, read_evidence
from training.palette import draw_png
from training.promotion.chapter import write_promotion_chapter
from training.provenance import Provenance, read_provenance
from training.quality.chapter import write_quality_chapter
from training.quality.measure import SPANS, measure_quality, take_quality
from training.recipes import RECIPES

PAGE = TEMPLATE = "report.html"
ABOUT = "what the last training found"
_OUTCOMES = {
    "passed": "It passed every gate when it was promoted.",
    "refused": "It was refused as champion: a gate did not pass.",
    "forced": "It was made champion although a gate did not pass.",
    "": "Nobody asked to promote it yet; this is what the gates say without a present champion.",
}


def write_report(project: Project, out: Path) -> Path:
    """Write `report.html` with everything that the last training of each kind left behind.

    Parameters
    ----------
    project : Project
        Kinds that were not trained are left out.
    out : Path
        Folder; made if it is not there.

    Returns
    -------
    Path
        The page: one file, with its pictures inside.

    Raises
    ------
    NotTrained
        If nothing was trained yet.
    """
    evidence = {
        kind: read_evidence(project.workspace.runs / kind)
        for kind in RECIPES
        if any((project.workspace.runs / kind).glob("*.csv"))
    }
    if not evidence:
        raise NotTrained(
            f"nothing to report: no training of {project.settings.name} has left evidence in "
            f"{project.workspace.runs}; run `almanac train demand` or `almanac train promotion`"
        )
    chapters = [_write_chapter(project, kind, tables) for kind, tables in evidence.items()]
    data = _write_data(project, evidence)
    return write_page(out / PAGE, project.settings.name, ABOUT, [*data, *chapters])


def write_page(path: Path, name: str, about: str, chapters: Sequence[Chapter]) -> Path:
    """Write chapters as one HTML file with their pictures inside, whole or not at all.

    Parameters
    ----------
    path : Path
        Its folder is made if it is not there.
    name, about : str
        Of the project, and what the page is about: its heading.
    chapters : sequence of Chapter
    """
    page = _load_template().render(name=name, about=about, chapters=chapters)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    return partial.replace(path)


def _write_data(project: Project, evidence: Mapping[str, Tables]) -> list[Chapter]:
    """Write the chapter on the data as it was trained on; else, as it lies there now."""
    measured = take_quality(*evidence.values())
    known = set(measured[SPANS]["table"]) if measured else set()
    names = {name for kind in evidence for name in RECIPES[kind].tables(project)}
    now = measure_quality(project, names - known)
    chapter = write_quality_chapter(take_quality(measured, now))
    return [] if chapter is None else [chapter]


def _write_chapter(project: Project, kind: str, tables: Tables) -> Chapter:
    if kind == "demand":
        frequency = project.section("demand", DemandSettings).frequency
        rng = np.random.default_rng(project.settings.seed)
        chapter = write_demand_chapter(tables, periods=f"{frequency}s", rng=rng)
    else:
        chapter = write_promotion_chapter(tables)
    origin = read_provenance(project, kind)
    verdict = origin.verdict if origin else None
    judged = verdict or RECIPES[kind].judge(project, tables, None)
    sections = (
        _write_verdict(judged, origin),
        write_change(tables, make_change_figures(tables)),
        *chapter.sections,
        _write_origin(origin),
    )
    return Chapter(chapter.kind, chapter.title, chapter.question, chapter.headline, sections)


def _write_verdict(verdict: Verdict, origin: Provenance | None) -> Section:
    sentences = [_OUTCOMES[origin.outcome if origin else ""]]
    if origin and origin.forced_because:
        sentences.append(f"The reason given: {origin.forced_because}")
    rows = tuple(
        (
            check.words.rpartition(": ")[0],
            "passed" if check.is_passed else "FAILED",
            write_number(check.measured, 4),
            f"{'above' if 'above' in check.words.rpartition(': ')[2] else 'at most'} "
            f"{write_number(check.bound, 4)}",
        )
        for check in verdict.checks
    )
    grid = Grid("The gates", ("gate", "verdict", "measured", "bound"), rows, n_texts=2)
    return Section("Gates and verdict", tuple(sentences), grids=(grid,))


def _write_origin(origin: Provenance | None) -> Section:
    title = "Where this comes from"
    if origin is None:
        return Section(title, ("No run of this training is recorded in MLflow.",))
    published = (
        f"published is version {origin.published}" if origin.published else "none is published"
    )
    sentences = (
        f"Version {origin.version} of the model, trained {origin.trained_at:%Y-%m-%d %H:%M} UTC by "
        f"MLflow run {origin.run_id}; {published}.",
        f"Digest of the model: {origin.digest}.",
    )
    data = {key.removeprefix("data."): value for key, value in origin.parameters.items()
            if key.startswith("data.")}  # fmt: skip
    others = {key: value for key, value in origin.parameters.items() if not key.startswith("data.")}
    return Section(
        title,
        sentences,
        grids=(
            _tabulate(
                "Fingerprints of the tables it was trained on", ("table", "fingerprint"), data
            ),
            _tabulate("Settings, seed and code", ("key", "value"), others),
        ),
    )


def _tabulate(caption: str, columns: tuple[str, str], values: Mapping[str, str]) -> Grid:
    return Grid(caption, columns, tuple(sorted(values.items())), n_texts=2)


def _load_template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64_png"] = _encode
    return environment.get_template(TEMPLATE)


def _encode(figure: Figure) -> str:
    return base64.b64encode(draw_png(figure)).decode("ascii")
