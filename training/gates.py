"""The written gates between challenger and champion: each a number, a bound and a sentence."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Check:
    """One gate: what was measured, against what, and whether it passed."""

    name: str
    measured: float
    bound: float
    is_passed: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """All gates of one promotion."""

    checks: tuple[Check, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every gate passed."""
        return all(check.is_passed for check in self.checks)

    @property
    def failures(self) -> str:
        """The sentences of the gates that did not pass."""
        return "; ".join(check.words for check in self.checks if not check.is_passed)

    def to_json(self) -> str:
        """Return the verdict as JSON, for the run that it is logged to."""
        checks = [asdict(check) for check in self.checks]
        return json.dumps({"is_passed": self.is_passed, "checks": checks}, indent=2)


def check_at_most(name: str, measured: float, bound: float, words: str) -> Check:
    """Return a gate that passes when `measured` is at most `bound`; NaN never passes."""
    is_passed = not math.isnan(measured) and measured <= bound
    return Check(name, measured, bound, is_passed, f"{words}: {measured:.4g}, at most {bound:.4g}")


def check_above(name: str, measured: float, bound: float, words: str) -> Check:
    """Return a gate that passes when `measured` is greater than `bound`; NaN never passes."""
    is_passed = not math.isnan(measured) and measured > bound
    return Check(name, measured, bound, is_passed, f"{words}: {measured:.4g}, above {bound:.4g}")
