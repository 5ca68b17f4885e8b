"""`almanac doctor`: what is wrong, what it means, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.failures import DEFAULT_WORKSPACE
from commands.options import DEFAULT_PROJECT, ProjectFile
from commands.steps import open_terminal

if TYPE_CHECKING:
    from commands.health.finding import Finding

SICK = 1


def doctor(
    project: ProjectFile = DEFAULT_PROJECT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document, for a machine to read.")
    ] = False,
) -> None:
    """Say of the machine and the project what is wrong, and how to mend it; exit code 1 if it is.

    It changes nothing, and asks nothing outside this machine but what the project file names.
    """
    from commands.health.finding import count_states

    terminal = open_terminal()
    findings = []
    for finding in list_findings(project, datetime.now(UTC)):
        findings.append(finding)
        if not as_json:
            terminal.say(describe_finding(finding))
    counts = count_states(findings)
    if as_json:
        told = {"findings": [asdict(finding) for finding in findings], "counts": counts}
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        states = (f"{counts['ok']} ok", _count(counts["warning"], "warning"))
        terminal.say(f"\n{', '.join(states)}, {_count(counts['problem'], 'problem')}")
    if counts["problem"]:
        raise typer.Exit(SICK)


def list_findings(path: Path, now: datetime) -> Iterator[Finding]:
    """Yield what every check finds, the machine first; a check that fails is a finding itself.

    Parameters
    ----------
    path : Path
        The project file; where it is not there, only the machine is looked at.
    now : datetime
        With a zone.
    """
    from commands.health import data, machine, service, stores
    from commands.health.finding import guard

    project, said = data.open_for_check(path)
    root = path.resolve().parent / DEFAULT_WORKSPACE if project is None else project.workspace.root
    yield from machine.check_python()
    yield from guard("packages", machine.check_packages, machine.REINSTALL)
    yield from guard("workspace", lambda: machine.check_disk(root), "look at that folder")
    yield from guard("memory", machine.check_memory, "")
    yield from guard("clock", lambda: machine.check_clock(project, now), "look at that folder")
    yield from said
    if project is None:
        return
    loaded, mend = project, "correct the project file; then run almanac doctor again"
    yield from data.check_sections(loaded)
    yield from data.check_sources(loaded)
    yield from guard("customer store", lambda: stores.check_customers(loaded), mend)
    yield from guard("MLflow", lambda: stores.check_registry(loaded), mend)
    yield from guard("models", lambda: service.check_models(loaded), mend)
    yield from guard("keys", lambda: service.check_access(loaded, now), mend)
    yield from guard("port", lambda: service.check_ports(loaded), mend)


def describe_finding(finding: Finding) -> str:
    """Return the lines of a finding; its state is a word, as not everybody sees colours."""
    line = f"{finding.state:<9}{finding.check}: {finding.words}"
    return f"{line}\n{'':<9}  to mend it: {finding.mend}" if finding.mend else line


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
