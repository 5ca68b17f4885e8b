"""What is chosen once, on data before the first origin of a backtest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.region.design import build_training_design
from features.region.frequency import Bucket
from features.region.panel import Panel
from models.demand.boosting import LightGBMDemand

POWERS = (1.1, 1.3, 1.5)
_ROUNDS = 60
_MOST_ROWS = 60_000


@dataclass(frozen=True)
class PowerChoice:
    """The Tweedie power that forecast best, and why it was chosen, in words."""

    power: float
    reason: str


def choose_power(
    panel: Panel, origin: int, bucket: Bucket, make: Callable[[float], LightGBMDemand]
) -> PowerChoice:
    """Try powers on the last horizon before an origin, fitted on all before that.

    Parameters
    ----------
    panel : Panel
    origin : int
        Period; of the first fold of a backtest, so that no scored row is read.
    bucket : Bucket
        The nearest.
    make : callable
        Returns an unfitted model for a power.

    Returns
    -------
    PowerChoice
        The power of the smallest WAPE; the middle one where there is too little to try it on.
    """
    ahead = max(bucket.last, 2)
    design = build_training_design(
        panel, origin, bucket, max_rows=_MOST_ROWS, least_periods=3 * ahead
    )
    held = design.periods > origin - ahead
    if held.sum() < 20 or (~held).sum() < 100 or design.units[held].sum() <= 0:
        return PowerChoice(POWERS[1], "too few rows to try others")
    wape = {}
    for power in POWERS:
        model = make(power).set_params(rounds=_ROUNDS, quantile_rounds=1)
        model.fit(design.features[~held], design.units[~held])
        errors = np.abs(model.predict(design.features[held]) - design.units[held])
        wape[power] = float(errors.sum() / design.units[held].sum())
    best = min(wape, key=lambda power: wape[power])
    tried = ", ".join(f"{power}: {value:.4f}" for power, value in wape.items())
    return PowerChoice(
        best, f"WAPE of {bucket.name} periods ahead, before the first origin: {tried}"
    )
