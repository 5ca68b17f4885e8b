"""The whole way on the sample: its project file, tables, both models, gates and the report."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from features.door.tables import build_tables
from features.progress import Progress
from features.project import Project, load_project
from training.footprint import Footprint
from training.lifecycle import is_published, promote, train
from training.recipes import RECIPES
from training.report import write_report


def prepare_sample(path: Path, progress: Progress) -> Project:
    """Train and publish what is not yet published of the sample, and write its report.

    Parameters
    ----------
    path : Path
        The project file: the sample's own is put there if there is none. The report lies in
        `report` beside it.
    progress : Progress

    Raises
    ------
    AlmanacError
        If the sample is not installed, or a gate refuses.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        sample = resources.files("features.door").joinpath("complete_journey.toml")
        path.write_bytes(sample.read_bytes())
    project = load_project(path)
    with Footprint() as footprint:
        built = build_tables(project, progress)
        fingerprints = {name: summary.fingerprint for name, summary in built.items()}
        for kind, recipe in RECIPES.items():
            if is_published(project, recipe, fingerprints):
                progress.say(f"{kind}: the champion is of this data and configuration; kept")
                continue
            train(project, recipe, fingerprints, progress)
            promote(project, recipe, progress)
        write_report(project, path.parent / "report")
    progress.say(
        f"ready after {footprint.seconds:.0f} s, with {footprint.peak_gib:.2f} GiB at the peak"
    )
    return project
