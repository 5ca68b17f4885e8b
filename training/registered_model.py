"""The code MLflow stores beside a registered bundle: it hands the data to the installed Almanac.

`mlflow.pyfunc.load_model("models:/NAME@champion").predict(frame)` scores customers (column
`customer_id`) with a promotion model, and looks forecasts up (columns `region_id`, `product_id`) in
a demand model.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from models.artifact import MANIFEST, load_artifact
from models.receptivity.send_time import Histories, load_send_time


class RegisteredModel(PythonModel):  # type: ignore[misc]
    """A bundle of Almanac behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        """Read and check the bundle."""
        folder = Path(context.artifacts["bundle"])
        kind = json.loads((folder / MANIFEST).read_bytes())["kind"]
        self.artifact = load_artifact(folder, kind)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Return slot probabilities per customer, or forecasts per region and product."""
        if self.artifact.kind == "promotion":
            return self._predict_slots(model_input)
        forecasts = pd.read_parquet(io.BytesIO(self.artifact.files["forecasts.parquet"]))
        keys = [name for name in ("region_id", "product_id") if name in model_input]
        return forecasts.merge(model_input[keys].drop_duplicates(), on=keys)

    def _predict_slots(self, model_input: pd.DataFrame) -> pd.DataFrame:
        profiles = pd.read_parquet(io.BytesIO(self.artifact.files["profiles.parquet"]))
        wanted = profiles.merge(model_input[["customer_id"]], on="customer_id")
        probabilities = load_send_time(self.artifact.files).predict(Histories.from_table(wanted))
        return pd.DataFrame(probabilities, index=wanted["customer_id"])


set_model(RegisteredModel())
