"""Findings as files and as a table: `monitor.json` for machines, `monitor.md` for people."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from training.monitor.checks import Check, Findings, Verdict

FORMAT = 1
JSON_FILE, PAGE_FILE = "monitor.json", "monitor.md"
STYLES = {Verdict.ALERT: "bold red", Verdict.WATCH: "yellow", Verdict.OK: "green"}
_QUIET = 5
"""Checks of one kind that are fine and still shown on the terminal; the files have them all."""


def write_findings(findings: Findings, folder: Path) -> tuple[Path, Path]:
    """Write both files to a folder, each whole or not at all, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(describe(findings), indent=2, ensure_ascii=False, allow_nan=False)
    page = folder / PAGE_FILE
    _replace(page, write_page(findings))
    path = folder / JSON_FILE
    _replace(path, f"{content}\n")
    return path, page


def describe(findings: Findings) -> dict[str, Any]:
    """Return what `monitor.json` holds; what is not a number is null."""
    return {
        "format": FORMAT,
        "made_at": findings.made_at.isoformat(),
        "verdict": findings.verdict.value,
        "retraining": [
            {"model": model, "because": because} for model, because in findings.retraining.items()
        ],
        "checks": [
            {"check": check.name, **{name: _plain(value) for name, value in vars(check).items()}}
            for check in findings.checks
        ],
        "tables": {
            name: [{key: _plain(value) for key, value in row.items()} for row in rows]
            for name, rows in findings.tables.items()
        },
    }


def tell_retraining(findings: Findings) -> list[str]:
    """Return one line for every model that should be trained again."""
    lines = [
        f"retraining recommended: {model} — because {because}"
        for model, because in findings.retraining.items()
    ]
    return lines or ["no retraining recommended"]


def build_table(findings: Findings) -> Table:
    """Return the checks for a terminal; of what is fine, the first few of every kind."""
    table = Table(box=SIMPLE)
    table.add_column("check", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for name in ("value", "baseline", "threshold", "n"):
        table.add_column(name, justify="right", no_wrap=True, min_width=7)
    shown: Counter[str] = Counter()
    for check in findings.checks:
        shown[check.kind] += check.verdict is Verdict.OK
        if check.verdict is not Verdict.OK or shown[check.kind] <= _QUIET:
            cells = (check.name, check.verdict.value, *_numbers(check))
            table.add_row(*cells, style=STYLES.get(check.verdict))
    return table


def tell_reasons(findings: Findings) -> list[str]:
    """Return a sentence for everything that is not fine."""
    return [
        f"{check.verdict.value}: {check.reason}"
        for check in findings.checks
        if check.verdict is not Verdict.OK
    ]


def write_page(findings: Findings) -> str:
    """Return `monitor.md`."""
    head = "| check | verdict | value | baseline | threshold | interval | n | reason |"
    lines = [
        "# Monitor",
        "",
        f"As of {findings.made_at:%Y-%m-%d %H:%M} UTC: **{findings.verdict.value}**.",
        "",
        *(f"- {line}" for line in tell_retraining(findings)),
        "",
        head,
        "|---|---|--:|--:|--:|--:|--:|---|",
        *(_write_row(check) for check in findings.checks),
    ]
    bins = findings.tables.get("calibration", [])
    if bins:
        lines += ["", "## Answers by predicted probability", ""]
        lines += ["| bin | sends | predicted | observed | 95 % interval |", "|--:|--:|--:|--:|--:|"]
        lines += [
            f"| {row['bin']} | {row['sends']} | {row['predicted']:.4f} | {row['observed']:.4f} "
            f"| {row['low']:.4f} to {row['high']:.4f} |"
            for row in bins
        ]
    return "\n".join(lines) + "\n"


def _write_row(check: Check) -> str:
    value, baseline, threshold, n = _numbers(check)
    interval = ""
    if check.low is not None and check.high is not None:
        interval = f"{_number(check.low)} to {_number(check.high)}"
    reason = check.reason.replace("|", "/").replace("\n", " ")
    name = check.name.replace("|", "/")
    cells = (name, check.verdict.value, value, baseline, threshold, interval, n, reason)
    return f"| {' | '.join(cells)} |"


def _numbers(check: Check) -> tuple[str, str, str, str]:
    return (
        _number(check.value),
        _number(check.baseline),
        _number(check.threshold),
        f"{check.n:,}",
    )


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.value
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
