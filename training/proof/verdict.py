"""What may be claimed of a policy over each baseline, in words."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from training.chapters import write_number, write_percent
from training.palette import name_of
from training.proof.evidence import Evidence, Interval, PolicyValue, write_interval
from training.proof.policies import RANDOM

BETTER = "better"
WORSE = "worse"
NOT_ENOUGH = "not enough evidence"
IMPOSSIBLE = "no evidence possible"
MIN_EFFECTIVE_SENDS = 1000.0
LEAST_RELATIVE_GAIN = 0.02
MIN_COVERED = 0.9


@dataclass(frozen=True)
class Verdict:
    """What may be said of the target over one baseline.

    Attributes
    ----------
    baseline : str
    decision : str
        'better', 'worse', 'not enough evidence' or 'no evidence possible'.
    gain, claim, check : Interval
        See `Evidence`.
    relative : float
        Gain ÷ the baseline's value; NaN where that is not above 0.
    effective_sends, covered : float
        See `Evidence`.
    more_sends : float
        Further sends, logged as these were, after which a claim is likely; 0 where there is one,
        NaN where no number of sends would do or none can be worked out.
    words : str
    """

    baseline: str
    decision: str
    gain: Interval
    claim: Interval
    check: Interval
    relative: float
    effective_sends: float
    covered: float
    more_sends: float
    words: str


@dataclass(frozen=True)
class Proof:
    """What the logged sends say of a target policy before it sends anything.

    Attributes
    ----------
    target : str
    policy_values : tuple of PolicyValue
        Every policy by every estimator.
    verdicts : tuple of Verdict
        One a baseline.
    notes : tuple of str
        What was estimated, cut or moved.
    """

    target: str
    policy_values: tuple[PolicyValue, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    def is_better(self, uncounted: Collection[str] = (RANDOM,)) -> bool:
        """Whether the target is better than every baseline that counts.

        All of the claims must hold, each at 99 %: the chance that all are made and one is false is
        no greater than that of one claim, so that no correction for their number is due.

        References
        ----------
        .. [1] Berger (1982), "Multiparameter hypothesis testing and acceptance sampling",
           Technometrics 24 (intersection-union test).
        """
        counted = [verdict for verdict in self.verdicts if verdict.baseline not in uncounted]
        return bool(counted) and all(verdict.decision == BETTER for verdict in counted)


def judge_gain(
    baseline: str, evidence: Evidence, *, min_effective_sends: float = MIN_EFFECTIVE_SENDS
) -> Verdict:
    """Say what the evidence allows to be said of the target over a baseline.

    A claim in either direction needs all of: the doubly robust 99 % interval on one side of 0; the
    self-normalised estimate on the same side; `min_effective_sends` of both policies; and at
    least 90 % of what both would send covered by the log.

    Parameters
    ----------
    baseline : str
    evidence : Evidence
    min_effective_sends : float
    """
    gain, value = evidence.gain, evidence.baseline_value
    relative = gain.value / value if value > 0 else float("nan")
    doubt = _find_doubt(evidence, min_effective_sends)
    if doubt:
        more = _count_more_sends(evidence, min_effective_sends)
        decision, words = NOT_ENOUGH, _write_doubt(evidence, doubt, more)
    else:
        more = 0.0
        decision = BETTER if gain.low > 0 else WORSE
        words = _write_claim(baseline, gain, relative)
    return Verdict(
        baseline, decision, gain, evidence.claim, evidence.check, relative,
        evidence.effective_sends, evidence.covered, more, words,
    )  # fmt: skip


def refuse_verdict(baseline: str, why: str) -> Verdict:
    """Return the verdict where nothing that was logged can tell, and why."""
    nothing = Interval(math.nan, math.nan, math.nan)
    words = f"{IMPOSSIBLE}: {why}"
    return Verdict(
        baseline, IMPOSSIBLE, nothing, nothing, nothing, math.nan, 0.0, 0.0, math.nan, words
    )


def count_sends_needed(sends: int, half: float, effect: float) -> float:
    """Return how many sends narrow an interval to ± `effect`, if logged as the present ones.

    A standard error falls with the root of the sends, so that sends × (half ÷ effect)² are needed.
    At exactly that many a true effect of this size is claimed every other time.

    Examples
    --------
    >>> count_sends_needed(1000, half=0.04, effect=0.02)
    4000.0
    """
    return sends * (half / effect) ** 2 if effect > 0 else math.nan


def _find_doubt(evidence: Evidence, min_effective_sends: float) -> str:
    """Return why no claim can be made; '' where one can."""
    gain, check = evidence.gain, evidence.check
    if math.isnan(gain.low) or _is_nothing(evidence):
        return "there is nothing to compare"
    if evidence.covered < MIN_COVERED:
        return f"the log covers only {write_percent(evidence.covered, 0)} of what would be sent"
    if gain.low <= 0 <= gain.high:
        return "the interval spans 0"
    if evidence.claim.low <= 0 <= evidence.claim.high:
        return "the 99 % interval, which a claim needs, spans 0"
    if not gain.value * check.value > 0:
        return "the two estimators disagree on the sign"
    if not evidence.effective_sends >= min_effective_sends:
        return (
            f"{write_number(evidence.effective_sends, 0)} effective sends, of "
            f"{write_number(min_effective_sends, 0)}"
        )
    return ""


def _count_more_sends(evidence: Evidence, min_effective_sends: float) -> float:
    """Return the further sends that would allow a claim; NaN where none would.

    The greatest of what narrows either estimator's interval to the gain (or to two per cent of the
    baseline's value, if that is more) and what gives the effective sends.
    """
    if not evidence.gain.half > 0 or evidence.covered < MIN_COVERED:
        return math.nan
    if _is_nothing(evidence) or _is_alike(evidence):
        return math.nan
    effect = max(abs(evidence.gain.value), LEAST_RELATIVE_GAIN * evidence.baseline_value)
    needed = [count_sends_needed(evidence.sends, evidence.claim.half, effect)]
    if not evidence.gain.value * evidence.check.value > 0:
        needed.append(count_sends_needed(evidence.sends, evidence.check.half, effect))
    if evidence.effective_sends > 0:
        needed.append(evidence.sends * min_effective_sends / evidence.effective_sends)
    more = max(needed) - evidence.sends
    # Fewer than a tenth more would promise what a rough formula cannot.
    return _round_up(max(more, 0.1 * evidence.sends))


def _is_nothing(evidence: Evidence) -> bool:
    """Whether the two policies earned the same in every resample, up to rounding."""
    largest = max(abs(evidence.gain.low), abs(evidence.gain.high))
    return largest <= 1e-9 * abs(evidence.baseline_value)


def _is_alike(evidence: Evidence) -> bool:
    """Whether the interval spans 0 and is so narrow that a gain worth having would have shown."""
    gain = evidence.gain
    least = LEAST_RELATIVE_GAIN * evidence.baseline_value
    is_narrow = -least <= gain.low <= 0 <= gain.high <= least
    return is_narrow and evidence.covered >= MIN_COVERED


def _round_up(number: float) -> float:
    """Return the next number with two leading digits."""
    if math.isnan(number) or number <= 0:
        return number
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return max(math.ceil(number / unit - 1e-9) * unit, 1.0)


def _write_doubt(evidence: Evidence, doubt: str, more: float) -> str:
    gain = evidence.gain
    if math.isnan(gain.low):
        return f"{NOT_ENOUGH}: too few customers for an interval ({evidence.customers})"
    if _is_nothing(evidence):
        sends = write_number(evidence.sends, 0)
        return f"{NOT_ENOUGH}: nothing tells the two apart in {sends} sends"
    measured = f"gain {write_interval(gain)}, {doubt}"
    if _is_alike(evidence):
        least = write_percent(LEAST_RELATIVE_GAIN, 0)
        return f"{NOT_ENOUGH}: they are alike within {least} (gain {write_interval(gain)})"
    if math.isnan(more):
        return (
            f"{NOT_ENOUGH}: {doubt}; other hours must be tried first (gain {write_interval(gain)})"
        )
    return f"{NOT_ENOUGH}: about {write_number(more, 0)} more sends needed ({measured})"


def _write_claim(baseline: str, gain: Interval, relative: float) -> str:
    is_better = gain.low > 0
    size = gain if is_better else Interval(-gain.value, -gain.high, -gain.low)
    share = "" if math.isnan(relative) else f" ({write_percent(abs(relative), 0)})"
    return (
        f"{BETTER if is_better else WORSE} by {write_interval(size)}{share} "
        f"than the {name_of(baseline)}"
    )
