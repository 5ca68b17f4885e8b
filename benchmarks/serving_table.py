"""The rows of the benchmark as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def write_page(
    title: str, about: str, rows: Sequence[Mapping[str, Any]], run: Mapping[str, str]
) -> str:
    """Return the results as Markdown.

    Parameters
    ----------
    title, about : str
    rows : sequence of mapping
        Each with name, bar, found, is_met, how. A bar of 'beside' is none: the row is told, not
        judged.
    run : mapping of str to str
        Date, versions, machine, command.
    """
    judged = [row for row in rows if row["bar"] != "beside"]
    n_met = sum(bool(row["is_met"]) for row in judged)
    lines = [
        *(f"# {title}", "", about.strip(), ""),
        *(f"{n_met} of {len(judged)} bars are met.", ""),
        *("| what | bar | measured | | how |", "|---|---|---|---|---|"),
    ]
    lines += [
        f"| {_cell(row['name'])} | {_bar(row)} | {_cell(row['found'])} | {_verdict(row)} | "
        f"{_cell(row['how'])} |"
        for row in rows
    ]
    lines += ["", "## Run", "", *(f"- {name}: {value}" for name, value in run.items())]
    return "\n".join(lines) + "\n"


def _bar(row: Mapping[str, Any]) -> str:
    return "" if row["bar"] == "beside" else _cell(row["bar"])


def _verdict(row: Mapping[str, Any]) -> str:
    if row["bar"] == "beside":
        return ""
    return "met" if row["is_met"] else "**missed**"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
