"""How well labels agree with who people really are: by pairs of records, and by whole people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import InvalidRequest


@dataclass(frozen=True)
class Agreement:
    """What was claimed, what is true, and what is both.

    Attributes
    ----------
    claimed, true, both : int
        Pairs of records that are one person, or people with exactly these records.
    """

    claimed: int
    true: int
    both: int

    @property
    def precision(self) -> float:
        """Of what was claimed, the share that is true; 1 where nothing was claimed."""
        return self.both / self.claimed if self.claimed else 1.0

    @property
    def recall(self) -> float:
        """Of what is true, the share that was claimed; 1 where there was nothing to find."""
        return self.both / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 is perfect."""
        either = self.claimed + self.true
        return 2 * self.both / either if either else 1.0


def score_pairs(label: np.ndarray, truth: np.ndarray) -> Agreement:
    """Compare all pairs of records: are both of one label, and really one person.

    A label is a cluster, so that pairs that follow from others count too. This is what Splink's
    authors and most papers call F1 of a clustering; large people weigh more than small ones.

    Parameters
    ----------
    label, truth : array of shape (n_records,)
        Who each record is said to be, and who it is.

    Raises
    ------
    InvalidRequest
        If lengths differ.

    Examples
    --------
    >>> found = score_pairs(np.array([0, 0, 0, 1]), np.array(["a", "a", "b", "b"]))
    >>> found, found.precision, found.recall
    (Agreement(claimed=3, true=2, both=1), 0.3333333333333333, 0.5)
    """
    one, other, cells = _count(label, truth)
    return Agreement(*(int((n * (n - 1) // 2).sum()) for n in (one, other, cells)))


def score_people(label: np.ndarray, truth: np.ndarray) -> Agreement:
    """Compare whole people: a label is right if it has all records of a person and no other.

    Parameters
    ----------
    label, truth : array of shape (n_records,)
        Who each record is said to be, and who it is.

    Raises
    ------
    InvalidRequest
        If lengths differ.

    Examples
    --------
    >>> score_people(np.array([0, 0, 1, 2]), np.array(["a", "a", "b", "b"]))
    Agreement(claimed=3, true=2, both=1)
    """
    one, other, cells = _count(label, truth)
    first = np.unique(_cross(label, truth), return_index=True)[1]
    of_label = one[pd.factorize(label)[0]][first]
    of_person = other[pd.factorize(truth)[0]][first]
    whole = (of_label == cells) & (of_person == cells)
    return Agreement(len(one), len(other), int(whole.sum()))


def _count(label: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return records per label, per person, and per label and person."""
    if len(label) != len(truth):
        raise InvalidRequest(
            f"labels cannot be scored: expected as many as there are records, got {len(label)} "
            f"labels and {len(truth)} true ones. Put both in the same order."
        )
    one, other = (np.bincount(pd.factorize(a)[0]) for a in (label, truth))
    return one, other, np.unique(_cross(label, truth), return_counts=True)[1]


def _cross(label: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return one number per label and person."""
    one, other = pd.factorize(label)[0], pd.factorize(truth)[0]
    return one.astype(np.int64) * (int(other.max(initial=-1)) + 1) + other
