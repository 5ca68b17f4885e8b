"""Looking series up by text, by kin and by level, over the facts of a demand champion."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from models.demand.series_facts import SeriesFacts
from serving.names import nearest
from serving.planning import UnknownNode

Places = npt.NDArray[np.int64]

_AHEAD, _BEFORE = ("units", "units_lower", "units_upper"), ("last_year_units", "recent_units")


def find_one(facts: SeriesFacts, region: str, product: str) -> int:
    """Return the position of a series.

    Raises
    ------
    UnknownNode
        If a name is not known, or the product is not forecast in the region.
    """
    at = facts.find(find_node(facts, "region", region), find_node(facts, "product", product))
    if at < 0:
        raise UnknownNode("product", "this product is not forecast in this region")
    return at


def find_node(facts: SeriesFacts, kind: str, name: str) -> int:
    """Return the position of a region or a product in its tree.

    Raises
    ------
    UnknownNode
        If it is not known; the nearest name is told.
    """
    tree = facts.trees[kind]
    at = tree.find(name)
    if at < 0:
        words = f"this {kind} is not forecast; nearest: '{nearest(name, tree.ids)}'"
        raise UnknownNode(kind, words)
    return at


def find_level(facts: SeriesFacts, kind: str, level: str) -> npt.NDArray[np.bool_]:
    """Return which nodes of a tree are of a level.

    Raises
    ------
    UnknownNode
        If no node is.
    """
    found = facts.trees[kind].is_at(level)
    if not found.any():
        known = sorted(set(facts.trees[kind].levels))
        raise UnknownNode(
            "level", f"this level is not forecast; nearest: '{nearest(level, known)}'"
        )
    return found


def search_series(
    facts: SeriesFacts,
    text: str = "",
    *,
    level: str | None = None,
    region: str | None = None,
    product: str | None = None,
) -> Places:
    """Return the series that fit, most units first.

    Parameters
    ----------
    facts : SeriesFacts
    text : str
        Words; each has to be in the id or the name of the region or of the product.
    level : str, optional
        Region level / product level.
    region, product : str, optional
        Ids.
    """
    is_there = np.ones(len(facts), dtype=bool)
    for kind, name in (("region", region), ("product", product)):
        if name is not None:
            is_there &= facts.codes[kind] == find_node(facts, kind, name)
    if level is not None:
        for kind, own in zip(("region", "product"), _split_level(facts, level), strict=True):
            is_there &= find_level(facts, kind, own)[facts.codes[kind]]
    for word in text.casefold().split():
        is_there &= _has_word(facts, "region", word) | _has_word(facts, "product", word)
    order = facts.by_size
    return order[is_there[order]]


def find_above(facts: SeriesFacts, at: int) -> list[int]:
    """Return the same product in the nearest region above, then the nearest product above."""
    codes = {kind: int(facts.codes[kind][at]) for kind in ("region", "product")}
    found = []
    for kind, tree in facts.trees.items():
        above = int(tree.parents[codes[kind]])
        while above >= 0:
            pair = codes | {kind: above}
            place = facts.find(pair["region"], pair["product"])
            if place >= 0:
                found.append(place)
                break
            above = int(tree.parents[above])
    return found


def find_below(facts: SeriesFacts, at: int, kind: str) -> Places:
    """Return the series just below in one of the trees, most units first."""
    other = "product" if kind == "region" else "region"
    parents = facts.trees[kind].parents[facts.codes[kind]]
    is_below = parents == facts.codes[kind][at]
    is_below &= facts.codes[other] == facts.codes[other][at]
    found = np.flatnonzero(is_below)
    return found[np.argsort(-np.nan_to_num(facts.figures["units"][found]), kind="stable")]


def finest_level(facts: SeriesFacts) -> str:
    """Return the region level that most series are of."""
    codes, counts = np.unique(facts.codes["region"], return_counts=True)
    levels: dict[str, int] = {}
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        level = facts.trees["region"].levels[code]
        levels[level] = levels.get(level, 0) + count
    return max(levels, key=lambda level: levels[level])


def grow(facts: SeriesFacts, places: Iterable[int]) -> list[dict[str, Any]]:
    """Return the forecast of each series beside what was sold before."""
    rows = []
    for at in places:
        figures = {name: read_figure(facts, name, at) for name in _AHEAD}
        last_year, recent = (read_figure(facts, name, at) for name in _BEFORE)
        has_year = last_year is not None and last_year > 0
        before = last_year if has_year else recent
        ratios = {
            f"growth{name.removeprefix('units')}": _divide(value, before)
            for name, value in figures.items()
        }
        words = "last year" if has_year else "recent weeks"
        rows.append({**figures, "compared_with": words, "before_units": before, **ratios})
    return rows


def describe_series(facts: SeriesFacts, places: Iterable[int]) -> list[dict[str, Any]]:
    """Return series as the contract has them."""
    chosen = list(places)
    rows = []
    for at, growth in zip(chosen, grow(facts, chosen), strict=True):
        row: dict[str, Any] = {}
        for kind, tree in facts.trees.items():
            code = int(facts.codes[kind][at])
            row |= {
                f"{kind}_id": tree.ids[code],
                f"{kind}_name": tree.names[code],
                f"{kind}_level": tree.levels[code],
            }
        row["level"] = f"{row['region_level']}/{row['product_level']}"
        row["series"] = int(facts.figures["n_series"][at])
        rows.append({**row, **growth})
    return rows


def read_figure(facts: SeriesFacts, name: str, at: int) -> float | None:
    """Return one figure of a series; None where it is not known."""
    value = float(facts.figures[name][at])
    return None if math.isnan(value) else value


def _has_word(facts: SeriesFacts, kind: str, word: str) -> npt.NDArray[np.bool_]:
    held = np.array([word in text for text in facts.trees[kind].texts], dtype=bool)
    found: npt.NDArray[np.bool_] = held[facts.codes[kind]]
    return found


def _split_level(facts: SeriesFacts, level: str) -> tuple[str, str]:
    for region_level in set(facts.trees["region"].levels):
        rest = level.removeprefix(f"{region_level}/")
        if rest != level and rest in facts.trees["product"].levels:
            return region_level, rest
    known = sorted(
        f"{one}/{other}"
        for one in set(facts.trees["region"].levels)
        for other in set(facts.trees["product"].levels)
    )
    raise _name_nearest(level, known)


def _name_nearest(level: str, known: list[str]) -> UnknownNode:
    return UnknownNode("level", f"this level is not forecast; nearest: '{nearest(level, known)}'")


def _divide(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole or whole <= 0 else part / whole
