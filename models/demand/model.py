"""The demand model as published: fitted once, forecasting every level, kept as plain files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.region.frequency import Bucket
from features.region.panel import Panel
from models.demand.boosting import LightGBMDemand
from models.demand.coherent import Calibration, Coherent, make_coherent, spread_nodes
from models.demand.members import Fitted, forecast_members
from models.demand.newcomers import Newcomers, add_newcomers
from models.demand.prophet_totals import ProphetTotals
from models.demand.quantiles import QUANTILE_NAMES, find_interval
from models.demand.recursive import RecursiveDemand
from models.demand.storage import CalibrationKeys, align_calibration, pack, unpack
from models.demand.words import describe_evidence, describe_model

Floats = npt.NDArray[np.float64]

INTERVAL_NAMES = ("lower_80", "upper_80", "lower_95", "upper_95")
COLUMNS = (
    "region_id", "region_level", "product_id", "product_level", "level", "date", "origin",
    "mean", *QUANTILE_NAMES, *INTERVAL_NAMES, "model", "evidence",
)  # fmt: skip


@dataclass(frozen=True)
class DemandModel:
    """Everything needed to forecast from a panel.

    Attributes
    ----------
    frequency : str
        'day', 'week', 'month' or 'quarter'.
    horizon : int
        Most periods ahead it was fitted and calibrated for.
    fitted : Fitted
    calibration : Calibration
        From all folds of the backtest.
    keys : CalibrationKeys
        The series and nodes that the calibration is of.
    """

    frequency: str
    horizon: int
    fitted: Fitted
    calibration: Calibration
    keys: CalibrationKeys

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
            Columns `COLUMNS`, sorted by level, region_id, product_id, date. Means and sample paths
            are coherent: those of a region sum to its ancestors' and to 'all/all'. Quantiles
            ascend within a row and are >= 0. The intervals `lower_80` to `upper_80` and so on are
            central, but start at zero and leave nothing out below where zero is that likely.

        Raises
        ------
        NotEnoughData
            If the horizon is beyond the model's or the panel's.
        """
        return self.tabulate(panel, *self.make(panel, horizon))

    def make(self, panel: Panel, horizon: int | None = None) -> tuple[Coherent, Newcomers]:
        """Return the coherent forecast itself, series by step, newcomers among them."""
        periods = self.horizon if horizon is None else horizon
        self._check(panel, periods)
        members = forecast_members(panel, self.fitted, panel.origin_period, self.horizon)
        calibration = align_calibration(self.calibration, self.keys, panel, members)
        made = make_coherent(members, calibration)
        made, newcomers = add_newcomers(panel, made)
        return made.shorten(periods), newcomers

    def tabulate(self, panel: Panel, made: Coherent, newcomers: Newcomers) -> pd.DataFrame:
        """Return what `make` made in the layout of `forecast`, with quantiles of every node."""
        names = made.members.nodes.names
        quantiles = spread_nodes(made, self.calibration.shocks, names, self.calibration.seed)
        return self._publish(panel, made, newcomers, quantiles)

    def importance(self) -> pd.DataFrame:
        """Return feature, gain (share) and bucket of every LightGBM."""
        return pd.concat(
            [
                model.importance().assign(bucket=bucket.name)
                for bucket, model in self.fitted.lightgbm.items()
            ],
            ignore_index=True,
        )

    def to_files(self) -> dict[str, bytes]:
        """Return the model as flat files: LightGBM text, JSON and arrays."""
        files: dict[str, bytes] = {}
        for bucket, model in self.fitted.lightgbm.items():
            for name, content in model.to_files().items():
                files[f"{bucket.name}.{name}"] = content
        state = {
            "frequency": self.frequency,
            "horizon": self.horizon,
            "buckets": [[bucket.first, bucket.last] for bucket in self.fitted.lightgbm],
        }
        files["demand.json"] = json.dumps(state, sort_keys=True).encode()
        files |= self.fitted.recursive.to_files()
        files |= pack(self.calibration, self.keys)
        if self.fitted.prophet is not None:
            prophet = json.dumps(self.fitted.prophet.to_json(), sort_keys=True)
            files["prophet.json"] = prophet.encode()
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
        fitted = Fitted(
            lightgbm,
            RecursiveDemand.from_files(files),
            None if prophet is None else ProphetTotals.from_json(json.loads(prophet)),
        )
        return cls(state["frequency"], state["horizon"], fitted, *unpack(files))

    def _check(self, panel: Panel, periods: int) -> None:
        planned = panel.last_period - panel.origin_period
        if not 1 <= periods <= self.horizon or planned < self.horizon:
            raise NotEnoughData(
                f"horizon of {periods} {self.frequency}s: this model forecasts 1 to "
                f"{self.horizon} and the panel's plan reaches {planned}. "
                "Train with a longer horizon_days."
            )

    def _publish(
        self, panel: Panel, made: Coherent, newcomers: Newcomers, quantiles: Floats
    ) -> pd.DataFrame:
        nodes, n_steps = made.members.nodes, made.members.n_steps
        listed = nodes.sum(made.members.is_listed.astype(np.float64))
        chosen = np.flatnonzero(listed > 0)
        table = nodes.table.iloc[np.repeat(chosen, n_steps)].reset_index(drop=True)
        origin = panel.date_of(np.array([panel.origin_period]))[0]
        mean = nodes.sum(made.mean)[chosen].ravel()
        values = quantiles[chosen].reshape(len(table), -1)
        words = describe_evidence(panel, made, newcomers, chosen)
        found = table.assign(
            date=np.tile(panel.date_of(made.members.periods), len(chosen)),
            origin=np.full(len(table), origin),
            mean=mean,
            model=np.repeat(describe_model(self.calibration, nodes, chosen), n_steps),
            evidence=np.repeat(words, n_steps),
        )
        found[list(QUANTILE_NAMES)] = values
        found[list(INTERVAL_NAMES)] = np.column_stack(
            [*find_interval(values, 0.8), *find_interval(values, 0.95)]
        )
        order = ["level", "region_id", "product_id", "date"]
        return found[list(COLUMNS)].sort_values(order, ignore_index=True)
