"""Fixtures that several test files share."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.artifact import Pointer, write_artifact, write_pointer
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import LightGBMSendTime, SendTimeModel
from serving.api import build_api
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.browser_site import chromium, page, site  # noqa: F401
from tests.scenario_project import Published, publish_scenarios

N_CUSTOMERS = 240
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", None)
CONSENTS = (None, "email", "sms push", "no")
QUANTILE_COLUMNS = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")
SLOT_LISTS = pa.list_(pa.struct([("slot", pa.int64()), ("weight", pa.float64())]))


def to_parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


@pytest.fixture(scope="session")
def customer_table() -> pd.DataFrame:
    """The customer feature table: every customer is busiest in an hour of their own."""
    rng = np.random.default_rng(7)
    slots = []
    for customer in range(N_CUSTOMERS):
        favourite, events = (customer * 5) % 168, int(rng.integers(1, 30))
        drawn = (favourite + np.round(rng.normal(0, 2, events)).astype(int)) % 168
        values, counts = np.unique(drawn, return_counts=True)
        slots.append(
            [
                {"slot": int(slot), "weight": float(count)}
                for slot, count in zip(values, counts, strict=True)
            ]
        )
    return pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(N_CUSTOMERS)],
            "region_id": [f"r{i % 5}" for i in range(N_CUSTOMERS)],
            "time_zone": [ZONES[i % 4] for i in range(N_CUSTOMERS)],
            "time_zone_source": ["stated" if ZONES[i % 4] else None for i in range(N_CUSTOMERS)],
            "consent": [CONSENTS[(i // 4) % 4] for i in range(N_CUSTOMERS)],
            "recency_days": rng.uniform(0, 90, N_CUSTOMERS),
            "tenure_days": rng.uniform(90, 365, N_CUSTOMERS),
            "active_slots": slots,
        }
    )


def write_profiles(table: pd.DataFrame) -> bytes:
    flat = pa.Table.from_pandas(table.drop(columns="active_slots"), preserve_index=False)
    counts = pa.array(table["active_slots"].tolist(), type=SLOT_LISTS)
    return to_parquet(flat.append_column("active_slots", counts))


@pytest.fixture(scope="session")
def profile_files(customer_table: pd.DataFrame) -> dict[str, bytes]:
    about = {"as_of": "2026-11-01T00:00:00Z", "time_zone": "America/Chicago"}
    return {
        "profiles.parquet": write_profiles(customer_table),
        "profiles.json": json.dumps(about).encode(),
    }


@pytest.fixture(scope="session")
def send_time_model(customer_table: pd.DataFrame) -> SendTimeModel:
    """A LightGBM send-time model that was fitted and calibrated on the customer table."""
    histories = Histories.from_table(customer_table)
    rng = np.random.default_rng(8)
    weeks = pd.DataFrame(
        [
            (row["customer_id"], entry["slot"], int(rng.integers(0, 5)))
            for row in customer_table.to_dict("records")
            for entry in row["active_slots"]
        ],
        columns=["customer_id", "slot", "weeks_active"],
    )
    outcomes = Outcomes.from_table(weeks, histories.customer_id, n_weeks=4)
    model = LightGBMSendTime(rounds=10, threads=1).fit(histories, outcomes)
    return model.calibrate(histories, outcomes)


@pytest.fixture(scope="session")
def forecast_table() -> pd.DataFrame:
    """Forecasts of 3 stores and 4 categories, and of the two levels above, for 10 days."""
    rng = np.random.default_rng(9)
    leaves = [(f"s{s}", f"cat {c}") for s in range(3) for c in range(4)]
    keys = [
        *(("store/category", region, "store", product, "category") for region, product in leaves),
        *(("store/all", f"s{s}", "store", "all", "all") for s in range(3)),
        ("all/all", "all", "all", "all", "all"),
    ]
    rows = []
    for level, region, region_level, product, product_level in keys:
        for day in pd.date_range("2026-11-02", periods=10):
            mean = float(rng.gamma(2.0, 5.0))
            quantiles = np.sort(rng.gamma(2.0, 5.0, len(QUANTILE_COLUMNS)))
            rows.append(
                (
                    *(region, region_level, product, product_level, level),
                    *(day.date(), pd.Timestamp("2026-11-01").date(), mean, *quantiles),
                    *("lightgbm", "own series"),
                )
            )
    columns = ["region_id", "region_level", "product_id", "product_level", "level", "date"]
    columns += ["origin", "mean", *QUANTILE_COLUMNS, "model", "evidence"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["level", "region_id", "product_id", "date"], ignore_index=True)


@pytest.fixture(scope="session")
def forecast_file(forecast_table: pd.DataFrame) -> bytes:
    return to_parquet(pa.Table.from_pandas(forecast_table, preserve_index=False))


def publish(published: Path, kind: str, files: dict[str, bytes]) -> None:
    """Publish `files` as version 3 of `kind`."""
    directory = published / kind / "three"
    digest = write_artifact(directory, kind, files, {}, code_version="0")
    pointer = Pointer(version="3", directory=directory.name, digest=digest, run_id="run")
    write_pointer(published, kind, pointer)


@pytest.fixture(scope="session")
def publish_model() -> Callable[[Path, str, dict[str, bytes]], None]:
    return publish


@pytest.fixture(scope="session")
def published(
    tmp_path_factory: pytest.TempPathFactory,
    send_time_model: SendTimeModel,
    profile_files: dict[str, bytes],
    forecast_file: bytes,
) -> Path:
    """A folder of published models, one of each kind; do not write into it."""
    folder = tmp_path_factory.mktemp("workspace") / "published"
    publish(folder, "promotion", {**send_time_model.to_files(), **profile_files})
    publish(folder, "demand", {"forecasts.parquet": forecast_file})
    return folder


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A small demand champion with planned prices and promotions; do not write into it."""
    return publish_scenarios(tmp_path_factory.mktemp("champion"))


NOW = datetime(2026, 11, 4, 15, 30, 20, tzinfo=UTC)  # a Wednesday
Call = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def predictor(published: Path) -> Predictor:
    return Predictor.load(published)


@pytest.fixture(scope="session")
def open_client() -> Iterator[Callable[..., Call]]:
    """Return what makes a client of an ASGI application, in this process."""
    with asyncio.Runner() as runner:

        def connect(app: object) -> Call:
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://almanac"
            )

            def call(method: str, url: str, **options: object) -> httpx.Response:
                return runner.run(client.request(method, url, **options))

            return call

        yield connect


@pytest.fixture(scope="session")
def call(predictor: Predictor, open_client: Callable[..., Call]) -> Call:
    """A client of the whole API, at a fixed time."""
    settings = ServingSettings(max_body_bytes=60_000, is_request_logged=False)
    return open_client(build_api(predictor, settings, clock=lambda: NOW))
