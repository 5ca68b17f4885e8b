"""What a row of promotions says of when, over which channels and where it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import UnknownName
from features.region.hierarchy import Hierarchy
from features.region.promotions import split_ids
from features.schema import ALL, CHANNELS, Promotions

_OPTIONAL = (Promotions.CHANNELS, Promotions.REGIONS, Promotions.PRODUCTS)


@dataclass(frozen=True)
class PromotionRule:
    """Where and when one promotion holds.

    Attributes
    ----------
    promotion_id : str
    starts_at, ends_at : datetime64[us]
        UTC; the end is outside.
    channels, regions, products : tuple of str
        What it is limited to, regions and products of any level; none = no limit.
    """

    promotion_id: str
    starts_at: np.datetime64
    ends_at: np.datetime64
    channels: tuple[str, ...]
    regions: tuple[str, ...]
    products: tuple[str, ...]

    def find_regions(
        self, region_ids: np.ndarray, tree: Hierarchy | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which customers' regions are known, and which lie where it holds, both (n,) bool.

        Parameters
        ----------
        region_ids : array of str, shape (n,)
            'all' or empty = not known.
        tree : Hierarchy or None
            Without a tree an id lies within itself alone.

        Raises
        ------
        UnknownName
            If the promotion lists a region that is not in the tree.
        """
        n = len(region_ids)
        if not self.regions:
            return np.ones(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)
        codes, found = pd.factorize(np.asarray(region_ids, dtype=object))
        names = pd.Index(found, dtype=object)
        if tree is None:
            inside, is_known = names.isin(self.regions), ~names.isin(["", ALL])
        else:
            for name in self.regions:
                if name not in tree.level_of:
                    kind = f"region of promotion '{self.promotion_id}'"
                    raise UnknownName(kind, name, tree.level_of)
            below = tree.paths.index[tree.paths.isin(self.regions).any(axis=1)]
            inside, is_known = names.isin(below), names.isin(tree.paths.index)
        # a customer without a region has the code -1: the last place
        return np.append(is_known, False)[codes], np.append(inside, False)[codes]


def read_rules(promotions: pd.DataFrame, promotion_ids: Iterable[str]) -> dict[str, PromotionRule]:
    """Read the promotions asked for, by id; one that is not in the table is left out.

    Parameters
    ----------
    promotions : DataFrame
        Canonical `promotions`. `channels`, `regions` and `products` list names or ids as
        `features.region.promotions.split_ids` reads them; empty or 'all' means all.
    promotion_ids : iterable of str

    Raises
    ------
    UnknownName
        If one lists a channel that does not exist.
    """
    asked = promotions[promotions[Promotions.PROMOTION_ID].isin(list(promotion_ids))]
    asked = asked.reindex(columns=[*asked.columns, *(c for c in _OPTIONAL if c not in asked)])
    spans = [
        asked[name].to_numpy().astype("datetime64[us]")
        for name in (Promotions.STARTS_AT, Promotions.ENDS_AT)
    ]
    lists = [[_split(cell) for cell in asked[name]] for name in _OPTIONAL]
    rules = {}
    for name, starts_at, ends_at, channels, regions, products in zip(
        asked[Promotions.PROMOTION_ID], *spans, *lists, strict=True
    ):
        lowered = tuple(channel.lower() for channel in channels)
        for channel in lowered:
            if channel not in CHANNELS:
                raise UnknownName(f"channel of promotion '{name}'", channel, CHANNELS)
        rules[str(name)] = PromotionRule(str(name), starts_at, ends_at, lowered, regions, products)
    return rules


def find_promotion_hours(
    promotion_ids: Sequence[str], promotions: pd.DataFrame, moments: np.ndarray
) -> np.ndarray:
    """Return whether each promotion holds at each moment to send at.

    Parameters
    ----------
    promotion_ids : sequence of str
    promotions : DataFrame
        Canonical `promotions`.
    moments : array of datetime64, any shape
        UTC, such as `CampaignHours.send_at`; NaT never holds.

    Returns
    -------
    array of bool, shape (n_promotions, *moments.shape)
        From `starts_at` on, and before `ends_at`; all False for an unknown promotion.
    """
    rules = read_rules(promotions, promotion_ids)
    holds = np.zeros((len(promotion_ids), *moments.shape), dtype=np.bool_)
    for place, promotion_id in enumerate(promotion_ids):
        rule = rules.get(promotion_id)
        if rule is not None:
            holds[place] = (moments >= rule.starts_at) & (moments < rule.ends_at)
    return holds


def _split(cell: object) -> tuple[str, ...]:
    listed = tuple(split_ids(cell))
    return () if any(name.lower() == ALL for name in listed) else listed
