"""Pictures of customer value: what models gain, whether orders come, and when."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.palette import INK, label_axes, name_of, open_figure, show_percent, style_of
from training.promotion.plots import draw_gains

LOSS_NAMES = {"log_loss": "log-loss", "poisson_deviance": "deviance"}
"""Losses of the gains, as they are read: of whether there is an order, and of how many."""


def make_value_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of customer value by name, in the order they are best read.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training: `value_gains`, `value_reliability` and `value_timing`; what is not
        there is not drawn.
    """
    figures = {}
    gains, bins = tables.get("value_gains"), tables.get("value_reliability")
    if gains is not None and len(gains):
        figure, panels = open_figure(10, 3.0, columns=len(LOSS_NAMES))
        for axes, (loss, words) in zip(panels, LOSS_NAMES.items(), strict=True):
            draw_gains(axes, gains[gains["loss"] == loss], saved=words)
        figures["value_gains"] = figure
    if bins is not None and len(bins):
        figure, (left, right) = open_figure(10, 4.0, columns=2)
        draw_order_reliability(left, bins)
        draw_timing(right, tables["value_timing"])
        figures["value_reliability_and_timing"] = figure
    return figures


def draw_order_reliability(axes: Axes, bins: pd.DataFrame) -> None:
    """Draw the frequency of an order against its probability, by tenths of customers.

    Parameters
    ----------
    axes : Axes
    bins : DataFrame
        `ValueBacktest.reliability`.
    """
    _draw_curves(axes, bins, "probability", "frequency")
    label_axes(
        axes,
        title="Whether customers order (dashed: perfect)",
        x="predicted probability of an order",
        y="share that ordered",
    )


def draw_timing(axes: Axes, timing: pd.DataFrame) -> None:
    """Draw how often the next order was there by each predicted quantile of its day.

    Parameters
    ----------
    axes : Axes
    timing : DataFrame
        `ValueBacktest.timing`.
    """
    _draw_curves(axes, timing, "level", "observed")
    label_axes(
        axes,
        title="When the next order comes (dashed: perfect)",
        x="quantile of the day of the next order",
        y="share that had ordered by then",
    )


def _draw_curves(axes: Axes, table: pd.DataFrame, foreseen: str, seen: str) -> None:
    """Draw one share against another, a curve a model, with the diagonal."""
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle="--")
    for model, rows in table.groupby("model", sort=False):
        colour, marker, line = style_of(str(model))
        axes.plot(
            rows[foreseen], rows[seen], color=colour, marker=marker, linestyle=line, ms=5,
            linewidth=0.9, label=name_of(str(model)),
        )  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    show_percent(axes, on="x")
    show_percent(axes, on="y")
