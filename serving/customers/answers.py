"""Send times of live customers: the published models over what is known of people now.

Who has done something since the last training, or is new, or was joined with somebody, is answered
from their live profile; everybody else as published. Who has not agreed to be known is answered as
anybody would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from features.customer.purchase_fold import summarise_purchases
from features.customer.time_zones import TIME_ZONE_CONFIDENCE
from features.schema import ALL, CHANNELS, Customers
from features.segment.messages import EventRow
from models.value.model import ValueModel
from serving.customers.live import LiveProfiles, Row
from serving.customers.person import (
    Person,
    Stated,
    aware,
    to_datetime,
    to_microseconds_of,
)
from serving.explanations import Evidence
from serving.outlooks import Outlook, read_outlook
from serving.profiles import Profile, Profiles, read_consent
from serving.send_times import WINDOW, CustomerSendTimes, SendTimePredictor, SendTimeQuery

NOT_AGREED = Evidence(
    "global", "the customer has not agreed to personalisation: based on all customers"
)


@dataclass(frozen=True)
class LiveAnswer:
    """What is answered, and whether somebody's live profile was left aside."""

    customers: list[CustomerSendTimes]
    is_degraded: bool


@dataclass(frozen=True)
class _Sorted:
    """The customers of a query by the way they are answered; places in the query."""

    published: dict[int, str]
    live: dict[int, Row]
    private: dict[str | None, list[int]]
    left_aside: list[int] = field(default_factory=list)
    """Those of `published` whose live profile says more: too many, or without their history."""


class _Outlooks:
    def __init__(self, outlooks: Sequence[Outlook | None]) -> None:
        self._outlooks = outlooks

    def get(self, row: int) -> Outlook | None:
        return None if row < 0 else self._outlooks[row]


class LiveAnswers:
    """Answers with a published predictor and the live profiles.

    Parameters
    ----------
    predictor : SendTimePredictor
    live : LiveProfiles
    value : ValueModel or None
        Published beside it.
    """

    def __init__(
        self, predictor: SendTimePredictor, live: LiveProfiles, value: ValueModel | None
    ) -> None:
        self.predictor, self.live, self.value = predictor, live, value
        self.is_live = True
        """Whether live profiles answer; else only who agreed and who was erased is looked up."""

    def check(self) -> None:
        """Score somebody who looked at one page, so that no request is the first to find a flaw.

        Raises
        ------
        TableError
            If the model was fitted with a feature that live profiles do not have.
        """
        as_of = self.predictor.profiles.as_of
        somebody = Stated("", True, None, None, None, 0)
        person = Person(self.live.fold, self.live.catalogue, self.live.time_zone, somebody)
        at = to_microseconds_of(as_of - WINDOW)
        person.add([EventRow("", at, CHANNELS[0], "page_view")], as_of)
        query = SendTimeQuery([""], as_of, as_of + WINDOW, CHANNELS, None, 1, has_all_slots=False)
        self._answer_people(query, [person], [""], as_of)

    def answer(self, query: SendTimeQuery, now: datetime) -> LiveAnswer:
        """Return the send times of every customer of `query`, in its order.

        Parameters
        ----------
        query : SendTimeQuery
        now : datetime
            With a zone; what lies ahead is not known yet.
        """
        parts = self._sort(query)
        answers: list[CustomerSendTimes | None] = [None] * len(query.customers)
        if parts.published:
            asked = replace(query, customers=list(parts.published.values()))
            for place, answer in zip(parts.published, self.predictor.answer(asked), strict=True):
                answers[place] = answer
        if parts.live:
            own = self.answer_rows(query, list(parts.live.values()), now)
            for place, answer in zip(parts.live, own, strict=True):
                answers[place] = answer
        for consent, places in parts.private.items():
            for place, answer in zip(
                places, self._answer_private(query, consent, places), strict=True
            ):
                answers[place] = answer
        named = [
            msgspec.structs.replace(answer, customer_id=name)
            for name, answer in zip(query.customers, answers, strict=True)
            if answer is not None
        ]
        return LiveAnswer(named, bool(parts.left_aside))

    def _sort(self, query: SendTimeQuery) -> _Sorted:
        """Sort the customers of a query by the way they are answered."""
        names = query.customers
        found = self.live.find(names, is_strict=True)
        if not query.may_name_anybody:
            # who may not look customers up must not find out who has which address or number
            found = {name: row for name, row in found.items() if _is_plain(name, row)}
        ids = {name: found[name].stated.customer_id if name in found else name for name in names}
        published = [own for own in ids.values() if own in self.predictor.profiles.rows]
        # an erased person is nobody, whatever the last training knew of them
        since = to_microseconds_of(self.predictor.profiles.as_of)
        gone = self.live.find_hidden(published, since)
        known = set(published) - gone
        news = self.live.read_news([row.root for row in found.values()])
        parts = _Sorted({}, {}, {})
        for place, name in enumerate(names):
            row, own = found.get(name), ids[name]
            if row is not None and not row.stated.is_personal:
                parts.private.setdefault(row.stated.consent, []).append(place)
                continue
            has_news = row is not None and max(news.get(row.root, 0), row.rewritten_at) >= since
            is_told = self.is_live and (own not in known or (has_news and self.live.has_history))
            has_room = len(parts.live) < self.live.store.settings.max_live
            if row is not None and is_told and has_room:
                parts.live[place] = row
                continue
            parts.left_aside.extend([place] if has_news else [])
            parts.published[place] = f"\0{place}" if own in gone else own
        return parts

    def answer_rows(
        self, query: SendTimeQuery, rows: Sequence[Row], now: datetime
    ) -> list[CustomerSendTimes]:
        """Answer some people from their live profiles; `query.customers` is not read."""
        distinct = list({row.root: row for row in rows}.values())
        people = [self.live.read(row, now) for row in distinct]
        ids = [row.stated.customer_id for row in distinct]
        answers = self._answer_people(query, people, ids, find_cutoff(people, now))
        by_root = {row.root: answer for row, answer in zip(distinct, answers, strict=True)}
        return [by_root[row.root] for row in rows]

    def over_people(
        self, people: Sequence[Person], ids: Sequence[str], as_of: datetime
    ) -> SendTimePredictor:
        """Return what answers queries of some people, as they are as of a time.

        Parameters
        ----------
        people : sequence of Person
        ids : sequence of str
            The customer id of each, by which queries name them.
        as_of : datetime
            From `find_cutoff`.
        """
        profiles = Profiles.from_frame(
            tabulate([make_row(person, as_of) for person in people], self.live.numbers),
            as_of,
            self.predictor.profiles.default,
        )
        outlooks = _Outlooks(self._foresee(people, as_of))
        rows = self.predictor.profiles.find_rows(ids)
        since = to_microseconds_of(self.predictor.profiles.as_of)
        gone = self.live.find_hidden(ids, since)
        rows[[place for place, own in enumerate(ids) if own in gone]] = -1
        return self.predictor.over(profiles, rows, outlooks)

    def _answer_people(
        self, query: SendTimeQuery, people: Sequence[Person], ids: Sequence[str], as_of: datetime
    ) -> list[CustomerSendTimes]:
        return self.over_people(people, ids, as_of).answer(replace(query, customers=list(ids)))

    def _answer_private(
        self, query: SendTimeQuery, consent: str | None, places: Sequence[int]
    ) -> list[CustomerSendTimes]:
        """Answer those who have not agreed to be known, but with what they said of channels."""
        default = self.predictor.profiles.default
        stated = Profile(default.time_zone, default.time_zone_source, read_consent(consent))
        nobody = self.predictor.over_nobody(stated)
        answers = nobody.answer(replace(query, customers=[f"\0{place}" for place in places]))
        return [msgspec.structs.replace(answer, evidence=NOT_AGREED) for answer in answers]

    def _foresee(self, people: Sequence[Person], as_of: datetime) -> list[Outlook | None]:
        """Say when each will order next, from their orders until now."""
        if self.value is None:
            return [None] * len(people)
        return [read_outlook(row) for row in predict_value(self.value, people, as_of)]


