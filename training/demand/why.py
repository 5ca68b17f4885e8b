"""Why a forecast is what it is, as a table to be read: published, or worked out when asked."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date

import pandas as pd

from features.errors import InvalidRequest, UnknownName
from features.project import Project
from features.region.panel import Panel
from features.schema import ALL
from models.artifact import load_published
from models.demand.coherent import Coherent
from models.demand.model import DemandModel
from models.demand.prophet_reasons import COMPONENTS
from models.demand.reasons import PARTS, WORDS
from models.demand.sample_paths import keep_paths
from models.demand.scenario import find_series
from training.demand.explanations import PROPHET_FILE, REASONS_FILE, order_series, reason_nodes
from training.demand.steps import load_panel
from training.recipes import FORECASTS_FILE

_KEYS = ["region_id", "product_id"]


def explain_forecast(
    project: Project, region: str, product: str, day: date | None = None
) -> pd.DataFrame:
    """Return the parts of the champion's forecast of a node.

    Parameters
    ----------
    project : Project
    region, product : str
        Of any level; 'all' is the whole.
    day : date, optional
        A single date of the forecast; all by default.

    Returns
    -------
    DataFrame
        date, mean and `models.demand.reasons.PARTS`, which sum to it; units.

    Raises
    ------
    NotTrained
        If no demand model is published.
    UnknownName, InvalidRequest
        If nothing is forecast for the node or on the date.
    """
    _, artifact = load_published(project.workspace.published, "demand")
    forecasts = _read(artifact.files, FORECASTS_FILE)
    asked = _select(forecasts, region, product)
    if REASONS_FILE in artifact.files:
        reasons = _read(artifact.files, REASONS_FILE)
    else:
        panel, model, made = remake(project, artifact.files)
        paths = keep_paths(panel, made, model.calibration.shocks, model.calibration.seed)
        series = order_series(made)[find_series(paths, region, product)]
        reasons = reason_nodes(panel, model, made, series)
    own = _select(reasons, region, product).drop(columns=["level", *_KEYS])
    table = asked[["date", "mean"]].assign(date=pd.to_datetime(asked["date"]))
    found = table.merge(own.assign(date=pd.to_datetime(own["date"])), on="date")
    found["date"] = found["date"].dt.date
    if day is not None:
        first, last = found["date"].min(), found["date"].max()
        found = found[found["date"] == day].reset_index(drop=True)
        if found.empty:
            raise InvalidRequest(f"date {day}: expected a date of the forecast, {first} to {last}")
    return found


def explain_prophet(
    project: Project, region: str, product: str, day: date | None = None
) -> pd.DataFrame | None:
    """Return Prophet's own parts of a region's total; None where Prophet forecast nothing."""
    _, artifact = load_published(project.workspace.published, "demand")
    if PROPHET_FILE not in artifact.files or product != ALL:
        return None
    table = _read(artifact.files, PROPHET_FILE)
    own = table[table["region_id"] == region].drop(columns="region_id")
    own = own.assign(date=pd.to_datetime(own["date"]).dt.date)
    found = own if day is None else own[own["date"] == day]
    return None if found.empty else found


def tell_why(project: Project, region: str, product: str, day: date | None = None) -> str:
    """Return the parts of a forecast in words, and Prophet's own view where it has one.

    Parameters and errors are those of `explain_forecast`.
    """
    told = describe_reasons(explain_forecast(project, region, product, day))
    prophet = explain_prophet(project, region, product, day)
    return told if prophet is None else f"{told}\n\n{describe_prophet(prophet)}"


def describe_reasons(table: pd.DataFrame) -> str:
    """Write reasons as text: a day in words, several as a table with their sums and the words."""
    if len(table) == 1:
        row = table.iloc[0]
        lines = [f"{row['date']}: {row['mean']:.2f} units, of which"]
        lines += [f"  {row[part]:+10.2f}  {_label(part):<13} {WORDS[part]}" for part in PARTS]
        return "\n".join(lines)
    figures = ["mean", *PARTS]
    whole = pd.DataFrame([{"date": "together", **table[figures].sum().to_dict()}])
    joined = pd.concat([table.assign(date=table["date"].astype(str)), whole], ignore_index=True)
    shown = joined.rename(columns={part: _label(part) for part in PARTS})
    text = shown.to_string(index=False, float_format=_write_units)
    words = "\n".join(f"  {_label(part):<13} {WORDS[part]}" for part in PARTS)
    return f"{text}\n\nThe parts sum to the mean, in units:\n{words}"


def describe_prophet(table: pd.DataFrame) -> str:
    """Write Prophet's parts as text."""
    shown = table[["date", "mean", "trend", *COMPONENTS, "floor"]]
    text = shown.to_string(index=False, float_format=_write_units)
    return f"Prophet's own view of this total, one of the members it is blended from:\n{text}"


def remake(project: Project, files: Mapping[str, bytes]) -> tuple[Panel, DemandModel, Coherent]:
    """Return the published model, its panel as of its origin, and its forecast made again."""
    model = DemandModel.from_files(files)
    origin = pd.to_datetime(_read(files, FORECASTS_FILE)["origin"]).max().date()
    panel = load_panel(project, origin)
    return panel, model, model.make(panel)[0]


def _select(table: pd.DataFrame, region: str, product: str) -> pd.DataFrame:
    for name, value in (("region", region), ("product", product)):
        known = table[f"{name}_id"]
        if not known.eq(value).any():
            raise UnknownName(name, value, known.unique())
    found = table[(table["region_id"] == region) & (table["product_id"] == product)]
    if found.empty:
        raise InvalidRequest(f"nothing is forecast for '{product}' in '{region}'")
    # A node of a ragged tree is written at each of its levels alike.
    own: pd.DataFrame = found[found["level"] == found["level"].iloc[0]]
    return own.reset_index(drop=True)


def _read(files: Mapping[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(files[name]))


def _write_units(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no minus before a zero


def _label(part: str) -> str:
    return part.replace("_", " ")
