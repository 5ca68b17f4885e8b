"""What a response score rests on, told in counts."""

from __future__ import annotations

import numpy as np

from features.schema import SLOTS_PER_WEEK
from models.response.message_counts import ChannelCounts

DAY_PARTS = ("nights", "mornings", "afternoons", "evenings")
HOURS_PER_PART = 6
_SLOTS = np.arange(SLOTS_PER_WEEK)
PARTS = tuple(f"{days} {part}" for days in ("weekday", "weekend") for part in DAY_PARTS)
"""Parts of the week that counts are told by."""
PART_OF_SLOT = (_SLOTS // 24 >= 5) * len(DAY_PARTS) + _SLOTS % 24 // HOURS_PER_PART


def describe_answers(counts: ChannelCounts, slot: np.ndarray) -> list[str]:
    """Say how many messages each customer answered, and how many around one slot.

    Parameters
    ----------
    counts : ChannelCounts
        Of n customers.
    slot : array of int, shape (n,)
        Local hour of the week, by customer.
    """
    member = np.eye(len(PARTS))[PART_OF_SLOT]
    sent, answered = counts.n_sent @ member, counts.n_answered @ member
    rows, part = np.arange(len(slot)), PART_OF_SLOT[slot]
    there = zip(
        answered.sum(axis=1).tolist(),
        sent.sum(axis=1).tolist(),
        answered[rows, part].tolist(),
        sent[rows, part].tolist(),
        (PARTS[place] for place in part),
        strict=True,
    )
    return [write_answers(*numbers) for numbers in there]


def write_answers(
    answered: float, sent: float, answered_there: float, sent_there: float, part: str
) -> str:
    """Put counts in words.

    Examples
    --------
    >>> write_answers(4, 31, 3, 6, "weekday evenings")
    '4 of 31 messages answered; 3 of 6 sent on weekday evenings'
    >>> write_answers(0, 1, 0, 0, "weekend nights")
    '0 of 1 message answered; none sent on weekend nights'
    >>> write_answers(0, 0, 0, 0, "weekend nights")
    'no message yet whose answer could be known'
    """
    if sent == 0:
        return "no message yet whose answer could be known"
    total = f"{answered:.0f} of {sent:.0f} message{'s' if sent != 1 else ''} answered"
    if sent_there == 0:
        return f"{total}; none sent on {part}"
    return f"{total}; {answered_there:.0f} of {sent_there:.0f} sent on {part}"
