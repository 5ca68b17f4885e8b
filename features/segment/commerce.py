"""What happened, as rows of our table of events: Segment's E-commerce v2 and messaging events.

A purchase is one `order` row and an `item` row for each product; a message of ours is a `touch`
when it is delivered, an `open` and a `click` when it is answered; a coupon that is applied is a
`redemption`. Everything else keeps its own name, in small letters with underscores.

What an order is worth is what is paid for goods, after discounts, without shipping and tax:

1. `subtotal`, which is just that;
2. of "Order Completed", `revenue`, which is the same there, but elsewhere is not said to be after
   discounts;
3. the sum of the lines, price × quantity, less `discount`;
4. `total` less `shipping` and `tax`;
5. `revenue`.

References
----------
.. [1] Segment, "Spec: V2 Ecommerce Events" and "Spec: Email".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from features.schema import CHANNELS, EventType
from features.segment.messages import EventRow, OrderChange
from features.segment.properties import Refused, find_object, read_number, read_text
from features.segment.reasons import Reason

_MOST_NAMES = 4096
_LONGEST_NAME = 100
_NOT_WORDS = re.compile(r"[^a-z0-9]+")
_MESSAGES = re.compile(
    r"(e?mail|sms|text message|push notification|push|direct mail)s? "
    r"(delivered|sent|received|opened|link clicked|clicked|tapped)"
)
_BY = {
    "email": "email", "mail": "mail", "direct mail": "mail", "sms": "sms", "text message": "sms",
    "push": "push", "push notification": "push",
}  # fmt: skip
_BECAME = {
    "delivered": EventType.TOUCH, "sent": EventType.TOUCH, "received": EventType.TOUCH,
    "opened": EventType.OPEN, "link clicked": EventType.CLICK, "clicked": EventType.CLICK,
    "tapped": EventType.CLICK,
}  # fmt: skip
_OURS = frozenset({"order", "item", "touch", "open", "click", "redemption"})
_ORDERS = {
    "order_completed": "complete", "order_updated": "complete", "order_refunded": "refund",
    "order_cancelled": "cancel", "order_canceled": "cancel",
}  # fmt: skip
_STEPS = frozenset({"checkout_step_viewed", "checkout_step_completed"})
_PROMOTIONS = ("promotion_id", "campaign_id", "coupon_id", "coupon")
_MESSAGE_IDS = ("email_id", "message_id")
_P = "/properties"


class Kind(NamedTuple):
    """What the name of an event says: our type, and the channel if it says one."""

    type: str
    channel: str | None


_kinds: dict[str, Kind] = {}


def name_kind(event: str) -> Kind:
    """Return what the name of an event says.

    Examples
    --------
    >>> name_kind("Email Link Clicked"), name_kind("Product Viewed").type
    (Kind(type='click', channel='email'), 'product_viewed')
    """
    kind = _kinds.get(event)
    if kind is None:
        if len(_kinds) > _MOST_NAMES:
            _kinds.clear()
        kind = _kinds[event] = _name_kind(event)
    return kind


def _name_kind(event: str) -> Kind:
    found = _MESSAGES.fullmatch(event.strip().lower())
    if found:
        return Kind(_BECAME[found[2]], _BY[found[1]])
    name = _NOT_WORDS.sub("_", event.strip().lower()).strip("_")
    if not name or len(name) > _LONGEST_NAME:
        raise Refused(Reason.MISSING_EVENT, pointer="/event")
    if name == "coupon_applied":
        return Kind(EventType.REDEMPTION, None)
    # what a stranger calls an order or a click need not be ours
    return Kind(f"{name}_event" if name in _OURS else name, None)


def find_channel(
    own: Mapping[str, Any], context: Mapping[str, Any], *, otherwise: str | None, kind: str
) -> str:
    """Return the channel of an event.

    In this order: `properties.channel` if it is one of ours; what the event's name says; a store
    that is named; the device or screen of an app; the web.

    Parameters
    ----------
    own : mapping
        Its properties.
    context : mapping
    otherwise : str or None
        What the event's name says.
    kind : str
        'track', 'page' or 'screen'.
    """
    channel = own.get("channel")
    if type(channel) is str and channel.lower() in CHANNELS:
        return channel.lower()
    if otherwise is not None:
        return otherwise
    if own.get("store_id") is not None:
        return "store"
    if kind == "screen" or context.get("channel") == "mobile":
        return "app"
    device = find_object(context, "device").get("type")
    return "app" if device in ("ios", "android") else "web"


def read_track(
    message_id: str, at: int, event: str, own: Mapping[str, Any], context: Mapping[str, Any],
    zone: str | None,
) -> tuple[tuple[EventRow, ...], OrderChange | None]:  # fmt: skip
    """Return the rows of a track message, and what it does to an order.

    Raises
    ------
    Refused
        If a property is not what it should be.
    """
    kind = name_kind(event)
    channel = find_channel(own, context, otherwise=kind.channel, kind="track")
    region = read_text(own, ("store_id", "region"), _P)
    change = _ORDERS.get(kind.type)
    if change is not None:
        region = region or read_text(own, ("affiliation",), _P)
        return _read_order(message_id, at, kind.type, change, own, channel, region, zone)
    name = kind.type
    if name in _STEPS and own.get("step") is not None:
        name = f"{name}:{read_text(own, ('step',), _P)}"
    quantity = read_number(own, "quantity", _P, minimum=0.0)
    row = EventRow(
        message_id, at, channel, name, region,
        read_text(own, ("product_id", "sku"), _P),
        read_text(own, ("order_id",), _P),
        read_text(own, _PROMOTIONS, _P),
        read_text(own, _MESSAGE_IDS, _P),
        quantity,
        _read_value(own, quantity),
        _read_currency(own),
        zone,
    )  # fmt: skip
    return (row,), None


def _read_order(
    message_id: str, at: int, name: str, change: str, own: Mapping[str, Any], channel: str,
    region: str | None, zone: str | None,
) -> tuple[tuple[EventRow, ...], OrderChange | None]:  # fmt: skip
    order_id = read_text(own, ("order_id",), _P)
    if order_id is None and change != "complete":
        raise Refused(Reason.MISSING_ORDER_ID, pointer=f"{_P}/order_id")
    if change == "cancel":
        return (), OrderChange(order_id or "", "cancel")
    currency = _read_currency(own)
    items = _read_items(message_id, at, own, channel, region, order_id, currency, zone)
    if change == "refund":
        return (), OrderChange(order_id or "", "refund", _find_refund(own, items))
    order = EventRow(
        message_id, at, channel, EventType.ORDER, region, None, order_id,
        read_text(own, _PROMOTIONS, _P), None,
        _count_pieces(own, items),
        _find_worth(own, items, is_completed=name == "order_completed"),
        currency, zone,
    )  # fmt: skip
    # without an id of its own an order cannot be told anew: it stands as it is
    told = None if order_id is None else OrderChange(order_id, "complete")
    return (order, *items), told


def _read_items(
    message_id: str, at: int, own: Mapping[str, Any], channel: str, region: str | None,
    order_id: str | None, currency: str | None, zone: str | None,
) -> tuple[EventRow, ...]:  # fmt: skip
    products = own.get("products")
    if products is None:
        return ()
    if type(products) is not list:
        raise Refused(Reason.INVALID_PROPERTY, "expected a list of products", f"{_P}/products")
    rows = []
    for n, product in enumerate(products):
        place = f"{_P}/products/{n}"
        if type(product) is not dict:
            raise Refused(Reason.INVALID_PROPERTY, "expected an object", place)
        quantity = read_number(product, "quantity", place, minimum=0.0)
        rows.append(
            EventRow(
                f"{message_id}:{n}",
                at,
                channel,
                EventType.ITEM,
                region,
                read_text(product, ("product_id", "sku"), place),
                order_id,
                read_text(product, ("promotion_id", "coupon"), place),
                None,
                quantity,
                _find_line(product, quantity, place),
                currency,
                zone,
            )
        )
    return tuple(rows)


def _find_line(product: Mapping[str, Any], quantity: float | None, place: str) -> float | None:
    """Return what is paid for one line: `subtotal` if it is told, else price × quantity."""
    told = read_number(product, "subtotal", place)
    if told is not None:
        return told
    price = read_number(product, "price", place, minimum=0.0)
    if price is None:
        return None
    pieces = 1.0 if quantity is None else quantity
    return price * pieces - (read_number(product, "discount", place, minimum=0.0) or 0.0)


def _find_worth(
    own: Mapping[str, Any], items: tuple[EventRow, ...], *, is_completed: bool
) -> float | None:
    """Return what an order is worth, by the rules of this module."""
    subtotal, revenue = (read_number(own, name, _P) for name in ("subtotal", "revenue"))
    if subtotal is not None:
        return subtotal
    if is_completed and revenue is not None:
        return revenue
    lines = _sum_lines(items)
    if lines is not None:
        return lines - (read_number(own, "discount", _P, minimum=0.0) or 0.0)
    total = read_number(own, "total", _P)
    if total is None:
        return revenue
    return total - sum(read_number(own, name, _P) or 0.0 for name in ("shipping", "tax"))


def _find_refund(own: Mapping[str, Any], items: tuple[EventRow, ...]) -> float | None:
    """Return what is sent back; None = everything, as nothing else is told."""
    for name in ("subtotal", "total", "revenue", "value"):
        amount = read_number(own, name, _P)
        if amount is not None:
            return abs(amount)
    return _sum_lines(items)


def _sum_lines(items: tuple[EventRow, ...]) -> float | None:
    values = [item.value for item in items if item.value is not None]
    return sum(values) if items and len(values) == len(items) else None


def _count_pieces(own: Mapping[str, Any], items: tuple[EventRow, ...]) -> float | None:
    told = read_number(own, "quantity", _P, minimum=0.0)
    if told is not None or not items:
        return told
    return sum(1.0 if item.quantity is None else item.quantity for item in items)


def _read_value(own: Mapping[str, Any], quantity: float | None) -> float | None:
    for name in ("value", "revenue"):
        value = read_number(own, name, _P)
        if value is not None:
            return value
    price = read_number(own, "price", _P, minimum=0.0)
    return None if price is None else price * (1.0 if quantity is None else quantity)


def _read_currency(own: Mapping[str, Any]) -> str | None:
    currency = own.get("currency")
    if currency is None or currency == "":
        return None
    if type(currency) is not str or not (len(currency) == 3 and currency.isascii()):
        raise Refused(
            Reason.INVALID_PROPERTY, "expected an ISO 4217 code such as EUR", f"{_P}/currency"
        )
    return currency.upper()
