"""Time zones of customers of whom none is known, inferred from when they are active.

The last link of the chain of `features.customer.time_zones`, before the project's zone is assumed:
a customer's hours are held against everybody's local hours by `models.receptivity.zone_model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from scipy import sparse

from features.customer.time_zones import INFERRED, PROJECT, TIME_ZONE_CONFIDENCE
from features.schema import CHANNELS, Customers
from models.receptivity.histories import CHANNEL_COUNTS, SLOT_COUNTS, WHOLE_COUNTS
from models.receptivity.rotation import rotate_lists
from models.receptivity.zone_model import LEAST_KNOWN, fit_zones, fold_days, offset_hours

__all__ = ["LEAST_KNOWN", "InferredZones", "add_inferred_zones", "infer_time_zones"]

MINIMUM_CONFIDENCE = 0.8
_CHUNK = 100_000
_BLOCKS = {SLOT_COUNTS: 1, WHOLE_COUNTS: 1, CHANNEL_COUNTS: len(CHANNELS)}


@dataclass(frozen=True)
class InferredZones:
    """The zone of n customers after inference; all but those at the project's are as before.

    Attributes
    ----------
    zone, source : array of str, shape (n,)
        IANA name; 'inferred' where the hours speak for it clearly enough.
    confidence : array of float64, shape (n,)
        That the clock of `zone` is right; NaN where the source is none of 'inferred' and 'project':
        that is not for the hours to say.
    shift_hours : array of float64, shape (n,)
        Hours to turn the slots by that were counted in the former zone; 0 but where inferred.
    """

    zone: np.ndarray
    source: np.ndarray
    confidence: np.ndarray
    shift_hours: np.ndarray


def infer_time_zones(
    counts: sparse.csr_array,
    zones: Sequence[str],
    sources: Sequence[str],
    *,
    time_zone: str,
    at: datetime,
    minimum_confidence: float = MINIMUM_CONFIDENCE,
) -> InferredZones:
    """Infer the time zones of customers whose zone is only the project's.

    Parameters
    ----------
    counts : scipy.sparse.csr_array of shape (n, 168)
        Activity by slot of the local week in `zones`, as `Histories.counts`.
    zones, sources : sequence of str, length n
        `time_zone` and `time_zone_source` of the customer feature table.
    time_zone : str
        The project's.
    at : datetime
        The cut-off: offsets are those of this moment. In UTC or with a zone.
    minimum_confidence : float
        Below which the project's zone is kept, with the probability of its own clock.

    Returns
    -------
    InferredZones
        With fewer than `LEAST_KNOWN` customers of known zone and activity, or if they all have the
        project's clock, nothing is inferred, nor of a customer without activity. One customer of a
        zone that nobody is known to live in is allowed for: of the n customers whose zone is known,
        the zones they live in have the probability (n + 1) / (n + 2) together.
    """
    zone, source = np.array(zones, dtype=object), np.array(sources, dtype=object)
    hours = fold_days(counts)
    rows = np.flatnonzero(source == PROJECT)
    model = fit_zones(hours, zone, np.flatnonzero(source != PROJECT), time_zone=time_zone, at=at)
    confidence, shift = np.full(len(zone), np.nan), np.zeros(len(zone))
    own_offset = offset_hours(time_zone, at)
    own = int(np.flatnonzero(model.offset_hours == own_offset)[0])
    within = (model.n_known + 1) / (model.n_known + 2)
    for first in range(0, len(rows), _CHUNK):
        part = rows[first : first + _CHUNK]
        posterior = within * model.posterior(hours[part], own_offset)
        best = posterior.argmax(axis=1)
        certain = posterior[np.arange(len(part)), best]
        has_hours = (hours[part].sum(axis=1) > 0) & (model.strength > 0)
        is_taken = has_hours & (best != own) & (certain >= minimum_confidence)
        confidence[part] = np.where(is_taken, certain, posterior[:, own])
        taken = part[is_taken]
        zone[taken] = np.array(model.zones, dtype=object)[best[is_taken]]
        source[taken] = INFERRED
        shift[taken] = model.offset_hours[best[is_taken]] - own_offset
    return InferredZones(zone, source, confidence, shift)


def add_inferred_zones(table: pd.DataFrame, found: InferredZones) -> pd.DataFrame:
    """Enter inferred zones into the customer feature table, and tell its weeks in them.

    Parameters
    ----------
    table : DataFrame
        The customer feature table, n rows, that `found` was inferred from.
    found : InferredZones

    Returns
    -------
    DataFrame
        New: `time_zone`, `time_zone_source` and `time_zone_confidence` as found, and the columns
        of slots turned. Outcomes of the same customers are turned by `rotate_outcomes`.
    """
    confidence = np.full(len(table), np.nan)
    if TIME_ZONE_CONFIDENCE in table:
        confidence = table[TIME_ZONE_CONFIDENCE].to_numpy(np.float64, na_value=np.nan)
    columns: dict[str, np.ndarray | pd.Series] = {
        Customers.TIME_ZONE: pd.Series(found.zone, index=table.index, dtype="str"),
        Customers.TIME_ZONE_SOURCE: pd.Series(found.source, index=table.index, dtype="str"),
        TIME_ZONE_CONFIDENCE: np.where(np.isnan(found.confidence), confidence, found.confidence),
    }
    if found.shift_hours.any():
        for name, n_blocks in _BLOCKS.items():
            if name in table:
                is_whole = name == WHOLE_COUNTS
                shift = np.floor(found.shift_hours + 0.5) if is_whole else found.shift_hours
                columns[name] = rotate_lists(table[name], shift, n_blocks=n_blocks)
    return table.assign(**columns)
