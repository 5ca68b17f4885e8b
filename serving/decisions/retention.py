"""Forgetting what is old: whole days of decisions and outcomes."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

from features.project import Project
from features.served.places import ServedPlaces
from serving.decisions.compaction import compact
from serving.decisions.settings import read_settings


def purge_decisions(project: Project, now: datetime) -> int:
    """Remove the days that are past their retention, after compacting what is closed.

    Parameters
    ----------
    project : Project
    now : datetime
        With a zone.

    Returns
    -------
    int
        Files removed.
    """
    places = ServedPlaces(project.workspace.root)
    if not places.folder.is_dir():
        return 0
    compact(places)
    days = timedelta(days=read_settings(project).retention_days)
    first = f"date={now.astimezone(UTC) - days:%Y-%m-%d}"
    removed = 0
    with places.alone():
        for folder in (*places.decisions.glob("date=*"), *places.outcomes.glob("date=*")):
            if folder.name < first:
                removed += len(list(folder.glob("*.parquet")))
                shutil.rmtree(folder)
    return removed
