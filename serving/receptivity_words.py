"""What the hours of a week say, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MEASURES = {
    "response": "that a message is answered",
    "reach": "that a customer is active within three hours",
    "activity": "that a customer is active in the hour",
}
_RESTS = {
    "own history": "mostly on their own history",
    "segment": "mostly on their region",
    "global": "mostly on all customers",
}


def name_slot(slot: int) -> str:
    """Return an hour of the local week in words.

    Examples
    --------
    >>> name_slot(164)
    'Sunday 20:00'
    """
    return f"{DAYS[slot // 24]} {slot % 24:02}:00"


def describe_week(measure: str, probability: np.ndarray) -> list[str]:
    """Say which hour is the best and which the worst, and of what.

    Parameters
    ----------
    measure : str
        A key of `MEASURES`.
    probability : array of shape (168,)
    """
    best, worst, mean = int(probability.argmax()), int(probability.argmin()), probability.mean()
    return [
        f"shown is the probability {MEASURES[measure]}",
        f"best: {name_slot(best)}, {probability[best]:.1%}, {probability[best] / mean:.1f} times "
        f"the average hour's {mean:.1%}; worst: {name_slot(worst)}, {probability[worst]:.1%}",
    ]


def describe_evidence(evidence: Mapping[str, int], customers: int, scored: int) -> str:
    """Say how many customers it rests on, and what theirs rest on.

    Examples
    --------
    >>> describe_evidence({"own history": 3, "global": 1}, 4, 4)
    'based on 4 customers: 3 mostly on their own history, 1 mostly on all customers'
    """
    told = [f"{evidence[key]:,} {words}" for key, words in _RESTS.items() if key in evidence]
    of = "" if scored == customers else f" of {customers:,}"
    return f"based on {scored:,}{of} customers: {', '.join(told)}"
