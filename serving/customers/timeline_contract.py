"""The contract of a customer's timeline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from serving.contract import Message
from serving.spellings import Channel, Count, Moment

MOST_ENTRIES = 200

EntryKind = Literal[
    "event",
    "order",
    "refund",
    "cancellation",
    "message_sent",
    "message_opened",
    "message_clicked",
    "consent",
    "merge",
    "split",
    "identifier_dropped",
]


class TimelineQuery(Message):
    """Which part of a timeline; every parameter is optional."""

    channel: Channel | None = None
    """What happened in this channel only; then consent and identity, which have none, are left."""
    limit: Count = Field(default=50, ge=1, le=MOST_ENTRIES)
    """Most entries in the page."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """`next_cursor` of the page before."""


class OrderLine(Message):
    """What was bought in an order, by product."""

    product_id: str | None
    quantity: float | None
    value: float | None


class TimelineEntry(Message):
    """One thing that happened with a customer."""

    at: Moment
    kind: EntryKind
    channel: str | None = None
    type: str | None = None
    """Of an event: its type, such as "product_viewed"."""
    region_id: str | None = None
    product_id: str | None = None
    order_id: str | None = None
    promotion_id: str | None = None
    message_id: str | None = None
    """Of the message that was sent, opened or clicked."""
    quantity: float | None = None
    value: float | None = None
    """Of an order: what is left after refunds; of a refund: what was sent back, null = all."""
    currency: str | None = None
    lines: list[OrderLine] | None = None
    """Of an order: what was bought."""
    preferences: dict[str, bool] | None = None
    """Of a consent: what was stated; only the last statement of each history is kept."""
    cause: str | None = None
    """Of what was done to their identity: the message or the person that made it so."""


class CustomerTimeline(Message):
    """One page of what happened with a customer, across every channel, the newest first."""

    customer_id: str
    entries: list[TimelineEntry]
    next_cursor: str | None
    """Of the page after this one; null on the last."""
    notes: list[str]
    """Why something is not told."""
