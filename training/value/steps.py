"""Training of customer value: the backtest, and the model that is published with its table."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError, NotEnoughData
from features.progress import Progress
from models.value.histories import PurchaseHistories
from models.value.model import LIGHTGBM, ValueModel
from models.value.next_purchase import TreeSettings
from models.value.storage import load_value
from training.promotion.plan import Plan
from training.value.backtest import (
    ValueBacktest,
    fit_on_fold,
    score_value_fold,
    summarise_value,
)
from training.value.slices import PurchaseReader

PURCHASES_FILE = "purchases.parquet"


@dataclass(frozen=True)
class FittedValue:
    """A fitted value model with the purchases of the customers it knows.

    Attributes
    ----------
    model : ValueModel
        Fitted and calibrated.
    purchases : DataFrame
        The table of `build_purchases` as of the cut-off.
    configuration : dict
        What made it: the cut-offs, the window, the model's name.
    """

    model: ValueModel
    purchases: pd.DataFrame
    configuration: dict[str, Any] = field(default_factory=dict)

    def predict(self, *, days: int = 28) -> pd.DataFrame:
        """Return what every customer it knows will buy; see `ValueModel.predict`."""
        return self.model.predict(self.purchases, days=days)

    def to_files(self) -> dict[str, bytes]:
        """Return the artifact's files by name; equal models give equal bytes."""
        table = pa.Table.from_pandas(self.purchases, preserve_index=False)
        content = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(None), content)
        return {**self.model.to_files(), PURCHASES_FILE: content.getvalue()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `to_files` wrote; `configuration`, which a manifest holds, is left empty.

        Raises
        ------
        ArtifactError
            If a file is missing or is not what it should be.
        """
        model = load_value(files)
        try:
            table = pq.read_table(pa.BufferReader(files[PURCHASES_FILE])).to_pandas()
        except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise ArtifactError(f"{PURCHASES_FILE}: cannot be read: {error}; train again") from None
        return cls(model, table)


def backtest_value(
    reader: PurchaseReader,
    plan: Plan,
    progress: Progress,
    *,
    trees: TreeSettings | None = None,
    seed: int,
) -> ValueBacktest | None:
    """Score every model and baseline on the test windows of a plan, point in time.

    Parameters
    ----------
    reader : PurchaseReader
    plan : Plan
        The windows of send times, from `training.promotion.plan.plan_folds`.
    progress : Progress
        Told why there is no result, if there is none.
    trees : TreeSettings, optional
    seed : int
        Of the bootstrap.

    Returns
    -------
    ValueBacktest or None
        None where too few customers bought twice before a window.
    """
    settings, n_days = trees or TreeSettings(), 7 * plan.n_weeks
    try:
        results = [
            score_value_fold(number, fold, n_days, reader, trees=settings)
            for number, fold in enumerate(plan.folds, start=1)
        ]
        return summarise_value(results, plan.notes, np.random.default_rng(seed))
    except NotEnoughData as error:
        progress.say(f"customer value is left out: {error}")
        return None


def fit_value(
    reader: PurchaseReader,
    plan: Plan,
    cutoff: datetime,
    progress: Progress,
    *,
    model: str = LIGHTGBM,
    trees: TreeSettings | None = None,
) -> FittedValue | None:
    """Fit and calibrate the model that is published, on the last two windows of a plan.

    Parameters
    ----------
    reader, plan, progress, trees
        As for `backtest_value`.
    cutoff : datetime
        Of the purchases that go with it, in UTC: the end of the history.
    model : str
        'bg_nbd' or 'lightgbm', such as `ValueBacktest.best`.

    Returns
    -------
    FittedValue or None
        None where too few customers bought twice.
    """
    settings = trees or TreeSettings()
    try:
        fitted = fit_on_fold(plan.final, 7 * plan.n_weeks, reader, trees=settings)[model]
        purchases = reader.read_table(cutoff)
        fitted = fitted.refit(PurchaseHistories.from_table(purchases))
    except NotEnoughData as error:
        progress.say(f"customer value is left out: {error}")
        return None
    configuration = {
        "model": fitted.name,
        "fitted_on": plan.final.fit.isoformat(),
        "calibrated_on": plan.final.calibration.isoformat(),
        "window_days": 7 * plan.n_weeks,
    }
    return FittedValue(fitted, purchases, configuration)
