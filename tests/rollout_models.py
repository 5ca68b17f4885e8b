"""Send-time models by number, each of which answers otherwise, so that a mix would be seen."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import uvicorn

from models.artifact import (
    CHALLENGER_POINTER,
    POINTER,
    Pointer,
    load_artifact,
    write_artifact,
    write_pointer,
)
from models.golden.check import add_golden
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import LightGBMSendTime
from tests.conftest import write_profiles
from tests.customer_messages import FEATURES


def fit_live_files(
    customer_table: pd.DataFrame, profile_files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """A model that was fitted with the features that live profiles have, and its profiles."""
    rng = np.random.default_rng(5)
    numbers = FEATURES.of_shape("number")
    drawn = rng.gamma(2.0, 3.0, (len(customer_table), len(numbers)))
    own = customer_table.drop(columns=["recency_days", "tenure_days"])
    table = pd.concat([own, pd.DataFrame(drawn, columns=list(numbers))], axis=1)
    histories = Histories.from_table(table)
    weeks = pd.DataFrame(
        [
            (row["customer_id"], entry["slot"], 1 + entry["slot"] % 4)
            for row in table.to_dict("records")
            for entry in row["active_slots"]
        ],
        columns=["customer_id", "slot", "weeks_active"],
    )
    outcomes = Outcomes.from_table(weeks, histories.customer_id, n_weeks=4)
    model = LightGBMSendTime(rounds=5, threads=1).fit(histories, outcomes)
    return {**model.to_files(), **profile_files, "profiles.parquet": write_profiles(table)}


def make_version(files: Mapping[str, bytes], number: int) -> dict[str, bytes]:
    """Version `number`, from 1 to 200: every probability is another one than in any other."""
    knots = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.05 + 0.004 * number, 1.0]}
    document = json.loads(files["send_time.json"])
    document["calibration"] = knots
    document["channel_calibrations"] = dict.fromkeys(document["channel_calibrations"], knots)
    about = {**json.loads(files["profiles.json"]), "as_of": f"2026-10-01T00:{number // 60:02d}"}
    about["as_of"] += f":{number % 60:02d}Z"
    return add_golden(
        "promotion",
        {
            **files,
            "send_time.json": json.dumps(document).encode(),
            "profiles.json": json.dumps(about).encode(),
        },
    )


def publish(published: Path, files: Mapping[str, bytes], number: int, name: str = POINTER) -> Path:
    """Write version `number` where it is not there yet, and point at it."""
    directory = published / "promotion" / f"v{number}"
    if not directory.exists():
        write_artifact(directory, "promotion", files, {}, code_version="0")
    digest = load_artifact(directory, "promotion").digest
    pointer = Pointer(str(number), directory.name, digest, f"run {number}")
    write_pointer(published, "promotion", pointer, name)
    return directory


def challenge(published: Path, files: Mapping[str, bytes], number: int) -> Path:
    """Publish version `number` as the challenger."""
    return publish(published, files, number, CHALLENGER_POINTER)


def spoil(directory: Path) -> None:
    """Change one byte of a published model, and of no other's."""
    path = directory / "level.txt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forget(published: Path) -> None:
    """Remove all that is published."""
    shutil.rmtree(published, ignore_errors=True)


@contextmanager
def listen(app: object) -> Iterator[str]:
    """Serve an ASGI application at a loopback port, in a thread; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
