"""What the backtest of a published forecast promised: its WAPE by horizon, from its evidence."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from features.errors import AlmanacError
from features.project import Project
from training.config import TrackingSettings
from training.monitor.arrivals import Arrived

OWN = "almanac"
"""The published forecast's name in the evidence."""


def read_promise(project: Project, version: str) -> pd.DataFrame | None:
    """Return the backtest scores of a version, or None where the registry does not have them."""
    if not (project.section("tracking", TrackingSettings).uri or _is_tracked(project)):
        return None
    from mlflow.exceptions import MlflowException

    from training.tracking import Version, open_tracker

    try:
        tracker = open_tracker(project)
        run = tracker.find_run("demand", version)
        if run is None:
            return None
        with TemporaryDirectory() as folder:
            path = tracker.download_evidence(Version(version, run, ""), Path(folder))
            return pd.read_csv(path / "scores.csv")
    except (AlmanacError, MlflowException, OSError):
        return None


def promise_wape(scores: pd.DataFrame | None, arrived: Arrived) -> float | None:
    """Return the WAPE that was promised for the horizons that arrived, weighted by their units.

    Early dates are easier than late ones: seven arrived days of a month are held against what was
    promised of seven days.

    Parameters
    ----------
    scores : DataFrame or None
        From `read_promise`: `model, level, bucket, wape`.
    arrived : Arrived

    Returns
    -------
    float or None
        None where nothing is known.
    """
    if scores is None or not len(arrived.rows):
        return None
    own = scores[(scores["model"] == OWN) & (scores["level"] == arrived.level)]
    total = weight = 0.0
    for bucket, wape in zip(own["bucket"].astype(str), own["wape"], strict=True):
        first, _, last = bucket.partition("-")
        if not first.isdigit() or np.isnan(wape):
            continue
        inside = arrived.rows["step"].between(int(first), int(last or first))
        units = float(arrived.rows.loc[inside, "units"].sum())
        total, weight = total + units * float(wape), weight + units
    return total / weight if weight > 0 else None


def _is_tracked(project: Project) -> bool:
    return (project.workspace.tracking / "mlflow.db").exists()
