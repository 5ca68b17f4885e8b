"""Pictures of offers: rankings against the cell rule, what cells showed, what policies add."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.chapters import write_number, write_percent
from training.offers.policies import EVERYBODY, NOBODY
from training.palette import (
    BETTER_STYLE,
    FAINT,
    UNSURE_STYLE,
    WORSE_STYLE,
    draw_estimate,
    label_axes,
    list_names,
    mark_zero,
    open_figure,
    show_percent,
    write_plainly,
)

CELL_RULE = "cell_rule"
_NAMES = {
    CELL_RULE: "cell rule",
    "s": "S-learner",
    "bagged_s": "S-learner, bagged",
    "t": "T-learner",
    "x": "X-learner",
    "dr": "DR-learner",
    "s_and_x": "S- and X-learner, averaged",
    "treated_response": "answers of those offered",
    NOBODY: "offer it to nobody",
    EVERYBODY: "offer it to everybody",
}
_MOST_OFFERS = 4
_MOST_BANDS = 12
_MOST_TICKS = 5
_AND = " and "
_ONLY_BAND = "band 1 of 1 "
_LEARNER, _RULE = ("#0072B2", "o"), ("#E69F00", "s")

Draw = Callable[[Axes, pd.DataFrame, str], None]


def name_ranking(name: str) -> str:
    """Return a ranking's or policy's name as it is read: 'X-learner'."""
    return _NAMES.get(name, name.replace("_", " "))


def name_band(words: str) -> str:
    """Return a cell or band as it is read: 'everybody' where there is but one.

    Examples
    --------
    >>> name_band("band 1 of 1 by cell_rule")
    'everybody'
    >>> name_band("band 2 of 5 by x")
    'band 2 of 5 by X-learner'
    """
    if words.startswith(_ONLY_BAND):
        return "everybody"
    head, by, ranking = words.partition(" by ")
    return f"{head}{by}{name_ranking(ranking)}" if head.startswith("band ") else words


def make_offer_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Return the figures of offers by name, in the order they are best read.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training: `offer_scores`, `offer_cells` and `offer_policies`; what is not
        there is not drawn. Of many offers the first four are; tables have them all.
    """
    drawn: Mapping[str, tuple[str, Draw]] = {
        "offer_rankings": ("offer_scores", draw_rankings),
        "offer_cells": ("offer_cells", draw_cells),
        "offer_policies": ("offer_policies", draw_policies),
    }
    figures = {}
    for name, (table, draw) in drawn.items():
        rows = tables.get(table)
        if rows is not None and len(rows):
            figures[name] = _draw_offers(rows, draw)
    return figures


def draw_rankings(axes: Axes, scores: pd.DataFrame, title: str) -> None:
    """Draw what each ranking gains in Qini over the cell rule, best first.

    Parameters
    ----------
    axes : Axes
    scores : DataFrame
        `OffersBacktest.scores` of one offer.
    title : str
    """
    for place, row in enumerate(scores.to_dict("records")):
        is_rule = row["ranking"] == CELL_RULE
        style, bounds = (_RULE, None) if is_rule else (_LEARNER, (row["low"], row["high"]))
        draw_estimate(axes, place, row["gain"], bounds, style=style)
    mark_zero(axes)
    names = zip(scores["ranking"], scores["qini"], strict=True)
    list_names(
        axes, [f"{name_ranking(str(name))} ({write_number(qini, 4)})" for name, qini in names]
    )
    label_axes(axes, title=title, x="gain in Qini over the cell rule (right is better)", y="")
    axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))


def draw_cells(axes: Axes, cells: pd.DataFrame, title: str) -> None:
    """Draw what an offer changed in each cell or band, with its 90 % interval.

    Parameters
    ----------
    axes : Axes
    cells : DataFrame
        `OffersBacktest.cells` of one offer.
    title : str
    """
    shown = cells.head(_MOST_BANDS)
    for place, row in enumerate(shown.to_dict("records")):
        bounds = row["low"], row["high"]
        draw_estimate(axes, place, row["effect"], bounds, style=_judge(*bounds))
    mark_zero(axes)
    names = zip(shown["band"], shown["customers"], strict=True)
    labels = [_label_band(str(band), customers) for band, customers in names]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    label_axes(axes, title=title, x="more customers with the outcome, 90 % interval", y="")
    axes.xaxis.set_major_locator(MaxNLocator(_MOST_TICKS))
    show_percent(axes, on="x", decimals=None)


def draw_policies(axes: Axes, policies: pd.DataFrame, title: str) -> None:
    """Draw what policies of offering add in money, with 95 % intervals.

    Parameters
    ----------
    axes : Axes
    policies : DataFrame
        `OffersBacktest.policies` of one offer.
    title : str
    """
    for place, row in enumerate(policies.to_dict("records")):
        bounds = row["low"], row["high"]
        if row["policy"] == NOBODY:
            draw_estimate(axes, place, row["margin"], None, style=(FAINT, "o"))
        else:
            draw_estimate(axes, place, row["margin"], bounds, style=_judge(*bounds))
    mark_zero(axes)
    names = zip(policies["policy"], policies["share_offered"], strict=True)
    list_names(
        axes, [f"{name_ranking(str(name))} ({write_percent(share, 0)})" for name, share in names]
    )
    label_axes(axes, title=title, x="money a customer, more than offering nothing", y="")


def _draw_offers(table: pd.DataFrame, draw: Draw) -> Figure:
    """Return one panel an offer, in the order of the table."""
    groups = [(str(offer), rows) for offer, rows in table.groupby("offer", sort=False)]
    groups = groups[:_MOST_OFFERS]
    tallest = max(2, *(min(len(rows), _MOST_BANDS) for _, rows in groups))
    columns = min(len(groups), 2)
    n_rows = -(-len(groups) // columns)
    height = n_rows * (1.1 + _find_height(table) * tallest)
    figure, panels = open_figure(10, height, rows=n_rows, columns=columns)
    for axes, (offer, rows) in zip(panels, groups, strict=False):
        draw(axes, rows, write_plainly(offer))
    for axes in panels[len(groups) :]:
        axes.remove()
    return figure


def _find_height(table: pd.DataFrame) -> float:
    """Return the inches that a row needs: its cell may be named on several lines."""
    bands = table["band"].astype(str) if "band" in table else pd.Series(dtype="str")
    n_lines = 1 + max(bands.str.count(_AND), default=0)
    return max(0.34, 0.12 + 0.15 * n_lines)


def _judge(low: float, high: float) -> tuple[str, str]:
    if low > 0:
        return BETTER_STYLE
    return WORSE_STYLE if high < 0 else UNSURE_STYLE


def _label_band(words: str, customers: float) -> str:
    """Name a cell and its customers, a condition a line."""
    parts = [write_plainly(part) for part in name_band(words).split(_AND)]
    return "\nand ".join([*parts[:-1], f"{parts[-1]} ({write_number(customers, 0)})"])
