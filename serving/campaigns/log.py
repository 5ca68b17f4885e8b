"""The log of decisions: every plan is kept as it was made, so that it can be judged later."""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path

import pandas as pd

from features.errors import InvalidRequest
from serving.campaigns.query import CampaignQuery

FOLDER = "decisions"
"""Below the workspace: one folder a campaign, one file a plan."""


def log_decisions(schedule: pd.DataFrame, query: CampaignQuery, root: Path) -> Path:
    """Write a schedule to the log; the file appears whole or not at all.

    Parameters
    ----------
    schedule : DataFrame
        From `serving.campaigns.schedule.build_schedule`: all columns of `decisions`, and more.
    query : CampaignQuery
    root : Path
        The workspace.

    Returns
    -------
    Path
        `decisions/<campaign>/<moment>.parquet`, which a project file may read back as
        `[tables.decisions] path = ".almanac/decisions/*/*.parquet"`.

    Raises
    ------
    InvalidRequest
        If this campaign was already decided on at this moment.
    """
    name = query.campaign_id
    moment = f"{query.decided_at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}"
    path = root / FOLDER / name / f"{moment}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        schedule.to_parquet(partial, index=False)
        # A link to a name that is taken fails, where a renaming would put it in its place.
        os.link(partial, path)
    except FileExistsError:
        raise InvalidRequest(
            f"{path}: campaign '{name}' was already decided on at this moment; "
            "decide anew at another, as a log is never overwritten"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return path
