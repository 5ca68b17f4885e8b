"""How two records of people are compared, and what is said where they agree.

Every column is compared at levels, the strongest agreement first, each with its words; Splink's
model learns what a level is worth. Which pairs are looked at is written down here, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pandas as pd

from features.errors import InvalidRequest

FIRST_NAME, SURNAME, BIRTH_DATE, EMAIL, PHONE, POSTCODE, CITY = PERSON_COLUMNS = (
    "first_name", "surname", "birth_date", "email", "phone", "postcode", "city",
)  # fmt: skip
"""Columns that are known; what else a table has is compared for equality."""
PAIRS = (
    (EMAIL,),
    (PHONE,),
    (FIRST_NAME, SURNAME),
    (SURNAME, BIRTH_DATE),
    (FIRST_NAME, BIRTH_DATE),
    (POSTCODE, FIRST_NAME),
    (POSTCODE, SURNAME),
    (POSTCODE, BIRTH_DATE),
    (CITY, BIRTH_DATE),
    (CITY, SURNAME),
    ("substr(first_name, 1, 3)", "substr(surname, 1, 4)"),
    ("substr(first_name, 1, 2)", "substr(surname, 1, 2)", "substr(birth_date, 1, 4)"),
    ("substr(postcode, 1, 3)", BIRTH_DATE),
    ("substr(postcode, 1, 3)", SURNAME),
)
"""Records are compared where all expressions of one of these are equal."""
BROAD = ((BIRTH_DATE,), (SURNAME,), (FIRST_NAME,), (CITY,))
"""The same where a table is small enough (`select_broad`): who has errors in the rest."""
PAIRS_A_RECORD = 50
"""Pairs that a broad rule may give, on average over a table's records."""
SURE = ((EMAIL,), (PHONE,), (FIRST_NAME, SURNAME, BIRTH_DATE), (POSTCODE, BIRTH_DATE))
"""Agreement that says two records are one person, nearly always."""
TRAINED_ON = ((BIRTH_DATE,), (FIRST_NAME, SURNAME), (EMAIL,), (POSTCODE,), (PHONE,))
"""Pairs that agree here teach the model what agreement elsewhere is worth."""


@dataclass(frozen=True)
class Comparison:
    """How one thing about people is compared.

    Attributes
    ----------
    name : str
    columns : tuple of str
        That it reads.
    levels : tuple of Splink's level creators
        The strongest agreement first, between "one is missing" and "anything else".
    words : tuple of str
        A reason per level; empty where it is none.
    """

    name: str
    columns: tuple[str, ...]
    levels: tuple[Any, ...]
    words: tuple[str, ...]


def load_splink(module: str = "") -> Any:
    """Return Splink, or a module of it.

    Raises
    ------
    InvalidRequest
        If the extra `identity` is not installed.
    """
    try:
        return import_module(f"splink.{module}" if module else "splink")
    except ImportError as error:
        raise InvalidRequest(
            "proposals need Splink: expected the extra 'identity', got an installation without "
            "it. Run: pip install 'almanac[identity]'."
        ) from error


def select_rules(rules: Collection[tuple[str, ...]], columns: Collection[str]) -> list[list[str]]:
    """Return the rules whose columns a table has.

    Examples
    --------
    >>> select_rules(PAIRS, ["email", "city", "surname"])
    [['email'], ['city', 'surname']]
    """
    absent = [column for column in PERSON_COLUMNS if column not in columns]
    return [list(rule) for rule in rules if not any(a in part for a in absent for part in rule)]


