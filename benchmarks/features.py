"""How fast the customer features are built, beside hand-written DuckDB SQL and pandas.

Every contender builds the same table as of the same four cut-offs, one at a time, from the same
generated events and in a process of its own; the tables are then compared cell by cell. The
declared features and the SQL take turns, so that whatever else the machine does hits both.

    python -m benchmarks.features --events 1000000 20000000 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.generate import write_activity
from features.customer.customers import customer_features, write_customer_features
from features.engine import open_engine
from features.project import Workspace

CUT_OFFS = ("2022-01-01", "2023-01-01", "2024-01-01", "2025-01-01")
TIME_ZONE, HALF_LIFE_DAYS, THREADS, SEED = "America/New_York", 90.0, 2, 7
DECLARED, BY_HAND, PANDAS = "declared", "by hand", "pandas"
BARS = {"seconds": 1.15, "gib": 2.5}
PANDAS_NEEDS_GIB = 16.0
BARS_HOLD_FROM = 20_000_000
FOLDER = Path(__file__).parent
Build = Callable[[datetime, Path], int]


def with_declarations(workspace: Workspace) -> Build:
    """Build as the project does, within 2 GB."""
    engine = open_engine(threads=THREADS, memory_limit="2GB")
    features = customer_features(HALF_LIFE_DAYS)

    def build(as_of: datetime, path: Path) -> int:
        return write_customer_features(
            engine, workspace, as_of, features, time_zone=TIME_ZONE, path=path
        )

    return build


def with_sql(workspace: Workspace) -> Build:
    """Build with DuckDB, which may take as much memory as it likes."""
    engine = duckdb.connect(config={"threads": THREADS})
    engine.execute("SET TimeZone = 'UTC'")
    text = (FOLDER / "features_by_hand.sql").read_text(encoding="utf-8")

    def build(as_of: datetime, path: Path) -> int:
        query = text
        for name, value in (
            ("tables", workspace.tables),
            ("as_of", as_of),
            ("time_zone", TIME_ZONE),
            ("half_life_days", HALF_LIFE_DAYS),
        ):
            query = query.replace(f"{{{name}}}", str(value))
        copied = engine.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)").fetchone()
        return int(copied[0])

    return build


def with_pandas(workspace: Workspace) -> Build:
    """Build with pandas, which reads the events once for all cut-offs."""
    from benchmarks.features_pandas import read_stream, write_features

    stream, ids = read_stream(workspace.tables)

    def build(as_of: datetime, path: Path) -> int:
        return write_features(stream, ids, workspace.tables, as_of, path, TIME_ZONE, HALF_LIFE_DAYS)

    return build


CONTENDERS = {DECLARED: with_declarations, BY_HAND: with_sql, PANDAS: with_pandas}


def run_here(name: str, root: Path, out: Path) -> dict[str, float]:
    """Build every cut-off in this process, and measure it."""
    out.mkdir(parents=True, exist_ok=True)
    before, started = _cpu_seconds(), time.perf_counter()
    build = CONTENDERS[name](Workspace(root))
    rows = 0
    for cut_off in CUT_OFFS:
        rows += build(datetime.fromisoformat(cut_off), out / f"{cut_off[:4]}.parquet")
    return {
        "seconds": time.perf_counter() - started,
        "cpu": _cpu_seconds() - before,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "rows": rows,
    }


def run_apart(name: str, root: Path, out: Path) -> dict[str, Any]:
    """Run one contender in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks.features", "--run", name, str(root), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    print(f"{name}: {result}", flush=True)
    return result


