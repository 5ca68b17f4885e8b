"""Pictures of what changed: scores before and after, the forecasts that moved most, best hours."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from training.palette import (
    BETTER_STYLE,
    FAINT,
    UNSURE_STYLE,
    WORSE_STYLE,
    label_axes,
    list_names,
    open_figure,
    show_percent,
    write_plainly,
)

_STYLES = {"better": BETTER_STYLE, "worse": WORSE_STYLE, "same": UNSURE_STYLE}
_BEFORE, _AFTER = "#E69F00", "#0072B2"


def make_change_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of a comparison by name; none where nothing was compared."""
    figures = {}
    scores = tables.get("change_scores")
    if scores is not None and (scores["score"] == "wape").any():
        rows = scores[scores["score"] == "wape"]
        figure, (axes,) = open_figure(10, 1.3 + 0.3 * len(rows))
        draw_score_changes(axes, rows)
        figures["change_in_error"] = figure
    paths = tables.get("change_paths")
    if paths is not None and len(paths):
        series = [rows for _, rows in paths.groupby(["region", "product"], sort=False)]
        figure, panels = open_figure(10, 2.2 * len(series), rows=len(series))
        for axes, rows in zip(panels, series, strict=True):
            draw_moved(axes, rows)
        figures["forecasts_that_moved_most"] = figure
    hours = tables.get("change_hours")
    if hours is not None and len(hours):
        figure, (axes,) = open_figure(10, 2.4)
        draw_hours(axes, hours)
        figures["best_hours_that_moved"] = figure
    return figures


def draw_score_changes(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw WAPE before and after by level; marker and colour say whether it got better.

    Parameters
    ----------
    axes : Axes
    rows : DataFrame
        Of `compare_scores`, of one score: level, before, after, verdict; drawn in that order.
    """
    axes.hlines(range(len(rows)), rows["before"], rows["after"], color="#bbbbbb", linewidth=2)
    axes.plot(rows["before"], range(len(rows)), "s", color=FAINT, ms=5, label="before")
    drawn: set[str] = set()
    for place, row in enumerate(rows.to_dict("records")):
        colour, marker = _STYLES[row["verdict"]]
        label = f"now, {row['verdict']}" if row["verdict"] not in drawn else None
        axes.plot([row["after"]], [place], color=colour, marker=marker, linestyle="none", ms=7,
                  label=label)  # fmt: skip
        drawn.add(row["verdict"])
    list_names(axes, [str(level) for level in rows["level"]])
    label_axes(axes, title="Error before and now", x="WAPE, % of units sold", y="level")
    show_percent(axes, on="x", decimals=None)
    axes.legend(fontsize=8, frameon=False)


def draw_moved(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the old forecast of a series with its 80 % interval, and the new one.

    Parameters
    ----------
    axes : Axes
    rows : DataFrame
        Of `change_paths`, of one series: region, product, date, before, low, high, after.
    """
    dates = pd.to_datetime(rows["date"])
    axes.fill_between(dates, rows["low"], rows["high"], color=_BEFORE, alpha=0.2, linewidth=0,
                      label="80 % interval before")  # fmt: skip
    axes.plot(dates, rows["before"], color=_BEFORE, linestyle="--", label="before")
    axes.plot(dates, rows["after"], color=_AFTER, marker=".", ms=4, label="now")
    axes.set_ylim(0.0, 1.3 * max(axes.get_ylim()[1], 0.8))
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    first = rows.iloc[0]
    name = f"{write_plainly(str(first['region']))} / {write_plainly(str(first['product']))}"
    label_axes(axes, title=name, x="", y="units a period")
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper right")


def draw_hours(axes: Axes, hours: pd.DataFrame) -> None:
    """Draw by how much the best hour of customers moved, as shares of them."""
    axes.barh(range(len(hours)), hours["share"], color=_AFTER)
    list_names(axes, [str(words) for words in hours["moved"]])
    label_axes(axes, title="How far the best hour of a customer moved", x="customers, %", y="")
    show_percent(axes, on="x")
