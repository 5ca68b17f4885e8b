"""How fast the service answers, and what it survives: every row has its bar.

Models, customers and forecasts are made up and seeded. Services run one worker on loopback; what
loads them shares the machine's two cores with them, so rates are those of both together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import serving_faults as faults
from benchmarks import serving_speed as speed
from benchmarks.serving_bench import Bench, row
from benchmarks.serving_table import write_page

RESULTS = Path(__file__).parent / "results"
ROWS: dict[str, Callable[[Bench], list[dict[str, Any]]]] = {
    "beside": speed.measure_beside,
    "steady": speed.measure_steady,
    "batches": speed.measure_batches,
    "forecasts": speed.measure_forecasts,
    "cold": speed.measure_cold_start,
    "overload": faults.measure_overload,
    "paths": faults.measure_random_paths,
    "swaps": faults.measure_swaps,
    "damage": faults.measure_damage,
    "restarts": faults.measure_restarts,
    "kill": faults.measure_kill,
    "idempotency": faults.measure_idempotency,
    "soak": speed.measure_soak,
    "egress": speed.measure_egress,
}
PACKAGES = ("bentoml", "starlette", "uvicorn", "fastapi", "mlflow", "lightgbm", "numpy", "pyarrow")


def measure(bench: Bench, names: Sequence[str]) -> list[dict[str, Any]]:
    """Measure the rows; one that fails is a row that says so, and the others go on."""
    found: list[dict[str, Any]] = []
    for name in names:
        before = len(found)
        try:
            found += ROWS[name](bench)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            said = f"{type(error).__name__}: {error}"
            found.append(row(name, "measured", said, is_met=False, how="the row could not be run"))
        for one in found[before:]:
            print(json.dumps(one, ensure_ascii=False), flush=True)
    return found


def describe_run(arguments: Sequence[str], load: tuple[float, ...]) -> dict[str, str]:
    """Return date, machine, versions and command."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load before {load[0]:.1f}",
        "versions": ", ".join(
            [
                f"python {platform.python_version()}",
                *(f"{name} {version(name)}" for name in PACKAGES),
            ]
        ),
        "command": " ".join(["python benchmarks/serving.py", *arguments]),
    }


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_400_000, help="of the forecasts")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it runs")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="repeat for more rows")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--soak-minutes", type=float, default=30.0)
    parser.add_argument("--workspace", type=Path, help="kept, so that the models are made once")
    parser.add_argument("--port", type=int, default=3950, help="and the one after it")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def build_bench(options: argparse.Namespace, folder: Path) -> Bench:
    """Return what the options ask for."""
    quick = options.quick
    return Bench(
        folder=folder,
        rows=min(options.rows, 504_000) if quick else options.rows,
        seconds=3 if quick else options.seconds,
        minutes=0.2 if quick else options.minutes,
        soak_minutes=0.5 if quick else options.soak_minutes,
        is_quick=quick,
        port=options.port,
    )


def main(arguments: Sequence[str]) -> None:
    """Measure, and write the results."""
    options, load = read_options(arguments), os.getloadavg()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.workspace or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = build_bench(options, folder.resolve())
        bench.prepare()
        bench.egress.start()
        rows = measure(bench, options.only or list(ROWS))
        bench.egress.stop()
    run = describe_run(arguments, load)
    options.out.mkdir(parents=True, exist_ok=True)
    told = json.dumps({"rows": rows, "run": run}, indent=1, ensure_ascii=False)
    (options.out / "serving.json").write_text(told + "\n", encoding="utf-8")
    page = write_page("The service", __doc__ or "", rows, run)
    (options.out / "serving.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
