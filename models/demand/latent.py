"""What would have been wanted where the shelf was empty."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.region.design import build_censored_design
from features.region.frequency import Bucket
from features.region.panel import Panel
from models.demand.boosting import LightGBMDemand

COLUMNS = ("region_id", "product_id", "date", "sold", "latent_demand")
MAX_PERIODS = 500_000
"""Most periods without stock, of all series together, that are estimated."""


def estimate_latent_demand(panel: Panel, models: Mapping[Bucket, LightGBMDemand]) -> pd.DataFrame:
    """Estimate demand in the periods without stock, up to the panel's origin.

    Stock-outs are missing to the models, never zeros, so the model of the nearest bucket says
    what would have been sold from a full shelf; what was sold all the same is the least it can
    have been.

    Parameters
    ----------
    panel : Panel
    models : mapping of Bucket to LightGBMDemand
        Fitted at the panel's origin.

    Returns
    -------
    DataFrame
        `COLUMNS`: one row per series and period without stock; units. The first period of a
        series is left out, as nothing is known before it. Empty where there are more than
        `MAX_PERIODS`.
    """
    if int(panel.is_out.sum()) > MAX_PERIODS:
        return pd.DataFrame(columns=list(COLUMNS))
    bucket = min(models, key=lambda one: one.last)
    design = build_censored_design(panel, panel.origin_period, bucket)
    series = panel.series.iloc[design.series]
    sold = np.nan_to_num(design.units)
    wanted = models[bucket].predict(design.features) if len(sold) else sold
    return pd.DataFrame(
        {
            "region_id": series["region_id"].to_numpy(),
            "product_id": series["product_id"].to_numpy(),
            "date": panel.date_of(design.periods),
            "sold": sold,
            "latent_demand": np.maximum(wanted, sold),
        }
    )
