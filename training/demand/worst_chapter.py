"""What the report says of the series that are forecast worst."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import Picture, Section, make_grid, write_percent
from training.demand.worst_series import find_worst_series
from training.palette import name_of


def write_worst_series(forecasts: pd.DataFrame, figures: Mapping[str, Figure]) -> Section:
    """Write the section on the worst series: pictures, and why each is what it is.

    Parameters
    ----------
    forecasts : DataFrame
        `DemandBacktest.forecasts`.
    figures : mapping of name to Figure
        Of the same, with 'worst_series' among them.
    """
    worst = find_worst_series(forecasts)
    n_lost = int((worst["baseline_wape"] < worst["wape"]).sum())
    sentences = (
        "Ranked are the largest series, which together sold four fifths: of a series that sells "
        "next to nothing the WAPE is always great and says little. Each is set beside the baseline "
        "that is best for this very series, picked in hindsight: a hard rival.",
        f"These {len(worst)} make {write_percent(float(worst['share_of_error'].sum()))} of all "
        f"error at this level; in {n_lost} of them that baseline is better.",
    )
    grid = make_grid(
        "The worst series, and what stands out",
        worst.assign(baseline=worst["baseline"].map(name_of)),
        [
            ("region", "region", None), ("product", "product", None),
            ("because", "what stands out", None), ("baseline", "best baseline", None),
            ("units", "units sold", 0), ("wape", "WAPE", 1), ("baseline_wape", "its WAPE", 1),
            ("bias", "bias", 1), ("coverage_80", "inside 80 %", 0),
            ("share_of_error", "of all error", 1),
        ],
        percent=("wape", "baseline_wape", "bias", "coverage_80", "share_of_error"),
    )  # fmt: skip
    picture = Picture(
        figures["worst_series"],
        "The worst series: sold, forecast, and the intervals",
        "A chart a series of what was sold and forecast over time; the table below says what "
        "stands out in each.",
    )
    return Section("The worst series", sentences, (picture,), (grid,))
