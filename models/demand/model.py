"""The demand model as published: fitted once, forecasting every level, kept as plain files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.region.frequency import Bucket
from features.region.panel import Panel
from features.region.totals import build_node_scales
from models.demand.boosting import LightGBMDemand
from models.demand.coherent import (
    MEMBERS,
    PRIOR,
    BottomForecast,
    Calibration,
    forecast_bucket,
    join_buckets,
    sum_members,
)
from models.demand.intervals import ResidualIntervals
from models.demand.nodes import add_scales, raise_levels, spread_quantiles
from models.demand.prophet_totals import ProphetTotals
from models.demand.quantiles import QUANTILE_NAMES

Floats = npt.NDArray[np.float64]

COLUMNS = (
    "region_id", "region_level", "product_id", "product_level", "level", "date", "origin",
    "mean", *QUANTILE_NAMES, "model", "evidence",
)  # fmt: skip


@dataclass(frozen=True)
class DemandModel:
    """Everything needed to forecast from a panel.

    Attributes
    ----------
    frequency : str
        'day', 'week' or 'month'.
    horizon : int
        Most periods ahead it was fitted and calibrated for.
    lightgbm : dict of Bucket to LightGBMDemand
    prophet : ProphetTotals or None
    calibration : Calibration
        Of the bottom, from all folds of the backtest.
    upper : ResidualIntervals
        Of all other nodes, by 'level|bucket'.
    """

    frequency: str
    horizon: int
    lightgbm: dict[Bucket, LightGBMDemand]
    prophet: ProphetTotals | None
    calibration: Calibration
    upper: ResidualIntervals

    def forecast(self, panel: Panel, horizon: int | None = None) -> pd.DataFrame:
        """Forecast every series and every node above it, from the panel's origin.

        Parameters
        ----------
        panel : Panel
            At the origin to forecast from, with the plan up to the horizon.
        horizon : int, optional
            Periods; at most the model's own, which is the default.

        Returns
        -------
        DataFrame
            Columns `COLUMNS`, sorted by level, region_id, product_id, date. Means are coherent:
            those of a region sum to its ancestors' and to 'all/all'. Quantiles ascend within a
            row and are >= 0. A node that holds a single series has that series' quantiles.

        Raises
        ------
        NotEnoughData
            If the horizon is beyond the model's or the panel's.
        """
        periods = self.horizon if horizon is None else horizon
        self._check(panel, periods)
        origin = panel.origin_period
        bottom = join_buckets(
            [
                forecast_bucket(panel, origin, periods, bucket, model)
                for bucket, model in self.lightgbm.items()
                if bucket.first <= periods
            ]
        )
        prophet = predict_prophet(self.prophet, panel, bottom.frame)
        totals = sum_members(bottom.frame, prophet)
        factor = self.calibration.scale(bottom.frame, totals)
        mean = bottom.frame["lightgbm"].to_numpy() * factor
        quantiles = self.calibration.predict_quantiles(
            mean, bottom.nodes * factor[:, None], bottom.frame["bucket"]
        )
        rows = bottom.frame.assign(mean=mean)
        nodes = raise_levels(panel, rows, ["mean"])
        nodes = add_scales(nodes, build_node_scales(panel, [origin]))
        values = spread_quantiles(nodes, nodes["mean"].to_numpy(), self.upper, rows, quantiles)
        return self._publish(panel, nodes, values, bottom)

    def importance(self) -> pd.DataFrame:
        """Return feature, gain (share) and bucket of every LightGBM."""
        return pd.concat(
            [
                model.importance().assign(bucket=bucket.name)
                for bucket, model in self.lightgbm.items()
            ],
            ignore_index=True,
        )

    def to_files(self) -> dict[str, bytes]:
        """Return the model as flat files: LightGBM text and JSON."""
        files: dict[str, bytes] = {}
        for bucket, model in self.lightgbm.items():
            for name, content in model.to_files().items():
                files[f"{bucket.name}.{name}"] = content
        state = {
            "frequency": self.frequency,
            "horizon": self.horizon,
            "buckets": [[bucket.first, bucket.last] for bucket in self.lightgbm],
            "calibration": self.calibration.to_json(),
            "upper": self.upper.to_json(),
        }
        files["demand.json"] = _dump(state)
        if self.prophet is not None:
            files["prophet.json"] = _dump(self.prophet.to_json())
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> DemandModel:
        """Remake the model from `to_files`; it forecasts the same to the last bit."""
        state = json.loads(files["demand.json"])
        lightgbm = {}
        for first, last in state["buckets"]:
            bucket = Bucket(first, last)
            prefix = f"{bucket.name}."
            lightgbm[bucket] = LightGBMDemand.from_files(
                {name[len(prefix) :]: files[name] for name in files if name.startswith(prefix)}
            )
        prophet = files.get("prophet.json")
        return cls(
            state["frequency"],
            state["horizon"],
            lightgbm,
            None if prophet is None else ProphetTotals.from_json(json.loads(prophet)),
            Calibration.from_json(state["calibration"]),
            ResidualIntervals.from_json(state["upper"]),
        )

    def _check(self, panel: Panel, periods: int) -> None:
        planned = panel.last_period - panel.origin_period
        if not 1 <= periods <= min(self.horizon, planned):
            raise NotEnoughData(
                f"horizon of {periods} {self.frequency}s: this model forecasts 1 to "
                f"{self.horizon} and the panel's plan reaches {planned}. "
                "Train with a longer horizon_days."
            )

    def _publish(
        self, panel: Panel, nodes: pd.DataFrame, quantiles: Floats, bottom: BottomForecast
    ) -> pd.DataFrame:
        single = (nodes["n_series"] == 1).to_numpy()
        first = panel.series["first_period"].to_numpy()
        age = panel.origin_period - first[nodes["series"].where(single, 0).to_numpy(np.int64)] + 1
        blend = {bucket: self._describe_blend(bucket) for bucket in bottom.frame["bucket"].unique()}
        count = nodes["n_series"].to_numpy(np.int64)
        own = pd.Series(age.astype(str), index=nodes.index) + f" {self.frequency}s of own history; "
        many = "sum of " + pd.Series(count.astype(str), index=nodes.index) + " series; "
        dates = panel.date_of(nodes["period"].to_numpy())
        origin = panel.date_of(np.array([panel.origin_period]))[0]
        made = nodes.assign(
            date=dates,
            origin=np.full(len(nodes), origin),
            model=np.where(single, "lightgbm scaled to region blend", "sum of series"),
            evidence=own.where(single, many) + nodes["bucket"].map(blend),
        )
        made[list(QUANTILE_NAMES)] = quantiles
        order = ["level", "region_id", "product_id", "date"]
        return made[list(COLUMNS)].sort_values(order, ignore_index=True)

    def _describe_blend(self, bucket: str) -> str:
        weights = self.calibration.weights.get(bucket, PRIOR)
        parts = [
            f"{name.replace('_', ' ')} {weight:.0%}"
            for name, weight in zip(MEMBERS, weights, strict=True)
            if weight >= 0.005
        ]
        return f"region totals blend {', '.join(parts)}"


def predict_prophet(
    model: ProphetTotals | None, panel: Panel, frame: pd.DataFrame
) -> pd.DataFrame | None:
    """Return Prophet's region_id, period, prophet for the regions and periods of `frame`."""
    if model is None:
        return None
    keys = frame[["region_id", "period"]].drop_duplicates(ignore_index=True)
    dates = keys.assign(date=panel.date_of(keys["period"].to_numpy()))
    return keys.assign(prophet=model.predict(dates[["region_id", "date"]]))


def _dump(state: Mapping[str, Any]) -> bytes:
    return json.dumps(state, sort_keys=True).encode()
