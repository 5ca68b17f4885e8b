"""What the report says of the data: what is there, what is missing, what to look at first."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from training.chapters import Chapter, Picture, Section, join_words, make_grid, write_percent
from training.quality.checks import LOOK
from training.quality.measure import COLUMNS, FINDINGS, SPANS
from training.quality.plots import make_quality_figures

Tables = Mapping[str, pd.DataFrame]
_TINY = 0.001


def write_quality_chapter(tables: Tables) -> Chapter | None:
    """Write the chapter on the data; None where nothing was measured.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        As `training.quality.measure.measure_quality` returns them, read back or not.
    """
    if SPANS not in tables:
        return None
    sections = (_write_findings(tables[FINDINGS]), *_write_days(tables), _write_tables(tables))
    return Chapter(
        kind="data",
        title="The data",
        question="What did the models learn from, and what in it should be looked at first?",
        headline=_write_headline(tables),
        sections=sections,
    )


def _write_headline(tables: Tables) -> str:
    spans, findings = tables[SPANS], tables[FINDINGS]
    rows = int(spans["rows"].sum())
    looks = findings[findings["weight"] == LOOK]
    about = f"{rows:,} rows in {len(spans)} tables passed every check at the door."
    if looks.empty:
        return f"{about} Nothing in them asks for a look before the numbers below are believed."
    names = list(dict.fromkeys(str(name) for name in looks["table"]))
    points = "One point asks" if len(looks) == 1 else f"{len(looks)} points ask"
    return (
        f"{about} {points} for a look before the numbers below are believed: {join_words(names)}."
    )


def _write_findings(findings: pd.DataFrame) -> Section:
    title = "What to look at"
    if findings.empty:
        return Section(title, ("Nothing that is looked for was found.",))
    told = findings.assign(
        what=[_tell(row) for row in findings.to_dict("records")],
        weight=findings["weight"].map({LOOK: "look"}).fillna("good to know"),
        share=findings["share"].map(write_share),
    )
    grid = make_grid(
        "What was found, the weightiest first",
        told,
        [
            ("table", "table", None), ("weight", "weight", None), ("what", "what", None),
            ("meaning", "what it means, and what to do", None), ("share", "share", None),
        ],
    )  # fmt: skip
    sentence = (
        "The door refuses what is wrong. What stands here is allowed, and yet decides how far "
        "forecasts and send times can be trusted."
    )
    return Section(title, (sentence,), grids=(grid,))


def _tell(row: Mapping[Hashable, Any]) -> str:
    return f"{row['count']:,} of {row['of']:,} {row['words']}"


def _write_days(tables: Tables) -> list[Section]:
    figures = make_quality_figures(tables)
    if not figures:
        return []
    picture = Picture(
        figures["rows_by_day"],
        "Rows by day of each table that has a time",
        "A chart a table of its rows by day; the table below has the first and the last.",
    )
    sentence = (
        "A hole or a step is a delivery that was cut, a store that opened, or an export that "
        "changed: models read all three as demand or activity."
    )
    return [Section("Whether every day arrived", (sentence,), (picture,))]


def _write_tables(tables: Tables) -> Section:
    columns = tables[COLUMNS]
    given = columns[columns["filled"] > 0]
    spans = make_grid(
        "The tables as they were trained on",
        tables[SPANS],
        [("table", "table", None), ("first", "first", None), ("last", "last", None),
         ("rows", "rows", 0)],
    )  # fmt: skip
    filled = make_grid(
        "Their columns: how full, how many values (about), and from where to where",
        given,
        [
            ("table", "table", None), ("column", "column", None), ("low", "lowest", None),
            ("high", "highest", None), ("filled", "filled", 1), ("distinct", "values", 0),
        ],
        percent=("filled",),
    )  # fmt: skip
    empty = columns[columns["filled"] == 0]
    sentences = tuple(
        f"Not in {name}: {join_words([str(column) for column in rows['column']])}."
        for name, rows in empty.groupby("table", sort=False)
    )
    return Section("What is there, and what is not", sentences, grids=(spans, filled))


def write_share(share: float) -> str:
    """Write a share above 0 as percent, never as 0.0 %.

    Examples
    --------
    >>> write_share(0.00001).replace("\N{NARROW NO-BREAK SPACE}", " ")
    'below 0.1 %'
    """
    is_tiny = 0 < share < _TINY
    return f"below {write_percent(_TINY)}" if is_tiny else write_percent(share)
