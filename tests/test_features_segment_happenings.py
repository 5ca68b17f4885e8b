"""What events become: types, channels, regions, products and messages, one rule at a time."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from features.identity.identifiers import IdentityRules
from features.schema import EVENTS, Events
from features.segment.messages import EventRow, Message, Rejected
from features.segment.reader import MessageReader

READER = MessageReader(
    IdentityRules(), oldest=datetime(2000, 1, 1, tzinfo=UTC), future=timedelta(days=1)
)
AT = 1_795_608_000_000_000


def read(event, properties=None, **members):
    given = {"type": "track", "messageId": "m1", "userId": "ann", "event": event}
    content = json.dumps({**given, "properties": properties, **members}).encode()
    return READER.read(content, AT)


def read_row(event, properties=None, **members):
    message = read(event, properties, **members)
    assert isinstance(message, Message), message
    assert message.order is None
    (row,) = message.rows
    assert (row.event_id, row.occurred_at) == ("m1", AT)
    return row


def refuse(pointer, event, properties):
    rejected = read(event, properties)
    assert isinstance(rejected, Rejected), rejected
    assert (rejected.reason, rejected.pointer) == ("invalid-property", pointer)
    assert rejected.message_id == "m1"
    return rejected


def test_a_row_has_the_columns_of_the_table_but_its_customer():
    columns = [column.name for column in EVENTS.columns if column.name != Events.CUSTOMER_ID]
    assert list(EventRow._fields) == columns


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("Product Viewed", "product_viewed"),
        ("product_viewed", "product_viewed"),
        ("ProductViewed", "product_viewed"),
        ("  Product   Viewed! ", "product_viewed"),
        ("Coupon Applied", "redemption"),
        ("Coupon Denied", "coupon_denied"),
        ("Promotion Clicked", "promotion_clicked"),
        ("Заказ оформлен", "заказ_оформлен"),
        ("Tasting 2 Booked", "tasting_2_booked"),
        # no message of ours, whatever a stranger's word
        ("Click", "click_event"),
        ("Order", "order_event"),
        ("touch", "touch_event"),
        ("Newsletter Opened", "newsletter_opened"),
        ("Email Bounced", "email_bounced"),
        ("Email Marked as Spam", "email_marked_as_spam"),
        ("Unsubscribed", "unsubscribed"),
    ],
)
def test_the_type_of_an_event(event, kind):
    assert read_row(event).type == kind


@pytest.mark.parametrize(
    ("event", "kind", "channel"),
    [
        ("Email Delivered", "touch", "email"),
        ("Email Sent", "touch", "email"),
        ("Email Opened", "open", "email"),
        ("Email Link Clicked", "click", "email"),
        ("email_clicked", "click", "email"),
        ("SMS Delivered", "touch", "sms"),
        ("Text Message Link Clicked", "click", "sms"),
        ("Push Notification Received", "touch", "push"),
        ("Push Notification Tapped", "click", "push"),
        ("Push Opened", "open", "push"),
        ("Mail Sent", "touch", "mail"),
        ("Email Bounced", "email_bounced", "email"),
        ("Unsubscribed", "unsubscribed", "email"),
    ],
)
def test_messages_of_ours(event, kind, channel):
    row = read_row(event, {"email_id": "e-1", "campaign_id": 7, "link_id": "l"})
    assert (row.type, row.channel, row.message_id, row.promotion_id) == (kind, channel, "e-1", "7")


def test_a_message_may_be_named_by_message_id():
    assert read_row("SMS Delivered", {"message_id": 5}).message_id == "5"


@pytest.mark.parametrize(
    ("step", "kind"),
    [(2, ":2"), ("shipping", ":shipping"), (None, "")],
)
def test_a_step_of_the_checkout_is_part_of_its_type(step, kind):
    for name in ("viewed", "completed"):
        row = read_row(f"Checkout Step {name}", {"step": step})
        assert row.type == f"checkout_step_{name}{kind}"


def test_a_page_and_a_screen_are_seen():
    assert read_row(None, type="page", name="Home")[3:5] == ("page_view", None)
    screen = read_row(None, {"store_id": "S1"}, type="screen")
    assert (screen.channel, screen.type, screen.region_id) == ("app", "screen_view", "S1")


@pytest.mark.parametrize(
    ("properties", "members", "channel"),
    [
        # the first that says one
        ({"channel": " Store "}, {"context": {"channel": "mobile"}}, "store"),
        ({"channel": "kiosk"}, {"context": {"channel": "mobile"}}, "app"),
        ({"channel": 5}, {}, "web"),
        ({"store_id": "S1"}, {"context": {"channel": "browser"}}, "web"),
        ({"store_id": "S1"}, {"context": {"channel": "server"}}, "store"),
        ({}, {"context": {"channel": "mobile"}, "type": "page"}, "app"),
        ({}, {"context": {"device": {"type": "iOS"}}}, "app"),
        ({"store_id": "S1"}, {"context": {"device": {"type": "android"}}}, "app"),
        ({}, {"context": {"device": {"type": "till"}}}, "web"),
        ({}, {"context": {"channel": ["x"], "device": {"type": 3}}}, "web"),
        ({}, {}, "web"),
    ],
)
def test_the_channel_of_an_event(properties, members, channel):
    assert read_row("Tasting Booked", properties, **members).channel == channel


def test_a_channel_that_is_stated_counts_before_that_of_the_name():
    assert read_row("Email Opened", {"channel": "app"}).channel == "app"


@pytest.mark.parametrize(
    ("properties", "region"),
    [
        ({"store_id": "S1", "region": "North"}, "S1"),
        ({"store_id": "", "region": " North "}, "North"),
        ({"region": 12}, "12"),
        # free text, which only orders fall back on
        ({"affiliation": "Google Store"}, None),
        ({"region": "  "}, None),
    ],
)
def test_the_region_of_an_event(properties, region):
    assert read_row("Product Viewed", properties).region_id == region


@pytest.mark.parametrize(
    ("zone", "kept"),
    [("Europe/Berlin", "Europe/Berlin"), ("Berlin", None), ("../etc", None), (3, None)],
)
def test_the_zone_of_a_device(zone, kept):
    assert read_row("A", context={"timezone": zone}).device_time_zone == kept


@pytest.mark.parametrize(
    ("properties", "value"),
    [
        ({"price": 4.5, "quantity": 2}, 9.0),
        ({"price": 4.5}, 4.5),
        ({"price": 4.5, "value": 3}, 3.0),
        ({"revenue": 0}, 0.0),
        ({"quantity": 2}, None),
    ],
)
def test_what_a_product_that_is_seen_is_worth(properties, value):
    row = read_row("Product Added", {**properties, "sku": "s", "currency": "usd"})
    assert (row.product_id, row.currency, row.value) == ("s", "USD", value)
    assert row.quantity == properties.get("quantity")


def test_a_product_is_known_by_its_id_before_its_sku():
    assert read_row("Product Viewed", {"product_id": 1, "sku": "s"}).product_id == "1"


def test_a_coupon_that_is_applied():
    row = read_row("Coupon Applied", {"coupon_id": "C", "order_id": "o", "discount": "5 off"})
    assert (row.type, row.promotion_id, row.order_id) == ("redemption", "C", "o")


def test_what_a_stranger_calls_a_value_is_not_money():
    row = read_row("Form Field Changed", {"value": "Berlin", "price": "free", "quantity": -1})
    assert row == EventRow("m1", AT, "web", "form_field_changed")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price", "4.50"),
        ("price", -1),
        ("price", 1e13),
        ("price", True),
        ("quantity", -2),
        ("quantity", "two"),
        ("product_id", "x" * 256),
        ("product_id", ["p"]),
        ("product_id", 10**300),
        ("product_id", "a\u0000b"),
        ("order_id", "a\nb"),
        ("store_id", {"id": 1}),
        ("currency", "euro"),
        ("currency", "€€€"),
    ],
)
def test_properties_that_are_refused(name, value):
    detail = refuse(f"/properties/{name}", "Product Viewed", {name: value}).detail
    assert "expected" in detail.lower()


def test_text_is_stripped_and_may_hold_any_letter():
    assert read_row("Product Viewed", {"product_id": "\tCafé\u00a0crème \n"}).product_id == (
        "Café\u00a0crème"
    )


@pytest.mark.parametrize("kind", ["identify", "group", "alias", "delete"])
def test_what_is_no_event_has_no_rows(kind):
    message = read(None, {"price": "any"}, type=kind, previousId="p")
    assert (message.rows, message.order) == ((), None)
