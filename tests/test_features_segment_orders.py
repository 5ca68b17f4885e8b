"""Orders by hand: what they are worth, their lines, and what is sent back or cancelled."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.identity.identifiers import IdentityRules
from features.segment.messages import EventRow, Message, OrderChange, Rejected
from features.segment.reader import MessageReader

READER = MessageReader(
    IdentityRules(), oldest=datetime(2000, 1, 1, tzinfo=UTC), future=timedelta(days=1)
)
AT = 1_795_608_000_000_000
GAMES = [
    {"product_id": "p1", "sku": "s1", "price": 19, "quantity": 1, "coupon": "MAY"},
    {"sku": "s2", "price": 3, "quantity": 2},
]


def read(event, properties):
    content = {"type": "track", "messageId": "m1", "userId": "ann", "event": event}
    return READER.read(json.dumps({**content, "properties": properties}).encode(), AT)


def read_worth(**properties):
    message = read("Order Completed", {"order_id": "o", **properties})
    assert isinstance(message, Message), message
    return message.rows[0].value


def refuse(reason, pointer, event, properties):
    rejected = read(event, properties)
    assert isinstance(rejected, Rejected), rejected
    assert (rejected.reason, rejected.pointer) == (reason, pointer)


@pytest.mark.parametrize("event", ["Order Completed", "Order Updated"])
def test_an_order_and_its_lines(event):
    message = read(
        event,
        {
            "order_id": 50314,
            "affiliation": "Outlet",
            "total": 27.5,
            "subtotal": 22.5,
            "revenue": 25,
            "shipping": 3,
            "tax": 2,
            "discount": 2.5,
            "coupon": "GAMES",
            "currency": "usd",
            "products": GAMES,
        },
    )
    shared = {"currency": "USD", "order_id": "50314"}
    assert message.rows == (
        EventRow(
            "m1", AT, "web", "order", "Outlet", promotion_id="GAMES", quantity=3, value=22.5,
            **shared,
        ),
        EventRow(
            "m1:0", AT, "web", "item", "Outlet", "p1", promotion_id="MAY", quantity=1, value=19,
            **shared,
        ),
        EventRow("m1:1", AT, "web", "item", "Outlet", "s2", quantity=2, value=6, **shared),
    )  # fmt: skip
    assert message.order == OrderChange("50314", "complete")


@pytest.mark.parametrize(
    ("properties", "worth"),
    [
        # all four ways to tell the same order: 25 of goods, 2.50 off, 3 shipping, 2 tax
        ({"subtotal": 22.5, "products": GAMES, "total": 27.5, "revenue": 25}, 22.5),
        ({"products": GAMES, "discount": 2.5, "total": 27.5, "revenue": 25}, 22.5),
        ({"total": 27.5, "shipping": 3, "tax": 2, "revenue": 25, "discount": 2.5}, 22.5),
        ({"revenue": 25, "discount": 2.5}, 22.5),
        ({"value": 25, "discount": 2.5}, 22.5),
        ({"total": 27.5}, 27.5),
        ({"revenue": 25}, 25.0),
        ({}, None),
        # a line without a price: its worth is not known, so that of all lines is not
        ({"products": [*GAMES, {"sku": "s3"}], "revenue": 31}, 31.0),
        ({"products": [*GAMES, {"sku": "s3"}]}, None),
        ({"products": [], "revenue": 31}, 31.0),
        # what single lines are reduced by is part of the order's discount
        ({"products": [{"price": 10, "quantity": 2, "discount": 4}], "discount": 5}, 15.0),
        ({"products": [{"price": 10, "quantity": 2, "discount": 4}], "discount": 4}, 16.0),
        ({"products": [{"price": 10, "quantity": 2, "discount": 4}]}, 16.0),
        # more taken off than there is
        ({"products": [{"price": 10, "discount": 11}]}, 0.0),
        ({"products": GAMES, "discount": 99}, 0.0),
        ({"total": 5, "shipping": 6}, 0.0),
        ({"revenue": 5, "discount": 6}, 0.0),
        ({"subtotal": 0, "revenue": 5}, 0.0),
        ({"subtotal": -3.5, "revenue": 5}, -3.5),
        ({"products": [{"subtotal": 4}, {"price": 2, "quantity": 3}]}, 10.0),
    ],
)
def test_what_an_order_is_worth(properties, worth):
    assert read_worth(**properties) == worth


def test_a_line_without_a_quantity_is_one_piece():
    order, item = read("Order Completed", {"products": [{"sku": "s", "price": 2}]}).rows
    assert (order.quantity, item.quantity, item.value) == (1.0, 1.0, 2.0)


def test_an_order_without_lines_has_no_pieces():
    (order,) = read("Order Completed", {"order_id": "o", "revenue": 1}).rows
    assert order.quantity is None


def test_the_message_stands_for_an_order_without_an_id():
    message = read("Order Completed", {"products": GAMES})
    assert message.order is None
    assert {row.order_id for row in message.rows} == {"m1"}


def test_a_store_is_finer_than_an_affiliation():
    message = read(
        "Order Completed", {"store_id": "S1", "affiliation": "Outlet", "products": GAMES}
    )
    assert {(row.channel, row.region_id) for row in message.rows} == {("store", "S1")}


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({}, None),
        ({"products": []}, None),
        ({"total": 30}, 30.0),
        ({"total": -30, "shipping": -4, "tax": 1}, 25.0),
        ({"revenue": 20, "products": GAMES}, 20.0),
        ({"value": 20}, 20.0),
        ({"products": GAMES}, 25.0),
    ],
)
def test_what_is_sent_back(properties, amount):
    message = read("Order Refunded", {"order_id": "o", **properties})
    assert (message.rows, message.order) == ((), OrderChange("o", "refund", amount))


def test_a_refund_of_unpriced_products_is_not_of_all():
    place = "/properties/products"
    refuse("invalid-property", place, "Order Refunded", {"order_id": "o", "products": [{"sku": 1}]})


@pytest.mark.parametrize("event", ["Order Cancelled", "Order Canceled"])
def test_a_cancellation(event):
    message = read(event, {"order_id": "o", "products": GAMES})
    assert (message.rows, message.order) == ((), OrderChange("o", "cancel"))


@pytest.mark.parametrize("event", ["Order Refunded", "Order Cancelled"])
def test_of_which_order(event):
    refuse("missing-order-id", "/properties/order_id", event, {"total": 3})
    refuse("missing-order-id", "/properties/order_id", event, {"order_id": "  "})


@pytest.mark.parametrize(
    ("place", "properties"),
    [
        ("products/1/price", {"products": [{}, {"price": "3"}]}),
        ("products/0/quantity", {"products": [{"quantity": -1}]}),
        ("products/0/price", {"products": [{"price": -0.01}]}),
        ("products/0/sku", {"products": [{"sku": "a\u0007"}]}),
        ("products/0/coupon", {"products": [{"coupon": "x" * 256}]}),
        ("products/0", {"products": ["p1"]}),
        ("products", {"products": {"0": {}}}),
        ("subtotal", {"subtotal": "some"}),
        ("total", {"total": "27.50"}),
        ("currency", {"currency": "EURO"}),
        ("affiliation", {"affiliation": "x" * 256}),
    ],
)
def test_orders_that_are_refused(place, properties):
    refuse("invalid-property", f"/properties/{place}", "Order Completed", properties)


CENTS = st.integers(min_value=0, max_value=100_000)


@given(st.lists(st.tuples(CENTS, st.integers(0, 20)), min_size=1, max_size=20), CENTS, CENTS, CENTS)
def test_every_way_to_tell_an_order_agrees(lines, discount, shipping, tax):
    goods = sum(price * pieces for price, pieces in lines)
    discount = min(discount, goods)
    paid = (goods - discount) / 100
    products = [{"price": price / 100, "quantity": pieces} for price, pieces in lines]
    off, around = discount / 100, {"shipping": shipping / 100, "tax": tax / 100}
    told = [
        read_worth(subtotal=paid),
        read_worth(products=products, discount=off),
        read_worth(total=paid + around["shipping"] + around["tax"], **around),
        read_worth(revenue=goods / 100, discount=off),
    ]
    assert told == pytest.approx([paid] * 4, abs=1e-6)
