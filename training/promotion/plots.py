"""Pictures of send times: the backtest, and the week of a customer or of everyone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from features.errors import InvalidRequest
from features.schema import SLOTS_PER_WEEK
from training.palette import (
    INK,
    draw_estimate,
    label_axes,
    list_names,
    mark_zero,
    name_of,
    open_figure,
    show_percent,
    style_of,
)
from training.proof.plots import draw_policy_gains

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS = 24
_MOST_TICKS = 6
"""On half the width of a page: more run into each other."""


def draw_reliability(axes: Axes, bins: pd.DataFrame, *, model: str) -> None:
    """Draw observed against predicted probability of one model, both on logarithmic scales.

    Parameters
    ----------
    axes : Axes
    bins : DataFrame
        `PromotionBacktest.reliability`: every fold's bins with Wilson's 95 % interval. Bins
        without any activity have no place on a logarithmic scale; only their upper bound is drawn.
    model : str
        Which rows.
    """
    rows = bins[(bins["model"] == model) & (bins["predicted"] > 0)]
    floor = _find_floor(bins)
    observed = rows["observed"].clip(lower=floor)
    low = rows["observed_low"].clip(lower=floor)
    colour, marker, _ = style_of(model)
    spread = np.maximum([observed - low, rows["observed_high"] - observed], 0.0)
    ends = [floor, float(min(1.0, 2.0 * bins[["predicted", "observed_high"]].to_numpy().max()))]
    axes.plot(ends, ends, color=INK, linewidth=0.9, linestyle="--")
    axes.errorbar(
        rows["predicted"], observed, yerr=spread, color=colour, marker=marker, linestyle="none",
        ms=3, linewidth=0.9, alpha=0.8,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    label_axes(
        axes,
        title=f"{name_of(model)} (dashed: perfect)",
        x="predicted probability, per slot and week",
        y="observed frequency",
    )


def draw_losses(axes: Axes, folds: pd.DataFrame) -> None:
    """Draw the log-loss of each model: a small mark a fold, a large one for their mean.

    Parameters
    ----------
    axes : Axes
    folds : DataFrame
        `PromotionBacktest.folds`.
    """
    models = [str(model) for model in folds["model"].unique()]
    for place, model in enumerate(models):
        rows = folds[folds["model"] == model]
        colour, marker, _ = style_of(model)
        heights = np.full(len(rows), float(place))
        axes.plot(rows["log_loss"], heights, color=colour, marker="|", ms=9, linestyle="none")
        mean = float(np.average(rows["log_loss"], weights=rows["customers"]))
        axes.plot([mean], [place], color=colour, marker=marker, ms=8, linestyle="none")
    list_names(axes, [name_of(model) for model in models])
    label_axes(
        axes,
        title="Log-loss (left is better; strokes: folds)",
        x="nats per slot and week",
        y="model",
    )
    axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))


def draw_gains(axes: Axes, gains: pd.DataFrame, *, saved: str = "log-loss") -> None:
    """Draw what each model gains over each simpler one, with its 95 % interval.

    Parameters
    ----------
    axes : Axes
    gains : DataFrame
        `PromotionBacktest.gains`, or of the same columns.
    saved : str
        What there is less of.
    """
    for place, gain in enumerate(gains.to_dict("records")):
        colour, marker, _ = style_of(gain["model"])
        per_nat = gain["relative"] / gain["gain"] if gain["gain"] else 0.0
        bounds = gain["low"] * per_nat, gain["high"] * per_nat
        draw_estimate(axes, place, gain["relative"], bounds, style=(colour, marker))
    mark_zero(axes)
    pairs = zip(gains["model"], gains["baseline"], strict=True)
    list_names(axes, [f"{name_of(model)} over {name_of(baseline)}" for model, baseline in pairs])
    label_axes(
        axes,
        title="Paired gain (right is better)",
        x=f"{saved} saved, with 95 % interval",
        y="",
    )
    axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))
    show_percent(axes, on="x", decimals=None)


def make_fallback_figure(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figure of what send times by activity gain; none where they are no fallback."""
    gains = find_fallback(tables)
    if gains is None or gains["gain"].isna().all():
        return {}
    figure, (axes,) = open_figure(10, 1.3 + 0.42 * len(gains))
    draw_policy_gains(axes, gains)
    axes.xaxis.set_major_locator(MaxNLocator(2 * _MOST_TICKS))
    return {"fallback_gains": figure}


def find_fallback(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Return what send times by activity gain, where others were to be proven; else None.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training: `fallback_gains` and `policy_gains` where there are any.
    """
    fallback, gains = tables.get("fallback_gains"), tables.get("policy_gains")
    if fallback is None or fallback.empty or gains is None or gains.empty:
        return None
    return None if set(fallback["target"]) == set(gains["target"]) else fallback


def draw_week(axes: Axes, values: npt.NDArray[np.float64], *, title: str, unit: str) -> None:
    """Draw a week as a heat map, days by hours of local time.

    Parameters
    ----------
    axes : Axes
    values : array of shape (168,)
        One number a slot, Monday 00:00 first.
    title, unit : str
        What is shown; the unit is written beside the colours.

    Raises
    ------
    InvalidRequest
        If there are not 168 values.
    """
    if np.shape(values) != (SLOTS_PER_WEEK,):
        raise InvalidRequest(
            f"a week: expected {SLOTS_PER_WEEK} values, one a slot, got shape {np.shape(values)}"
        )
    grid = np.asarray(values, dtype=np.float64).reshape(len(DAYS), _HOURS)
    image = axes.imshow(grid, cmap="cividis", aspect="auto", interpolation="none")
    axes.set_xticks(range(0, _HOURS, 3), [f"{hour:02d}" for hour in range(0, _HOURS, 3)])
    axes.set_yticks(range(len(DAYS)), DAYS)
    label_axes(axes, title=title, x="hour, local time", y="")
    axes.grid(visible=False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01)
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _find_floor(bins: pd.DataFrame) -> float:
    """Return a probability below everything that is drawn."""
    values = bins[["predicted", "observed", "observed_high"]].to_numpy()
    return float(values[values > 0].min() / 2.0)
