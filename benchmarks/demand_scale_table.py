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
"""What is shown; `in_one_go` is all but the tables."""

NOTES = (
    "Simulated sales: the M5 subset's series shifted by whole weeks and multiplied by seeded "
    "noise, stores × 100 items in 10 categories, up to three years of days as a series begins "
    "with its first sale, with prices known 28 days ahead. Each size runs in a process of its "
    "own: `tables` checks and writes the canonical tables; in one go are the panel, a backtest "
    "with calibration and scores of all models, the final fit, and the forecast of every level "
    "with its quantiles. Without origins there is no backtest, and priors calibrate; a backtest "
    "fits and forecasts once more per origin. Of more than 5,000 series ETS and Theta read 364 "
    "days of each instead of 728, so the forecast of a series costs less beyond. The machine is "
    "shared, so processor seconds say more than seconds. Memory is the process's and its "
    "children's peak while a stage runs, the panel included.",
)
AIM = 50_000


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
    by_size = {(row["origins"], row["series"]): row for row in known}
    by_size |= {(row["origins"], row["series"]): {**row, "about": about} for row in results}
    rows = [by_size[key] for key in sorted(by_size)]
    saved.write_text(json.dumps({"results": rows}, indent=2) + "\n", encoding="utf-8")
    (folder / f"{NAME}.md").write_text("\n".join(_describe(rows)) + "\n", encoding="utf-8")
    _draw(rows, folder / f"{NAME}.png")


def _describe(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["# What forecasting costs as series grow in number", "", *NOTES, ""]
    lines += [f"![cost per series]({NAME}.png)", ""]
    lines += [
        "| series | origins | rows | nodes | stage | seconds | CPU s | CPU ms each | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for stage, cost in _stages(row).items():
            lines.append(
                f"| {row['series']:,} | {row['origins']} | {row['rows']:,} | {row['nodes']:,} "
                f"| {stage.replace('_', ' ')} | {cost['seconds']:.0f} | {cost['cpu']:.0f} "
                f"| {1000 * cost['cpu'] / row['series']:.1f} | {cost['gib']:.2f} |"
            )
    lines += ["", *_extrapolate(_longest(rows)), "## Runs", ""]
    for row in rows:
        words = ", ".join(f"{key} {value}" for key, value in row["about"].items())
        size = f"{row['series']:,} series, {row['origins']} origins, {row['threads']} threads"
        lines.append(f"- {size}: {words}")
    return lines


def _stages(row: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return what each stage of a run cost, those that it had."""
    found = {**row["stages"], "in_one_go": row["in_one_go"]}
    return {stage: found[stage] for stage in STAGES if stage in found}


def _longest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs with the number of origins that most sizes were measured with."""
    counts = [row["origins"] for row in rows]
    most = max(dict.fromkeys(counts), key=counts.count)
    return [row for row in rows if row["origins"] == most]


def _extrapolate(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Say what the aim would cost in proportion to the largest size, if that is smaller."""
    large = rows[-1]
    times = AIM / large["series"]
    if times <= 1:
        return []
    lines = [
        f"**{AIM:,} series were not measured.** In proportion to {large['series']:,} series "
        f"({large['origins']} origins) they would take about the following, which counts "
        f"{times:g} times what does not grow, such as the trees' capped rows and the engine's "
        "memory:",
        "",
        "| stage | CPU s | peak GiB |",
        "|---|---|---|",
    ]
    for stage, cost in _stages(large).items():
        name = stage.replace("_", " ")
        lines.append(f"| {name} | {times * cost['cpu']:.0f} | {times * cost['gib']:.1f} |")
    return [*lines, ""]


def _draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw processor time per series by stage, and peak memory."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = _longest(rows)
    sizes = [row["series"] for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for stage in _stages(rows[0]):
        each = [1000 * _stages(row)[stage]["cpu"] / row["series"] for row in rows]
        left.plot(sizes, each, marker="o", label=stage.replace("_", " "))
    left.set(xscale="log", yscale="log", xlabel="series", ylabel="CPU ms a series")
    left.legend(frameon=False, fontsize=8)
    right.plot(sizes, [row["in_one_go"]["gib"] for row in rows], marker="o", label="measured")
    right.axhline(24, color="grey", linestyle=":", label="24 GiB")
    right.set(xscale="log", yscale="log", xlabel="series", ylabel="peak GiB")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Cost by number of series, {rows[0]['origins']} origins", fontsize=10)
    figure.savefig(path, dpi=80)
    plt.close(figure)
