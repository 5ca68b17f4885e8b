"""Scenarios from the command line: the published rows, or rows made again where there are none."""

from __future__ import annotations

import pandas as pd

from features.project import Project
from models.artifact import load_published
from models.demand.plan_changes import Change
from models.demand.sample_paths import keep_paths
from models.demand.scenario import WhatIf, find_series, run_scenario
from models.demand.scenario_files import Scenarios
from training.demand.explanations import order_series, read_scenario_rows
from training.demand.why import remake

_SHOWN = ("mean", "lower_80", "upper_80")


def ask_scenario(project: Project, region: str, product: str, change: Change) -> WhatIf:
    """Set a scenario beside the champion's forecast of a node.

    Parameters
    ----------
    project : Project
    region, product : str
        Of any level; the change holds for every series below.
    change : Change

    Raises
    ------
    NotTrained
        If no demand model is published.
    UnknownName, InvalidRequest
        If nothing is forecast for the node, or the change cannot be.
    """
    change.check()
    _, artifact = load_published(project.workspace.published, "demand")
    published = Scenarios.from_files(artifact.files)
    if published is not None:
        chosen = find_series(published.paths, region, product)
        return run_scenario(published.paths, published.read(chosen), change)
    panel, model, made = remake(project, artifact.files)
    paths = keep_paths(panel, made, model.calibration.shocks, model.calibration.seed)
    chosen = find_series(paths, region, product)
    rows = read_scenario_rows(panel, model, made, order_series(made)[chosen], chosen)
    return run_scenario(paths, rows, change)


def describe_scenario(found: WhatIf) -> str:
    """Write a scenario as text: by date and in total, with 80 % intervals, and warnings."""
    whole = found.total.assign(date="together")
    table = pd.concat(
        [found.by_date.assign(date=found.by_date["date"].astype(str)), whole], ignore_index=True
    )
    shown = pd.DataFrame({"date": table["date"]})
    for side in ("plan", "scenario", "difference"):
        # Plus zero, as there is no minus before one.
        mean, low, high = (table[f"{side}_{figure}"].round(2) + 0.0 for figure in _SHOWN)
        shown[side] = mean.map("{:.2f}".format)
        bounds = zip(low, high, strict=True)
        shown[f"80 % of {side}"] = [f"{one:.2f} to {other:.2f}" for one, other in bounds]
    series = "" if found.n_series == 1 else f"Sum of {found.n_series} series, changed alike.\n"
    warnings = "".join(f"\nwarning: {words}" for words in found.warnings)
    return f"{series}{shown.to_string(index=False)}{warnings}"
