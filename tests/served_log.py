"""A decision log and its outcomes as the service writes them, drawn from known probabilities."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CANDIDATE = pa.struct(
    [
        ("start", pa.string()),
        ("channel", pa.string()),
        ("probability", pa.float64()),
        ("propensity", pa.float64()),
    ]
)
DECISIONS = pa.schema(
    [
        *((name, pa.string()) for name in ("decision_id", "request_id")),
        ("decided_at", pa.timestamp("us", "UTC")),
        *(
            (name, pa.string())
            for name in (
                *("customer", "kind", "role", "model_version", "policy", "profile_hash"),
                "evidence",
            )
        ),
        ("candidates", pa.list_(CANDIDATE)),
        ("chosen", pa.int32()),
        ("propensity", pa.float64()),
        *((name, pa.bool_()) for name in ("is_explored", "is_fallback", "degraded")),
    ]
)
OUTCOMES = pa.schema(
    [
        *((name, pa.string()) for name in ("decision_id", "outcome")),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("value", pa.float64()),
    ]
)


def write_log(
    workspace: Path,
    decided_at: datetime,
    probabilities: np.ndarray,
    answers: np.ndarray,
    *,
    role: str = "champion",
    version: str = "1",
    sent: bool = True,
) -> None:
    """Write one decision a probability; those of `answers` are clicked an hour after the send."""
    decisions, outcomes = [], []
    for place, (probability, answered) in enumerate(zip(probabilities, answers, strict=True)):
        decision_id = f"{role}-{place}"
        start = decided_at + timedelta(hours=1)
        told = start.isoformat()
        chosen = {"start": told, "channel": "email", "probability": float(probability)}
        other = {"start": told, "channel": "push", "probability": 0.0, "propensity": 0.0}
        decisions.append(
            {
                "decision_id": decision_id,
                "request_id": f"request {place}",
                "decided_at": decided_at,
                "customer": f"pseudonym {place}",
                "kind": "send-times",
                "role": role,
                "model_version": version,
                "policy": "best",
                "candidates": [other, {**chosen, "propensity": 1.0}],
                "chosen": 1,
                "propensity": 1.0,
            }
        )
        if sent:
            outcomes.append({"decision_id": decision_id, "outcome": "sent", "occurred_at": start})
        if answered:
            at = start + timedelta(hours=1)
            outcomes.append({"decision_id": decision_id, "outcome": "clicked", "occurred_at": at})
    for name, rows, schema in (
        ("decisions", decisions, DECISIONS),
        ("outcomes", outcomes, OUTCOMES),
    ):
        folder = workspace / "served" / name / f"date={decided_at:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{role}.parquet")
