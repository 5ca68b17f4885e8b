"""How long a million customers take: 168 slots each, from a Parquet file to their three best.

The profiles are generated, made up. Read are batches of the customer table, scored by the product's
own models, as the batch and the service use them for e-mail (activity within reach of the send, or
responses); written are three slots and probabilities a
customer. Each measurement runs in a process of its own, so that its peak memory is its own. Beside
it: a naive grid of 168 rows a customer through the same trees, measured on a sample and scaled in
proportion; and the largest difference to the service's answers, on a sample.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.promotion_speed_data import (
    BATCH_ROWS,
    CHANNEL,
    draw_messages,
    draw_outcomes,
    make_response,
    read_histories,
    write_profiles,
)
from models.receptivity.reach import find_reach
from models.receptivity.send_time import LightGBMSendTime, load_send_time
from models.response.context import ResponseContext
from models.response.customer_context import build_context
from models.response.response import load_response
from serving.message_memory import MessageMemory
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor, SendTimeQuery

THREADS, TREES, TOP, SEED = 2, 500, 3, 7
PERMITTED = np.isin(np.arange(168) % 24, np.arange(8, 21))
BARS = {"seconds": 120.0, "gib": 4.0, "difference": 1e-9}
NAIVE_CUSTOMERS, SERVICE_CUSTOMERS, FIT_CUSTOMERS = 1_000, 500, 8_000
SEND_TIME, RESPONSE = "send_time", "response"
_ABOUT = json.dumps({"as_of": "2025-07-08T00:00:00Z", "time_zone": "Europe/Berlin"}).encode()


def run(n_customers: int = 1_000_000) -> dict[str, Any]:
    """Measure both models over `n_customers` generated profiles; JSON-able, with `bars`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_profiles(root / "profiles.parquet", n_customers, SEED)
        _write_models(root)
        measured = {name: _run_apart(root, name) for name in (SEND_TIME, RESPONSE)}
        naive = measure_naive(root, n_customers)
        difference = compare_with_service(root)
    bars = []
    for name, found in measured.items():
        for figure, unit in (("seconds", "seconds"), ("gib", "GiB at the peak")):
            words = f"{n_customers:,} customers × 168 slots, {name}: {unit}, at most"
            bars.append(_bar(words, BARS[figure], found[figure]))
    words = "largest difference to the service's answer"
    bars.append(_bar(words, BARS["difference"], max(difference.values())))
    return {
        "customers": n_customers,
        "threads": THREADS,
        "trees": TREES,
        "measured": measured,
        "naive": naive,
        "difference": difference,
        "bars": bars,
    }


def _bar(words: str, bound: float, measured: float) -> dict[str, Any]:
    return {"bar": words, "bound": bound, "measured": measured, "passed": measured <= bound}


def _write_models(root: Path) -> None:
    """Fit both models on the first profiles, and write their files to folders of their own."""
    batch = next(pq.ParquetFile(root / "profiles.parquet").iter_batches(FIT_CUSTOMERS))
    histories = read_histories(pa.Table.from_batches([batch]))
    outcomes = draw_outcomes(histories, SEED)
    model = LightGBMSendTime(rounds=TREES, threads=THREADS, seed=SEED)
    model.fit(histories, outcomes).calibrate(histories, outcomes)
    response = make_response(histories, model, SEED, threads=THREADS)
    for name, files in ((SEND_TIME, model.to_files()), (RESPONSE, response.to_files())):
        folder = root / name
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)


