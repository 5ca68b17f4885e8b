"""What happened, as rows of our table of events: Segment's E-commerce v2 and messaging events.

A purchase is one `order` row and an `item` row for each line; a message of ours is a `touch` when
it is delivered, an `open` and a `click` when it is answered; a coupon that is applied is a
`redemption`. Everything else is one row under its own name.

References
----------
.. [1] Segment, "Spec: V2 Ecommerce Events", "Spec: Email Events", "Spec: Mobile".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import msgspec

from features.segment.envelope import NO_CONTEXT, Context, RawMessage
from features.segment.event_names import PAGE_VIEW, SCREEN_VIEW, Kind, find_kind
from features.segment.messages import EventRow, OrderChange
from features.segment.orders import Scene, read_cancellation, read_order, read_refund
from features.segment.places import find_channel, find_region, find_zone
from features.segment.properties import (
    Commerce,
    Order,
    Plain,
    Refund,
    read_currency,
    read_text,
)
from features.segment.reasons import Reason, Refused, explain

_VIEWS = {"page": Kind(PAGE_VIEW), "screen": Kind(SCREEN_VIEW)}
_NONE = Kind("")


def find_message_kind(message_type: str, event: str | None) -> Kind:
    """Return how the properties of a message are read, and what its row is called.

    Raises
    ------
    Refused
        If a track message has no event, or one that names nothing.
    """
    if message_type != "track":
        return _VIEWS.get(message_type, _NONE)
    if event is None:
        raise Refused(Reason.MISSING_EVENT, "/event")
    return find_kind(event)


def read_properties(raw: RawMessage, kind: Kind) -> Plain:
    """Return what is read of the properties of a message.

    Raises
    ------
    Refused
        If one is not of its type.
    """
    if not raw.properties:
        return kind.reads()
    try:
        return _decoder(kind.reads).decode(raw.properties) or kind.reads()
    except msgspec.ValidationError as error:
        raise explain(error, "/properties") from None


def read_rows(
    message_type: str, message_id: str, at: int, stated: Plain, kind: Kind, context: Context
) -> tuple[tuple[EventRow, ...], OrderChange | None]:
    """Return the rows of a message, and what it does to an order.

    Parameters
    ----------
    message_type : str
    message_id : str
    at : int
        Microseconds since 1970, UTC.
    stated : Plain
        Its properties, as `kind` reads them.
    kind : Kind
    context : Context

    Raises
    ------
    Refused
        If a property is not what it should be.
    """
    if not kind.type:
        return (), None
    if kind.change == "refund":
        return (), read_refund(cast(Refund, stated))
    if kind.change == "cancel":
        return (), read_cancellation(cast(Refund, stated))
    channel = find_channel(stated, context, by_name=kind.channel, message_type=message_type)
    zone = None if context is NO_CONTEXT else find_zone(context)
    scene = Scene(message_id, at, channel, find_region(stated), zone)
    if kind.change is not None:
        return read_order(cast(Order, stated), scene)
    if kind.reads is Plain:
        row = EventRow(
            message_id, at, channel, kind.type, scene.region_id, device_time_zone=scene.time_zone
        )
        return (row,), None
    return (_read_commerce(cast(Commerce, stated), kind, scene),), None


def _read_commerce(stated: Commerce, kind: Kind, scene: Scene) -> EventRow:
    name = kind.type
    if kind.has_step and stated.step is not None:
        name = f"{name}:{read_text(stated.step, 'step')}"
    return EventRow(
        scene.message_id, scene.at, scene.channel, name, scene.region_id,
        read_text(stated.product_id, "product_id") or read_text(stated.sku, "sku"),
        read_text(stated.order_id, "order_id"),
        _find_promotion(stated),
        read_text(stated.email_id, "email_id") or read_text(stated.message_id, "message_id"),
        stated.quantity, _find_value(stated), read_currency(stated.currency), scene.time_zone,
    )  # fmt: skip


def _find_promotion(stated: Commerce) -> str | None:
    return (
        read_text(stated.promotion_id, "promotion_id")
        or read_text(stated.campaign_id, "campaign_id")
        or read_text(stated.coupon_id, "coupon_id")
        or read_text(stated.coupon, "coupon")
    )


def _find_value(stated: Commerce) -> float | None:
    """Return `value`, else `revenue`, else price × quantity."""
    if stated.value is not None:
        return stated.value
    if stated.revenue is not None or stated.price is None:
        return stated.revenue
    return stated.price * (1.0 if stated.quantity is None else stated.quantity)


@lru_cache(maxsize=8)
def _decoder(reads: type[Plain]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(reads | None)
