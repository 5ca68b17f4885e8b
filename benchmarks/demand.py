"""How good forecasts of demand are beside the forecasters people use, at every level.

Each contender runs in a process of its own, one after the other, and forecasts every node of every
level from the same origins with the same history. Its forecasts and what they cost are kept in
the cache, so a run can be resumed and one contender run anew.

    python -m benchmarks.demand --cache /tmp/demand --out benchmarks/results
    python -m benchmarks.demand --cache /tmp/demand --models almanac --again
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.demand_data import Dataset, load_dataset
from benchmarks.demand_peers import PEERS, run_peer
from benchmarks.demand_sets import LOADERS

ALMANAC = "almanac"
MODELS = (*PEERS, ALMANAC)
FOLDER = Path(__file__).parent


def run_here(dataset: Dataset, model: str) -> tuple[pd.DataFrame, dict[str, float]]:
    """Run one contender in this process; return its forecasts and what they cost."""
    if model == ALMANAC:
        from benchmarks.demand_almanac import run_almanac

        def run(dataset: Dataset) -> pd.DataFrame:
            return run_almanac(dataset, threads=int(os.environ.get("OMP_NUM_THREADS", "1")))

    else:
        _warm_up(model)

        def run(dataset: Dataset) -> pd.DataFrame:
            return run_peer(dataset, model)

    with _Memory() as memory:
        before, started = _cpu_seconds(), time.perf_counter()
        forecasts = run(dataset)
        seconds, cpu = time.perf_counter() - started, _cpu_seconds() - before
    return forecasts, {"seconds": seconds, "cpu": cpu, "gib": memory.peak_gib}


def run_apart(name: str, model: str, cache: Path, threads: int) -> dict[str, Any]:
    """Run one contender in a process of its own, unless the cache has it already."""
    costs = cache / f"{name}.{model}.json"
    if not costs.exists():
        single = {f"{tool}_NUM_THREADS": str(threads) for tool in ("OMP", "OPENBLAS", "MKL")}
        command = [sys.executable, "-m", "benchmarks.demand", "--run", name, model]
        subprocess.run([*command, "--cache", str(cache)], check=True, env={**os.environ, **single})
    found: dict[str, Any] = json.loads(costs.read_text(encoding="utf-8"))
    print(f"{name} {model}: {found}", flush=True)
    return found


class _Memory:
    """Peak of this process and its children together, looked at five times a second."""

    def __init__(self) -> None:
        self.peak_gib = 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        self.peak_gib = max(self.peak_gib, own)

    def _watch(self) -> None:
        import psutil

        process = psutil.Process()
        while not self._done.wait(0.2):
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak_gib = max(self.peak_gib, total / 2**30)


def _warm_up(model: str) -> None:
    """Let numba compile outside the clock."""
    if model not in ("seasonal_naive", "autoets", "autotheta"):
        return
    dates = pd.date_range("2020-01-01", periods=40, freq="MS", unit="us")
    sales = pd.DataFrame(
        {
            "region_id": "r",
            "product_id": "p",
            "date": dates,
            "units": [10.0 + (7 * k) % 12 for k in range(40)],
        }
    )
    tree = pd.DataFrame({"region_id": ["r"], "parent_id": ["all"], "level": ["region"]})
    other = tree.set_axis(["product_id", "parent_id", "level"], axis=1).replace(
        {"r": "p", "region": "product"}
    )
    toy = Dataset("toy", "month", "MS", 3, 1, sales, tree, other, ("region/product",))
    run_peer(toy, model)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def _run_child(name: str, model: str, cache: Path) -> None:
    forecasts, costs = run_here(load_dataset(name), model)
    cache.mkdir(parents=True, exist_ok=True)
    forecasts.to_parquet(cache / f"{name}.{model}.parquet", index=False)
    # the costs come last: where they are, the forecasts are whole
    (cache / f"{name}.{model}.json").write_text(json.dumps(costs), encoding="utf-8")


def main() -> int:
    """Run what is missing, score it, write the results; 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", default=",".join(LOADERS))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder of the results; without it none are")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="run even what the cache has")
    parser.add_argument("--run", nargs=2, metavar=("DATASET", "MODEL"))
    arguments = parser.parse_args()
    if arguments.run:
        _run_child(*arguments.run, arguments.cache)
        return 0
    from benchmarks.demand_bars import check_bars
    from benchmarks.demand_table import build_scores, print_wape, write_results
    from benchmarks.demand_volume import check_coverage, score_coverage_by_volume

    names, models = arguments.datasets.split(","), arguments.models.split(",")
    scores, costs, volumes = [], [], []
    for name in names:
        for model in models:
            if arguments.again:
                (arguments.cache / f"{name}.{model}.json").unlink(missing_ok=True)
            cost = run_apart(name, model, arguments.cache, arguments.threads)
            costs.append({"dataset": name, "model": model, **cost})
        dataset = load_dataset(name)
        scores.append(build_scores(dataset, models, arguments.cache))
        if ALMANAC in models:
            volumes.append(score_coverage_by_volume(dataset, arguments.cache, ALMANAC))
        print_wape(pd.concat(scores, ignore_index=True), arguments.cache / "table.txt")
    table = pd.concat(scores, ignore_index=True)
    bars = check_bars(table, pd.DataFrame(costs))
    volume = pd.concat(volumes, ignore_index=True) if volumes else pd.DataFrame()
    bars += check_coverage(volume) if volumes else []
    if arguments.out:
        command = (
            f"python -m benchmarks.demand --datasets {arguments.datasets} "
            f"--models {arguments.models} --threads {arguments.threads}"
        )
        write_results(table, pd.DataFrame(costs), volume, bars, arguments.out, command)
    return 0 if all(bar.is_met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
