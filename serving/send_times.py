"""Send times for many customers at once: score, choose the best permitted hours, say why.

Customers who share a time zone and a consent share their window, so that is worked out once for
them; what is left per customer is one row of arithmetic and the making of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from features.schema import SLOTS_PER_WEEK
from models.campaign.send_slots import QuietHours
from models.receptivity.evidence import LABELS, write_sentence
from models.receptivity.histories import Histories
from models.receptivity.send_time_base import SendTimeModel
from serving.profiles import Profile, Profiles
from serving.slots import Slot, choose_slots, find_permitted

WINDOW = timedelta(days=7)
NO_CONSENT, NO_SLOT = "no-consent", "no-permitted-slot"
_WORDS = {
    NO_CONSENT: "the customer has stated consent, and not for this channel",
    NO_SLOT: "quiet hours cover the whole window in the customer's time zone",
}


@dataclass(frozen=True)
class SendTimeQuery:
    """Whom to reach, when and how.

    Attributes
    ----------
    customers : sequence of str
        Ids, each once.
    start, end : datetime
        Window, with a zone or offset.
    channels : tuple of str
        In order of preference; a customer gets the first one with consent.
    quiet_hours : QuietHours or None
        Local times at which nothing is sent.
    top_k : int
        Slots per customer; >= 1.
    has_all_slots : bool
        Whether to answer all 168 probabilities too.
    """

    customers: Sequence[str]
    start: datetime
    end: datetime
    channels: tuple[str, ...]
    quiet_hours: QuietHours | None
    top_k: int
    has_all_slots: bool


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What an answer rests on."""

    label: str
    words: str


class Exclusion(msgspec.Struct, frozen=True, gc=False):
    """Something that was asked for and is not answered; `channel` None means no channel at all."""

    channel: str | None
    reason: str
    words: str


class CustomerSendTimes(msgspec.Struct, frozen=True):
    """The slots of one customer, the likeliest first."""

    customer_id: str
    is_known: bool
    time_zone: str
    time_zone_source: str
    evidence: Evidence
    slots: list[Slot]
    exclusions: list[Exclusion]
    probabilities: list[float] | None


@dataclass(frozen=True)
class _Scored:
    """What the model says of the customers of a query, in their order."""

    rows: np.ndarray
    probability: np.ndarray
    evidence: list[Evidence]


class SendTimePredictor:
    """A send-time model over the published profiles.

    Parameters
    ----------
    model : SendTimeModel
        Fitted.
    profiles : Profiles
        Customers that are known, as of the model's cut-off.

    Raises
    ------
    TableError
        If the profiles lack a feature that the model was fitted with.
    """

    def __init__(self, model: SendTimeModel, profiles: Profiles) -> None:
        if "threads" in model.get_params():
            # More threads cost a request of one customer a hundred times the work itself.
            model.set_params(threads=1)
        self.model, self.profiles = model, profiles
        nobody = Histories.unknown([""])
        self._unknown = model.predict(nobody)[0]
        self._weights = np.vstack([model.weights(profiles.histories), model.weights(nobody)])
        self._events = np.append(profiles.histories.own_events, 0.0)

    def answer(self, query: SendTimeQuery) -> list[CustomerSendTimes]:
        """Return the send times of every customer of `query`, in its order."""
        scored = self._score(query.customers)
        groups: dict[Profile, list[int]] = {}
        for index, row in enumerate(scored.rows.tolist()):
            groups.setdefault(self.profiles.profile(row), []).append(index)
        answers: list[CustomerSendTimes | None] = [None] * len(query.customers)
        for profile, members in groups.items():
            for index, found in zip(
                members, _answer_group(query, scored, profile, np.array(members)), strict=True
            ):
                answers[index] = found
        return [found for found in answers if found is not None]

    def _score(self, customers: Sequence[str]) -> _Scored:
        rows = self.profiles.find_rows(customers)
        known = rows >= 0
        probability = np.empty((len(rows), SLOTS_PER_WEEK))
        probability[~known] = self._unknown
        if known.any():
            probability[known] = self.model.predict(self.profiles.histories.take(rows[known]))
        return _Scored(rows, probability, self._explain(rows))

    def _explain(self, rows: np.ndarray) -> list[Evidence]:
        weights = self._weights[rows]
        labels = weights.argmax(axis=1).tolist()
        return [
            Evidence(LABELS[label], write_sentence(events, (own, of_segment, of_all), segment))
            for label, events, (own, of_segment, of_all), segment in zip(
                labels,
                self._events[rows].tolist(),
                weights.tolist(),
                self.profiles.find_segments(rows),
                strict=True,
            )
        ]


def count_evidence(answers: Sequence[CustomerSendTimes]) -> dict[str, int]:
    """Return how many answers rest on what."""
    return Counter(answer.evidence.label for answer in answers)


def default_window(as_of: datetime) -> tuple[datetime, datetime]:
    """Return the seven days that start at the minute of `as_of`."""
    start = as_of.replace(second=0, microsecond=0)
    return start, start + WINDOW


def _answer_group(
    query: SendTimeQuery, scored: _Scored, profile: Profile, members: np.ndarray
) -> list[CustomerSendTimes]:
    starts, hours = find_permitted(query.start, query.end, profile.time_zone, query.quiet_hours)
    channel, exclusions = _choose_channel(query.channels, profile)
    if not starts:
        exclusions = [*exclusions, Exclusion(None, NO_SLOT, _WORDS[NO_SLOT])]
    probability = scored.probability[members]
    if channel is None or not starts:
        slots: list[list[Slot]] = [[] for _ in members]
    else:
        slots = choose_slots(probability[:, hours], starts, hours.tolist(), channel, query.top_k)
    every = probability.tolist() if query.has_all_slots else [None] * len(members)
    return [
        CustomerSendTimes(
            query.customers[index],
            bool(scored.rows[index] >= 0),
            profile.time_zone,
            profile.time_zone_source,
            scored.evidence[index],
            found,
            exclusions,
            probabilities,
        )
        for index, found, probabilities in zip(members.tolist(), slots, every, strict=True)
    ]


def _choose_channel(
    channels: Sequence[str], profile: Profile
) -> tuple[str | None, list[Exclusion]]:
    """Return the first channel with consent, and the channels without it."""
    consent = profile.consent
    excluded = [] if consent is None else [name for name in channels if name not in consent]
    allowed = [name for name in channels if name not in excluded]
    exclusions = [Exclusion(name, NO_CONSENT, _WORDS[NO_CONSENT]) for name in excluded]
    return (allowed[0] if allowed else None), exclusions
