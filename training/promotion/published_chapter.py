"""What the report says of the parts of a promotion model: which are published, and why."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from training.chapters import Section, make_grid
from training.palette import name_of
from training.proof.tables import FALLBACK_GAINS

Tables = Mapping[str, pd.DataFrame]
_PARTS = {
    "response": "answers to messages",
    "value": "orders to come",
    "offers": "which offer for whom",
}
_PROVEN = (
    "Send times are hours at which messages are answered, as that was proven before launch to be "
    "worth more than every baseline that counts."
)
_UNPROVEN = (
    "Send times are hours at which messages are answered by what was learned; that this is worth "
    "more than every baseline that counts is not proven, and the project file asks for no proof."
)
_ACTIVE = (
    "Send times are hours at which customers are active by themselves: that messages are answered "
    "more then was not proven."
)


def write_published(tables: Tables, best: str) -> list[Section]:
    """Write which parts are published and which are not; none without that evidence.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training; `published` has `part, is_published, words`.
    best : str
        The chosen send-time model.
    """
    published = tables.get("published")
    if published is None:
        return []
    own = ("when customers are active", "published", f"{name_of(best)}, chosen by the backtest")
    rows = [own] + [
        (
            _PARTS.get(str(row["part"]), str(row["part"])),
            "published" if row["is_published"] else "left out",
            _write_why(str(row["part"]), str(row["words"])),
        )
        for row in published.to_dict("records")
    ]
    grid = make_grid(
        "Parts of the model",
        pd.DataFrame(rows, columns=["part", "state", "why"]),
        [("part", "part", None), ("state", "state", None), ("why", "what it is, or why not", None)],
    )
    return [Section("What is published, and what is not", (_say_basis(tables),), (), (grid,))]


def _say_basis(tables: Tables) -> str:
    """Say what send times rest on; what activity is worth is told where responses are unproven."""
    if not is_published(tables, "response"):
        return _ACTIVE
    is_proven = "policy_gains" in tables and FALLBACK_GAINS not in tables
    return _PROVEN if is_proven else _UNPROVEN


def is_published(tables: Tables, part: str) -> bool:
    """Return whether a part is published; False without evidence of it."""
    published = tables.get("published")
    if published is None:
        return False
    rows = published[published["part"] == part]
    return bool(rows["is_published"].astype(bool).any())


def find_value_model(tables: Tables) -> str:
    """Return the name of the published value model; '' if none is."""
    published = tables.get("published")
    if published is None or not is_published(tables, "value"):
        return ""
    return str(published.loc[published["part"] == "value", "words"].iloc[0])


def _write_why(part: str, words: str) -> str:
    """Write a model's name as it is read, and a note without the part's own name before it."""
    head, comma, rest = words.removeprefix(f"{part}: ").partition(",")
    return f"{head if ' ' in head else name_of(head)}{comma}{rest}"
