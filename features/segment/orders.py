"""Orders: what they are worth, what they are made of, and what is sent back.

What an order is worth is what is paid for goods: after discounts, without shipping and tax. Of
what a message states, in this order:

1. `subtotal`: just that, as Segment defines it; below 0 where more was brought back than bought;
2. the lines, if each has a price or a `subtotal` of its own: price × quantity, less `discount`;
3. `total`, less `shipping` and `tax`;
4. `revenue`, else `value`, less `discount`.

`revenue` comes last because it may or may not be after discounts: Segment's own example of "Order
Completed" has it before, and for other events it is not said. `discount` is the whole of what was
taken off, that of single lines included, so it is not taken off twice. What is worked out is at
least 0: a coupon of more than the goods pays for the goods. `quantity` of an order, and `subtotal`
of a line, are ours: who counts pieces otherwise, or has no single prices, may say so.

What is sent back is `total` less `shipping` and `tax`, else `revenue`, else `value`, else the
lines; all of the order where none of these is stated.

References
----------
.. [1] Segment, "Spec: V2 Ecommerce Events".
"""

from __future__ import annotations

from typing import NamedTuple

from features.schema import EventType
from features.segment.messages import EventRow, OrderChange
from features.segment.properties import Order, Product, Refund, read_currency, read_text
from features.segment.reasons import Reason, Refused


class Scene(NamedTuple):
    """What all rows of a message share."""

    message_id: str
    at: int
    channel: str
    region_id: str | None
    time_zone: str | None


def read_order(stated: Order, scene: Scene) -> tuple[tuple[EventRow, ...], OrderChange | None]:
    """Return the rows of an order, first `order`, then an `item` for each line, and the change.

    Where the order has no id, that of the message stands for it in the rows, so that they belong
    together; as no other message can be about it, there is no change.

    Parameters
    ----------
    stated : Order
    scene : Scene

    Raises
    ------
    Refused
        If a property is not what it should be.
    """
    region = scene.region_id or read_text(stated.affiliation, "affiliation")
    scene = scene._replace(region_id=region)
    own_id, currency = read_text(stated.order_id, "order_id"), read_currency(stated.currency)
    order_id = own_id or scene.message_id
    products = stated.products or []
    coupon = read_text(stated.coupon, "coupon") or read_text(stated.promotion_id, "promotion_id")
    pieces = stated.quantity
    if pieces is None and products:
        pieces = sum(_pieces(product) for product in products)
    order = EventRow(
        scene.message_id, scene.at, scene.channel, EventType.ORDER, region, None, order_id,
        coupon, None, pieces, _find_worth(stated), currency, scene.time_zone,
    )  # fmt: skip
    items = [
        _read_item(product, n, scene, order_id, currency) for n, product in enumerate(products)
    ]
    return (order, *items), None if own_id is None else OrderChange(own_id, "complete")


def read_refund(stated: Refund) -> OrderChange:
    """Return what is sent back of an order.

    Raises
    ------
    Refused
        If it names no order, or products without saying what they are worth: that would be read
        as all of the order.
    """
    return OrderChange(_find_order_id(stated), "refund", _find_amount(stated))


def read_cancellation(stated: Refund) -> OrderChange:
    """Return that an order is cancelled.

    Raises
    ------
    Refused
        If it names no order.
    """
    return OrderChange(_find_order_id(stated), "cancel")


def _read_item(
    product: Product, n: int, scene: Scene, order_id: str, currency: str | None
) -> EventRow:
    place = f"products/{n}"
    return EventRow(
        f"{scene.message_id}:{n}", scene.at, scene.channel, EventType.ITEM, scene.region_id,
        read_text(product.product_id, f"{place}/product_id")
        or read_text(product.sku, f"{place}/sku"),
        order_id, read_text(product.coupon, f"{place}/coupon"), None, _pieces(product),
        _find_line(product), currency, scene.time_zone,
    )  # fmt: skip


def _find_worth(stated: Order) -> float | None:
    if stated.subtotal is not None:
        return stated.subtotal
    discount = stated.discount or 0.0
    lines = _sum_lines(stated.products)
    if lines is not None:
        known = sum(product.discount or 0.0 for product in stated.products or ())
        return max(lines - max(discount - known, 0.0), 0.0)
    if stated.total is not None:
        return max(stated.total - (stated.shipping or 0.0) - (stated.tax or 0.0), 0.0)
    revenue = stated.value if stated.revenue is None else stated.revenue
    return None if revenue is None else max(revenue - discount, 0.0)


def _find_amount(stated: Refund) -> float | None:
    if stated.total is not None:
        beside = abs(stated.shipping or 0.0) + abs(stated.tax or 0.0)
        return max(abs(stated.total) - beside, 0.0)
    amount = stated.value if stated.revenue is None else stated.revenue
    if amount is not None:
        return abs(amount)
    if not stated.products:
        return None
    lines = _sum_lines(stated.products)
    if lines is None:
        detail = "expected total, or a price for each product: what is sent back is not known"
        raise Refused(Reason.INVALID_PROPERTY, "/properties/products", detail)
    return lines


def _find_order_id(stated: Refund) -> str:
    order_id = read_text(stated.order_id, "order_id")
    if order_id is None:
        raise Refused(Reason.MISSING_ORDER_ID, "/properties/order_id")
    return order_id


def _sum_lines(products: list[Product] | None) -> float | None:
    """Return what all lines are worth; None where there are none, or one is not known."""
    if not products:
        return None
    values = [_find_line(product) for product in products]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _find_line(product: Product) -> float | None:
    if product.subtotal is not None:
        return product.subtotal
    if product.price is None:
        return None
    return max(product.price * _pieces(product) - (product.discount or 0.0), 0.0)


def _pieces(product: Product) -> float:
    """Return the pieces of a line; one, where it does not say."""
    return 1.0 if product.quantity is None else product.quantity
