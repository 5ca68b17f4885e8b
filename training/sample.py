"""The whole way on the sample: its project file, tables, both models, gates and the report."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from features.door.tables import build_tables
from features.progress import Progress
from features.project import Project, load_project
from training.demand.first_forecast import tell_first_forecasts
from training.footprint import Footprint
from training.lifecycle import is_published, promote, train
from training.recipes import RECIPES
from training.report import write_report

ANNOUNCEMENT = (
    "a year of a real grocer: read it, judge and fit how much (demand), then when (promotion), and "
    "write the report; two to three minutes on two quiet cores. Ctrl+C stops it, and the same "
    "command goes on after the last model that was published"
)


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
    progress.say(ANNOUNCEMENT)
    with Footprint() as footprint:
        built = build_tables(project, progress)
        fingerprints = {name: summary.fingerprint for name, summary in built.items()}
        for kind, recipe in RECIPES.items():
            if is_published(project, recipe, fingerprints):
                progress.say(f"{kind}: the champion is of this data and configuration; kept")
                continue
            progress.say(f"{kind}: judging the methods on past dates, then fitting")
            train(project, recipe, fingerprints, progress)
            promote(project, recipe, progress)
            if kind == "demand":
                progress.say("a first forecast, with what it lies between in 8 of 10 cases:")
                for line in tell_first_forecasts(project):
                    progress.say(f"  {line}")
        progress.say("writing the report")
        write_report(project, path.parent / "report")
    progress.say(
        f"ready after {footprint.seconds:.0f} s, with {footprint.peak_gib:.2f} GiB at the peak"
    )
    return project
