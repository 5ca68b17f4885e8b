"""The log of decisions: every plan is kept as it was made, so that it can be judged later."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from features.errors import InvalidRequest
from serving.campaigns.query import CampaignQuery

FOLDER = "decisions"
"""Below the workspace: one folder a campaign, one file a plan."""


class AlreadyLogged(InvalidRequest):
    """The log holds decisions of this campaign at this moment."""


def log_decisions(schedule: pd.DataFrame, query: CampaignQuery, root: Path) -> Path:
    """Write the schedule of a query to the log, as `log_campaign` does."""
    return log_campaign(schedule, query.campaign_id, query.decided_at, root)


def log_campaign(schedule: pd.DataFrame, name: str, decided_at: datetime, root: Path) -> Path:
    """Write a schedule to the log; the file appears whole or not at all.

    Parameters
    ----------
    schedule : DataFrame
        From `serving.campaigns.schedule.build_schedule`: all columns of `decisions`, and more.
    name : str
        Of the campaign.
    decided_at : datetime
        With a zone.
    root : Path
        The workspace.

    Returns
    -------
    Path
        `decisions/<campaign>/<moment>.parquet`, which a project file may read back as
        `[tables.decisions] path = ".almanac/decisions/*/*.parquet"`.

    Raises
    ------
    AlreadyLogged
        If this campaign was already decided on at this moment.
    """
    moment = f"{decided_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"
    path = root / FOLDER / name / f"{moment}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        schedule.to_parquet(partial, index=False)
        # A link to a name that is taken fails, where a renaming would put it in its place.
        os.link(partial, path)
    except FileExistsError:
        raise AlreadyLogged(
            f"{path}: campaign '{name}' was already decided on at this moment; "
            "decide anew at another, as a log is never overwritten"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path
