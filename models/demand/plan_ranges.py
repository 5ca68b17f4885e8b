"""What training saw of prices and promotions: a scenario outside of it is a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.design_columns import read_rows
from features.region.panel import Panel
from models.demand.plan_changes import (
    DEPTH,
    DISPLAY,
    FLAG,
    INDEX,
    MAILER,
    PRICE,
    TABLE_DEPTH,
)
from models.demand.tree_rows import TreeBlock

Floats = npt.NDArray[np.float64]

WORDS = {
    PRICE: "price",
    INDEX: "price ÷ usual price",
    DEPTH: "depth",
    TABLE_DEPTH: "depth of the promotion",
    DISPLAY: "display",
    MAILER: "mailer",
}
"""The columns whose ranges are kept, and their names in a warning."""
_SLACK = 1e-4


@dataclass(frozen=True)
class Ranges:
    """What training saw, series by series.

    Attributes
    ----------
    series : DataFrame
        `{column}_low` and `{column}_high` of the columns of `WORDS` that are planned, NaN where
        nothing was seen; was_promoted; usual_depth, the median of its promotions, NaN for none.
    overall : dict of column to (low, high)
        Over all series of the panel.
    """

    series: pd.DataFrame
    overall: dict[str, tuple[float, float]]

    def take(self, chosen: npt.NDArray[np.int64]) -> Ranges:
        """Return those of some series; a position beyond the last is one never seen."""
        taken = self.series.reindex(chosen).reset_index(drop=True)
        promoted = taken["was_promoted"].eq(other=True)
        return Ranges(taken.assign(was_promoted=promoted), self.overall)


def find_ranges(panel: Panel) -> Ranges:
    """Read the ranges of every series of the panel, up to its origin."""
    n_series = len(panel.series)
    rows, series = _rows_so_far(panel)
    columns = {
        name: panel.known[rows, panel.known_names.index(name)].astype(np.float64)
        for name in (PRICE, DEPTH, FLAG, DISPLAY, MAILER)
        if name in panel.known_names
    }
    median = f"price_median_{panel.frequency.price_window}"
    if PRICE in columns and median in panel.history_names:
        columns[INDEX] = columns[PRICE] / _read_before(panel, median, rows, series)
    found: dict[str, Floats] = {}
    for name in WORDS:
        if name in columns:
            by_series = pd.Series(columns[name]).groupby(series)
            low, high = by_series.min(), by_series.max()
            found[f"{name}_low"] = low.reindex(range(n_series)).to_numpy(np.float64)
            found[f"{name}_high"] = high.reindex(range(n_series)).to_numpy(np.float64)
    depth = _promoted_depths(columns, series, n_series)
    table = pd.DataFrame(found, index=range(n_series))
    table["was_promoted"] = _was_promoted(columns, series, n_series)
    table["usual_depth"] = depth
    if panel.promotions is not None:
        table = _add_table(panel, table)
    return Ranges(table, _join_ranges(table))


def describe_outside(
    ranges: Ranges, blocks: Sequence[TreeBlock], changed: Sequence[npt.NDArray[np.float32]]
) -> list[str]:
    """Say which values of a scenario training never saw, of single series and altogether.

    Parameters
    ----------
    ranges : Ranges
        Of the blocks' series.
    blocks : sequence of TreeBlock
    changed : sequence of array
        Their rows with the scenario's plan.
    """
    found: dict[str, str] = {}
    for block, rows in zip(blocks, changed, strict=True):
        for column in WORDS:
            if column not in block.features or f"{column}_low" not in ranges.series:
                continue
            place = block.features.index(column)
            new, old = rows[:, :, place], block.rows[:, :, place]
            is_new = (new != old) & np.isfinite(new) & (block.scale > 0)
            words = _describe_column(ranges, column, new, is_new)
            if words:
                found.setdefault(column, words)
    if found:
        found[""] = "beyond what they saw, trees answer as for the nearest value that they saw"
    return list(found.values())


def _describe_column(
    ranges: Ranges,
    column: str,
    values: npt.NDArray[np.float32],
    is_new: npt.NDArray[np.bool_],
) -> str:
    low = ranges.series[f"{column}_low"].to_numpy()[:, None]
    high = ranges.series[f"{column}_high"].to_numpy()[:, None]
    slack = _SLACK * np.maximum(np.abs(high), 1e-6)
    outside = is_new & ~((values >= low - slack) & (values <= high + slack))
    series = np.flatnonzero(outside.any(axis=1))
    if not len(series):
        return ""
    first = int(series[0])
    value = float(values[first][outside[first]][0])
    ends = f"{low[first, 0]:.4g} to {high[first, 0]:.4g}"
    count = "" if len(values) == 1 else f" ({len(series)} of {len(values)} series, this the first)"
    whole_low, whole_high = ranges.overall[column]
    margin = _SLACK * max(abs(whole_high), 1e-6)
    beyond = values[outside]
    is_nowhere = ((beyond < whole_low - margin) | (beyond > whole_high + margin)).any()
    rest = f"; all series together were at {whole_low:.4g} to {whole_high:.4g}" * bool(is_nowhere)
    return f"{WORDS[column]} {value:.4g}: outside the range seen in training, {ends}{count}{rest}"


def _rows_so_far(panel: Panel) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the grid rows up to the origin, and the series of each."""
    first = panel.series["first_period"].to_numpy()
    counts = np.maximum(panel.origin_period - first + 1, 0)
    series = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return panel.series["start_row"].to_numpy()[series] + within, series