def _read_files(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _run_apart(root: Path, name: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.promotion_speed", "--score", name, str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{name}: {found}", flush=True)
    return found


def score_here(root: Path, name: str) -> dict[str, float]:
    """Score every profile in this process, write the best slots, and measure it."""
    used, started = _cpu_seconds(), time.perf_counter()
    model = load_send_time(_read_files(root / SEND_TIME))
    response = load_response(_read_files(root / RESPONSE)) if name == RESPONSE else None
    n, writer = 0, None
    for batch in pq.ParquetFile(root / "profiles.parquet").iter_batches(BATCH_ROWS):
        histories = read_histories(pa.Table.from_batches([batch]))
        if response is None:
            probability = map(find_reach, model.predict_chunks(histories, rows=BATCH_ROWS))
            found = np.concatenate(list(probability))
        else:
            messages = draw_messages(histories, SEED)
            found = response.predict(build_context(histories, model, messages), CHANNEL)
        table = choose_top(histories.customer_id, found)
        writer = writer or pq.ParquetWriter(root / f"{name}.parquet", table.schema)
        writer.write_table(table)
        n += len(table)
    if writer is not None:
        writer.close()
    return {
        "customers": n,
        "seconds": time.perf_counter() - started,
        "cpu": _cpu_seconds() - used,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def choose_top(customer_id: np.ndarray, probability: np.ndarray) -> pa.Table:
    """Return the three likeliest permitted slots of each customer, the likeliest first."""
    allowed = np.flatnonzero(PERMITTED)
    own = probability[:, allowed]
    some = np.argpartition(-own, TOP, axis=1)[:, :TOP]
    order = np.argsort(-np.take_along_axis(own, some, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(some, order, axis=1)
    columns: dict[str, Any] = {"customer_id": pa.array(customer_id, pa.string())}
    for place in range(TOP):
        columns[f"slot_{place + 1}"] = allowed[best[:, place]].astype(np.int16)
        columns[f"probability_{place + 1}"] = own[np.arange(len(own)), best[:, place]]
    return pa.table(columns)


def measure_naive(root: Path, n_customers: int) -> dict[str, float]:
    """Time 168 rows a customer through the same trees on a sample, and scale it in proportion."""
    model = load_send_time(_read_files(root / SEND_TIME))
    batch = next(pq.ParquetFile(root / "profiles.parquet").iter_batches(NAIVE_CUSTOMERS))
    histories = read_histories(pa.Table.from_batches([batch]))
    features = histories.features_in(model.feature_names_[:-1])
    grid = np.repeat(np.column_stack([features, model.level_.level(histories)]), 168, axis=0)
    booster: lgb.Booster = model.booster_
    started = time.perf_counter()
    booster.predict(grid, raw_score=True, num_threads=THREADS)
    seconds = time.perf_counter() - started
    return {
        "customers": len(histories),
        "seconds": seconds,
        "scaled_seconds": seconds / len(histories) * n_customers,
        "trees": booster.num_trees(),
    }


def compare_with_service(root: Path) -> dict[str, float]:
    """Return the largest difference between the batch's probabilities and the service's."""
    batch = next(pq.ParquetFile(root / "profiles.parquet").iter_batches(SERVICE_CUSTOMERS))
    table = pa.Table.from_batches([batch])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    histories = read_histories(table)
    model = load_send_time(_read_files(root / SEND_TIME))
    response = load_response(_read_files(root / RESPONSE))
    messages = draw_messages(histories, SEED)
    no_shares = np.zeros((len(histories), 168))
    memory = MessageMemory(
        response, messages, ResponseContext.build(histories, no_shares, messages)
    )
    expected = {
        SEND_TIME: (find_reach(model.predict(histories)), None),
        RESPONSE: (response.predict(build_context(histories, model, messages), CHANNEL), memory),
    }
    content = sink.getvalue().to_pybytes()
    found = {}
    for name, (probability, remembered) in expected.items():
        predictor = SendTimePredictor(model, Profiles(content, _ABOUT), remembered)
        answers = predictor.answer(_ask(histories.customer_id.tolist()))
        served = np.array([answer.probabilities for answer in answers])
        found[name] = float(np.abs(served - probability).max())
    return found


def _ask(customers: list[str]) -> SendTimeQuery:
    start = datetime(2025, 7, 8, tzinfo=UTC)
    return SendTimeQuery(
        customers=customers,
        start=start,
        end=start + timedelta(days=7),
        channels=(CHANNEL,),
        quiet_hours=None,
        top_k=TOP,
        has_all_slots=True,
    )


def describe(result: Mapping[str, Any]) -> str:
    """Write the section of the report, in Markdown."""
    n = result["customers"]
    lines = [
        f"{n:,} generated customers × 168 slots on {result['threads']} threads: profiles read from "
        "Parquet, scored, the three best permitted slots written.",
        "",
        "| model | seconds | CPU s | peak GiB |",
        "|---|---|---|---|",
    ]
    for name, found in result["measured"].items():
        lines.append(
            f"| {name} | {found['seconds']:.1f} | {found['cpu']:.1f} | {found['gib']:.2f} |"
        )
    naive = result["naive"]
    lines += [
        "",
        f"A naive grid of 168 rows a customer through the same {naive['trees']} trees took "
        f"{naive['seconds']:.1f} s for {naive['customers']:,} customers, scoring alone: in "
        f"proportion {naive['scaled_seconds']:.0f} s for {n:,}.",
        "Largest difference to the service's probabilities: "
        + ", ".join(f"{name} {apart:.1e}" for name, apart in result["difference"].items())
        + ".",
        "",
    ]
    return "\n".join(lines)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, or score in this process for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--score", nargs=2, metavar=("MODEL", "FOLDER"))
    given = parser.parse_args()
    if given.score:
        name, root = given.score
        print(json.dumps(score_here(Path(root), name)))
    else:
        print(describe(run(given.customers)))


if __name__ == "__main__":
    main()
