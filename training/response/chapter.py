"""What the report says of answers to messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import (
    Grid,
    Picture,
    Section,
    list_log_loss_gains,
    make_grid,
    write_importance,
    write_number,
    write_paired_gain,
    write_percent,
)
from training.palette import name_of
from training.response.plots import EVERY_PART

Tables = Mapping[str, pd.DataFrame]


def write_response_sections(tables: Tables, figures: Mapping[str, Figure]) -> list[Section]:
    """Write the sections on who answers messages, and when; none where nobody could tell.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training, with the tables of `ResponseBacktest` among it.
    figures : mapping of name to Figure
        Of the same, with those of `make_response_figures` and 'response_importance' among them.
    """
    if "response_scores" not in tables:
        return []
    sections = [_write_scores(tables, figures)]
    if len(tables["response_delays"]):
        sections.append(_write_delays(tables["response_delays"], figures))
    about = (
        "Shares of the gain of the boosted trees in the last test window, over the channels whose "
        "hours were learned. What a feature gains is no cause.",
    )
    looks = write_importance(
        tables.get("response_importance"), figures.get("response_importance"), about
    )
    return sections + [replace(one, title="Answers: what the model looks at") for one in looks]


def _write_scores(tables: Tables, figures: Mapping[str, Figure]) -> Section:
    scores, gains = tables["response_scores"], tables["response_gains"]
    first = scores.iloc[0]
    sentences = [
        f"{write_number(first['touches'], 0)} messages of the test windows were foreseen as of "
        f"their send; {write_percent(first['base_rate'])} were answered by a click or an order in "
        "time. Opens by machines count for nothing.",
        *(
            f"The gain of {name_of(str(row['model']))} over {name_of(str(row['baseline']))}: "
            f"{write_paired_gain(row, 'log-loss')}."
            for row in gains.to_dict("records")
        ),
    ]
    picture = Picture(
        figures["response_gains_and_reliability"],
        "What response models gain over simpler ones, and whether their chances come true",
        "Two charts: paired gains in log-loss with intervals, and observed against predicted "
        "probability by model; numbers below.",
    )
    pairs = list_log_loss_gains(
        "Paired gain in log-loss, on the same messages, with 95 % interval over customers", gains, 5
    )
    grids = (_list_scores(scores), pairs, *_list_groups(tables))
    return Section("Answers: models compared", tuple(sentences), (picture,), grids)


def _list_scores(scores: pd.DataFrame) -> Grid:
    return make_grid(
        "Scores of foreseen answers, the simplest model first",
        scores.assign(name=scores["model"].map(name_of)),
        [
            ("name", "model", None), ("log_loss", "log-loss, nats", 5), ("brier", "Brier", 5),
            ("calibration_error", "calibration error", 5), ("predicted", "predicted", 2),
            ("base_rate", "observed", 2), ("touches", "messages", 0),
        ],
        percent=("predicted", "base_rate"),
    )  # fmt: skip


def _list_groups(tables: Tables) -> tuple[Grid, ...]:
    """List the log-loss of each model by channel and by hours."""
    groups = tables.get("response_groups")
    if groups is None or groups.empty:
        return ()
    models = [str(model) for model in groups["model"].unique()]
    keys = ["by", "group"]
    wide = groups.pivot_table(index=keys, columns="model", values="log_loss", sort=False)
    about = groups[groups["model"] == models[0]].set_index(keys)[["touches", "base_rate"]]
    table = wide.join(about).reset_index()
    return (
        make_grid(
            "Log-loss by channel and by hour of the send, nats",
            table,
            [
                ("group", "messages of", None), ("by", "by", None), ("touches", "messages", 0),
                ("base_rate", "answered", 2), *((name, name_of(name), 5) for name in models),
            ],
            percent=("base_rate",),
        ),
    )  # fmt: skip


def _write_delays(delays: pd.DataFrame, figures: Mapping[str, Figure]) -> Section:
    named = delays.assign(part=delays["part"].replace({EVERY_PART: "any"}))
    grid = make_grid(
        "How long messages wait to be opened, by channel and part of the day of the send",
        named,
        [
            ("channel", "channel", None), ("part", "sent in the", None),
            ("opened_1h", "opened within 1 hour", 1), ("opened_24h", "24 hours", 1),
            ("opened_7d", "7 days", 1), ("delay_hours", "mean delay, hours", 1),
        ],
        percent=("opened_1h", "opened_24h", "opened_7d"),
    )  # fmt: skip
    picture = Picture(
        figures["time_to_open"],
        "Share of messages opened in time, and the mean delay of an open",
        "Two charts: the share opened within an hour, a day and a week by channel, and the mean "
        "delay by part of the day; numbers below.",
    )
    sentences = (
        "How long an open takes, of people alone. What was not opened yet when the log ends, or "
        "within seven days, counts as still unopened; the mean delay is of messages opened within "
        "seven days. A part of the day with few messages leans on the others of its channel.",
    )
    return Section("Time to open", sentences, (picture,), (grid,))
