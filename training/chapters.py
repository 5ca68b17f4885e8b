"""What a report consists of, and how its numbers are written; the page itself is report.html."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from training.palette import name_of

_NARROW = "\N{NARROW NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_NOTHING = "–"
_MOST_FEATURES = 15


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in a line, and what a reader who cannot see it needs to know."""

    figure: Figure
    caption: str
    alternative: str


@dataclass(frozen=True)
class Grid:
    """A table as it is read: cells are text already.

    Attributes
    ----------
    caption : str
    columns : tuple of str
    rows : tuple of tuple of str
        As many cells as columns; the first names its row.
    n_texts : int
        Leading columns that hold words; the others hold numbers, set to the right.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_texts: int = 1


@dataclass(frozen=True)
class Section:
    """One point of a chapter: a title, sentences, pictures and tables, in this order."""

    title: str
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """All that is told of one kind of model.

    Attributes
    ----------
    kind : str
        'demand' or 'promotion'.
    title, question, headline : str
        What it is, what it answers, and how well, each in a sentence.
    sections : tuple of Section
    """

    kind: str
    title: str
    question: str
    headline: str
    sections: tuple[Section, ...]


def write_percent(share: float, decimals: int = 1) -> str:
    """Write a fraction as percent; '–' if there is none.

    Examples
    --------
    >>> write_percent(0.1234) == "12.3\N{NARROW NO-BREAK SPACE}%"
    True
    """
    return _NOTHING if math.isnan(share) else f"{write_number(100 * share, decimals)}{_NARROW}%"


def write_number(number: float, decimals: int = 3) -> str:
    """Write a number with thousands marked; '–' if there is none.

    Examples
    --------
    >>> write_number(1234.5, 1)
    '1,234.5'
    """
    if math.isnan(number):
        return _NOTHING
    if math.isinf(number):
        return "∞" if number > 0 else f"{_MINUS}∞"
    # Rounded first: what is written as zero has no sign.
    return f"{round(number, decimals) + 0.0:,.{decimals}f}".replace("-", _MINUS)


def write_gain(relative: float, low: float, high: float, what: str) -> str:
    """Write a paired gain with its 95 % interval, and say when it may be chance.

    Parameters
    ----------
    relative, low, high : float
        Fractions; above 0 is better, NaN where the other made no error.
    what : str
        What there is less of: 'error', 'log-loss'.

    Examples
    --------
    >>> write_gain(0.04, 0.01, 0.07, "error").replace("\N{NARROW NO-BREAK SPACE}", " ")
    '4.0 % less error (95 % interval 1.0 % to 7.0 %)'
    >>> write_gain(0.01, -0.02, 0.03, "error").partition("), ")[2]
    'which may be chance'
    """
    if math.isnan(relative):
        return "it made no error, so there is nothing to gain"
    size = f"{write_percent(abs(relative))} {'less' if relative >= 0 else 'more'} {what}"
    interval = f"(95{_NARROW}% interval {write_percent(low)} to {write_percent(high)})"
    if low > 0:
        return f"{size} {interval}"
    verdict = "so it is worse" if high < 0 else "which may be chance"
    return f"{size} {interval}, {verdict}"


def write_paired_gain(gain: Mapping[Any, Any], what: str) -> str:
    """Write a row of paired gains, whose interval is in the unit of its loss, as `write_gain`.

    Parameters
    ----------
    gain : mapping
        The fields of `training.promotion.scores.PairedGain`.
    what : str
        What there is less of.

    Examples
    --------
    >>> row = {"gain": 0.02, "low": 0.01, "high": 0.03, "relative": 0.1}
    >>> write_paired_gain(row, "log-loss").replace("\N{NARROW NO-BREAK SPACE}", " ")
    '10.0 % less log-loss (95 % interval 5.0 % to 15.0 %)'
    """
    per_unit = gain["relative"] / gain["gain"] if gain["gain"] else 0.0
    return write_gain(gain["relative"], gain["low"] * per_unit, gain["high"] * per_unit, what)


def join_words(words: Sequence[str]) -> str:
    """Join words as they are read.

    Examples
    --------
    >>> join_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def make_grid(
    caption: str,
    table: pd.DataFrame,
    columns: Sequence[tuple[str, str, int | None]],
    *,
    percent: Sequence[str] = (),
) -> Grid:
    """Make a grid of a table.

    Parameters
    ----------
    caption : str
    table : DataFrame
    columns : sequence of (str, str, int or None)
        Column of the table, its heading, and decimals; None for words. Words come first.
    percent : sequence of str
        Columns that hold fractions, written as percent.
    """
    rows = tuple(
        tuple(_write_cell(row[name], decimals, name in percent) for name, _, decimals in columns)
        for row in table.to_dict("records")
    )
    n_texts = sum(decimals is None for _, _, decimals in columns)
    return Grid(caption, tuple(heading for _, heading, _ in columns), rows, n_texts)


def list_log_loss_gains(caption: str, gains: pd.DataFrame, decimals: int) -> Grid:
    """List what each model gains in log-loss over each simpler one, with its interval.

    Parameters
    ----------
    caption : str
    gains : DataFrame
        `PromotionBacktest.gains`, or of the same columns.
    decimals : int
        Of the gains in nats.
    """
    return make_grid(
        caption,
        gains.assign(model=gains["model"].map(name_of), baseline=gains["baseline"].map(name_of)),
        [
            ("model", "model", None), ("baseline", "over", None), ("gain", "gain, nats", decimals),
            ("low", "low", decimals), ("high", "high", decimals),
            ("relative", "gain, relative", 2), ("customers", "customers", 0),
        ],
        percent=("relative",),
    )  # fmt: skip


def write_importance(
    importance: pd.DataFrame | None, figure: Figure | None, sentences: tuple[str, ...]
) -> list[Section]:
    """Write the section on what a model looks at; none where nothing was fitted.

    Parameters
    ----------
    importance : DataFrame or None
        `feature, gain`, greatest first.
    figure : Figure or None
        Of the same.
    sentences : tuple of str
        What the reader should know of it.
    """
    if importance is None or figure is None:
        return []
    shares = importance.assign(gain=importance["gain"] / importance["gain"].sum())
    grid = make_grid(
        f"The features with most gain, of {len(shares)}",
        shares[shares["gain"] > 0].head(_MOST_FEATURES),
        [("feature", "feature", None), ("gain", "share of the gain", 1)],
        percent=("gain",),
    )
    caption = "Features by the share of LightGBM's gain"
    picture = Picture(figure, caption, "Bars of the share of gain by feature; numbers below.")
    return [Section("What the model looks at", sentences, (picture,), (grid,))]


def _write_cell(value: Any, decimals: int | None, is_percent: bool) -> str:
    if decimals is None:
        return "" if pd.isna(value) else str(value)  # an empty cell of a file
    number = float(str(value))
    return write_percent(number, decimals) if is_percent else write_number(number, decimals)
