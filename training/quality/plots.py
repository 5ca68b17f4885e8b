"""Pictures of what tables hold: rows by day, so that a cut delivery is seen at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from training.palette import label_axes, open_figure
from training.quality.measure import DAYS

_WIDTH, _HEIGHT = 10, 1.9


def make_quality_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of measured tables by name; none where nothing was measured."""
    days = tables.get(DAYS)
    if days is None or days.empty:
        return {}
    names = [str(name) for name in days["table"].unique()]
    figure, panels = open_figure(_WIDTH, _HEIGHT * len(names), rows=len(names))
    for axes, name in zip(panels, names, strict=True):
        draw_rows(axes, days[days["table"] == name], title=name)
    return {"rows_by_day": figure}


def draw_rows(axes: Axes, days: pd.DataFrame, *, title: str) -> None:
    """Draw how many rows each day holds; days without any are drawn at zero.

    Parameters
    ----------
    axes : Axes
    days : DataFrame
        `date, rows` of one table; weeks and months have a dot each.
    title : str
    """
    dates = pd.to_datetime(days["date"])
    rows = pd.Series(days["rows"].to_numpy(dtype=np.float64), index=dates).sort_index()
    is_daily = len(rows) > 1 and rows.index.to_series().diff().dt.days.median() <= 1
    if is_daily:
        rows = rows.asfreq("D", fill_value=0.0)
    style = {"linewidth": 0.9} if is_daily else {"linewidth": 0.0, "marker": "o", "ms": 3}
    axes.plot(rows.index, rows, color="#0072B2", **style)
    axes.set_ylim(bottom=0.0)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    label_axes(axes, title=title, x="", y="rows a day" if is_daily else "rows a date")
