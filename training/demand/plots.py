"""Pictures of a demand backtest, each drawn on axes that the caller gives."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from features.schema import ALL
from training.demand.scores import EVERY
from training.palette import (
    INK,
    MODEL_STYLES,
    label_axes,
    list_names,
    name_of,
    show_percent,
    style_of,
    write_plainly,
)

INTERVALS = ((95, "q025", "q975", 0.18), (80, "q10", "q90", 0.34))
"""Nominal coverage in percent, lower and upper quantile, and how strongly its band is drawn."""


def draw_error_by_horizon(axes: Axes, scores: pd.DataFrame, level: str) -> None:
    """Draw the WAPE of every model at one level against the horizon.

    Parameters
    ----------
    axes : Axes
    scores : DataFrame
        `DemandBacktest.scores`.
    level : str
        Such as 'store/category'.
    """
    rows = _drawn(scores[(scores["level"] == level) & (scores["bucket"] != EVERY)])
    buckets = sort_buckets(rows)
    for model, table in rows.groupby("model", sort=True):
        wape = table.set_index("bucket")["wape"].reindex(buckets)
        colour, marker, line = style_of(str(model))
        axes.plot(
            range(len(buckets)), wape, color=colour, marker=marker, linestyle=line,
            label=name_of(str(model)),
        )  # fmt: skip
    axes.set_xticks(range(len(buckets)), buckets)
    label_axes(
        axes,
        title=f"Error by horizon, {write_plainly(level)}",
        x="periods after the origin",
        y="WAPE, % of units sold",
    )
    show_percent(axes, on="y")
    _add_legend_below(axes)


def draw_error_by_level(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw the WAPE of every model over all horizons, the finest level at the top.

    Within the band of a level each model has a line of its own, so that equal errors stay apart.
    """
    rows = _drawn(scores[scores["bucket"] == EVERY])
    levels = sort_levels(scores)
    models = sorted(str(model) for model in rows["model"].unique())
    for number, model in enumerate(models):
        table = rows[rows["model"] == model]
        shift = 0.7 * ((number + 0.5) / len(models) - 0.5)
        places = {level: place + shift for place, level in enumerate(levels)}
        colour, marker, _ = style_of(model)
        axes.plot(
            table["wape"], table["level"].map(places), color=colour, marker=marker,
            linestyle="none", ms=5, label=name_of(model),
        )  # fmt: skip
    list_names(axes, levels)
    axes.set_xlim(left=0.0)
    label_axes(axes, title="Error by level, all horizons", x="WAPE, % of units sold", y="level")
    show_percent(axes, on="x")
    _add_legend_below(axes)


def draw_coverage(axes: Axes, scores: pd.DataFrame, level: str, model: str) -> None:
    """Draw how often outcomes fell into the intervals at one level, against the nominal share."""
    rows = scores[
        (scores["level"] == level) & (scores["model"] == model) & (scores["bucket"] != EVERY)
    ]
    buckets = sort_buckets(rows)
    table = rows.set_index("bucket").reindex(buckets)
    colour, _, _ = style_of(model)
    for percent, marker in ((95, "s"), (80, "o")):
        axes.axhline(percent / 100, color=INK, linewidth=0.9, linestyle="--")
        measured = table[f"coverage_{percent}"]
        axes.plot(
            range(len(buckets)),
            measured,
            color=colour,
            marker=marker,
            clip_on=False,
            label=f"{percent} % interval",
        )
    axes.set_xticks(range(len(buckets)), buckets)
    lowest = float(table[["coverage_80", "coverage_95"]].min().min())
    axes.set_ylim(min(0.7, lowest - 0.05), 1.0)
    label_axes(
        axes,
        title=f"Coverage of {name_of(model)}, {write_plainly(level)}",
        x="periods after the origin (dashed: nominal)",
        y="outcomes inside, %",
    )
    show_percent(axes, on="y")
    _add_legend(axes)


