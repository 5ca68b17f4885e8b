"""The results of the benchmark of scale: a table, its JSON and a curve."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAME = "demand_scale"
LIBRARIES = ("duckdb", "lightgbm", "numpy", "pandas", "pyarrow", "scipy")
STAGES = ("tables", "panel", "backtest", "fit", "forecast", "in_one_go")

NOTES = (
    "Simulated sales: the M5 subset's series shifted by whole weeks and multiplied by seeded "
    "noise, stores × 100 items in 10 categories, three years of days, with prices known 28 days "
    "ahead. Each size runs in a process of its own: `tables` checks and writes the canonical "
    "tables; in one go are the panel, a backtest of two origins with calibration and scores of all "
    "models, the final fit, and the forecast of every level with its quantiles. The machine is "
    "shared, so processor seconds say more than seconds. Memory is the process's and its "
    "children's peak while a stage runs, the panel included.",
)


def write_results(results: Sequence[dict[str, Any]], folder: Path, command: str) -> None:
    """Write what was measured, beside what the folder has of other sizes.

    Parameters
    ----------
    results : sequence of dict
        From `benchmarks.demand_scale.run_apart`.
    folder : Path
        Gets demand_scale.json, demand_scale.md and demand_scale.png.
    command : str
        That measured `results`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / f"{NAME}.json"
    known = json.loads(saved.read_text(encoding="utf-8"))["results"] if saved.exists() else []
    about = {"date": datetime.now(UTC).date().isoformat(), "command": command}
    about |= {"python": platform.python_version()}
    about |= {name: version(name) for name in LIBRARIES}
    by_size = {row["series"]: row for row in known}
    by_size |= {row["series"]: {**row, "about": about} for row in results}
    rows = [by_size[size] for size in sorted(by_size)]
    saved.write_text(json.dumps({"results": rows}, indent=2) + "\n", encoding="utf-8")
    (folder / f"{NAME}.md").write_text("\n".join(_describe(rows)) + "\n", encoding="utf-8")
    _draw(rows, folder / f"{NAME}.png")


def _describe(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["# What forecasting costs as series grow in number", "", *NOTES, ""]
    lines += [f"![cost per series]({NAME}.png)", ""]
    lines += [
        "| series | rows | nodes | stage | seconds | CPU s | CPU ms a series | peak GiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for stage in STAGES:
            cost = row["in_one_go"] if stage == "in_one_go" else row["stages"][stage]
            each = 1000 * cost["cpu"] / row["series"]
            lines.append(
                f"| {row['series']:,} | {row['rows']:,} | {row['nodes']:,} "
                f"| {stage.replace('_', ' ')} | {cost['seconds']:.0f} | {cost['cpu']:.0f} "
                f"| {each:.1f} | {cost['gib']:.2f} |"
            )
    lines += ["", "## Runs", ""]
    for row in rows:
        words = ", ".join(f"{key} {value}" for key, value in row["about"].items())
        lines.append(f"- {row['series']:,} series on {row['threads']} threads: {words}")
    return lines


def _draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw processor time per series by stage, and peak memory."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sizes = [row["series"] for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for stage in STAGES[1:]:
        costs = [row["in_one_go"] if stage == "in_one_go" else row["stages"][stage] for row in rows]
        each = [1000 * cost["cpu"] / size for cost, size in zip(costs, sizes, strict=True)]
        left.plot(sizes, each, marker="o", label=stage.replace("_", " "))
    left.set(xscale="log", yscale="log", xlabel="series", ylabel="CPU ms a series")
    left.legend(frameon=False, fontsize=8)
    right.plot(sizes, [row["in_one_go"]["gib"] for row in rows], marker="o")
    right.axhline(24, color="grey", linestyle=":")
    right.set(xscale="log", yscale="log", xlabel="series", ylabel="peak GiB")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=80)
    plt.close(figure)
