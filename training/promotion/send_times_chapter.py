"""What the report says of the hours at which customers are active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from features.schema import SLOTS_PER_WEEK
from training.chapters import (
    Grid,
    Picture,
    Section,
    list_log_loss_gains,
    make_grid,
    write_importance,
    write_number,
    write_percent,
)
from training.palette import name_of
from training.promotion.plots import DAYS

Tables = Mapping[str, pd.DataFrame]
_HOURS = 24
_NEVER_DAYS = 3650
"""A half-life from which on habits practically do not fade."""


def write_send_time_sections(
    tables: Tables, figures: Mapping[str, Figure], best: str
) -> list[Section]:
    """Write the sections on send times.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training: scores, gains, reliability; half_life, importance and week where
        there are any.
    figures : mapping of name to Figure
        Of the same, from `training.plots.make_promotion_figures`.
    best : str
        The model that was chosen.
    """
    about = ["How active a customer will be is learned from these; when, from their own weeks."]
    if best != "lightgbm":
        about.append(f"The chosen model, {name_of(best)}, does not use them.")
    looks = write_importance(
        tables.get("importance"), figures.get("feature_importance"), tuple(about)
    )
    return [
        _write_scores(tables, figures),
        _write_calibration(tables, figures, best),
        *_write_half_life(tables.get("half_life")),
        *_write_week(tables.get("week"), figures),
        *(replace(one, title="Send times: what the model looks at") for one in looks),
    ]


def _write_scores(tables: Tables, figures: Mapping[str, Figure]) -> Section:
    scores = tables["scores"].assign(name=tables["scores"]["model"].map(name_of))
    grid = make_grid(
        "Scores of the test windows, the simplest model first",
        scores,
        [
            ("name", "model", None), ("log_loss", "log-loss, nats", 5), ("brier", "Brier", 5),
            ("calibration_error", "calibration error", 5), ("slot_hit", "hour of week hit", 1),
            ("hour_hit", "hour of day hit", 1), ("block_hit", "three hours hit", 1),
            ("weekday_hit", "weekday hit", 1),
        ],
        percent=("slot_hit", "hour_hit", "block_hit", "weekday_hit"),
    )  # fmt: skip
    pairs = list_log_loss_gains(
        "Paired gain in log-loss, on the same customers and weeks, with 95 % interval",
        tables["gains"],
        6,
    )
    rate = float(tables["scores"]["base_rate"].iloc[0])
    return Section(
        "Send times: models compared",
        (
            f"A customer was active in {write_percent(rate, 2)} of the hours of a week. Log-loss, "
            "Brier score and calibration error judge that probability, lower is better; a hit is "
            "the share of activity that fell into what the model named first.",
        ),
        (
            Picture(
                figures["log_loss_and_gains"],
                "Log-loss of every model, and gains over the simpler ones",
                "Two charts: log-loss by model, paired gains with intervals; numbers below.",
            ),
        ),
        (grid, pairs),
    )


def _write_calibration(tables: Tables, figures: Mapping[str, Figure], best: str) -> Section:
    bins = tables["reliability"]
    last = bins["fold"].max()
    own = bins[(bins["model"] == best) & (bins["fold"] == last)].assign(
        name=lambda rows: (rows["bin"] + 1).astype(str)
    )
    grid = make_grid(
        f"Predicted and observed frequency of {name_of(best)}, test window {last}",
        own,
        [
            ("name", "bin", None), ("cells", "customer slots", 0), ("predicted", "predicted", 3),
            ("observed", "observed", 3), ("observed_low", "95 % from", 3),
            ("observed_high", "to", 3),
        ],
        percent=("predicted", "observed", "observed_low", "observed_high"),
    )  # fmt: skip
    return Section(
        "Send times: whether the probabilities come true",
        (
            "On the dashed line, what was given a probability of 1 % happened in 1 of 100 weeks. "
            "The bins expect equally many events; bars are Wilson's 95 % intervals, every test "
            "window has its own marks.",
        ),
        (
            Picture(
                figures["reliability"],
                "Observed against predicted probability, per slot and week",
                "A chart a model of observed against predicted probability; the chosen "
                "model's numbers are below.",
            ),
        ),
        (grid,),
    )


def _write_half_life(table: pd.DataFrame | None) -> list[Section]:
    """Write how fast habits fade; none where no half-life is recorded."""
    if table is None or table.empty:
        return []
    title = "Send times: how fast habits fade"
    chosen = float(table.loc[table["is_chosen"].astype(bool), "half_life_days"].iloc[0])
    words = f"What a customer did counts half after {write_number(chosen, 0)} days"
    if chosen >= _NEVER_DAYS:
        words += ", which is practically no fading"
    if table["log_loss"].isna().all():
        return [Section(title, (f"{words}, as the project file sets; nothing else was tried.",))]
    named = table.assign(
        name=[f"{write_number(days, 0)} days" for days in table["half_life_days"]],
        chosen=np.where(table["is_chosen"].astype(bool), "chosen", ""),
    )
    grid = make_grid(
        "Half-lives tried, on weeks before the test windows",
        named,
        [
            ("name", "half-life", None), ("chosen", "choice", None),
            ("log_loss", "log-loss, nats", 5),
            ("block_loss", "log-loss of the three hours, nats an activity", 4),
        ],
    )  # fmt: skip
    why = (
        f"{words}. It was chosen by the log-loss of the empirical-Bayes chain on weeks before the "
        "first test window, so that no test saw weeks that chose.",
    )
    return [Section(title, why, grids=(grid,))]


def _write_week(week: pd.DataFrame | None, figures: Mapping[str, Figure]) -> list[Section]:
    """Write everybody's week, an hour a row and a day a column; none without the table."""
    if week is None or week.empty:
        return []
    values = week.sort_values("slot")["value"].to_numpy(dtype=np.float64)
    best = int(values.argmax())
    where = f"{DAYS[best // _HOURS]} {best % _HOURS:02d}:00"
    sentences = (
        f"The probability that a customer is active in an hour, mean over the customers, in their "
        f"local time. It is greatest on {where} ({write_percent(values[best], 2)}) and "
        f"{write_percent(float(values.mean()), 2)} in the mean of all {SLOTS_PER_WEEK} hours. Each "
        "customer's own week differs from it.",
    )
    picture = Picture(
        figures["week"],
        "Everybody's week: days by hours of local time",
        "A heat map of the mean probability of activity, seven days by 24 hours; numbers below.",
    )
    return [Section("Send times: everybody's week", sentences, (picture,), (_list_week(values),))]


def _list_week(values: np.ndarray) -> Grid:
    table = pd.DataFrame(values.reshape(len(DAYS), _HOURS).T, columns=list(DAYS))
    table["hour"] = [f"{hour:02d}:00" for hour in range(_HOURS)]
    return make_grid(
        "Mean probability of activity by hour and day, local time",
        table,
        [("hour", "hour", None), *((day, day, 2) for day in DAYS)],
        percent=DAYS,
    )