def _is_plain(name: str, row: Row) -> bool:
    """Say whether a name is a customer id, not another identifier of somebody."""
    return name == row.stated.customer_id or (":" not in name and "@" not in name)


def predict_value(
    value: ValueModel, people: Sequence[Person], as_of: datetime
) -> list[dict[Any, Any]]:
    """Return the rows of `ValueModel.predict` for some people."""
    table = pd.DataFrame(
        [
            summarise_purchases(
                person.stated.customer_id,
                [(to_datetime(at), worth) for at, worth in person.orders],
                as_of,
                time_zone=person.zone.time_zone,
            )
            for person in people
        ]
    )
    return [dict(row) for row in value.predict(table).to_dict("records")]


def tabulate(rows: Sequence[dict[str, Any]], numbers: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table; `numbers` are put down as one block, as each column costs its time.

    Parameters
    ----------
    rows : sequence of dict
        From `make_row`.
    numbers : sequence of str
        Features that are numbers; None is NaN.
    """
    block = np.array([[row[name] for name in numbers] for row in rows], dtype=np.float64)
    others = [name for name in rows[0] if name not in set(numbers)]
    texts = pd.DataFrame({name: [row[name] for row in rows] for name in others})
    return pd.concat([texts, pd.DataFrame(block, columns=list(numbers))], axis=1)


def make_row(person: Person, as_of: datetime) -> dict[str, Any]:
    """Return a person as a row of the customer feature table.

    Parameters
    ----------
    person : Person
    as_of : datetime
        After the newest of their events.
    """
    zone = person.zone
    return {
        Customers.CUSTOMER_ID: person.stated.customer_id,
        Customers.REGION_ID: person.region_id or ALL,
        Customers.TIME_ZONE: zone.time_zone,
        Customers.TIME_ZONE_SOURCE: zone.source,
        TIME_ZONE_CONFIDENCE: zone.confidence,
        Customers.CONSENT: person.stated.consent,
        **person.read(as_of),
    }


def find_cutoff(people: Sequence[Person], now: datetime) -> datetime:
    """Return now, or just after the newest event where a clock is behind it."""
    newest = [aware(person.newest) for person in people if person.newest is not None]
    return max([now, *(moment + timedelta(microseconds=1) for moment in newest)])
