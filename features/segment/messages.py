"""What a message of a customer-data platform says, once it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from features.identity.identifiers import Identifier

MessageType: TypeAlias = Literal["identify", "track", "page", "screen", "group", "alias", "delete"]


class EventRow(NamedTuple):
    """One row of the canonical table `events`, without its customer; its columns in this order."""

    event_id: str
    occurred_at: int
    """Microseconds since 1970, UTC."""
    channel: str | None
    type: str
    region_id: str | None = None
    product_id: str | None = None
    order_id: str | None = None
    promotion_id: str | None = None
    message_id: str | None = None
    quantity: float | None = None
    value: float | None = None
    currency: str | None = None
    device_time_zone: str | None = None


class OrderChange(NamedTuple):
    """What a message does to an order.

    `complete` states it anew, as its rows say; `refund` sends `amount` back, all of it where that
    is None; `cancel` makes it as if it had never been.
    """

    order_id: str
    kind: Literal["complete", "refund", "cancel"]
    amount: float | None = None


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that was read and may be applied.

    Attributes
    ----------
    message_id : str
    type : str
    occurred_at : int
        Microseconds since 1970, UTC; corrected for the skew of the sender's clock.
    has_own_time : bool
        Whether the message told its time; else `occurred_at` is when it was received.
    identifiers : tuple of Identifier
        Cleaned, none blocked, each once, those that weigh most first; never empty.
    previous : Identifier or None
        Of an alias: what its user was called before.
    traits : mapping
        Of the person: from an identify, and from `context.traits`.
    consent : mapping of category to bool, or None
        `context.consent.categoryPreferences`, where it is stated.
    rows : tuple of EventRow
        What happened, none to many.
    order : OrderChange or None
    """

    message_id: str
    type: MessageType
    occurred_at: int
    has_own_time: bool
    identifiers: tuple[Identifier, ...]
    previous: Identifier | None = None
    traits: dict[str, Any] = {}
    consent: dict[str, bool] | None = None
    rows: tuple[EventRow, ...] = ()
    order: OrderChange | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be applied, and why.

    Attributes
    ----------
    reason : str
        A stable code that clients may switch on, such as 'missing-identifier'.
    detail : str
        One sentence: what was expected and what to change; it never repeats a value.
    pointer : str or None
        Where in the message, as a JSON pointer (RFC 6901) such as '/properties/products/0/price'.
    message_id : str or None
        Of the message, where that much could be read.
    """

    reason: str
    detail: str
    pointer: str | None = None
    message_id: str | None = None
