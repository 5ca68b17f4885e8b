"""Pictures of the page on channels: lifts, overlap, journeys, funnels and incidents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.omnichannel.lift import LEAST_OVERLAP, Lift
from training.omnichannel.proportions import find_wilson_bounds
from training.palette import (
    FAINT,
    INK,
    SERIES_STYLES,
    draw_estimate,
    label_axes,
    list_names,
    mark_zero,
    open_figure,
    show_percent,
    write_plainly,
)

_RAW, _ADJUSTED = ("#7a7a7a", "o"), ("#0072B2", "D")
_BINS = 25
_DARK = 0.6


def draw_lift(lift: Lift) -> Figure:
    """Draw raw and adjusted differences, and how alike the two groups are."""
    figure, (effects, overlap) = open_figure(10, 3.4, columns=2)
    names = []
    for place, row in enumerate(lift.effects.to_dict("records")):
        draw_estimate(effects, 2 * place, row["raw"], (row["raw_low"], row["raw_high"]), style=_RAW)
        like = row["low"], row["high"]
        draw_estimate(effects, 2 * place + 1, row["adjusted"], like, style=_ADJUSTED)
        names += [f"{row['outcome']}, raw", f"{row['outcome']}, adjusted"]
    mark_zero(effects)
    list_names(effects, names)
    show_percent(effects, on="x")
    label_axes(
        effects,
        title="Several channels against one",
        x="relative difference, with 95 % interval",
        y="",
    )
    effects.xaxis.set_major_locator(MaxNLocator(5))
    _draw_overlap(overlap, lift)
    return figure


def draw_journeys(shares: pd.DataFrame, *, title: str, x: str, y: str) -> Figure:
    """Draw a matrix of shares, rows sum to 1.

    Parameters
    ----------
    shares : DataFrame
        Row and column names are channels.
    title, x, y : str
    """
    size = 0.5 * len(shares) + 1.3
    figure, (axes,) = open_figure(0.9 * len(shares.columns) + 2.5, size)
    values = shares.to_numpy(dtype=np.float64)
    image = axes.imshow(values, cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(shares.columns)), [write_plainly(str(name)) for name in shares])
    axes.set_yticks(range(len(shares)), [write_plainly(str(name)) for name in shares.index])
    for row, line in enumerate(values):
        for column, share in enumerate(line):
            colour = INK if share > _DARK else "white"
            axes.text(
                column, row, f"{share:.0%}", ha="center", va="center", color=colour, fontsize=9
            )
    label_axes(axes, title=title, x=x, y=y)
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, pad=0.02).ax.tick_params(labelsize=7)
    return figure


def draw_funnel(table: pd.DataFrame) -> Figure:
    """Draw the conversion of each step by channel, with Wilson's 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        Of `training.omnichannel.step_rows.tabulate_steps` by channel.
    """
    names = list(dict.fromkeys(table.sort_values("step")["name"]))
    channels = sorted(table["channel"].unique())
    figure, (axes,) = open_figure(10, 1.4 + 0.55 * len(names))
    spread = 0.5 / max(len(channels), 1)
    for place, channel in enumerate(channels):
        style = SERIES_STYLES[place % len(SERIES_STYLES)]
        rows = table[table["channel"] == channel]
        shift = (place - (len(channels) - 1) / 2) * spread
        heights = rows["name"].map(names.index).to_numpy() + shift
        ends = np.vstack([rows["conversion"] - rows["low"], rows["high"] - rows["conversion"]])
        axes.errorbar(
            rows["conversion"], heights, xerr=np.maximum(ends, 0.0), linestyle="none",
            color=style[0], marker=style[1], ms=5, linewidth=2, label=channel,
        )  # fmt: skip
    list_names(axes, names)
    axes.set_xlim(0.0, 1.0)
    show_percent(axes, on="x")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    label_axes(axes, title="From step to step, by channel", x="conversion, 95 % interval", y="")
    return figure


def draw_incident(weeks: pd.DataFrame, incident: Mapping[Any, Any], title: str) -> Figure:
    """Draw the share of attempts that ordered, week by week, with the days of an incident.

    Parameters
    ----------
    weeks : DataFrame
        `week` (its first day), `attempts, ordered`.
    incident : mapping
        A row of `Friction.incidents`.
    title : str
    """
    figure, (axes,) = open_figure(10, 2.8)
    share = weeks["ordered"] / weeks["attempts"]
    low, high = find_wilson_bounds(weeks["ordered"], weeks["attempts"])
    axes.axvspan(
        incident["first_day"],
        incident["last_day"] + pd.Timedelta(days=1),
        color="#D55E00",
        alpha=0.18,
        linewidth=0,
    )
    axes.fill_between(weeks["week"], low, high, color=FAINT, alpha=0.25, linewidth=0)
    axes.plot(weeks["week"], share, color=_ADJUSTED[0], marker="o", ms=4)
    axes.set_ylim(0.0, min(1.0, 1.15 * float(high.max())))
    show_percent(axes, on="y")
    label_axes(
        axes,
        title=title.replace("$", r"\$"),
        x="week of the step (shaded: the incident)",
        y="ordered",
    )
    return figure


def _draw_overlap(overlap: Axes, lift: Lift) -> None:
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    for mask, (colour, _), name in (
        (~lift.is_several, _RAW, "one channel"),
        (lift.is_several, _ADJUSTED, "several channels"),
    ):
        overlap.hist(
            lift.propensity[mask], bins=edges.tolist(), density=True, histtype="step",
            linewidth=1.8, color=colour, label=name,
        )  # fmt: skip
    for bound in (LEAST_OVERLAP, 1 - LEAST_OVERLAP):
        overlap.axvline(bound, color=INK, linewidth=0.9, linestyle="--")
    overlap.legend(fontsize=8, frameon=False)
    label_axes(
        overlap,
        title="Overlap (dashed: trimmed beyond)",
        x="propensity of several channels",
        y="density",
    )
