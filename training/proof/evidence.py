"""What a verdict is drawn from: estimates with their intervals, and how well the log holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.chapters import write_number


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class PolicyValue:
    """What one policy would have earned a send, by one estimator.

    Attributes
    ----------
    policy, estimator : str
    value : Interval
        Reward a send.
    effective_sends : float
        Kish's effective sample size of the sends that match the policy.
    customers : int
        Different customers it rests on.
    covered : float
        Mean weight: the share of the policy's sends that the log could have made; about 1 is good.
    clipped : float
        Share of the sends whose weight was cut.
    outside : float
        Share of the policy's sends in blocks that the log does not hold; they were moved.
    """

    policy: str
    estimator: str
    value: Interval
    effective_sends: float
    customers: int
    covered: float
    clipped: float
    outside: float


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict on one baseline is drawn from.

    Attributes
    ----------
    sends, customers : int
        That were logged.
    gain : Interval
        Target − baseline, doubly robust, on the same sends.
    claim : Interval
        The same with its 99 % interval: what a claim rests on, as a verdict is drawn at every
        training, and one in forty of those drawn at 95 % would claim a gain where there is none.
    check : Interval
        The same, self-normalised: it must agree in sign.
    baseline_value : float
        What the baseline earns a send, doubly robust.
    effective_sends : float
        The smaller of the target's and the baseline's.
    covered : float
        Share of what would be sent that the log could have made, at most, allowing for chance;
        the smaller of the two.
    """

    sends: int
    customers: int
    gain: Interval
    claim: Interval
    check: Interval
    baseline_value: float
    effective_sends: float
    covered: float


def write_interval(interval: Interval) -> str:
    """Write an estimate and its interval with two digits of the interval's half width.

    Examples
    --------
    >>> write_interval(Interval(0.01234, 0.00421, 0.02047))
    '0.0123 [0.0042, 0.0205]'
    """
    decimals = 1
    if interval.half > 0:
        decimals = max(1 - math.floor(math.log10(interval.half)), 0)
    low, high = write_number(interval.low, decimals), write_number(interval.high, decimals)
    return f"{write_number(interval.value, decimals)} [{low}, {high}]"
