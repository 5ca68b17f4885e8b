"""One live customer: the fold of their events, moved on by each new one.

The state is that of `features.customer.fold`, and what is read of it equals what a dataset built
from the same rows says. What changes the past (a merge, a split, an order told anew, another time
zone) is read again from the beginning; everything else is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from features.customer.activity import enrich, touch_events
from features.customer.dialect import to_utc
from features.customer.fold import Fold, Reading, State
from features.customer.fold_parts import to_microseconds
from features.customer.time_zones import CustomerZone, find_zone
from features.schema import Events, EventType, Touches
from serving.customers.catalogue import Catalogue
from serving.customers.tables import ROW_COLUMNS

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times are naive UTC throughout
_MESSAGES = (EventType.TOUCH, EventType.OPEN, EventType.CLICK)
_NO_ACT = (*_MESSAGES, EventType.ITEM, EventType.REDEMPTION)
"""What a customer did not do by themselves, or did beside an order that is told, too."""
_MOMENTS = {
    EventType.TOUCH: Touches.SENT_AT,
    EventType.OPEN: Touches.OPENED_AT,
    EventType.CLICK: Touches.CLICKED_AT,
}


def to_datetime(microseconds: int) -> datetime:
    """Return a naive UTC time.

    Examples
    --------
    >>> to_datetime(1_700_000_000_000_000)
    datetime.datetime(2023, 11, 14, 22, 13, 20)
    """
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds_of(moment: datetime) -> int:
    """Return the microseconds since 1970 of a time with a zone."""
    return to_microseconds(to_utc(moment))


class Stated(NamedTuple):
    """What the row of `profiles` says of somebody."""

    customer_id: str
    is_personal: bool
    consent: str | None
    time_zone: str | None
    region_id: str | None
    created_at: int


class Person:
    """The events of one customer, folded.

    Parameters
    ----------
    fold : Fold
        Of the features that are read.
    catalogue : Catalogue
    time_zone : str
        Of whom no better one is known.
    stated : Stated
    inferred : str, optional
        The time zone that a training inferred from the customer's hours.
    """

    def __init__(
        self,
        fold: Fold,
        catalogue: Catalogue,
        time_zone: str,
        stated: Stated,
        inferred: str | None = None,
    ) -> None:
        self.fold, self.catalogue = fold, catalogue
        self.time_zone, self.stated, self.inferred = time_zone, stated, inferred
        self.last_seen: dict[str, int] = {}
        """Microseconds of the latest own act, by channel."""
        self.events: Counter[str] = Counter()
        """Own acts, by channel."""
        self.orders: list[tuple[int, float | None]] = []
        """Time in microseconds and value."""
        self._state: State = fold.zero()
        self._of_messages: State = fold.zero()
        self._device: tuple[int, str, str] | None = None
        self._visits: Counter[str] = Counter()
        self._messages: dict[str, list[dict[str, Any]]] = {}
        """Events of each message to the customer, by its id."""
        self._ahead: list[dict[str, Any]] = []
        self._zone = self._find_zone()
        self._newest: int | None = None

    @property
    def zone(self) -> CustomerZone:
        """The time zone, where it is from, and how likely its clock is right."""
        return self._zone

    @property
    def region_id(self) -> str | None:
        """The region stated, else the most visited one, ties to the highest id."""
        if self.stated.region_id is not None:
            return self.stated.region_id
        if not self._visits:
            return None
        return max(self._visits.items(), key=lambda item: (item[1], item[0]))[0]

    @property
    def newest(self) -> datetime | None:
        """When the newest event was that is folded; None where there is none."""
        return None if self._newest is None else to_datetime(self._newest)

    def add(self, rows: Iterable[Sequence[Any]], as_of: datetime) -> bool:
        """Add rows of the store; those that lie ahead of `as_of` wait until their time.

        Returns
        -------
        bool
            Whether that moved the time zone: then the slots of the past are others, and the
            person has to be made anew from all rows.
        """
        cutoff = to_microseconds(to_utc(as_of))
        events = [*self._ahead, *(dict(zip(ROW_COLUMNS, row, strict=True)) for row in rows)]
        self._ahead = [event for event in events if event[Events.OCCURRED_AT] >= cutoff]
        due = [event for event in events if event[Events.OCCURRED_AT] < cutoff]
        if not due:
            return False
        had_zone, is_first = self._zone.time_zone, self._newest is None
        for event in due:
            self._learn_place(event)
        self._zone = self._find_zone()
        if not is_first and self._zone.time_zone != had_zone:
            return True
        enriched = [self._enrich(event) for event in due if not self._is_message(event)]
        for event in due:
            self._note(event)
        self._state = self.fold.merge(self._state, self.fold.collect(enriched))
        if len(enriched) < len(due):
            self._fold_messages()
        return False

    def read(self, as_of: datetime) -> dict[str, Reading]:
        """Return every feature as of a time at or after the last `add`."""
        return self.fold.read(self.fold.merge(self._state, self._of_messages), as_of)

    def _learn_place(self, event: dict[str, Any]) -> None:
        """Note the device's zone and the region of an event, before slots are told in a zone."""
        zone = event[Events.DEVICE_TIME_ZONE]
        if self._is_message(event):
            return
        if zone is not None:
            seen = (event[Events.OCCURRED_AT], event[Events.EVENT_ID], zone)
            self._device = max(filter(None, (self._device, seen)))
        if event[Events.REGION_ID] is not None:
            self._visits[event[Events.REGION_ID]] += 1

    def _is_message(self, event: dict[str, Any]) -> bool:
        """Say whether an event is of a message of ours, whose events are told together."""
        return bool(event[Events.MESSAGE_ID]) and event[Events.TYPE] in _MESSAGES

    def _note(self, event: dict[str, Any]) -> None:
        """Note what is kept of an event beside the features."""
        channel, at, kind = event[Events.CHANNEL], event[Events.OCCURRED_AT], event[Events.TYPE]
        self._newest = at if self._newest is None else max(at, self._newest)
        if self._is_message(event):
            self._messages.setdefault(event[Events.MESSAGE_ID], []).append(event)
        elif channel is not None and kind not in _NO_ACT:
            self.last_seen[channel] = max(at, self.last_seen.get(channel, at))
            self.events[channel] += 1
        if kind == EventType.ORDER:
            self.orders.append((at, event[Events.VALUE]))

    def _enrich(self, event: dict[str, Any]) -> dict[str, Any]:
        timed = {**event, Events.OCCURRED_AT: to_datetime(event[Events.OCCURRED_AT])}
        category = self.catalogue.categories.get(event[Events.PRODUCT_ID] or "")
        return enrich(timed, time_zone=self._zone.time_zone, category_id=category)

    def _fold_messages(self) -> None:
        """Fold the messages anew: an earlier open takes the place of a later one."""
        self._of_messages = self.fold.collect(
            [
                event
                for message_id, own in self._messages.items()
                for event in self._tell_message(message_id, own)
            ]
        )

    def _tell_message(self, message_id: str, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events of one message: what `touches` would make of it, else its own."""
        touch: dict[str, Any] = {Touches.MESSAGE_ID: message_id, Touches.CUSTOMER_ID: ""}
        for kind, moment in _MOMENTS.items():
            times = [e[Events.OCCURRED_AT] for e in own if e[Events.TYPE] == kind]
            touch[moment] = to_datetime(min(times)) if times else None
        sends = [e for e in own if e[Events.TYPE] == EventType.TOUCH]
        if not sends:
            return [self._enrich(event) for event in own]
        for name in (Touches.CHANNEL, Touches.PROMOTION_ID):
            touch[name] = min((e[name] for e in sends if e[name] is not None), default=None)
        told = touch_events(touch)
        return [enrich(event, time_zone=self._zone.time_zone) for event in told]

    def _find_zone(self) -> CustomerZone:
        region = self.region_id
        found = find_zone(
            self.stated.time_zone,
            "stated" if self.stated.time_zone else None,
            None if self._device is None else self._device[2],
            None if region is None else self.catalogue.zones.get(region),
            time_zone=self.time_zone,
        )
        if self.inferred is not None and found.source == "project":
            return CustomerZone(self.inferred, "inferred", found.confidence)
        return found


def aware(moment: datetime) -> datetime:
    """Return a naive UTC time with its zone."""
    return moment.replace(tzinfo=UTC)
