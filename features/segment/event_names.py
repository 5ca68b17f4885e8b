"""What the name of an event says: our type for it, its channel, and how its properties are read.

Names are compared without case, spaces, hyphens or underscores: "Order Completed",
`order_completed` and `OrderCompleted` are one. What is not known keeps its own name, in small
letters with underscores.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from features.schema import EventType
from features.segment.properties import Commerce, Order, Plain, Refund
from features.segment.reasons import Reason, Refused

LONGEST_NAME = 100
Properties: TypeAlias = type[Plain]
PAGE_VIEW, SCREEN_VIEW = "page_view", "screen_view"
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORDS = re.compile(r"[\W_]+")
_SENDERS = {
    "email": "email", "e_mail": "email", "sms": "sms", "text_message": "sms", "push": "push",
    "push_notification": "push", "mail": "mail", "direct_mail": "mail",
}  # fmt: skip
_ANSWERS = {
    "delivered": EventType.TOUCH, "sent": EventType.TOUCH, "received": EventType.TOUCH,
    "opened": EventType.OPEN, "link_clicked": EventType.CLICK, "clicked": EventType.CLICK,
    "tapped": EventType.CLICK,
}  # fmt: skip
_OF_SENDERS = frozenset({"bounced", "marked_as_spam"})
_ORDERS = {
    "order_completed": "complete", "order_updated": "complete", "order_refunded": "refund",
    "order_cancelled": "cancel", "order_canceled": "cancel",
}  # fmt: skip
_COMMERCE = (
    "product_", "products_", "cart_", "checkout_", "payment_", "coupon_", "promotion_", "wishlist_",
)  # fmt: skip
_STEPS = frozenset({"checkout_step_viewed", "checkout_step_completed"})
_OURS = frozenset(
    {
        EventType.ORDER, EventType.ITEM, EventType.REDEMPTION, EventType.TOUCH, EventType.OPEN,
        EventType.CLICK,
    }
)  # fmt: skip
"""Types that features count. What a stranger calls a click, on a button say, is not an answer to a
message of ours: such a name gets `_event` behind it."""


class Kind(NamedTuple):
    """What the name of an event says.

    Attributes
    ----------
    type : str
        Type of its row.
    reads : type of Plain
        How its properties are read.
    channel : str or None
        Over which it went, where the name says so.
    change : str or None
        What it does to an order: 'complete', 'refund' or 'cancel'.
    has_step : bool
        Whether its `step` is part of the type.
    """

    type: str
    reads: Properties = Plain
    channel: str | None = None
    change: str | None = None
    has_step: bool = False


@lru_cache(maxsize=4096)
def find_kind(event: str) -> Kind:
    """Return what the name of an event says.

    Raises
    ------
    Refused
        If it has no letter or digit, or more than `LONGEST_NAME` characters.

    Examples
    --------
    >>> find_kind("Email Link Clicked")[:3:2], find_kind("TastingBooked").type
    (('click', 'email'), 'tasting_booked')
    """
    name = _NOT_WORDS.sub("_", _WORD_STARTS.sub("_", event)).strip("_").lower()
    if not name or len(event) > LONGEST_NAME:
        raise Refused(Reason.MISSING_EVENT, "/event")
    change = _ORDERS.get(name)
    if change is not None:
        reads = Order if change == "complete" else Refund
        return Kind(EventType.ORDER, reads, change=change)
    if name == "coupon_applied":
        return Kind(EventType.REDEMPTION, Commerce)
    if name == "unsubscribed":
        return Kind(name, Commerce, "email")
    if name.startswith(_COMMERCE):
        return Kind(name, Commerce, has_step=name in _STEPS)
    if name in _OURS:
        return Kind(f"{name}_event")
    return _find_message_kind(name) or Kind(name)


def _find_message_kind(name: str) -> Kind | None:
    """Return what the name of an event about one of our messages says."""
    for sender, channel in _SENDERS.items():
        if name.startswith(f"{sender}_"):
            answer = name[len(sender) + 1 :]
            if answer in _ANSWERS:
                return Kind(_ANSWERS[answer], Commerce, channel)
            if answer in _OF_SENDERS:
                return Kind(name, Commerce, channel)
    return None
