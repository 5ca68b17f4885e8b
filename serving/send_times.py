"""Send times for many customers at once: score, choose the best permitted hours, say why.

Customers who share a time zone and a consent share their window, so that is worked out once for
them; what is left per customer is one row of arithmetic and the making of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from features.schema import CHANNELS, SLOTS_PER_WEEK
from models.campaign.send_slots import QuietHours
from models.receptivity.send_time_base import SendTimeModel
from serving.explanations import Evidence, Explainer
from serving.message_memory import MessageMemory
from serving.outlooks import Outlook, OutlookSource
from serving.profiles import Profile, Profiles
from serving.slot_scores import SlotScorer
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
    has_reasons : bool
        Whether to answer habits and contributions in words too.
    may_name_anybody : bool
        Whether customers may be named by their e-mail address and the like, not only by their id.
    """

    customers: Sequence[str]
    start: datetime
    end: datetime
    channels: tuple[str, ...]
    quiet_hours: QuietHours | None
    top_k: int
    has_all_slots: bool
    has_reasons: bool = False
    may_name_anybody: bool = True


class Exclusion(msgspec.Struct, frozen=True, gc=False):
    """Something that was asked for and is not answered; `channel` None means no channel at all."""

    channel: str | None
    reason: str
    words: str


class CustomerSendTimes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The slots of one customer, the likeliest first.

    `model_version` is stated where it is not the champion's.
    """

    customer_id: str
    is_known: bool
    as_of: datetime
    time_zone: str
    time_zone_source: str
    measure: str
    evidence: Evidence
    outlook: Outlook | None
    slots: list[Slot]
    exclusions: list[Exclusion]
    reasons: list[str] | None
    probabilities: list[float] | None
    decision_id: str | msgspec.UnsetType = msgspec.UNSET
    explored: bool | msgspec.UnsetType = msgspec.UNSET
    model_version: str | None = None


@dataclass(frozen=True)
class _Asked:
    """The customers of a query, in their order: rows, and the channel each is answered for.

    `channel` is None where none may be used; probabilities are then those of the first one asked
    for.
    """

    rows: np.ndarray
    profiles: list[Profile]
    channel: list[str | None]
    exclusions: list[list[Exclusion]]


class SendTimePredictor:
    """A send-time model over the published profiles.

    Parameters
    ----------
    model : SendTimeModel
        Fitted.
    profiles : Profiles
        Customers that are known, as of the model's cut-off.
    memory : MessageMemory, optional
        The response model with what it remembers; without it answers are of activity.
    outlooks : OutlookSource, optional
        When customers will order next.

    Raises
    ------
    TableError
        If the profiles lack a feature that the model was fitted with.
    """

    def __init__(
        self,
        model: SendTimeModel,
        profiles: Profiles,
        memory: MessageMemory | None = None,
        outlooks: OutlookSource | None = None,
    ) -> None:
        self.model, self.profiles = model, profiles
        self.outlooks: OutlookSource | None = outlooks
        self.scorer = SlotScorer(model, profiles.histories, memory)
        self.explainer = Explainer(model, profiles)
        # Any missing feature is noticed here, not in a request.
        self.scorer.score(np.array([-1, *range(min(1, len(profiles)))]), CHANNELS[0])

    def over(
        self, profiles: Profiles, rows: np.ndarray, outlooks: OutlookSource | None
    ) -> SendTimePredictor:
        """Return the same models over other profiles of customers.

        Parameters
        ----------
        profiles : Profiles
            n customers.
        rows : array of int64, shape (n,)
            Where each is in the published profiles, for what is remembered of messages; -1 = not.
        outlooks : OutlookSource or None
            By row of `profiles`.
        """
        other = copy(self)
        other.profiles, other.outlooks = profiles, outlooks
        memory = None if self.scorer.memory is None else self.scorer.memory.of(rows)
        other.scorer = SlotScorer(self.model, profiles.histories, memory)
        other.explainer = Explainer(self.model, profiles)
        return other

    def over_nobody(self, default: Profile) -> SendTimePredictor:
        """Return the same models for customers of whom nothing may be known but `default`."""
        other = copy(self)
        other.profiles, other.outlooks = self.profiles.of_nobody(default), None
        return other

    def answer(self, query: SendTimeQuery) -> list[CustomerSendTimes]:
        """Return the send times of every customer of `query`, in its order."""
        asked = self._read(query)
        probability = np.empty((len(asked.rows), SLOTS_PER_WEEK))
        groups: dict[tuple[Profile, str | None], list[int]] = {}
        for index, key in enumerate(zip(asked.profiles, asked.channel, strict=True)):
            groups.setdefault(key, []).append(index)
        by_channel: dict[str, list[int]] = {}
        for (_, channel), members in groups.items():
            by_channel.setdefault(channel or query.channels[0], []).extend(members)
        for channel, members in by_channel.items():
            probability[members] = self.scorer.score(asked.rows[members], channel).probability
        slots: list[list[Slot]] = [[] for _ in asked.rows]
        for (profile, channel), members in groups.items():
            found = self._choose(query, profile, channel, asked, probability, members)
            for index, chosen in zip(members, found, strict=True):
                slots[index] = chosen
        return self._put_together(query, asked, probability, slots)

    def _read(self, query: SendTimeQuery) -> _Asked:
        rows = self.profiles.find_rows(query.customers)
        profiles = [self.profiles.profile(row) for row in rows.tolist()]
        chosen = {
            profile: _choose_channel(query.channels, profile) for profile in dict.fromkeys(profiles)
        }
        return _Asked(
            rows,
            profiles,
            [chosen[profile][0] for profile in profiles],
            [chosen[profile][1] for profile in profiles],
        )

    def _choose(
        self,
        query: SendTimeQuery,
        profile: Profile,
        channel: str | None,
        asked: _Asked,
        probability: np.ndarray,
        members: list[int],
    ) -> list[list[Slot]]:
        """Return the best permitted slots of customers who share a window and a channel."""
        starts, hours = find_permitted(query.start, query.end, profile.time_zone, query.quiet_hours)
        if not starts:
            gone = Exclusion(None, NO_SLOT, _WORDS[NO_SLOT])
            for index in members:
                asked.exclusions[index] = [*asked.exclusions[index], gone]
            return [[] for _ in members]
        if channel is None:
            return [[] for _ in members]

        def bound(slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.scorer.bound(asked.rows[members], channel, slots)

        values = probability[members][:, hours]
        return choose_slots(values, starts, hours, channel, query.top_k, bound)

    def _put_together(
        self,
        query: SendTimeQuery,
        asked: _Asked,
        probability: np.ndarray,
        slots: list[list[Slot]],
    ) -> list[CustomerSendTimes]:
        evidence = self.explainer.evidence(asked.rows)
        reasons: Sequence[list[str] | None] = (
            self.explainer.reasons(asked.rows) if query.has_reasons else [None] * len(asked.rows)
        )
        every = probability.tolist() if query.has_all_slots else [None] * len(asked.rows)
        get = self.outlooks.get if self.outlooks else (lambda _: None)
        return [
            CustomerSendTimes(
                customer_id=customer,
                is_known=row >= 0,
                as_of=self.profiles.as_of,
                time_zone=profile.time_zone,
                time_zone_source=profile.time_zone_source,
                measure=self.scorer.measure(channel or query.channels[0]),
                evidence=rests_on,
                outlook=get(row),
                slots=chosen,
                exclusions=excluded,
                reasons=because,
                probabilities=week,
            )
            for customer, row, profile, channel, rests_on, chosen, excluded, because, week in zip(
                query.customers,
                asked.rows.tolist(),
                asked.profiles,
                asked.channel,
                evidence,
                slots,
                asked.exclusions,
                reasons,
                every,
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


def _choose_channel(
    channels: Sequence[str], profile: Profile
) -> tuple[str | None, list[Exclusion]]:
    """Return the first channel with consent, and the channels without it."""
    consent = profile.consent
    excluded = [] if consent is None else [name for name in channels if name not in consent]
    allowed = [name for name in channels if name not in excluded]
    exclusions = [Exclusion(name, NO_CONSENT, _WORDS[NO_CONSENT]) for name in excluded]
    return (allowed[0] if allowed else None), exclusions
