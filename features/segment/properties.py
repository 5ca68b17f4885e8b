"""What is read of the properties of an event: one type for each way of reading them.

Numbers are JSON numbers, never text, not below 0 and never beyond `LARGEST`, so that whatever is
computed of them is finite. Texts become columns: they are stripped, short, and free of control
characters, which break exports. What is not named here is skipped.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

import msgspec

from features.segment.envelope import Id
from features.segment.reasons import Reason, Refused

LONGEST_TEXT = 255
LARGEST = 1e12
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)] | int | None
Number: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)] | None
Signed: TypeAlias = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)] | None


class Plain(msgspec.Struct, gc=False):
    """Of every event: where it happened, and the card that was shown there."""

    channel: Any = None
    store_id: Text = None
    region: Text = None
    loyalty_card: Id = None


class Commerce(Plain, gc=False):
    """Of an event about products, carts, coupons, promotions or messages."""

    product_id: Text = None
    sku: Text = None
    order_id: Text = None
    promotion_id: Text = None
    campaign_id: Text = None
    coupon_id: Text = None
    coupon: Text = None
    email_id: Text = None
    message_id: Text = None
    quantity: Number = None
    price: Number = None
    value: Number = None
    revenue: Number = None
    currency: Text = None
    step: Text = None
    affiliation: Text = None


class Product(msgspec.Struct, gc=False):
    """One line of an order; `discount` is of the whole line, `subtotal` what is paid for it."""

    product_id: Text = None
    sku: Text = None
    quantity: Number = None
    price: Number = None
    discount: Number = None
    subtotal: Signed = None
    coupon: Text = None


class Order(Plain, gc=False):
    """Of an order that is completed or updated."""

    order_id: Text = None
    affiliation: Text = None
    coupon: Text = None
    promotion_id: Text = None
    currency: Text = None
    quantity: Number = None
    subtotal: Signed = None
    total: Number = None
    revenue: Number = None
    value: Number = None
    shipping: Number = None
    tax: Number = None
    discount: Number = None
    products: list[Product] | None = None


class Refund(Plain, gc=False):
    """Of an order that is refunded or cancelled; some senders state amounts below 0."""

    order_id: Text = None
    total: Signed = None
    revenue: Signed = None
    value: Signed = None
    shipping: Signed = None
    tax: Signed = None
    products: list[Product] | None = None


def read_text(value: str | int | None, name: str) -> str | None:
    """Return a property as the text of a column; None where it is empty.

    Parameters
    ----------
    value : str, int or None
    name : str
        Where it stands within the properties, such as 'products/0/sku'.

    Raises
    ------
    Refused
        If it is too long or holds control characters.
    """
    if value is None:
        return None
    text = value.strip() if type(value) is str else str(value)
    if not text.isprintable() and _CONTROL.search(text):
        detail = "expected text without control characters"
        raise Refused(Reason.INVALID_PROPERTY, f"/properties/{name}", detail)
    if len(text) > LONGEST_TEXT:
        detail = f"expected at most {LONGEST_TEXT} characters"
        raise Refused(Reason.INVALID_PROPERTY, f"/properties/{name}", detail)
    return text or None


def read_currency(value: str | int | None) -> str | None:
    """Return a currency in capitals; None where it is empty.

    Raises
    ------
    Refused
        If it is no three letters.
    """
    if value is None or value == "":
        return None
    text = str(value)
    if len(text) != 3 or not (text.isascii() and text.isalpha()):
        detail = "expected an ISO 4217 code such as EUR"
        raise Refused(Reason.INVALID_PROPERTY, "/properties/currency", detail)
    return text.upper()