def _read_before(
    panel: Panel,
    name: str,
    rows: npt.NDArray[np.int64],
    series: npt.NDArray[np.int64],
) -> Floats:
    """Return a past column as of the period before each row; NaN where it is not above 0."""
    first = panel.series["first_period"].to_numpy()[series]
    period = rows - panel.series["start_row"].to_numpy()[series] + first
    column = panel.history[:, [panel.history_names.index(name)]]
    found = read_rows(panel, column, series, period - 1)[:, 0].astype(np.float64)
    return np.where(found > 0, found, np.nan)


def _was_promoted(
    columns: dict[str, Floats], series: npt.NDArray[np.int64], n_series: int
) -> npt.NDArray[np.bool_]:
    found = np.zeros(n_series, bool)
    for name in (FLAG, DEPTH):
        if name in columns:
            found[series[columns[name] > 0]] = True
    return found


def _promoted_depths(
    columns: dict[str, Floats], series: npt.NDArray[np.int64], n_series: int
) -> Floats:
    """Return the median depth of each series' discounts."""
    if DEPTH not in columns:
        return np.full(n_series, np.nan)
    deep = columns[DEPTH] > 0
    found = pd.Series(columns[DEPTH][deep]).groupby(series[deep]).median()
    return np.asarray(found.reindex(range(n_series)).to_numpy(np.float64))


def _add_table(panel: Panel, table: pd.DataFrame) -> pd.DataFrame:
    """Add what the table of promotions held for each series up to the origin."""
    plan = panel.promotions
    if plan is None:
        return table
    origin = panel.date_of(np.array([panel.origin_period]))[0].astype("datetime64[D]")
    begun = panel.date_of(panel.series["first_period"].to_numpy()).astype("datetime64[D]")
    deepest = np.zeros(len(table))
    promoted = table["was_promoted"].to_numpy().copy()
    for place, members in enumerate(plan.members):
        if plan.first_days[place] > origin:
            continue
        seen = members[begun[members] <= plan.last_days[place]]
        promoted[seen] = True
        deepest[seen] = np.maximum(deepest[seen], plan.depth[place])
    usual = table["usual_depth"].to_numpy()
    fallback = np.where(deepest > 0, deepest, np.nan)
    found = table.assign(
        was_promoted=promoted, usual_depth=np.where(np.isfinite(usual), usual, fallback)
    )
    found[f"{TABLE_DEPTH}_low"], found[f"{TABLE_DEPTH}_high"] = 0.0, deepest
    return found


def _join_ranges(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    return {
        name: (float(table[f"{name}_low"].min()), float(table[f"{name}_high"].max()))
        for name in WORDS
        if f"{name}_low" in table and table[f"{name}_low"].notna().any()
    }
