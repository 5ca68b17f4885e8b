"""A made-up send-time model with the features that live profiles have, to measure with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.customer.customers import USUAL_HALF_LIFE_DAYS, customer_features
from models.artifact import Pointer, write_artifact, write_pointer
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import LightGBMSendTime

CUSTOMERS, SEED = 2_000, 5
_SLOTS = pa.list_(pa.struct([("slot", pa.int64()), ("weight", pa.float64())]))


def publish_model(published: Path) -> None:
    """Fit 100 trees on drawn customers and publish them as champion of send times."""
    rng = np.random.default_rng(SEED)
    numbers = customer_features(USUAL_HALF_LIFE_DAYS).of_shape("number")
    table = pd.DataFrame(rng.gamma(2.0, 3.0, (CUSTOMERS, len(numbers))), columns=list(numbers))
    slots = [np.unique(rng.integers(0, 168, rng.integers(1, 20))) for _ in range(CUSTOMERS)]
    lists = [[{"slot": int(s), "weight": 1.0} for s in own] for own in slots]
    table["customer_id"] = [f"known-{i}" for i in range(CUSTOMERS)]
    table["region_id"] = [f"r{i % 5}" for i in range(CUSTOMERS)]
    histories = Histories.from_table(table.assign(active_slots=lists))
    weeks = pd.DataFrame(
        [(f"known-{i}", int(s), int(rng.integers(0, 5))) for i, own in enumerate(slots)
         for s in own],
        columns=["customer_id", "slot", "weeks_active"],
    )  # fmt: skip
    outcomes = Outcomes.from_table(weeks, histories.customer_id, n_weeks=4)
    model = LightGBMSendTime(rounds=100, threads=1).fit(histories, outcomes)
    model.calibrate(histories, outcomes)
    flat = pa.Table.from_pandas(table, preserve_index=False)
    content = io.BytesIO()
    pq.write_table(flat.append_column("active_slots", pa.array(lists, type=_SLOTS)), content)
    about = {"as_of": "2026-01-01T00:00:00Z", "time_zone": "Europe/Berlin"}
    files = {
        **model.to_files(),
        "profiles.parquet": content.getvalue(),
        "profiles.json": json.dumps(about).encode(),
    }
    directory = published / "promotion" / "bench"
    digest = write_artifact(directory, "promotion", files, {}, code_version="0")
    write_pointer(published, "promotion", Pointer("1", "bench", digest, "bench"))