def measure(n_events: int, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Measure every contender at one size, and compare what they wrote."""
    root, out = folder / "data", folder / "out"
    write_activity(root, n_events, SEED)
    runs: dict[str, list[dict[str, Any]]] = {}
    for turn in range(rounds):
        # who goes first changes: the second finds the files in the page cache
        for name in (DECLARED, BY_HAND) if turn % 2 == 0 else (BY_HAND, DECLARED):
            runs.setdefault(name, []).append(run_apart(name, root, out / name))
    if n_events < BARS_HOLD_FROM or _available_gib() > PANDAS_NEEDS_GIB:
        runs[PANDAS] = [run_apart(PANDAS, root, out / PANDAS)]
    for name in runs:
        if name != DECLARED:
            compare(out / DECLARED, out / name)
    return [
        {
            "events": n_events,
            "contender": name,
            "runs": len(found),
            "rows": found[0]["rows"],
            "seconds": median(run["seconds"] for run in found),
            "cpu": median(run["cpu"] for run in found),
            "gib": max(run["gib"] for run in found),
        }
        for name, found in runs.items()
    ]


def compare(ours: Path, theirs: Path) -> None:
    """Refuse tables that differ in a cell: only equal work is worth timing."""
    with open_engine(threads=THREADS) as engine:
        for cut_off in CUT_OFFS:
            one, other = (f"'{folder / cut_off[:4]}.parquet'" for folder in (ours, theirs))
            described = engine.execute(f"DESCRIBE FROM {one}").fetchall()
            tests = [_differs(name, kind) for name, kind, *_ in described]
            counts = ", ".join(f"count(*) FILTER ({test})" for test in tests)
            found = engine.execute(
                f"SELECT {counts} FROM {one} a FULL JOIN {other} b USING (customer_id)"
            ).fetchone()
            wrong = [row[0] for row, n in zip(described, found, strict=True) if n]
            if wrong:
                raise SystemExit(f"{theirs.name} differs from {ours.name} at {cut_off}: {wrong}")


def _differs(name: str, kind: str) -> str:
    if kind == "DOUBLE":
        near = f"abs(a.{name} - b.{name}) <= 1e-9 * greatest(1, abs(a.{name}))"
        return f"NOT coalesce({near}, a.{name} IS NOT DISTINCT FROM b.{name})"
    if not kind.startswith("STRUCT"):
        return f"a.{name} IS DISTINCT FROM b.{name}"
    pairs = f"list_zip(a.{name}, b.{name})"
    key = kind.removeprefix("STRUCT(").split()[0]  # such as STRUCT(slot INTEGER, weight DOUBLE)[]
    far = f"p[1].{key} IS DISTINCT FROM p[2].{key} OR abs(p[1].weight - p[2].weight) > 1e-9"
    uneven = f"len(a.{name}) IS DISTINCT FROM len(b.{name})"
    return f"len(list_filter({pairs}, lambda p: {far})) > 0 OR {uneven}"


def write_results(results: list[dict[str, Any]], command: str) -> bool:
    """Write the results as JSON and Markdown; return whether the bars are met."""
    about = {"date": datetime.now(UTC).date().isoformat(), "command": command}
    about |= {"python": platform.python_version()}
    about |= {name: version(name) for name in ("duckdb", "pandas", "pyarrow")}
    about |= {"threads": str(THREADS), "cut-offs": ", ".join(CUT_OFFS)}
    by_hand = {row["events"]: row for row in results if row["contender"] == BY_HAND}
    lines = [
        "# Customer features: declared, by hand, pandas",
        "",
        "Generated events, made up. Medians of the runs on a shared machine: read the ratios.",
        "",
        *(f"- {key}: {value}" for key, value in about.items()),
        "",
        "| events | rows | contender | runs | seconds | ÷ by hand | CPU s | ÷ by hand | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    is_met = True
    for row in results:
        base = by_hand[row["events"]]
        wall, cpu = row["seconds"] / base["seconds"], row["cpu"] / base["cpu"]
        if row["contender"] == DECLARED and row["events"] >= BARS_HOLD_FROM:
            is_met &= wall <= BARS["seconds"] and row["gib"] <= BARS["gib"]
        lines.append(
            f"| {row['events']:,} | {row['rows']:,} | {row['contender']} | {row['runs']} "
            f"| {row['seconds']:.1f} | {wall:.2f} | {row['cpu']:.1f} | {cpu:.2f} "
            f"| {row['gib']:.2f} |"
        )
    (FOLDER / "results").mkdir(exist_ok=True)
    saved = {"about": about, "bars": BARS, "results": results}
    (FOLDER / "results" / "features.json").write_text(json.dumps(saved, indent=2) + "\n")
    (FOLDER / "results" / "features.md").write_text("\n".join(lines) + "\n")
    return is_met


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _available_gib() -> float:
    meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(meminfo.split("MemAvailable:")[1].split()[0]) / 2**20


def main() -> int:
    """Measure, write the results, and return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 20_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", nargs=3, metavar=("CONTENDER", "DATA", "OUT"))
    arguments = parser.parse_args()
    if arguments.run:
        name, root, out = arguments.run
        print(json.dumps(run_here(name, Path(root), Path(out))))
        return 0
    results = []
    for n_events in arguments.events:
        with tempfile.TemporaryDirectory() as folder:
            results += measure(n_events, arguments.rounds, Path(folder))
    sizes = " ".join(str(n) for n in arguments.events)
    command = f"python -m benchmarks.features --events {sizes} --rounds {arguments.rounds}"
    return 0 if write_results(results, command) else 1


if __name__ == "__main__":
    sys.exit(main())
