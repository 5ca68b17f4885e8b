"""One check: a value beside what it is held against, a verdict, and a sentence of reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a check comes to, the mildest first."""

    UNKNOWN = "not enough data"
    OK = "ok"
    WATCH = "watch"
    ALERT = "alert"


_ORDER = tuple(Verdict)


@dataclass(frozen=True)
class Check:
    """What was looked at, and what it came to.

    Attributes
    ----------
    kind : str
        'drift', 'calibration', 'roles', 'forecast' or 'freshness'.
    subject : str
        What of it: a feature, a version and a score, a kind of model.
    model : str
        'promotion' or 'demand': what would be trained again.
    verdict : Verdict
    reason : str
        One sentence.
    n : int
        Rows, customers or dates it rests on.
    value, baseline, threshold, low, high : float or None
        What was measured, what it is held against, from where on it counts, and its interval.
    """

    kind: str
    subject: str
    model: str
    verdict: Verdict
    reason: str
    n: int = 0
    value: float | None = None
    baseline: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        """Kind and subject: names the check in every output."""
        return f"{self.kind}/{self.subject}"


@dataclass(frozen=True)
class Findings:
    """All checks of one run.

    Attributes
    ----------
    made_at : datetime
        With a zone; what ages are measured at.
    checks : tuple of Check
    tables : dict of str to list of dict
        Rows behind the checks, such as predicted against observed by bin.
    """

    made_at: datetime
    checks: tuple[Check, ...]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The worst of all verdicts."""
        return find_worst([check.verdict for check in self.checks])

    @property
    def retraining(self) -> dict[str, str]:
        """Models that should be trained again, each with its reason."""
        found: dict[str, list[str]] = {}
        for check in self.checks:
            # A challenger that does worse is no reason to train the champion again.
            if check.verdict is Verdict.ALERT and check.kind != "roles":
                found.setdefault(check.model, []).append(check.reason)
        return {model: _join(reasons) for model, reasons in found.items()}


def find_worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst verdict.

    Examples
    --------
    >>> find_worst([Verdict.OK, Verdict.WATCH, Verdict.UNKNOWN]).value
    'watch'
    """
    return max(verdicts, key=_ORDER.index, default=Verdict.UNKNOWN)


def _join(reasons: Sequence[str]) -> str:
    rest = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return "; ".join(reason.rstrip(".") for reason in reasons[:3]) + rest
