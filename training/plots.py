"""Pictures of what a training found, as PNG files named by what they show.

The pictures are drawn by the modules `plots` of each room of training; here they are put on
figures. The same figures go to MLflow, into the report and into the notebooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.comparison.plots import make_change_figures
from training.demand.plots import (
    draw_coverage,
    draw_error_by_horizon,
    draw_error_by_level,
    draw_regions,
    draw_series,
    sort_levels,
)
from training.demand.worst_series import find_worst_series, take_series
from training.findings import PUBLISHED, pick_series, score_regions
from training.offers.plots import make_offer_figures
from training.palette import draw_png, label_axes, list_names, open_figure, show_percent
from training.palette import write_plainly as plainly
from training.promotion.plots import (
    draw_gains,
    draw_losses,
    draw_reliability,
    draw_week,
    make_fallback_figure,
)
from training.proof.plots import make_proof_figures
from training.quality.plots import make_quality_figures
from training.response.plots import make_response_figures
from training.value.plots import make_value_figures

Tables = Mapping[str, pd.DataFrame]
_MOST_BARS = 15
_MOST_PICTURES = 6
_IMPORTANCE = "importance"


def plot_demand(tables: Tables, folder: Path) -> None:
    """Write the figures of a demand training below `folder`.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of the training: scores and forecasts, importance if something was fitted.
    folder : Path
        Must exist.
    """
    _write(make_demand_figures(tables), folder)


def plot_promotion(tables: Tables, folder: Path) -> None:
    """Write the figures of a promotion training below `folder`.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of the training: folds, reliability, gains and importance; what there is of
        responses, their proof, value and offers.
    folder : Path
        Must exist.
    """
    _write(make_promotion_figures(tables), folder)


def make_demand_figures(tables: Tables) -> dict[str, Figure]:
    """Return the figures of a demand training by name, in the order they are best read."""
    scores, forecasts = tables["scores"], tables["forecasts"]
    levels = sort_levels(scores)
    errors, (left, right) = open_figure(10, 4.2, columns=2)
    draw_error_by_horizon(left, scores, levels[0])
    draw_error_by_level(right, scores)
    ends = list(dict.fromkeys([levels[0], levels[-1]]))
    coverage, panels = open_figure(10, 3.8, columns=len(ends))
    for axes, level in zip(panels, ends, strict=True):
        draw_coverage(axes, scores, level, PUBLISHED)
    figures = {
        "error_by_horizon_and_level": errors,
        "coverage_of_intervals": coverage,
        "series_largest_median_worst": _make_series_figure(forecasts),
        "worst_series": _make_worst_figure(forecasts),
        "worst_regions": _make_regions_figure(forecasts),
    }
    what = "of the demand model, mean over horizons"
    return {
        **figures,
        **_make_importance_figure(tables, _IMPORTANCE, what),
        **make_change_figures(tables),
        **make_quality_figures(tables),
    }


def make_promotion_figures(tables: Tables) -> dict[str, Figure]:
    """Return the figures of a promotion training by name, in the order they are best read."""
    return {
        **_make_send_time_figures(tables),
        **_make_importance_figure(tables, _IMPORTANCE, "of the activity level model, last fold"),
        **_make_week_figure(tables),
        **make_proof_figures(tables),
        **make_fallback_figure(tables),
        **make_response_figures(tables),
        **_make_importance_figure(
            tables, "response_importance", "of the response model, last fold"
        ),
        **make_value_figures(tables),
        **_make_importance_figure(tables, "value_importance", "of expected orders, last fold"),
        **make_offer_figures(tables),
        **make_change_figures(tables),
        **make_quality_figures(tables),
    }


def draw_importance(axes: Axes, importance: pd.DataFrame, *, title: str) -> None:
    """Draw the features that LightGBM gained most by, as shares of the whole gain.

    Parameters
    ----------
    axes : Axes
    importance : DataFrame
        `feature, gain`, greatest first.
    title : str
    """
    top = importance[importance["gain"] > 0].head(_MOST_BARS)
    axes.barh(range(len(top)), top["gain"] / importance["gain"].sum(), color="#0072B2")
    list_names(axes, [str(feature) for feature in top["feature"]])
    label_axes(axes, title=title, x="share of the gain in loss, %", y="")
    show_percent(axes, on="x", decimals=None)


def _make_series_figure(forecasts: pd.DataFrame) -> Figure:
    picks = pick_series(forecasts)
    figure, panels = open_figure(10, 2.7 * len(picks), rows=len(picks))
    for axes, pick in zip(panels, picks, strict=True):
        draw_series(
            axes, pick.rows, title=f"{pick.why}: {plainly(pick.region)} / {plainly(pick.product)}"
        )
    return figure


def _make_worst_figure(forecasts: pd.DataFrame) -> Figure:
    worst = find_worst_series(forecasts, most=_MOST_PICTURES)
    figure, panels = open_figure(10, 2.2 * len(worst), rows=len(worst))
    for axes, row in zip(panels, worst.to_dict("records"), strict=True):
        rows = take_series(forecasts, row["region"], row["product"])
        name = f"{plainly(row['region'])} / {plainly(row['product'])}"
        draw_series(axes, rows, title=f"{name}: WAPE {row['wape']:.0%}, bias {row['bias']:+.0%}")
    return figure


def _make_regions_figure(forecasts: pd.DataFrame) -> Figure:
    regions = score_regions(forecasts).head(_MOST_BARS)
    figure, (axes,) = open_figure(10, 1.2 + 0.25 * len(regions))
    draw_regions(axes, regions)
    return figure


def _make_send_time_figures(tables: Tables) -> dict[str, Figure]:
    losses, (left, right) = open_figure(10, 3.2, columns=2)
    draw_losses(left, tables["folds"])
    draw_gains(right, tables["gains"])
    models = [str(model) for model in tables["folds"]["model"].unique()]
    rows = -(-len(models) // 2)
    reliability, panels = open_figure(10, 3.6 * rows, rows=rows, columns=2)
    for axes, model in zip(panels, models, strict=False):
        draw_reliability(axes, tables["reliability"], model=model)
    for axes in panels[len(models) :]:
        axes.remove()
    return {"log_loss_and_gains": losses, "reliability": reliability}


def _make_week_figure(tables: Tables) -> dict[str, Figure]:
    week = tables.get("week")
    if week is None or week.empty:
        return {}
    figure, (axes,) = open_figure(10, 3)
    values = week.sort_values("slot")["value"].to_numpy(dtype="float64")
    draw_week(axes, 100 * values, title="Everybody's week", unit="active customers, %")
    return {"week": figure}


def _make_importance_figure(tables: Tables, name: str, what: str) -> dict[str, Figure]:
    importance = tables.get(name)
    if importance is None or not importance["gain"].sum() > 0:
        return {}
    figure, (axes,) = open_figure(10, 1.2 + 0.22 * min((importance["gain"] > 0).sum(), _MOST_BARS))
    draw_importance(axes, importance, title=f"Feature importance {what}")
    return {"feature_importance" if name == _IMPORTANCE else name: figure}


def _write(figures: Mapping[str, Figure], folder: Path) -> None:
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(draw_png(figure))
