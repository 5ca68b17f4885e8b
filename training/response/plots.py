"""Pictures of responses: what models gain, whether chances come true, and how long opens take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.response.hazard import DAY_PARTS
from training.palette import (
    INK,
    SERIES_STYLES,
    label_axes,
    name_of,
    open_figure,
    show_percent,
    style_of,
)
from training.promotion.plots import draw_gains

WITHIN = {"opened_1h": "1 hour", "opened_24h": "24 hours", "opened_7d": "7 days"}
"""Columns of the delays, and after how long each counts."""
EVERY_PART = "all"


def make_response_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of response models by name, in the order they are best read.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training: `response_gains`, `response_reliability` and `response_delays`;
        what is not there is not drawn.
    """
    figures = {}
    gains, delays = tables.get("response_gains"), tables.get("response_delays")
    if gains is not None and len(gains):
        figure, (left, right) = open_figure(10, 3.8, columns=2)
        draw_gains(left, gains)
        draw_response_reliability(right, tables["response_reliability"])
        figures["response_gains_and_reliability"] = figure
    if delays is not None and len(delays):
        figure, (left, right) = open_figure(10, 3.6, columns=2)
        draw_opened(left, delays)
        draw_delays(right, delays)
        figures["time_to_open"] = figure
    return figures


def draw_response_reliability(axes: Axes, bins: pd.DataFrame) -> None:
    """Draw how often messages were answered against how likely each model said it was.

    Parameters
    ----------
    axes : Axes
    bins : DataFrame
        `ResponseBacktest.reliability`.
    """
    end = 1.08 * float(np.max(bins[["predicted", "observed_high"]].to_numpy(), initial=1e-6))
    axes.plot([0, end], [0, end], color=INK, linewidth=0.9, linestyle="--")
    for model, rows in bins.groupby("model", sort=False):
        colour, marker, line = style_of(str(model))
        ends = [rows["observed"] - rows["observed_low"], rows["observed_high"] - rows["observed"]]
        axes.errorbar(
            rows["predicted"], rows["observed"], yerr=np.maximum(ends, 0.0), color=colour,
            marker=marker, linestyle=line, ms=4, linewidth=0.9, label=name_of(str(model)),
        )  # fmt: skip
    axes.set_xlim(0, end)
    axes.set_ylim(0, end)
    label_axes(
        axes,
        title="Answers foreseen and come (dashed: perfect)",
        x="predicted probability of an answer",
        y="observed frequency, with 95 % interval",
    )
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    show_percent(axes, on="x", decimals=None)
    show_percent(axes, on="y", decimals=None)


def draw_opened(axes: Axes, delays: pd.DataFrame) -> None:
    """Draw the share of messages that are opened within an hour, a day and a week, by channel.

    Parameters
    ----------
    axes : Axes
    delays : DataFrame
        `ResponseBacktest.delays`.
    """
    whole = delays[delays["part"] == EVERY_PART]
    places = np.arange(len(WITHIN))
    for number, row in enumerate(whole.to_dict("records")):
        colour, marker = SERIES_STYLES[number % len(SERIES_STYLES)]
        shares = [row[column] for column in WITHIN]
        axes.plot(places, shares, color=colour, marker=marker, ms=5, label=str(row["channel"]))
    axes.set_xticks(places, list(WITHIN.values()))
    axes.set_ylim(bottom=0.0)
    label_axes(axes, title="Opened within", x="after the send", y="share of messages")
    axes.legend(fontsize=8, frameon=False, loc="upper left", title="channel", title_fontsize=8)
    show_percent(axes, on="y", decimals=None)


def draw_delays(axes: Axes, delays: pd.DataFrame) -> None:
    """Draw how long opens take on average, by the part of the day of the send and by channel.

    Parameters
    ----------
    axes : Axes
    delays : DataFrame
        `ResponseBacktest.delays`.
    """
    places = np.arange(len(DAY_PARTS))
    for number, (_, rows) in enumerate(delays.groupby("channel", sort=False)):
        colour, marker = SERIES_STYLES[number % len(SERIES_STYLES)]
        hours = rows.set_index("part")["delay_hours"].reindex(list(DAY_PARTS))
        axes.plot(places, hours, color=colour, marker=marker, ms=6, linestyle="none")
    axes.set_xticks(places, list(DAY_PARTS))
    axes.set_xlim(-0.5, len(DAY_PARTS) - 0.5)
    axes.set_ylim(0.0, 1.15 * float(delays["delay_hours"].max()))
    label_axes(
        axes,
        title="Mean delay of an open within 7 days",
        x="part of the day of the send",
        y="hours",
    )
