"""What the report says of customer value: who orders next, when, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from models.value.model import ValueModel
from training.chapters import (
    Grid,
    Picture,
    Section,
    make_grid,
    write_importance,
    write_number,
    write_paired_gain,
    write_percent,
)
from training.palette import name_of
from training.value.baselines import MEAN_RATE, OWN_RATE
from training.value.plots import LOSS_NAMES

Tables = Mapping[str, pd.DataFrame]
LEVEL = write_percent(ValueModel.LEVEL, 0)
_LOSSES = {"log_loss": "Whether there is an order", "poisson_deviance": "How many there are"}


def write_value_sections(
    tables: Tables, figures: Mapping[str, Figure], best: str = ""
) -> list[Section]:
    """Write the sections on orders to come; none where too few customers came back.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training, with the tables of `ValueBacktest` among it.
    figures : mapping of name to Figure
        Of the same, with those of `make_value_figures` and 'value_importance' among them.
    best : str
        The model that is published; the last of the scores if it is not among them.
    """
    if "value_scores" not in tables:
        return []
    models = [str(model) for model in tables["value_scores"]["model"]]
    chosen = best if best in models else models[-1]
    about = ["Shares of the gain of the trees for expected orders, in the last test window."]
    if chosen != "lightgbm":
        about.append(f"The chosen model, {name_of(chosen)}, does not use them.")
    looks = write_importance(
        tables.get("value_importance"), figures.get("value_importance"), tuple(about)
    )
    return [
        _write_scores(tables, figures, chosen),
        _write_calibration(tables, figures, chosen),
        *(replace(one, title="Orders to come: what the model looks at") for one in looks),
    ]


def _write_scores(tables: Tables, figures: Mapping[str, Figure], chosen: str) -> Section:
    scores, gains = tables["value_scores"], tables["value_gains"]
    own = scores[scores["model"] == chosen].iloc[0]
    sentences = (
        f"Of customers who had bought before: whether they order within {_write_days(tables)}, how "
        f"often, and when. {write_number(own['customers'], 0)} customers and windows were judged, "
        f"with {write_number(own['orders'], 0)} purchase days in them.",
        *_compare(scores, gains, chosen),
        f"{_name_first(chosen)} expected {write_percent(own['predicted_over_actual'])} of the "
        f"purchase days that came; its {LEVEL} intervals held {write_percent(own['coverage'])} of "
        f"the customers. An order and none are told apart with an AUC of "
        f"{write_number(own['auc'])}.",
    )
    picture = Picture(
        figures["value_gains"],
        "What each model gains over each simpler one: in log-loss of whether there is an order, "
        "and in deviance of how many",
        "Two charts of paired gains with intervals, for whether and how many; numbers below.",
    )
    return Section(
        "Orders to come: models compared",
        sentences,
        (picture,),
        (_list_scores(scores), _list_gains(gains)),
    )


def _compare(scores: pd.DataFrame, gains: pd.DataFrame, chosen: str) -> list[str]:
    """Say what the chosen model gains over the better baseline, by each loss."""
    there = scores[scores["model"].isin((MEAN_RATE, OWN_RATE))]
    found = []
    for loss, what in _LOSSES.items():
        baseline = str(there.sort_values(loss)["model"].iloc[0])
        is_pair = (gains["model"] == chosen) & (gains["baseline"] == baseline)
        for row in gains[is_pair & (gains["loss"] == loss)].to_dict("records"):
            words = write_paired_gain(row, LOSS_NAMES[loss])
            against = f"{name_of(chosen)} against the best baseline, {name_of(baseline)}"
            found.append(f"{what}: {against}, {words}.")
    return found


def _list_scores(scores: pd.DataFrame) -> Grid:
    return make_grid(
        "Scores of orders to come, the simplest model first",
        scores.assign(name=scores["model"].map(name_of)),
        [
            ("name", "model", None), ("log_loss", "log-loss, nats", 4), ("auc", "AUC", 3),
            ("calibration_error", "calibration error", 4),
            ("poisson_deviance", "deviance of the number", 3),
            ("mean_absolute_error", "mean absolute error", 3),
            ("rank_correlation", "rank correlation", 3),
            ("predicted_over_actual", "total, expected ÷ actual", 1),
            ("coverage", f"inside the {LEVEL} interval", 1),
        ],
        percent=("predicted_over_actual", "coverage"),
    )  # fmt: skip


def _list_gains(gains: pd.DataFrame) -> Grid:
    named = gains.assign(
        loss=gains["loss"].map(LOSS_NAMES),
        model=gains["model"].map(name_of),
        baseline=gains["baseline"].map(name_of),
    )
    return make_grid(
        "Paired gain on the same customers and windows, with 95 % interval",
        named,
        [
            ("model", "model", None), ("baseline", "over", None), ("loss", "in", None),
            ("gain", "gain", 4), ("low", "low", 4), ("high", "high", 4),
            ("relative", "gain, relative", 1), ("customers", "customers", 0),
        ],
        percent=("relative",),
    )  # fmt: skip


def _write_calibration(tables: Tables, figures: Mapping[str, Figure], chosen: str) -> Section:
    bins, timing = tables["value_reliability"], tables["value_timing"]
    sentences = (
        "Customers are told apart by tenths of what was expected of them. By the day that was "
        "named as the 50 % quantile, half of the customers should have ordered again; only "
        "customers whose day lies within the test window can be judged.",
    )
    picture = Picture(
        figures["value_reliability_and_timing"],
        "Whether customers order as likely as foreseen, and when",
        "Two charts: the share of customers that ordered against its probability, and the share "
        "that had ordered by each predicted quantile of the day; numbers below.",
    )
    return Section(
        "Orders to come: whether they come as foreseen",
        sentences,
        (picture,),
        (_list_bins(bins, chosen), _list_timing(timing)),
    )


def _list_bins(bins: pd.DataFrame, chosen: str) -> Grid:
    own = bins[bins["model"] == chosen]
    return make_grid(
        f"Foreseen and come, by tenths of what {name_of(chosen)} expects",
        own.assign(name=own["bin"].astype(int).astype(str)),
        [
            ("name", "tenth", None), ("customers", "customers", 0),
            ("probability", "probability of an order", 1), ("frequency", "ordered", 1),
            ("expected_orders", "expected purchase days", 2), ("orders", "came", 2),
        ],
        percent=("probability", "frequency"),
    )  # fmt: skip


def _list_timing(timing: pd.DataFrame) -> Grid:
    return make_grid(
        "The next order by the quantiles of its day",
        timing.assign(name=timing["model"].map(name_of)),
        [
            ("name", "model", None), ("level", "quantile", 0),
            ("observed", "had ordered by then", 1), ("customers", "customers judged", 0),
        ],
        percent=("level", "observed"),
    )  # fmt: skip


def _write_days(tables: Tables) -> str:
    """Say how long a window is: from the start of one to the start of the next."""
    folds = tables.get("value_folds")
    if folds is None or folds.empty:
        return "the window"
    first = folds.iloc[0]
    return f"{(pd.Timestamp(first['test']) - pd.Timestamp(first['calibration'])).days} days"


def _name_first(model: str) -> str:
    name = name_of(model)
    return name[:1].upper() + name[1:]
