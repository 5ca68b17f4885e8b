"""What the report says of what changed since the last champion."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import Grid, Picture, Section, make_grid, write_number, write_percent
from training.comparison.differences import RELATIVE

Tables = Mapping[str, pd.DataFrame]
_TITLE = "What changed since the last champion"
_PERCENT = ("wape", "bias", "coverage_80", "coverage_95", "hour_hit", "block_hit")
_MOST_FEATURES = 10
_LEAST_SHARE = 0.001
_MOST_SERIES = 10
_MANY_OUTSIDE = 0.1


def write_change(tables: Tables, figures: Mapping[str, Figure]) -> Section:
    """Write the section on what changed since the champion that was there at the training.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training, with the tables of `compare_trainings` where a champion was there.
    figures : mapping of name to Figure
        Of the same, with those of `make_change_figures` among them.
    """
    about = tables.get("change_about")
    if about is None:
        return Section(_TITLE, ("No champion is on record to compare this training with.",))
    row = about.iloc[0]
    if "change_scores" not in tables:
        return Section(_TITLE, (f"It could not be compared with the champion: {row['note']}.",))
    sentences = (
        f"Compared with version {row['before']}, the champion when this was trained "
        f"(itself trained on {row['trained_at']} UTC).",
        *describe_change(tables),
    )
    pictures = tuple(
        Picture(figures[name], caption, alternative)
        for name, caption, alternative in _PICTURES
        if name in figures
    )
    return Section(_TITLE, sentences, pictures, tabulate_change(tables))


_PICTURES = (
    ("change_in_error", "Error of what is published, before and now",
     "WAPE by level before and now; the table below holds the same numbers."),
    ("forecasts_that_moved_most", "The forecasts that moved most, on the dates both foresee",
     "A chart a series of the old forecast with its interval and the new one; sums below."),
    ("best_hours_that_moved", "How far the best hour of a customer moved",
     "Bars of the share of customers by how far their best hour moved; numbers below."),
)  # fmt: skip


def describe_change(tables: Tables) -> tuple[str, ...]:
    """Say in sentences what changed and what to conclude from it.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Of `compare_trainings`.
    """
    return (
        _tell_scores(tables),
        _tell_causes(tables),
        *_tell_forecasts(tables.get("change_levels")),
        *_tell_hours(tables.get("change_hours")),
    )


def tabulate_change(tables: Tables) -> tuple[Grid, ...]:
    """Return the tables of a comparison as they are read."""
    grids = [_list_scores(tables["change_scores"])]
    settings, features = tables["change_settings"], tables["change_features"]
    features = features[features["change"].abs() >= _LEAST_SHARE]
    if len(settings):
        grids.append(
            make_grid(
                "Settings that differ",
                settings,
                [("key", "setting", None), ("before", "before", None), ("after", "now", None)],
            )
        )
    if len(features):
        grids.append(
            make_grid(
                "Features whose share of the gain changed most",
                features.head(_MOST_FEATURES),
                [("feature", "feature", None), ("before", "before", 1), ("after", "now", 1),
                 ("change", "change", 1)],
                percent=("before", "after", "change"),
            )
        )  # fmt: skip
    moved = tables.get("change_forecasts")
    if moved is not None and len(moved):
        grids.append(
            make_grid(
                "Forecasts that moved most: units over the dates that both foresee",
                moved.head(_MOST_SERIES),
                [("region", "region", None), ("product", "product", None),
                 ("before", "before", 1), ("after", "now", 1), ("moved", "moved", 1)],
            )
        )  # fmt: skip
    hours = tables.get("change_hours")
    if hours is not None and len(hours):
        grids.append(
            make_grid(
                "Best hours of customers whom both know",
                hours,
                [("moved", "best hour moved by", None), ("customers", "customers", 0),
                 ("share", "share", 1)],
                percent=("share",),
            )
        )  # fmt: skip
    return tuple(grids)


def _list_scores(scores: pd.DataFrame) -> Grid:
    rows = tuple(
        (str(row["level"]), _name(str(row["score"])), str(row["verdict"]),
         *(_write(str(row["score"]), float(row[name])) for name in ("before", "after", "change")))
        for row in scores.to_dict("records")
    )  # fmt: skip
    columns = ("level", "score", "now it is", "before", "now", "change")
    return Grid("Scores of what is published, before and now", columns, rows, n_texts=3)


def _tell_scores(tables: Tables) -> str:
    scores = tables["change_scores"]
    is_same_data = str(tables["change_about"]["is_same_data"].iloc[0]) == "True"
    counts = scores["verdict"].value_counts()
    said = (
        f"Of {len(scores)} scores {counts.get('better', 0)} are better, {counts.get('worse', 0)} "
        f"worse and {counts.get('same', 0)} much the same"
    )
    if is_same_data:
        return f"{said}; both saw the same data, so any difference is the method's."
    relative = scores[scores["score"].str.endswith(RELATIVE)]
    if relative.empty:
        return f"{said}; the data differs, so scores cannot be set against each other."
    first = relative.iloc[0]
    return (
        f"{said}; the data differs, so read what is set against the best baseline of its own data: "
        f"{write_number(first['before'])} before, {write_number(first['after'])} now, "
        f"{first['verdict']}."
    )


def _tell_causes(tables: Tables) -> str:
    settings = tables["change_settings"]
    is_same_data = str(tables["change_about"]["is_same_data"].iloc[0]) == "True"
    data = "the data is the same" if is_same_data else "the data differs"
    if settings.empty:
        end = "nothing should have moved" if is_same_data else "what moved, moved with the data"
        return f"No setting differs and {data}: {end}."
    names = f"{len(settings)} setting{'s differ' if len(settings) > 1 else ' differs'}"
    return f"{names} and {data}."


def _tell_forecasts(levels: pd.DataFrame | None) -> tuple[str, ...]:
    if levels is None:
        return ()
    if levels.empty:
        return ("The two forecast no date in common, so no forecast can be said to have moved.",)
    row = levels.iloc[0]
    outside = float(row["outside"])
    verdict = (
        "more than one would expect of the same demand: look at the series below before promoting"
        if outside > _MANY_OUTSIDE
        else "as one would expect of the same demand"
    )
    total = row["after"] / row["before"] - 1 if row["before"] > 0 else float("nan")
    words = "less" if total < 0 else "more"
    sentence = (
        f"On the {row['dates']:.0f} dates that both foresee, forecasts of {row['level']} sum to "
        f"{write_percent(abs(total))} {words} than before ({write_number(row['series'], 0)} "
        "series); "
        f"{write_percent(outside)} of the new means lie outside the old 80 % intervals, {verdict}."
    )
    more = [
        f"{write_number(row[name], 0)} series are {words}."
        for name, words in (("added", "new"), ("gone", "not forecast any more"))
        if row[name] > 0
    ]
    return (sentence, *more)


def _tell_hours(hours: pd.DataFrame | None) -> tuple[str, ...]:
    if hours is None:
        return ()
    if hours.empty:
        return ("No customer is known to both, so no best hour can be said to have moved.",)
    same = float(hours["share"].iloc[0])
    return (
        f"{write_percent(same)} of the customers whom both know keep their best hour of the day.",
    )


def _name(score: str) -> str:
    return score.replace("_", " ").replace("wape", "WAPE")


def _write(score: str, value: float) -> str:
    return write_percent(value) if score in _PERCENT else write_number(value, 4)
