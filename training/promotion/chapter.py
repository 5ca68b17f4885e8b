"""What the report says of a send-time training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import (
    Chapter,
    Picture,
    Section,
    make_grid,
    write_gain,
    write_importance,
    write_number,
    write_percent,
)
from training.gates import PROMOTION_BASELINES
from training.palette import name_of
from training.plots import make_promotion_figures

Tables = Mapping[str, pd.DataFrame]
_LIMITS = (
    "Judged is when customers are active by themselves. What a message sent at that time causes "
    "is another question, which needs an experiment.",
    "The intervals resample customers; another season may differ by more.",
)


def write_promotion_chapter(tables: Tables) -> Chapter:
    """Write the chapter on send times from the evidence of a training.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence: scores, folds, reliability, gains, importance, best, notes.
    """
    figures = make_promotion_figures(tables)
    best = str(tables["best"]["model"].iloc[0])
    about = ["How active a customer will be is learned from these; when, from their own weeks."]
    if best != "lightgbm":
        about.append(f"The chosen model, {name_of(best)}, does not use them.")
    sections = [
        _write_scores(tables, figures),
        _write_calibration(tables, figures, best),
        *write_importance(
            tables.get("importance"), figures.get("feature_importance"), tuple(about)
        ),
        Section("Notes and limits", (*(str(note) for note in tables["notes"]["note"]), *_LIMITS)),
    ]
    return Chapter(
        kind="promotion",
        title="Promotion timing",
        question="At which hour of the week is each customer most likely to be active?",
        headline=_write_headline(tables, best),
        sections=tuple(sections),
    )


def _write_headline(tables: Tables, best: str) -> str:
    scores: dict[str, Any] = {row["model"]: row for row in tables["scores"].to_dict("records")}
    baseline = min(PROMOTION_BASELINES, key=lambda name: scores[name]["log_loss"])
    gains = tables["gains"]
    is_pair = (gains["model"] == best) & (gains["baseline"] == baseline)
    gain = gains[is_pair].to_dict("records")[0]
    per_nat = gain["relative"] / gain["gain"] if gain["gain"] else 0.0
    own, other = scores[best], scores[baseline]
    words = write_gain(gain["relative"], gain["low"] * per_nat, gain["high"] * per_nat, "log-loss")
    return (
        f"The chosen model, {name_of(best)}, against the best baseline, {name_of(baseline)}: "
        f"{words}, on the same {write_number(gain['customers'], 0)} customers. "
        f"{write_percent(own['block_hit'])} of what customers did fell into the three hours of the "
        f"day that it named first for them ({write_percent(other['block_hit'])} for the baseline)."
    )


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
    gains = tables["gains"]
    pairs = make_grid(
        "Paired gain in log-loss, on the same customers and weeks, with 95 % interval",
        gains.assign(model=gains["model"].map(name_of), baseline=gains["baseline"].map(name_of)),
        [
            ("model", "model", None), ("baseline", "over", None), ("gain", "gain, nats", 6),
            ("low", "low", 6), ("high", "high", 6), ("relative", "gain, relative", 2),
            ("customers", "customers", 0),
        ],
        percent=("relative",),
    )  # fmt: skip
    rate = float(tables["scores"]["base_rate"].iloc[0])
    return Section(
        "Models compared",
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
        "Whether the probabilities come true",
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
