"""Forecasts as a table: the champion's where they answer the question, else fitted for it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date

import pandas as pd

from features.errors import UnknownName
from features.progress import Progress
from features.project import Project
from features.region.frequency import FREQUENCIES, count_periods
from features.schema import ALL
from models.artifact import load_published
from models.demand.model import INTERVAL_NAMES
from models.demand.quantiles import QUANTILE_NAMES
from training.config import DemandSettings
from training.demand.steps import fit_demand, forecast_demand, load_panel
from training.lifecycle import is_published
from training.recipes import FORECASTS_FILE, RECIPES

COLUMNS = (
    "region", "product", "date", "mean", *INTERVAL_NAMES, *QUANTILE_NAMES, "level", "origin",
    "model", "evidence",
)  # fmt: skip


def make_forecasts(
    project: Project,
    fingerprints: Mapping[str, str],
    progress: Progress,
    *,
    origin: date | None = None,
    horizon_days: int | None = None,
) -> pd.DataFrame:
    """Return demand at every level after an origin, knowing nothing later than it.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    fingerprints : mapping of table name to str
        Of these tables: a champion of other data does not answer.
    progress : Progress
    origin : date, optional
        By default the last date with sales.
    horizon_days : int, optional
        By default what the project file says.

    Returns
    -------
    DataFrame
        `COLUMNS`; units of the sales table, quantiles sorted within a row.
    """
    if is_published(project, RECIPES["demand"], fingerprints):
        ready = _find_published(project, origin, horizon_days)
        if ready is not None:
            progress.say("these are the champion's forecasts")
            return _rename(ready)
    progress.say("no champion is of this origin, horizon and data: fitting for it")
    panel = load_panel(project, origin, horizon_days)
    model = fit_demand(project, progress, origin=origin, horizon_days=horizon_days, panel=panel)
    return _rename(forecast_demand(project, model, origin=origin, horizon_days=horizon_days))


def select_level(forecasts: pd.DataFrame, level: str = "") -> pd.DataFrame:
    """Return the rows of one level.

    Parameters
    ----------
    forecasts : DataFrame
        From `make_forecasts`.
    level : str
        A level, such as 'store/category'; 'all' for all of them; '' for the finest.

    Raises
    ------
    UnknownName
        If there is no such level.
    """
    if level == ALL:
        return forecasts
    levels = forecasts["level"].value_counts()
    if level and level not in levels:
        raise UnknownName("level", level, list(levels.index))
    return forecasts[forecasts["level"] == (level or levels.index[0])].reset_index(drop=True)


def _find_published(
    project: Project, origin: date | None, horizon_days: int | None
) -> pd.DataFrame | None:
    _, artifact = load_published(project.workspace.published, "demand")
    ready = pd.read_parquet(io.BytesIO(artifact.files[FORECASTS_FILE]))
    if origin is not None and (pd.to_datetime(ready["origin"]) != pd.Timestamp(origin)).any():
        return None
    dates = ready["date"].drop_duplicates().sort_values()
    if horizon_days is None:
        return ready
    settings = project.section("demand", DemandSettings)
    wanted = count_periods(FREQUENCIES[settings.frequency], horizon_days)
    return None if wanted > len(dates) else ready[ready["date"].isin(dates.iloc[:wanted])]


def _rename(forecasts: pd.DataFrame) -> pd.DataFrame:
    renamed = forecasts.rename(columns={"region_id": "region", "product_id": "product"})
    dated = renamed.assign(
        date=pd.to_datetime(renamed["date"]).dt.date,
        origin=pd.to_datetime(renamed["origin"]).dt.date,
    )
    return dated[list(COLUMNS)]