def draw_series(axes: Axes, rows: pd.DataFrame, *, title: str) -> None:
    """Draw one series: what was sold, what was forecast at each origin, and its intervals.

    Parameters
    ----------
    axes : Axes
    rows : DataFrame
        Rows of one model, region and product of `DemandBacktest.forecasts`, or of a published
        forecast; units may be absent or empty.
    title : str
        In words; an id within it should come through `write_plainly`.
    """
    dates = pd.to_datetime(rows["date"])
    shown = rows.assign(date=dates).sort_values("date")
    for number, (origin, table) in enumerate(shown.groupby("origin", sort=True)):
        for percent, low, high, alpha in INTERVALS:
            axes.fill_between(
                table["date"], table[low], table[high], color="#0072B2", alpha=alpha, linewidth=0,
                label=f"{percent} % interval" if number == 0 else None,
            )  # fmt: skip
        axes.plot(
            table["date"], table["mean"], color="#0072B2", linewidth=1.4,
            label="forecast" if number == 0 else None,
        )  # fmt: skip
        axes.axvline(
            float(date2num(pd.Timestamp(str(origin)))), color=INK, linewidth=0.7, linestyle=":"
        )
    draw_sales(axes, shown)
    # Room for the legend above what is drawn.
    axes.set_ylim(0.0, 1.25 * max(axes.get_ylim()[1], 0.8))
    label_axes(axes, title=title, x="date (dotted: origins)", y="units a period")
    axes.legend(fontsize=8, frameon=False, ncols=4, loc="upper right")


def draw_sales(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the units of one series by date; dates without units are left out."""
    if "units" in rows:
        dates = pd.to_datetime(rows["date"])
        axes.plot(dates, rows["units"], color=INK, linewidth=0.8, marker=".", ms=3, label="sold")
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def draw_regions(axes: Axes, regions: pd.DataFrame) -> None:
    """Draw the error of regions against their best baseline.

    Parameters
    ----------
    axes : Axes
    regions : DataFrame
        `training.findings.score_regions`: region, wape, baseline_wape; drawn in that order.
    """
    places = range(len(regions))
    axes.hlines(places, regions["wape"], regions["baseline_wape"], color="#bbbbbb", linewidth=2)
    for column, model in (("baseline_wape", str(regions.attrs["baseline"])), ("wape", "almanac")):
        colour, marker, _ = style_of(model)
        axes.plot(
            regions[column], places, color=colour, marker=marker, linestyle="none",
            label=name_of(model),
        )  # fmt: skip
    list_names(axes, [str(region) for region in regions["region"]])
    label_axes(axes, title="Regions with the greatest error", x="WAPE, % of units sold", y="region")
    show_percent(axes, on="x", decimals=None)
    _add_legend(axes)


def sort_buckets(scores: pd.DataFrame) -> list[str]:
    """Return the horizon buckets of a table from near to far, without the one of all rows."""
    names = {str(name) for name in scores["bucket"]} - {EVERY}
    return sorted(names, key=lambda name: int(name.split("-")[0]))


def sort_levels(scores: pd.DataFrame) -> list[str]:
    """Return the levels from the finest, which has most rows, to the whole.

    Where a level has as many rows as the one above it, such as the only product of every region,
    the one that says more comes first.
    """
    counts = scores[scores["bucket"] == EVERY].groupby("level")["n_rows"].max()
    levels = {str(level): int(count) for level, count in counts.items()}
    return sorted(levels, key=lambda name: (-levels[name], name.split("/").count(ALL), name))


def _drawn(scores: pd.DataFrame) -> pd.DataFrame:
    """Leave the models without a colour of their own to the tables."""
    return scores[scores["model"].isin(MODEL_STYLES)]


def _add_legend(axes: Axes) -> None:
    axes.legend(fontsize=8, frameon=False)


def _add_legend_below(axes: Axes) -> None:
    """Put a legend of many models where no curve runs."""
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.18))
