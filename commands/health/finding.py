"""What a check found: a state, what it means, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from commands.failures import explain
from features.errors import AlmanacError

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes
    ----------
    check : str
        What was looked at, in a word or two.
    state : str
        'ok'; 'warning': it works, and may not for long; 'problem': something will not work.
    words : str
        What is so.
    mend : str
        What to do about it; empty where all is well.
    """

    check: str
    state: State
    words: str
    mend: str = ""


def ok(check: str, words: str) -> Finding:
    """Return that all is well."""
    return Finding(check, "ok", words)


def warning(check: str, words: str, mend: str) -> Finding:
    """Return that it works, and may not for long."""
    return Finding(check, "warning", words, mend)


def problem(check: str, words: str, mend: str) -> Finding:
    """Return that something will not work."""
    return Finding(check, "problem", words, mend)


def guard(check: str, look: Callable[[], Iterable[Finding]], mend: str) -> Iterator[Finding]:
    """Yield what a look finds; what it raises is a finding, too, so that the others are made.

    Parameters
    ----------
    check : str
        What it is called when it raises.
    look : callable
    mend : str
        What to do where the error itself does not say it.
    """
    try:
        yield from look()
    except AlmanacError as error:
        yield problem(check, str(error), mend)
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill tells nothing of the rest
        yield problem(check, explain(error), mend)


def count_states(findings: Iterable[Finding]) -> dict[State, int]:
    """Return how many findings there are of each state."""
    counts: dict[State, int] = {"ok": 0, "warning": 0, "problem": 0}
    for finding in findings:
        counts[finding.state] += 1
    return counts