def select_broad(people: pd.DataFrame) -> list[list[str]]:
    """Return the rules of `BROAD` that give few enough pairs.

    Parameters
    ----------
    people : DataFrame
        A row per record.

    Examples
    --------
    >>> select_broad(pd.DataFrame({"surname": ["a", "b"] * 50, "city": ["c"] * 100}))
    [['surname'], ['city']]
    >>> select_broad(pd.DataFrame({"surname": ["a", "b"] * 90, "city": ["c"] * 180}))
    [['surname']]
    """
    chosen = []
    for rule in select_rules(BROAD, list(people.columns)):
        sizes = people[rule].value_counts().to_numpy()
        if (sizes * (sizes - 1) // 2).sum() <= PAIRS_A_RECORD * len(people):
            chosen.append(rule)
    return chosen


def build_comparisons(columns: Collection[str]) -> list[Comparison]:
    """Return the comparisons that a table's columns allow.

    Parameters
    ----------
    columns : collection of str
        Without the profile.
    """
    found, left = [], list(columns)
    if {FIRST_NAME, SURNAME} <= set(columns):
        found.append(_compare_names())
        left = [column for column in left if column not in (FIRST_NAME, SURNAME)]
    known = {FIRST_NAME: _compare_name, SURNAME: _compare_name, EMAIL: _compare_email}
    known |= {BIRTH_DATE: _compare_date, PHONE: _compare_phone, POSTCODE: _compare_postcode}
    return found + [known.get(column, _compare_exactly)(column) for column in left]


def _compare_names() -> Comparison:
    level = load_splink("comparison_level_library")

    def alike(score: float) -> Any:
        return level.And(
            level.JaroWinklerLevel(FIRST_NAME, score), level.JaroWinklerLevel(SURNAME, score)
        )

    levels = (
        (level.And(level.ExactMatchLevel(FIRST_NAME), level.ExactMatchLevel(SURNAME)), "same name"),
        (level.ColumnsReversedLevel(FIRST_NAME, SURNAME, symmetrical=True), "names swapped"),
        (alike(0.92), "nearly the same name"),
        (alike(0.85), "similar name"),
        (_exact(SURNAME), "same surname"),
        (_exact(FIRST_NAME), "same first name"),
        (level.JaroWinklerLevel(SURNAME, 0.9), "similar surname"),
        (level.JaroWinklerLevel(FIRST_NAME, 0.9), "similar first name"),
    )
    return _comparison(f"{FIRST_NAME}_{SURNAME}", (FIRST_NAME, SURNAME), levels)


def _compare_name(column: str) -> Comparison:
    level = load_splink("comparison_level_library")
    said = _say(column)
    levels = (
        (_exact(column), f"same {said}"),
        (level.JaroWinklerLevel(column, 0.92), f"nearly the same {said}"),
        (level.JaroWinklerLevel(column, 0.85), f"similar {said}"),
    )
    return _comparison(column, (column,), levels)


def _compare_date(column: str) -> Comparison:
    level = load_splink("comparison_level_library")
    year = f"substr({column}_l, 1, 4) = substr({column}_r, 1, 4)"
    levels = (
        (_exact(column), f"same {_say(column)}"),
        (level.DamerauLevenshteinLevel(column, 1), f"{_say(column)} one digit apart"),
        (level.DamerauLevenshteinLevel(column, 2), f"{_say(column)} two digits apart"),
        (level.CustomLevel(year), "same year of birth"),
    )
    return _comparison(column, (column,), levels)


def _compare_email(column: str) -> Comparison:
    level = load_splink("comparison_level_library")
    name = f"split_part({column}_l, '@', 1) = split_part({column}_r, '@', 1)"
    levels = (
        (_exact(column), f"same {column}"),
        (level.CustomLevel(name), f"same {column} before the @"),
        (level.JaroWinklerLevel(column, 0.9), f"similar {column}"),
    )
    return _comparison(column, (column,), levels)


def _compare_phone(column: str) -> Comparison:
    level = load_splink("comparison_level_library")
    levels = (
        (_exact(column), f"same {column}"),
        (level.DamerauLevenshteinLevel(column, 1), f"{column} one digit apart"),
    )
    return _comparison(column, (column,), levels)


def _compare_postcode(column: str) -> Comparison:
    level = load_splink("comparison_level_library")
    area = f"substr({column}_l, 1, 3) = substr({column}_r, 1, 3)"
    levels = (
        (_exact(column), f"same {column}"),
        (level.DamerauLevenshteinLevel(column, 1), f"{column} one character apart"),
        (level.CustomLevel(area), f"same area of {column}"),
    )
    return _comparison(column, (column,), levels)


def _compare_exactly(column: str) -> Comparison:
    return _comparison(column, (column,), ((_exact(column), f"same {_say(column)}"),))


def _comparison(
    name: str, columns: tuple[str, ...], levels: tuple[tuple[Any, str], ...]
) -> Comparison:
    return Comparison(
        name, columns, tuple(level for level, _ in levels), tuple(w for _, w in levels)
    )


def _exact(column: str) -> Any:
    """Return the level of equal values, of which rare ones weigh more."""
    level = load_splink("comparison_level_library")
    return level.ExactMatchLevel(column).configure(tf_adjustment_column=column)


def _say(column: str) -> str:
    return column.replace("_", " ")
