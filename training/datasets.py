"""The datasets as files, as of a cut-off: customers, and region × product × period."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.customer.customers import (
    USUAL_HALF_LIFE_DAYS,
    customer_features,
    write_customer_features,
)
from features.customer.dialect import to_utc
from features.engine import open_engine
from features.project import Project
from features.region.panel import Panel
from training.config import PromotionSettings
from training.demand.steps import load_panel
from training.promotion.steps import SliceReader


def build_datasets(project: Project, as_of: datetime | None) -> Iterator[tuple[Path, int]]:
    """Write the datasets that the project's tables allow; yield each file and its rows.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    as_of : datetime or None
        Cut-off, in UTC or with a zone: nothing from it on is read. None for the end of the data.
    """
    if project.workspace.table("events").exists():
        yield _write_customers(project, as_of)
    if project.workspace.table("sales").exists():
        yield _write_panel(project, as_of)


def _write_customers(project: Project, as_of: datetime | None) -> tuple[Path, int]:
    half_life = project.section("promotion", PromotionSettings).half_life_days
    if as_of is None:
        with SliceReader(project, half_life_days=half_life) as reader:
            as_of = reader.read_span()[1] + timedelta(microseconds=1)
    path = project.workspace.datasets / "customers" / f"{to_utc(as_of):%Y%m%dT%H%M%SZ}.parquet"
    with open_engine(project.settings.threads, project.settings.memory_limit) as engine:
        rows = write_customer_features(
            engine,
            project.workspace,
            as_of,
            customer_features(half_life or USUAL_HALF_LIFE_DAYS),
            time_zone=project.settings.time_zone,
            path=path,
        )
    return path, rows


def _write_panel(project: Project, as_of: datetime | None) -> tuple[Path, int]:
    origin = None if as_of is None else (to_utc(as_of) - timedelta(days=1)).date()
    panel = load_panel(project, origin)
    table = tabulate_panel(panel)
    last = panel.date_of(np.array([panel.origin_period]))[0]
    path = project.workspace.datasets / "regions" / f"{np.datetime_as_string(last)}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    table.to_parquet(partial, index=False)
    partial.replace(path)
    return path, len(table)


def tabulate_panel(panel: Panel) -> pd.DataFrame:
    """Return the panel as one table: region_id, product_id, date, units, then its features."""
    starts = panel.series["start_row"].to_numpy()
    lengths = np.diff(np.append(starts, len(panel.units)))
    first = np.repeat(panel.series["first_period"].to_numpy(), lengths)
    periods = first + np.arange(len(panel.units)) - np.repeat(starts, lengths)
    keys = (
        panel.series[["region_id", "product_id"]]
        .loc[panel.series.index.repeat(lengths)]
        .reset_index(drop=True)
    )
    return pd.concat(
        [
            keys.assign(date=panel.date_of(periods), units=panel.units),
            pd.DataFrame(panel.history, columns=panel.history_names),
            pd.DataFrame(panel.known, columns=panel.known_names),
        ],
        axis=1,
    )
