"""Series with little history or none: they start from their siblings' pattern.

Siblings of a series are, in this order: the same product in regions of the same parent, the same
product anywhere, products of the same parent in the same region, and all series. Only those old
enough to speak for themselves count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from features.region.hierarchy import Hierarchy
from features.region.nodes import build_nodes
from features.region.panel import Panel
from features.schema import ALL
from models.demand.coherent import Coherent
from models.demand.marginals import PROBABILITIES
from models.demand.members import Members

Floats = npt.NDArray[np.float64]

OWN_PERIODS = {"day": 56, "week": 8, "month": 6, "quarter": 4}
"""Periods after which a series' own history counts alone: eight weeks of daily or weekly data."""
MOST_SIBLINGS = 200


@dataclass(frozen=True)
class Newcomers:
    """Which series lean on siblings.

    Attributes
    ----------
    own_share : array of shape (n_series,)
        What own history counts: 1 for all but the young, 0 for those never seen.
    words : dict of int to str
        Whose pattern a series has, by its position.
    """

    own_share: Floats
    words: dict[int, str]


def add_newcomers(panel: Panel, made: Coherent) -> tuple[Coherent, Newcomers]:
    """Pull young series towards their siblings, and add the pairs that are planned but unseen.

    Parameters
    ----------
    panel : Panel
        Whose `unseen` are added as series after its own.
    made : Coherent
        Of the panel's series.

    Returns
    -------
    Coherent, Newcomers
        Over the panel's series and the unseen ones; the mean of an unseen pair is that of its
        siblings, before its first planned period zero, and its distribution is the mixture of
        theirs: a region that was never seen may turn out like any of them.
    """
    members = made.members
    age = members.origin - panel.series["first_period"].to_numpy() + 1
    share = np.clip(age / OWN_PERIODS[panel.frequency.name], 0.0, 1.0)
    is_old = members.is_listed & (share >= 1.0)
    young = np.flatnonzero(members.is_listed & (share < 1.0))
    mean, values = made.mean.copy(), made.knots.copy()
    words: dict[int, str] = {}
    kin = _read_kin(panel)
    for place in young:
        row = panel.series.iloc[place]
        siblings, whose = find_siblings(panel, row["region_id"], row["product_id"], is_old, kin)
        if len(siblings):
            own = share[place]
            mean[place] = own * mean[place] + (1 - own) * made.mean[siblings].mean(axis=0)
            values[place] = own * values[place] + (1 - own) * _mix(made.knots[siblings])
            words[int(place)] = whose
    pulled = replace(made, mean=mean, knots=values)
    if panel.unseen.empty:
        return pulled, Newcomers(np.where(members.is_listed, share, 1.0), words)
    return _add_unseen(panel, pulled, is_old, share, words)


def find_siblings(
    panel: Panel,
    region: str,
    product: str,
    is_old: npt.NDArray[np.bool_],
    kin: _Kin | None = None,
) -> tuple[npt.NDArray[np.int64], str]:
    """Return the positions of a pair's siblings, and in words whose pattern it gets.

    `kin` is of the panel; it is read anew where it is not given.
    """
    kin = _read_kin(panel) if kin is None else kin
    parent, family = _parent(panel.regions, region), _parent(panel.products, product)
    same, here = kin.product == product, kin.region == region
    for chosen, whose in (
        (same & (kin.parent == parent), f"the pattern of {product} in {parent}"),
        (same, f"the pattern of {product} in all regions"),
        (here & (kin.family == family), f"the pattern of {family} in {region}"),
        (np.ones(len(is_old), bool), "the pattern of all series"),
    ):
        found = np.flatnonzero(chosen & is_old)
        if len(found):
            step = max(1, len(found) // MOST_SIBLINGS)
            return found[::step], whose
    return np.empty(0, np.int64), ""


@dataclass(frozen=True)
class _Kin:
    """Region and product of each series of a panel, and their parents."""

    region: npt.NDArray[np.object_]
    product: npt.NDArray[np.object_]
    parent: npt.NDArray[np.object_]
    family: npt.NDArray[np.object_]


def _read_kin(panel: Panel) -> _Kin:
    region, product = (panel.series[name].to_numpy(object) for name in ("region_id", "product_id"))
    return _Kin(region, product, _parents(panel.regions, region), _parents(panel.products, product))


def _parents(tree: Hierarchy, ids: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    above = {one: _parent(tree, one) for one in set(ids)}
    return np.array([above[one] for one in ids], object)


def _add_unseen(
    panel: Panel,
    made: Coherent,
    is_old: npt.NDArray[np.bool_],
    share: Floats,
    words: dict[int, str],
) -> tuple[Coherent, Newcomers]:
    members, n_series = made.members, len(panel.series)
    shape = (len(panel.unseen), members.n_steps)
    mean = np.zeros(shape)
    values = np.zeros((*shape, made.knots.shape[2]), np.float32)
    listed = np.zeros(len(panel.unseen), bool)
    kin = _read_kin(panel)
    for place, row in enumerate(panel.unseen.to_dict("records")):
        siblings, whose = find_siblings(panel, row["region_id"], row["product_id"], is_old, kin)
        if not len(siblings):
            continue
        there = members.periods >= row["first_period"]
        mean[place] = np.where(there, made.mean[siblings].mean(axis=0), 0.0)
        values[place] = np.where(there[:, None], _mix(made.knots[siblings]), 0.0)
        listed[place] = True
        words[n_series + place] = whose
    extended = replace(
        made,
        members=_extend(panel, members, listed),
        by_method={},
        mean=np.concatenate([made.mean, mean]),
        knots=np.concatenate([made.knots, values]),
    )
    own = np.concatenate([np.where(members.is_listed, share, 1.0), np.zeros(len(listed))])
    return extended, Newcomers(own, words)


def _extend(panel: Panel, members: Members, listed: npt.NDArray[np.bool_]) -> Members:
    """Return the members over more series, of which they forecast nothing."""
    count = len(listed)

    def pad(values: npt.NDArray[np.float32], fill: float = 0.0) -> npt.NDArray[np.float32]:
        more = np.full((count, *values.shape[1:]), fill, np.float32)
        return np.concatenate([values, more])

    return replace(
        members,
        nodes=build_nodes(panel, panel.unseen),
        is_listed=np.concatenate([members.is_listed, listed]),
        series={name: pad(values) for name, values in members.series.items()},
        quantiles=pad(members.quantiles),
        units=pad(members.units, np.nan),
        spread=pad(members.spread, 1.0),
    )


def _mix(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the mixture of the siblings' distributions, shape (n_steps, n_knots)."""
    pooled = np.sort(np.moveaxis(values, 0, 1).reshape(values.shape[1], -1), axis=1)
    mass = np.diff(PROBABILITIES, prepend=0.0, append=1.0)
    each = np.tile((mass[:-1] + mass[1:]) / 2, len(values))
    order = np.argsort(np.moveaxis(values, 0, 1).reshape(values.shape[1], -1), axis=1)
    found = np.empty(values.shape[1:], np.float32)
    for step, places in enumerate(order):
        reached = np.cumsum(each[places])
        # A value stands for the middle of its mass: half of it lies below.
        middle = (reached - each[places] / 2) / reached[-1]
        found[step] = np.interp(PROBABILITIES, middle, pooled[step])
    return found


def _parent(tree: Hierarchy, node: str) -> str:
    """Return the node's next ancestor."""
    if node not in tree.paths.index:
        return ALL
    path = [one for one in tree.paths.loc[node] if isinstance(one, str) and one != node]
    return str(path[0]) if path else ALL
