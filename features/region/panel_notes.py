"""What a panel leaves out and why, and how far its plan reaches: to be told to the user."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd

from features.region.frequency import date_of
from features.region.panel_rows import Grid
from features.region.regressors import quote


def find_unseen(engine: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return the pairs that are planned and never sold: region_id, product_id, first_period.

    A row after the origin is a plan if its units are empty, or if it was known by then.
    """
    found: pd.DataFrame = engine.execute(
        """SELECT region_id, product_id, min(period) AS first_period
           FROM facts ANTI JOIN series USING (region_id, product_id)
           WHERE is_plan GROUP BY ALL ORDER BY ALL"""
    ).df()
    return found


def find_never_sold(engine: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return the pairs with rows up to the origin, no sale and no plan: with the reason."""
    found: pd.DataFrame = engine.execute(
        """SELECT region_id, product_id, 'no sale up to the origin' AS reason
           FROM facts ANTI JOIN series USING (region_id, product_id)
           GROUP BY ALL HAVING bool_or(is_past) AND NOT bool_or(is_plan) ORDER BY ALL"""
    ).df()
    return found


def describe_plan(
    engine: duckdb.DuckDBPyConnection, grid: Grid, known_names: Sequence[str]
) -> tuple[str, ...]:
    """Say of each planned column that ends before the horizon what stands in for it."""
    planned = [name.removesuffix("_planned") for name in known_names]
    names = [name for name in planned if name != "depth"]
    if not names:
        return ()
    ends = ", ".join(f"max(period) FILTER ({quote(name)} IS NOT NULL)" for name in names)
    found = engine.execute(f"SELECT {ends} FROM facts").fetchall()[0]
    last = _show(grid.last_period, grid)
    notes = []
    for name, end in zip(names, found, strict=True):
        if end is not None and end >= grid.last_period:
            continue
        rule = "keeps its last value" if name == "price" else "takes its recent mean"
        until = (
            "has no plan after the origin"
            if end is None or end <= grid.origin_period
            else f"is planned until {_show(end, grid)}"
        )
        notes.append(f"{name} {until}; up to {last} it {rule}")
    return tuple(notes)


def describe_ends(series: pd.DataFrame, grid: Grid) -> tuple[str, ...]:
    """Say which series end within the horizon: they are forecast to its end."""
    ends = series["end_period"].to_numpy()
    within = np.flatnonzero((ends > grid.origin_period) & (ends < grid.last_period))
    if not len(within):
        return ()
    first = series.iloc[within[0]]
    reason = str(first["end_reason"]).replace("since", "from")
    return (
        f"{len(within)} series end within the horizon and are forecast beyond, such as "
        f"{first['region_id']} / {first['product_id']}: {reason}",
    )


def _show(period: int, grid: Grid) -> str:
    day = date_of(np.array([period]), grid.frequency, grid.anchor)[0]
    return str(np.datetime_as_string(day, unit="D"))
