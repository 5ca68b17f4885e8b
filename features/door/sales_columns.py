"""What the project file adds to `sales`: regressors, and returns in a column of their own."""

from __future__ import annotations

import re
from dataclasses import replace

from features.engine import Engine
from features.errors import ProjectError
from features.project import TableSettings
from features.schema import SALES, Column, Kind, Sales, Table

RESERVED = frozenset(
    {
        *(column.name for column in SALES.columns),
        *("region", "product", "series", "period", "depth", "is_out", "sold", "promotion"),
        *("has_row", "is_past", "is_seen", "is_plan", "price_given", "whole"),
    }
)
"""Names that a regressor may not have: they are columns of ours."""


def extend_table(table: Table, settings: TableSettings) -> Table:
    """Return the table that the settings ask for.

    A regressor is a column that holds numbers or true and false. Where returns are kept apart,
    units may be negative in the source.

    Raises
    ------
    ProjectError
        If another table than sales has such settings, or a regressor's name cannot be one.
    """
    where = f"[tables.{table.name}]"
    if table.name != SALES.name:
        for key, given in (("regressors", settings.regressors), ("returns", settings.returns)):
            if given not in ({}, "refuse"):
                raise ProjectError(f"{where} {key}: is for sales only, got {given!r}. Remove it.")
        return table
    for name in settings.regressors:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED:
            raise ProjectError(
                f"{where} regressors: expected a name of your own in small letters, digits and "
                f"underscores, got '{name}'"
                + (", which is a column of Almanac's" if name in RESERVED else "")
                + '. It is written as ours = theirs: regressors = { school_holiday = "..." }.'
            )
    columns = [
        replace(column, minimum=None)
        if column.name == Sales.UNITS and settings.returns == "separate"
        else column
        for column in table.columns
    ]
    columns += [Column(name, Kind.SIGNAL) for name in settings.regressors]
    return replace(table, columns=tuple(columns))


def with_returns_apart(typed: str) -> str:
    """Move negative units to `returned_units`, positive; such a row sold 0."""
    return (
        "SELECT * REPLACE (CASE WHEN units < 0 THEN 0 ELSE units END AS units, "
        "CASE WHEN units < 0 THEN coalesce(returned_units, 0) - units ELSE returned_units END "
        f"AS returned_units) FROM ({typed})"
    )


def count_returns(engine: Engine, typed: str) -> tuple[str, ...]:
    """Say how many rows of `typed` have negative units; nothing if none has."""
    query = f"SELECT count(*), sum(-units) FROM ({typed}) WHERE units < 0"
    rows, units = engine.execute(query).fetchall()[0]
    if not rows:
        return ()
    return (f"{rows:,} rows with negative units, {units:,g} in all, kept as returned_units",)
