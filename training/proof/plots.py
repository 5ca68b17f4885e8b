"""Pictures of a proof: what policies are worth, what the target gains, what comes true."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.palette import (
    BETTER_STYLE,
    FAINT,
    INK,
    SERIES_STYLES,
    UNSURE_STYLE,
    WORSE_STYLE,
    draw_estimate,
    label_axes,
    list_names,
    mark_zero,
    name_of,
    open_figure,
    show_percent,
)
from training.proof.estimators import DIRECT, DOUBLY_ROBUST, SELF_NORMALISED
from training.proof.policies import LOGGED
from training.proof.reliability import CHANNEL, HOURS
from training.proof.verdict import BETTER, WORSE

_ESTIMATORS = {
    DOUBLY_ROBUST: ("#0072B2", "o", -0.18),
    SELF_NORMALISED: ("#E69F00", "s", 0.06),
    DIRECT: (FAINT, "x", 0.28),
}
_DECISIONS = {BETTER: BETTER_STYLE, WORSE: WORSE_STYLE}


def make_proof_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of a proof by name, in the order they are best read.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Of `build_proof_tables`; what is not there, or is empty, is not drawn.
    """
    figures = {}
    values, bins = tables.get("policy_values"), tables.get("touch_reliability")
    if values is not None and len(values):
        n_rows = values["policy"].nunique()
        figure, (left, right) = open_figure(10, 1.8 + 0.42 * n_rows, columns=2)
        draw_policy_values(left, values, target=str(tables["policy_gains"]["target"].iloc[0]))
        draw_policy_gains(right, tables["policy_gains"])
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", fontsize=8, frameon=False, ncols=3)
        figures["policy_values"] = figure
    if bins is not None and len(bins):
        figure, (left, right) = open_figure(10, 4.4, columns=2)
        draw_touch_reliability(left, bins, kind=CHANNEL)
        draw_touch_reliability(right, bins, kind=HOURS)
        figures["touch_reliability"] = figure
    return figures


def draw_policy_values(axes: Axes, values: pd.DataFrame, *, target: str) -> None:
    """Draw what each policy would have earned a send, by every estimator, with 95 % intervals.

    Parameters
    ----------
    axes : Axes
    values : DataFrame
        `policy_values`.
    target : str
        Named as such.
    """
    policies = list(dict.fromkeys(values["policy"]))
    for estimator, (colour, marker, shift) in _ESTIMATORS.items():
        rows = values[values["estimator"] == estimator]
        if estimator == SELF_NORMALISED:
            rows = rows[rows["policy"] != LOGGED]  # its mean is drawn once
        heights = np.array([policies.index(policy) for policy in rows["policy"]]) + shift
        has_interval = estimator != DIRECT and bool(rows["low"].notna().all())
        axes.errorbar(
            rows["value"], heights, xerr=_find_spread(rows, "value") if has_interval else None,
            color=colour, marker=marker, linestyle="none", ms=5, linewidth=2,
            label=_LABELS[estimator],
        )  # fmt: skip
    list_names(axes, [f"{name_of(p)} (target)" if p == target else name_of(p) for p in policies])
    label_axes(axes, title="Value of each policy", x="reward a send, with 95 % interval", y="")
    axes.xaxis.set_major_locator(MaxNLocator(6))


_LABELS = {
    DOUBLY_ROBUST: "doubly robust",
    SELF_NORMALISED: "self-normalised weights",
    DIRECT: "reward model alone (no verdict)",
}


def draw_policy_gains(axes: Axes, gains: pd.DataFrame) -> None:
    """Draw what the target gains a send over each baseline, coloured by the verdict.

    Parameters
    ----------
    axes : Axes
    gains : DataFrame
        `policy_gains`.
    """
    for place, gain in enumerate(gains.to_dict("records")):
        style = _DECISIONS.get(gain["verdict"], UNSURE_STYLE)
        bounds = gain["low"], gain["high"]
        draw_estimate(axes, place, gain["gain"], bounds, style=style, size=7)
        axes.text(
            0.99,
            place + 0.36,
            f"{gain['verdict']}, {gain['ess']:,.0f} effective sends",
            transform=axes.get_yaxis_transform(),
            fontsize=7,
            ha="right",
            color=style[0],
        )
    mark_zero(axes)
    list_names(axes, [f"over {name_of(str(name))}" for name in gains["baseline"]])
    title = f"Gain of {name_of(str(gains['target'].iloc[0]))} (right is better)"
    label_axes(axes, title=title, x="reward a send, doubly robust, with 95 % interval", y="")
    axes.xaxis.set_major_locator(MaxNLocator(6))


def draw_touch_reliability(axes: Axes, bins: pd.DataFrame, *, kind: str) -> None:
    """Draw observed against predicted frequency of engaging, one line a group.

    Parameters
    ----------
    axes : Axes
    bins : DataFrame
        `touch_reliability`.
    kind : str
        'channel' or 'hours'.
    """
    own = bins[bins["kind"] == kind]
    end = 1.08 * float(np.max(own[["predicted", "high"]].to_numpy(), initial=1e-6))
    axes.plot([0, end], [0, end], color=INK, linewidth=0.9, linestyle="--")
    for place, (group, rows) in enumerate(own.groupby("group", sort=False)):
        colour, marker = SERIES_STYLES[place % len(SERIES_STYLES)]
        axes.errorbar(
            rows["predicted"], rows["observed"], yerr=_find_spread(rows, "observed"), color=colour,
            marker=marker, linestyle="-", ms=4, linewidth=0.9, alpha=0.9, label=str(group),
        )  # fmt: skip
    axes.set_xlim(0, end)
    axes.set_ylim(0, end)
    name = "channel" if kind == CHANNEL else "hours of the day"
    label_axes(
        axes,
        title=f"By {name} (dashed: perfect)",
        x="predicted probability of engaging",
        y="observed frequency, with 95 % interval",
    )
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    show_percent(axes, on="x", decimals=None)
    show_percent(axes, on="y", decimals=None)


def _find_spread(rows: pd.DataFrame, middle: str) -> np.ndarray:
    """Return the lengths of the error bars, shape (2, n)."""
    ends = np.array([rows[middle] - rows["low"], rows["high"] - rows[middle]])
    return np.asarray(np.maximum(ends, 0.0))
