"""What the tree members read of each series and step: the rows that reasons and scenarios ask.

The direct and the recursive LightGBM are the members that know price, promotions, holidays and
the season by name. Their rows are kept as they were read for the forecast, the recursive one's
with its own earlier forecasts in the lags, so that they can be asked again without a panel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.region.design import build_forecast_design
from features.region.frequency import Bucket
from features.region.panel import Panel
from features.region.steps import StepMatrix
from models.demand.boosting import LightGBMDemand
from models.demand.coherent import SERIES_PRIOR
from models.demand.members import LIGHTGBM, RECURSIVE, SERIES_MEMBERS, Fitted

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TreeBlock:
    """What one tree member reads of the steps of one horizon bucket.

    Attributes
    ----------
    member : str
        `LIGHTGBM` or `RECURSIVE`.
    bucket : str
    first_step : int
        Position of the block's first step in the horizon.
    weight : float
        Share of the member in the trees' mean; those of a step sum to one.
    features : tuple of str
    rows : float32 array of shape (n_series, n_block_steps, n_features)
    scale : array of shape (n_series, n_block_steps)
        What the booster's answer is multiplied by to be units; 0 where nothing is forecast.
    booster : Booster or None
        None if nothing was ever sold.
    """

    member: str
    bucket: str
    first_step: int
    weight: float
    features: tuple[str, ...]
    rows: Rows
    scale: Floats
    booster: lgb.Booster | None

    @property
    def steps(self) -> slice:
        """The block's steps in the horizon."""
        return slice(self.first_step, self.first_step + self.rows.shape[1])

    def take(self, chosen: Places) -> TreeBlock:
        """Return the rows of some series; a position beyond the last is one the trees never saw."""
        known = chosen < len(self.rows)
        at = np.where(known, chosen, 0)
        scale = np.where(known[:, None], self.scale[at], 0.0)
        return replace(self, rows=self.rows[at], scale=scale)

    def predict(self, rows: Rows | None = None) -> Floats:
        """Return the member's mean in units, shape (n_series, n_block_steps).

        Parameters
        ----------
        rows : float32 array, optional
            Instead of the block's own, of the same shape.
        """
        asked = self.rows if rows is None else rows
        found = np.zeros(asked.shape[:2])
        there = self.scale > 0
        if self.booster is not None and there.any():
            made = self.booster.predict(asked[there], num_threads=1)
            found[there] = self.scale[there] * np.asarray(made, np.float64)
        return found


def build_blocks(
    panel: Panel,
    fitted: Fitted,
    weights: Mapping[str, Floats],
    n_steps: int,
    series: Places | None = None,
) -> list[TreeBlock]:
    """Read the rows of some series at every step after the panel's origin.

    Parameters
    ----------
    panel : Panel
        At the origin, with the plan up to the horizon.
    fitted : Fitted
    weights : dict of horizon bucket to array
        Of `SERIES_MEMBERS` in the blend.
    n_steps : int
    series : array of int, optional
        Positions in `panel.series`; all by default.
    """
    chosen = np.arange(len(panel.series)) if series is None else series
    matrix = StepMatrix(panel, panel.origin_period, n_steps)
    values, scale = fitted.recursive.trace(matrix, n_steps, chosen)
    blocks = []
    for bucket, model in fitted.lightgbm.items():
        if bucket.first > n_steps:
            continue
        steps = slice(bucket.first - 1, min(bucket.last, n_steps))
        direct, recursive = share_trees(weights, bucket.name)
        blocks.append(_read_direct(panel, model, bucket, steps, chosen, direct))
        listed = blocks[-1].scale > 0
        blocks.append(
            TreeBlock(
                RECURSIVE,
                bucket.name,
                steps.start,
                recursive,
                tuple(fitted.recursive.features_),
                values[:, steps],
                np.where(listed, scale[:, steps], 0.0),
                fitted.recursive.booster_,
            )
        )
    return blocks


def predict_trees(blocks: Sequence[TreeBlock], n_steps: int) -> Floats:
    """Return the mean of the tree members together, shape (n_series, n_steps), in units."""
    found = np.zeros((len(blocks[0].rows), n_steps))
    for block in blocks:
        found[:, block.steps] += block.weight * block.predict()
    return found


def share_trees(weights: Mapping[str, Floats], bucket: str) -> tuple[float, float]:
    """Return the shares of the direct and the recursive trees in what trees say together.

    Half each where the blend has given neither of them any weight.

    Examples
    --------
    >>> blend = {"1-7": np.array([0.375, 0.125, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])}
    >>> share_trees(blend, "1-7")
    (0.75, 0.25)
    """
    given = weights.get(bucket, SERIES_PRIOR)
    direct = float(given[SERIES_MEMBERS.index(LIGHTGBM)])
    recursive = float(given[SERIES_MEMBERS.index(RECURSIVE)])
    total = direct + recursive
    return (direct / total, recursive / total) if total > 0 else (0.5, 0.5)


def _read_direct(
    panel: Panel,
    model: LightGBMDemand,
    bucket: Bucket,
    steps: slice,
    chosen: Places,
    weight: float,
) -> TreeBlock:
    design = build_forecast_design(panel, panel.origin_period, bucket, steps.stop)
    place = np.full(len(panel.series), -1)
    place[chosen] = np.arange(len(chosen))
    kept = place[design.series] >= 0
    row = place[design.series[kept]]
    step = design.periods[kept] - panel.origin_period - bucket.first
    shape = (len(chosen), steps.stop - steps.start)
    values = np.zeros((*shape, len(model.features_)), np.float32)
    scale = np.zeros(shape)
    values[row, step], scale[row, step] = model.read_rows(design.features[kept])
    return TreeBlock(
        LIGHTGBM,
        bucket.name,
        steps.start,
        weight,
        tuple(model.features_),
        values,
        scale,
        model.boosters_.get("mean"),
    )
