"""What a send time rests on, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.receptivity.histories import Histories

LABELS = ("own history", "segment", "global")
WORTH_TELLING = 0.05
"""Part of what is expected that must come from customers with a like week to be mentioned."""


def describe_evidence(
    histories: Histories,
    weights: np.ndarray,
    likeness: np.ndarray,
    *,
    segment_word: str = "region",
) -> pd.DataFrame:
    """Put the weights behind each customer's hours into a label and a sentence.

    Parameters
    ----------
    histories : Histories
        n customers.
    weights : array of shape (n, 3)
        Exact weight of own history, segment and everybody in the customer's hours; rows sum to 1.
    likeness : array of shape (n,)
        How much of what segment and everybody let expect is moved to the hours of customers with a
        like week; 0 to 1.
    segment_word : str
        What a segment is called: 'store', 'region'.

    Returns
    -------
    DataFrame
        `customer_id, own_events, own_weight, segment_weight, global_weight, likeness, evidence,
        sentence`, one row per customer in their order. `evidence` is the largest of the three
        weights: 'own history', 'segment' or 'global'; ties go to the first.
    """
    largest = weights.argmax(axis=1)
    segments = np.array([*histories.segment_names, ""], dtype=object)[histories.segment_codes]
    return pd.DataFrame(
        {
            "customer_id": histories.customer_id,
            "own_events": histories.own_events,
            "own_weight": weights[:, 0],
            "segment_weight": weights[:, 1],
            "global_weight": weights[:, 2],
            "likeness": likeness,
            "evidence": np.array(LABELS, dtype=object)[largest],
            "sentence": [
                write_sentence(events, (own, of_segment, of_all), f"{segment_word} {segment}", like)
                for events, (own, of_segment, of_all), segment, like in zip(
                    histories.own_events.tolist(),
                    weights.tolist(),
                    segments,
                    likeness.tolist(),
                    strict=True,
                )
            ],
        }
    )


def write_sentence(
    events: float, weights: tuple[float, float, float], segment: str, likeness: float = 0.0
) -> str:
    """Say in words what a customer's hours rest on.

    Examples
    --------
    >>> write_sentence(61, (0.71, 0.24, 0.05), "store 367")
    'based on 61 events of their own (weight 0.71), then on store 367'
    >>> write_sentence(1, (0.1, 0.8, 0.1), "store 367")
    'based on store 367 (weight 0.80), then on 1 event of their own'
    >>> write_sentence(4, (0.5, 0.4, 0.1), "store 367", likeness=0.3)
    'based on 4 events of their own (weight 0.50), then on store 367 and customers with a like week'
    >>> write_sentence(0, (0.0, 0.0, 1.0), "store 9")
    'based on all customers (weight 1.00), as nothing is known of this one yet'
    """
    like = " and customers with a like week" if likeness >= WORTH_TELLING else ""
    parts = [
        (weights[0], f"{events:.0f} event{'s' if round(events) != 1 else ''} of their own"),
        (weights[1], f"{segment}{like}"),
        (weights[2], f"all customers{like and ', most of all those with a like week'}"),
    ]
    (weight, first), (next_weight, second), _ = sorted(parts, key=lambda part: -part[0])
    start = f"based on {first} (weight {weight:.2f})"
    if next_weight > 0:
        return f"{start}, then on {second}"
    return f"{start}, as nothing is known of this one yet" if weights[2] == weight else start
