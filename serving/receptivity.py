"""The week of many customers at once: of everyone, of a region, of those with a like week.

A segment's probability in a slot is the mean of its customers'. So are its bounds: what is not
known of single customers is for a large part the same for all of them, and does not average out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from features.errors import AlmanacError
from features.schema import ALL, SLOTS_PER_WEEK
from models.receptivity.empirical_bayes import ShapeChain
from models.receptivity.send_time import EmpiricalBayes
from serving.names import nearest
from serving.send_times import SendTimePredictor

EVERYONE, REGION, RHYTHM = "everyone", "region:", "rhythm:"
MAX_SCORED = 1_000
"""Customers of a segment who are scored; their mean is that of all to a few hundredths of it, and
a page that asks for it first is there within a second."""
_NO_RHYTHM = -1
SegmentKind = Literal["everyone", "region", "rhythm"]


class UnknownSegment(AlmanacError):
    """There is no such segment; the message names the nearest."""


@dataclass(frozen=True)
class Segment:
    """Customers who are looked at together.

    Attributes
    ----------
    segment : str
        'everyone', 'region:<id>' or 'rhythm:<number>'.
    kind : str
    name : str
        The region's id, or the number of the rhythm.
    customers : int
    busiest_slot : int or None
        Of a rhythm: the hour of the local week that stands out most.
    """

    segment: str
    kind: SegmentKind
    name: str
    customers: int
    busiest_slot: int | None = None


@dataclass(frozen=True)
class Week:
    """The 168 hours of the local week of some customers.

    Attributes
    ----------
    measure : str
        As in `serving.slot_scores.SlotScores`.
    probability, low, high : arrays of float64, shape (168,)
    customers, scored : int
        How many there are, and over how many the means are.
    evidence : mapping of label to int
        How many of those scored rest most on what.
    """

    measure: str
    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray
    customers: int
    scored: int
    evidence: Mapping[str, int]


class Segments:
    """The segments of the published profiles.

    Parameters
    ----------
    predictor : SendTimePredictor
    hidden : collection of str
        Customers who were erased since the training, or have not agreed: they are in no segment.
    """

    def __init__(self, predictor: SendTimePredictor, hidden: Collection[str] = ()) -> None:
        self.predictor = predictor
        rows = predictor.profiles.rows
        self._names = [name for name in rows if name not in hidden]
        self._rows = np.fromiter((rows[name] for name in self._names), np.int64, len(self._names))
        self._weeks: dict[tuple[str, str], Week] = {}

    def list_segments(self) -> list[Segment]:
        """Return everyone, then regions by size, then rhythms by size; none of them empty."""
        histories = self.predictor.profiles.histories
        of_region = Counter(histories.segment_codes[self._rows].tolist())
        regions = [
            Segment(f"{REGION}{name}", "region", name, of_region[code])
            for code, name in enumerate(histories.segment_names)
            if of_region[code] and name != ALL
        ]
        of_rhythm = Counter(self._rhythms[self._rows].tolist())
        rhythms = [
            Segment(name, "rhythm", name.removeprefix(RHYTHM), of_rhythm[code], self._busiest[code])
            for code, name in enumerate(self._rhythm_names)
            if of_rhythm[code]
        ]
        everyone = Segment(EVERYONE, "everyone", EVERYONE, len(self._rows))
        return [
            everyone,
            *sorted(regions, key=lambda one: (-one.customers, one.name)),
            *sorted(rhythms, key=lambda one: -one.customers),
        ]

    def list_customers(self, segment: str) -> list[str]:
        """Return the ids of a segment's customers.

        Raises
        ------
        UnknownSegment
            If there is none of that name, or nobody in it.
        """
        return [self._names[place] for place in np.flatnonzero(self._find(segment)).tolist()]

    def tell_week(self, segment: str, channel: str) -> Week:
        """Return the week of a segment over a channel; made once and kept.

        Raises
        ------
        UnknownSegment
            As `list_customers`.
        """
        if (segment, channel) not in self._weeks:
            self._weeks[segment, channel] = self._score(segment, channel)
        return self._weeks[segment, channel]

    def _score(self, segment: str, channel: str) -> Week:
        rows = self._rows[self._find(segment)]
        some = np.sort(np.random.default_rng(0).permutation(rows)[:MAX_SCORED])
        scorer = self.predictor.scorer
        scores = scorer.score(some, channel)
        every = np.broadcast_to(np.arange(SLOTS_PER_WEEK), (len(some), SLOTS_PER_WEEK))
        low, high = scorer.bound(some, channel, every)
        evidence = self.predictor.explainer.evidence(some)
        return Week(
            measure=scores.measure,
            probability=scores.probability.mean(axis=0),
            low=low.mean(axis=0),
            high=high.mean(axis=0),
            customers=len(rows),
            scored=len(some),
            evidence=Counter(one.label for one in evidence),
        )

    def _find(self, segment: str) -> np.ndarray:
        """Return who of those that are not hidden is in a segment, bool."""
        found = np.zeros(len(self._rows), dtype=np.bool_)
        histories = self.predictor.profiles.histories
        if segment == EVERYONE:
            found[:] = True
        elif segment.startswith(REGION) and segment != f"{REGION}{ALL}":
            name = segment.removeprefix(REGION)
            if name in histories.segment_names:
                code = list(histories.segment_names).index(name)
                found = histories.segment_codes[self._rows] == code
        elif segment in self._rhythm_names:
            found = self._rhythms[self._rows] == self._rhythm_names.index(segment)
        if not found.any():
            known = sorted(one.segment for one in self.list_segments())
            raise UnknownSegment(f"nobody is in this segment; nearest: '{nearest(segment, known)}'")
        return np.asarray(found)

    @cached_property
    def _shape(self) -> ShapeChain | None:
        model = self.predictor.model
        return model.shape_ if isinstance(model, EmpiricalBayes) else None

    @cached_property
    def _rhythms(self) -> np.ndarray:
        """The likeliest rhythm of every profile; -1 without events or rhythms."""
        histories, shape = self.predictor.profiles.histories, self._shape
        if shape is None or shape.rhythms is None:
            return np.full(len(histories), _NO_RHYTHM)
        segments = histories.codes_in(shape.segment_names)
        likeliest = shape.rhythms.posterior(histories.counts, segments).argmax(axis=1)
        return np.where(histories.own_events > 0, likeliest, _NO_RHYTHM)

    @property
    def _rhythm_names(self) -> list[str]:
        return [f"{RHYTHM}{code + 1}" for code in range(len(self._busiest))]

    @cached_property
    def _busiest(self) -> list[int]:
        """The hour of each rhythm that has most more than everybody's week."""
        shape = self._shape
        if shape is None or shape.rhythms is None:
            return []
        everybody = shape.rhythms.parts[-1] @ shape.rhythms.weeks
        return [int(slot) for slot in (shape.rhythms.weeks - everybody).argmax(axis=1)]
