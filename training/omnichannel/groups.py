"""Groups of attempts: a channel, a value of a segment, or several of these at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.omnichannel.step_rows import CHANNEL

Group: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs of a column and its value, all of which hold; empty: everybody."""
_MOST_VALUES = 8
"""Of a segment: its most frequent ones are looked at."""


def list_groups(rows: pd.DataFrame, segments: Sequence[str]) -> tuple[Group, ...]:
    """List the groups in which days are compared: all, each channel, each value of a segment."""
    singles = [
        ((name, str(value)),)
        for name in (CHANNEL, *segments)
        if has_several(rows[name])
        for value in rows[name].value_counts().index[:_MOST_VALUES]
    ]
    return ((), *singles)


def has_several(values: pd.Series) -> bool:
    """Return whether a column holds more than one value."""
    return bool((values != values.iloc[0]).any())


def select_group(rows: pd.DataFrame, keys: Group) -> npt.NDArray[np.bool_]:
    """Return which rows belong to a group, shape (n_rows,)."""
    inside = np.ones(len(rows), dtype=bool)
    for name, value in keys:
        inside &= (rows[name] == value).to_numpy()
    return np.asarray(inside)


def write_group(keys: Group) -> str:
    """Write a group as it is read: 'channel app, region_id north'.

    Examples
    --------
    >>> write_group((("channel", "app"), ("region_id", "north")))
    'channel app, region_id north'
    """
    return ", ".join(f"{name} {value}" for name, value in keys) or "all"
