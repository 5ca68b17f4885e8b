"""What forecasting costs per series as series grow in number: seconds, processor and memory.

Each size runs in a process of its own, in one go: panel, a backtest of two origins, the final fit
and the forecast of every level. The sales are simulated from real ones. Without origins there is
no backtest, and the forecast is calibrated by priors: a backtest fits and forecasts once an origin.

    python -m benchmarks.demand_scale --series 1000,10000,50000 --out benchmarks/results
    python -m benchmarks.demand_scale --series 10000 --origins 0 --threads 1
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil

from benchmarks.demand_scale_data import write_project

if TYPE_CHECKING:
    from features.project import Project
    from features.region.panel import Panel

IN_ONE_GO = ("panel", "backtest", "fit", "forecast")


class Costs:
    """What each stage of this process took."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time what is done inside, and watch the memory of this process and its children."""
        peak, done = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(peak, done), daemon=True)
        watcher.start()
        started, before = time.perf_counter(), _cpu_seconds()
        yield
        found = {"seconds": time.perf_counter() - started, "cpu": _cpu_seconds() - before}
        done.set()
        watcher.join()
        self.stages[stage] = {**found, "gib": peak[0]}
        print(f"{stage}: {self.stages[stage]}", file=sys.stderr, flush=True)


def run_here(path: Path, origins: int) -> dict[str, Any]:
    """Run every stage of a project in this process."""
    from features.door.tables import build_tables
    from features.progress import Silent
    from features.project import load_project
    from training.demand.steps import load_panel

    project, costs = load_project(path), Costs()
    with costs.measure("tables"):
        build_tables(project, Silent())
    with costs.measure("panel"):
        panel = load_panel(project)
    run = _run_backtested if origins else _run_alone
    forecasts = run(project, panel, costs)
    return {
        "stages": costs.stages,
        "rows": len(panel.units),
        "nodes": len(forecasts.groupby(["level", "region_id", "product_id"])),
        "is_coherent": _is_coherent(forecasts),
    }


def _run_backtested(project: Project, panel: Panel, costs: Costs) -> pd.DataFrame:
    """Backtest, fit and forecast, as the command line does."""
    from features.progress import Silent
    from training.demand.steps import backtest_demand, fit_demand

    with costs.measure("backtest"):
        backtest = backtest_demand(project, Silent(), panel=panel)
    with costs.measure("fit"):
        model = fit_demand(project, Silent(), panel=panel, backtest=backtest)
    del backtest
    with costs.measure("forecast"):
        return model.forecast(panel)


def _run_alone(project: Project, panel: Panel, costs: Costs) -> pd.DataFrame:
    """Fit and forecast, calibrated by priors only."""
    from models.demand.coherent import make_coherent
    from models.demand.members import forecast_members
    from models.demand.model import DemandModel
    from models.demand.newcomers import add_newcomers
    from models.demand.storage import make_keys
    from training.config import DemandSettings
    from training.demand.calibration import learn
    from training.demand.fold_runs import fit_members
    from training.demand.steps import _make_recipe

    settings = project.section("demand", DemandSettings)
    recipe = _make_recipe(project, settings, panel, None)
    last, seed = panel.origin_period, project.settings.seed
    with costs.measure("fit"):
        fitted = fit_members(panel, last, recipe)
    with costs.measure("forecast"):
        with costs.measure("members"):
            members = forecast_members(panel, fitted, last, recipe.horizon)
        prior = learn(panel, [], last, seed=seed, members=members)
        model = DemandModel(settings.frequency, recipe.horizon, fitted, prior, make_keys(members))
        made, newcomers = add_newcomers(panel, make_coherent(members, prior))
        return model.tabulate(panel, made, newcomers)


def run_apart(n_series: int, threads: int, origins: int) -> dict[str, Any]:
    """Write the sales of one size, and run it in a process of its own."""
    single = {f"{tool}_NUM_THREADS": "1" for tool in ("OMP", "OPENBLAS", "MKL")}
    with tempfile.TemporaryDirectory() as folder:
        path = write_project(Path(folder), n_series, threads=threads, origins=origins or 2)
        command = [sys.executable, "-m", "benchmarks.demand_scale", "--run", str(path)]
        command += ["--origins", str(origins)]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **single}
        )
    found: dict[str, Any] = json.loads(done.stdout)
    stages = [found["stages"][name] for name in IN_ONE_GO if name in found["stages"]]
    found["in_one_go"] = {
        "seconds": sum(stage["seconds"] for stage in stages),
        "cpu": sum(stage["cpu"] for stage in stages),
        "gib": max(stage["gib"] for stage in stages),
    }
    return {"series": n_series, "origins": origins, "threads": threads, **found}


def _is_coherent(forecasts: pd.DataFrame) -> bool:
    """Whether every level's means sum to the same."""
    sums = forecasts.groupby("level")["mean"].sum().to_numpy()
    return bool(np.allclose(sums, sums[0], rtol=1e-6))


def _watch(peak: list[float], done: threading.Event) -> None:
    process = psutil.Process()
    while True:
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            try:
                total += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], total / 2**30)
        if done.wait(0.1):
            return


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> int:
    """Measure every size, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", default="1000,10000,50000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--origins", type=int, default=2, help="of the backtest; 0 for none")
    parser.add_argument("--out", type=Path, help="folder of the results; without it none are")
    parser.add_argument("--run", type=Path, metavar="PROJECT")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run_here(arguments.run, arguments.origins)))
        return 0
    results = []
    for size in arguments.series.split(","):
        results.append(run_apart(int(size), arguments.threads, arguments.origins))
        print(json.dumps(results[-1]), flush=True)
    if arguments.out:
        from benchmarks.demand_scale_table import write_results

        command = (
            f"python -m benchmarks.demand_scale --series {arguments.series} "
            f"--threads {arguments.threads} --origins {arguments.origins}"
        )
        write_results(results, arguments.out, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
