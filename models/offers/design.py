"""From a customer feature table to the numbers that learners read, the same in every reading."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from features.errors import MissingColumn, NotEnoughData

MAX_LEVELS = 12
"""Of a text column: its most frequent values; all others share the row of zeros."""
NEVER = ("customer_id", "time_zone", "time_zone_source", "consent")
"""Columns of the customer feature table that are keys or permissions, not features."""


@dataclass(frozen=True)
class Design:
    """The columns that are read, and what each becomes.

    Attributes
    ----------
    numbers : tuple of str
        Columns read as they are; flags as 0 and 1.
    levels : dict of str to tuple of str
        Text columns, and the values that get a column of 0 and 1 each.
    """

    numbers: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of `build`."""
        texts = (f"{name}={level}" for name, levels in self.levels.items() for level in levels)
        return (*self.numbers, *texts)

    def build(self, table: pd.DataFrame) -> np.ndarray:
        """Return the numbers of every row, float64 of shape (n, d), NaN where empty.

        Raises
        ------
        MissingColumn
            If the table lacks a column.
        """
        for name in (*self.numbers, *self.levels):
            if name not in table.columns:
                raise MissingColumn(
                    "customer features",
                    "the customers given",
                    name,
                    expected="every column that the offers were fitted on",
                    got=f"{len(table.columns)} columns without it",
                    fix="Build them with the same declaration of features.",
                )
        parts = [table[name].to_numpy(np.float64, na_value=np.nan) for name in self.numbers]
        for name, levels in self.levels.items():
            values = table[name].astype("object").to_numpy()
            parts += [(values == level).astype(np.float64) for level in levels]
        return np.column_stack(parts) if parts else np.empty((len(table), 0))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "numbers": list(self.numbers),
            "levels": [[name, list(levels)] for name, levels in self.levels.items()],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        levels = {name: tuple(values) for name, values in document["levels"]}
        return cls(tuple(document["numbers"]), levels)


def fit_design(table: pd.DataFrame, *, leave_out: Collection[str] = NEVER) -> Design:
    """Choose the columns of a table that vary, and the values of its texts.

    Parameters
    ----------
    table : DataFrame
        One row per customer; numbers, flags and texts are read, lists and times are not.
    leave_out : collection of str
        Columns that are never features.

    Raises
    ------
    NotEnoughData
        If no column is left.

    Examples
    --------
    >>> table = pd.DataFrame({"orders": [1, 2], "channel": ["web", "app"]})
    >>> design = fit_design(table)
    >>> design.names, design.build(table).tolist()
    (('orders', 'channel=app', 'channel=web'), [[1.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
    """
    numbers: list[str] = []
    levels: dict[str, tuple[str, ...]] = {}
    for name in (str(column) for column in table.columns if column not in leave_out):
        values = table[name].dropna()
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            if len(values) > 0 and values.min() != values.max():
                numbers.append(name)
        elif pd.api.types.is_string_dtype(values):
            counts = values.astype(str).value_counts()
            if len(counts) > 1:
                common = sorted(counts.index, key=lambda level: (-counts[level], level))
                levels[name] = tuple(sorted(common[:MAX_LEVELS]))
    if not numbers and not levels:
        raise NotEnoughData(
            f"offers: expected at least one column that differs between customers, got none of "
            f"{len(table.columns)}; build customer features before the experiment"
        )
    return Design(tuple(numbers), levels)
