"""`almanac monitor`: look, write what was found, and say it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from features.errors import InvalidRequest
from features.progress import Terminal
from features.project import Project
from training.monitor.checks import Verdict
from training.monitor.run import monitor
from training.monitor.written import build_table, tell_reasons, tell_retraining, write_findings


def run_monitor(project: Project, terminal: Terminal, *, out: Path | None, now: str) -> bool:
    """Run every check, write the files, say what was found, and tell whether something alerts.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    terminal : Terminal
    out : Path or None
        A folder for a copy; the service reads the one in the workspace.
    now : str
        RFC 3339 with an offset.

    Raises
    ------
    InvalidRequest
        If `now` is not a time with an offset.
    """
    findings = monitor(project, _read_moment(now), terminal)
    paths = write_findings(findings, project.workspace.root / "monitor")
    if out is not None:
        paths = write_findings(findings, out)
    terminal.console.print(build_table(findings))
    for line in (*tell_reasons(findings), "", *tell_retraining(findings)):
        terminal.say(line)
    terminal.say(f"{findings.verdict.value}: wrote {' and '.join(map(str, paths))}")
    return findings.verdict is Verdict.ALERT


def _read_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidRequest(
            f"--now: expected a time with an offset, as 2026-01-31T00:00:00Z, got {text!r}"
        )
    return moment
