"""The model that `mlflow models serve` runs: the service's own predictor behind a pyfunc."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from benchmarks.serving_peers import build_query, load_predictor


class SendTimeModel(PythonModel):  # type: ignore[misc]
    """Answers the column `customer_id` with one JSON document per customer."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002
        """Load the predictor."""
        self.predictor = load_predictor()

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        """Return the answers."""
        query = build_query(model_input["customer_id"].tolist(), ["email"], 3)
        answer = self.predictor.send_times(query, datetime.now(UTC))
        return [msgspec.json.encode(customer).decode() for customer in answer.customers]


set_model(SendTimeModel())
