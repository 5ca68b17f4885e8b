"""The most telling habit of a customer, in exact counts and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.schema import SLOTS_PER_WEEK
from models.receptivity.histories import Histories

PARTS = {"nights": range(6), "mornings": range(6, 12), "afternoons": range(12, 18)}
KINDS = {"weekday": range(5), "weekend": range(5, 7)}


def _name_slot(slot: int) -> str:
    day, hour = divmod(slot, 24)
    kind = next(name for name, days in KINDS.items() if day in days)
    part = next((name for name, hours in PARTS.items() if hour in hours), "evenings")
    return f"{kind} {part}"


GROUPS = tuple(f"{kind} {part}" for kind in KINDS for part in (*PARTS, "evenings"))
"""Times of the week that a habit is told in: nights end at 06:00, mornings at 12:00, afternoons
at 18:00."""
_GROUP_OF_SLOT = np.array([GROUPS.index(_name_slot(slot)) for slot in range(SLOTS_PER_WEEK)])
_MEMBER = np.eye(len(GROUPS))[_GROUP_OF_SLOT]


def tell_habits(
    histories: Histories,
    segment_share: np.ndarray,
    global_share: np.ndarray,
    *,
    segment_word: str = "region",
    event_word: str = "events",
) -> pd.DataFrame:
    """Find the time of the week at which each customer differs most from what their segment does.

    Parameters
    ----------
    histories : Histories
        n customers, with `whole_counts`; without them only the segment and everybody can be told.
    segment_share : array of shape (n, 168)
        What is expected of each customer by segment alone: `ShapeChain.prior`.
    global_share : array of shape (168,)
        Everybody's share by slot: `ShapeChain.global_share`.
    segment_word, event_word : str
        What a segment and an event are called: 'store', 'purchases'.

    Returns
    -------
    DataFrame
        `customer_id, group, own_count, own_total, segment_share, global_share, sentence`, in the
        order of the customers. `group` is the one whose count is the most surprising against the
        segment's share, above it: by the likelihood ratio of a binomial. Without any event it is
        the one the segment is most active in.
    """
    counts = _count_groups(histories)
    total = counts.sum(axis=1)
    of_segment, of_all = segment_share @ _MEMBER, global_share @ _MEMBER
    group = np.where(
        total > 0, _surprise(counts, of_segment).argmax(axis=1), of_segment.argmax(axis=1)
    )
    at = np.arange(len(histories)), group
    names = np.array([*histories.segment_names, ""], dtype=object)[histories.segment_codes]
    words = [f"{segment_word} {name}" if name else "" for name in names]
    rows = zip(
        group.tolist(), counts[at].tolist(), total.tolist(), of_segment[at].tolist(), words,
        strict=True,
    )  # fmt: skip
    return pd.DataFrame(
        {
            "customer_id": histories.customer_id,
            "group": [GROUPS[place] for place in group.tolist()],
            "own_count": counts[at],
            "own_total": total,
            "segment_share": of_segment[at],
            "global_share": of_all[group],
            "sentence": [
                write_habit(
                    GROUPS[place], own, every, segment, (part, float(of_all[place])), event_word
                )
                for place, own, every, part, segment in rows
            ],
        }
    )


def write_habit(
    group: str,
    own: float,
    total: float,
    segment: str,
    shares: tuple[float, float],
    event_word: str = "events",
) -> str:
    """Say in words how often a customer was active at a time of the week, and others are.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    own, total : float
        The customer's events then, and at all.
    segment : str
        The customer's segment, such as 'region 367'; "" where it is not known.
    shares : tuple of float
        Share of the segment's activity that falls there, and of everybody's.
    event_word : str
        What an event is called, in the plural.

    Examples
    --------
    >>> write_habit("weekday evenings", 14, 22, "region 367", (0.31, 0.28), "purchases")
    '14 of 22 purchases on weekday evenings; region 367 does 31 % then, everybody 28 %'
    >>> write_habit("weekend mornings", 0, 0, "region 9", (0.2, 0.1))
    'no events yet; on weekend mornings region 9 does 20 % of its own, everybody 10 %'
    """
    others = [f"{segment} does {100 * shares[0]:.0f} %"] if segment else []
    if total > 0:
        start = f"{own:.0f} of {total:.0f} {event_word} on {group}; "
        return start + ", ".join([f"{word} then" for word in others] + [_all(shares, bool(others))])
    start = f"no {event_word} yet; on {group} "
    return start + ", ".join(
        [f"{word} of its own" for word in others] + [_all(shares, bool(others))]
    )


def _all(shares: tuple[float, float], is_short: bool) -> str:
    return f"everybody {'' if is_short else 'does '}{100 * shares[1]:.0f} %"


def _count_groups(histories: Histories) -> np.ndarray:
    if histories.whole_counts is None:
        return np.zeros((len(histories), len(GROUPS)))
    return np.asarray(histories.whole_counts @ _MEMBER)


def _surprise(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the log-likelihood ratio of each group's binomial; negative below expectation."""
    total = counts.sum(axis=1, keepdims=True)
    share = np.clip(counts / np.maximum(total, 1), 1e-12, 1 - 1e-12)
    expected = np.clip(expected, 1e-12, 1 - 1e-12)
    ratio = counts * np.log(share / expected)
    ratio += (total - counts) * np.log((1 - share) / (1 - expected))
    return np.asarray(np.where(share >= expected, ratio, -ratio))
