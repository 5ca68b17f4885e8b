"""How every plot looks: colours, axes, and a figure as PNG bytes.

Figures are made by matplotlib's objects, never through pyplot: no window, no global state, so they
can be drawn anywhere and at the same time.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

INK = "#222222"
FAINT = "#8a8a8a"
MODEL_STYLES: dict[str, tuple[str, str, str]] = {
    "almanac": ("#0072B2", "o", "-"),
    "lightgbm": ("#56B4E9", "D", "-"),
    "recursive": ("#D55E00", "X", "-"),
    "ets": ("#CC79A7", "P", "-."),
    "prophet": ("#009E73", "^", "-."),
    "seasonal_mean": ("#E69F00", "s", "--"),
    "seasonal_naive": ("#7a7a7a", "v", ":"),
    "empirical_bayes": ("#009E73", "^", "-."),
    "customer_histogram": ("#E69F00", "s", "--"),
    "best_global_hour": ("#7a7a7a", "v", ":"),
    "global_hour": ("#7a7a7a", "v", ":"),
    "mean_rate": ("#7a7a7a", "v", ":"),
    "own_rate": ("#E69F00", "s", "--"),
    "bg_nbd": ("#009E73", "^", "-."),
}
"""Colour, marker and line of each model: Okabe and Ito's colours, which the colour-blind can tell
apart, with grey for the simplest; the marker says the same without any colour."""
SERIES_STYLES = (
    ("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"),
    ("#D55E00", "X"), ("#7a7a7a", "P"),
)  # fmt: skip
"""Colour and marker of what is no model, in its order of appearance; they start again."""
BETTER_STYLE, WORSE_STYLE, UNSURE_STYLE = ("#009E73", "^"), ("#D55E00", "v"), ("#7a7a7a", "o")
"""Colour and marker of a difference that is above 0, below it, or neither for certain."""
_OTHER_STYLE = ("#F0E442", "*", "-")
_DOTS_PER_INCH = 110
_LONGEST_LABEL = 44


def style_of(model: str) -> tuple[str, str, str]:
    """Return the colour, the marker and the line of a model."""
    return MODEL_STYLES.get(model, _OTHER_STYLE)


def name_of(model: str) -> str:
    """Return a model's name as it is read: 'seasonal naive'."""
    known = {
        "lightgbm": "LightGBM",
        "recursive": "LightGBM, recursive",
        "ets": "exponential smoothing",
        "theta": "Theta",
        "croston_sba": "Croston–SBA",
        "tsb": "TSB",
        "prophet": "Prophet",
        "almanac": "Almanac",
        "empirical_bayes": "empirical Bayes",
        "mean_rate": "everybody's mean rate",
        "own_rate": "own rate so far",
        "bg_nbd": "BG/NBD",
    }
    return known.get(model, model.replace("_", " "))


def write_plainly(text: str) -> str:
    """Return an id as a label: no formula between dollar signs, not longer than there is room."""
    short = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
    return short.replace("$", r"\$")


def open_figure(
    width: float, height: float, *, rows: int = 1, columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of `width` × `height` inches and its axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, [axes for line in grid for axes in line]


def label_axes(axes: Axes, *, title: str, x: str, y: str) -> None:
    """Name what the axes show, with units, and take away what is not data."""
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def show_percent(axes: Axes, *, on: str, decimals: int | None = 0) -> None:
    """Write the fractions on the axis `on` ('x' or 'y') as percent."""
    axis = axes.xaxis if on == "x" else axes.yaxis
    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))


def list_names(axes: Axes, names: Sequence[str]) -> None:
    """Write `names` on the vertical axis, the first at the top."""
    axes.set_yticks(range(len(names)), [write_plainly(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def draw_estimate(
    axes: Axes,
    place: int,
    value: float,
    bounds: tuple[float, float] | None,
    *,
    style: tuple[str, str],
    size: float = 6,
) -> None:
    """Draw a number with its interval in row `place`; without bounds, the number alone."""
    colour, marker = style
    if bounds is not None:
        axes.plot(bounds, [place, place], color=colour, linewidth=2.5, solid_capstyle="butt")
    axes.plot([value], [place], color=colour, marker=marker, ms=size)


def mark_zero(axes: Axes) -> None:
    """Draw the vertical line at which there is no difference."""
    axes.axvline(0.0, color=INK, linewidth=0.9, linestyle="--")


def draw_png(figure: Figure) -> bytes:
    """Return a figure as PNG; equal figures give equal bytes.

    Letters that the font lacks are drawn as boxes; tables beside a plot have ids in full.
    """
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(content, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return content.getvalue()
