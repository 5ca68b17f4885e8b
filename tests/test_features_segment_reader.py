"""Reading the outside of messages: who, when, what is refused and why, whatever the bytes are."""

import json
import math
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest
from features.identity.identifiers import Identifier, IdentityRules
from features.schema import CHANNELS
from features.segment.envelope import MAX_CONTEXT_BYTES, Envelope, split_batch
from features.segment.messages import EventRow, Message, Rejected
from features.segment.reader import MessageReader
from features.segment.reasons import SENTENCES, Reason

RULES = IdentityRules(blocked=(r"49800.*",))
READER = MessageReader(
    RULES, oldest=datetime(2000, 1, 1, tzinfo=UTC), future=timedelta(days=1), max_event_bytes=4096
)
SECOND = 1_000_000
NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * SECOND
"""When every message here is received."""


def write(**members):
    given = {"type": "track", "messageId": "m1", "userId": "ann", "event": "Tasting Booked"}
    return json.dumps({k: v for k, v in {**given, **members}.items() if v != ...}).encode()


def read(envelope=None, reader=READER, **members):
    return reader.read(write(**members), NOON, envelope)


def accept(envelope=None, reader=READER, **members):
    message = read(envelope, reader, **members)
    assert isinstance(message, Message), message
    return message


def refuse(reason, pointer=None, envelope=None, **members):
    rejected = read(envelope, **members)
    assert isinstance(rejected, Rejected), rejected
    assert (rejected.reason, rejected.pointer) == (reason, pointer)
    return rejected


def test_a_whole_message():
    message = accept(
        anonymousId="a-1", timestamp="2026-11-25T11:00:00.5Z", properties={"store_id": 17}
    )
    at = NOON - 3600 * SECOND + SECOND // 2
    assert message == Message(
        "m1",
        "track",
        at,
        True,
        (Identifier("user_id", "ann"), Identifier("anonymous_id", "a-1")),
        rows=(EventRow("m1", at, "store", "tasting_booked", "17"),),
    )


# Times


SENT = "2026-11-25T09:00:10Z"
OWN = "2026-11-25T09:00:00Z"


@pytest.mark.parametrize(
    ("times", "seconds", "has_own"),
    [
        ({}, 0, False),
        ({"sentAt": SENT}, 0, False),
        # the sender's clock is three hours slow; it happened 10 s before it was sent
        ({"timestamp": OWN, "sentAt": SENT}, -10, True),
        ({"originalTimestamp": OWN, "sentAt": SENT}, -10, True),
        (
            {"originalTimestamp": OWN, "timestamp": "2026-11-25T01:00:00Z", "sentAt": SENT},
            -10,
            True,
        ),
        # without sentAt nothing is known of that clock
        ({"timestamp": OWN}, -3 * 3600, True),
        ({"originalTimestamp": OWN}, -3 * 3600, True),
        ({"originalTimestamp": "2026-11-25T01:00:00Z", "timestamp": OWN}, -3 * 3600, True),
        # a platform that forwards has corrected already
        ({"timestamp": OWN, "sentAt": SENT, "receivedAt": "2026-11-25T11:00:00Z"}, -10800, True),
        # or says when it received it, 11:00, less 10 s
        (
            {"originalTimestamp": OWN, "sentAt": SENT, "receivedAt": "2026-11-25T11:00:00Z"},
            -3610,
            True,
        ),
        ({"receivedAt": "2026-11-25T11:00:00Z"}, -3600, False),
        # sentAt is by another clock than the rest: the message's own time stands
        ({"timestamp": OWN, "sentAt": "2099-01-01T00:00:00Z"}, -3 * 3600, True),
        ({"timestamp": OWN, "sentAt": "1970-01-01T00:00:00Z"}, -3 * 3600, True),
        # both wrong by the same clock: 1 s apart
        ({"timestamp": "1970-01-01T00:00:00Z", "sentAt": "1970-01-01T00:00:01Z"}, -1, True),
        # zones, and none
        ({"timestamp": "2026-11-25T12:00:00+02:00"}, -2 * 3600, True),
        ({"timestamp": "2026-11-25T11:00:00"}, -3600, True),
        # a little in the future
        ({"timestamp": "2026-11-26T12:00:00Z"}, 86400, True),
    ],
)
def test_when_a_message_happened(times, seconds, has_own):
    message = accept(**times)
    assert (message.occurred_at, message.has_own_time) == (NOON + seconds * SECOND, has_own)


@pytest.mark.parametrize(
    ("times", "reason", "pointer"),
    [
        ({"timestamp": "1970-01-01T00:00:00Z"}, "time-out-of-range", "/timestamp"),
        ({"timestamp": "2100-01-01T00:00:00Z"}, "time-out-of-range", "/timestamp"),
        ({"timestamp": "2026-11-26T12:00:01Z"}, "time-out-of-range", "/timestamp"),
        ({"originalTimestamp": "1999-12-31T23:59:59Z"}, "time-out-of-range", "/originalTimestamp"),
        ({"receivedAt": "1999-12-31T23:59:59Z"}, "time-out-of-range", "/receivedAt"),
        ({"timestamp": 1764072000}, "invalid-time", "/timestamp"),
        ({"timestamp": 1764072000000.5}, "invalid-time", "/timestamp"),
        ({"timestamp": "yesterday"}, "invalid-time", "/timestamp"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "invalid-time", "/timestamp"),
        ({"sentAt": ""}, "invalid-time", "/sentAt"),
    ],
)
def test_times_that_are_refused(times, reason, pointer):
    assert refuse(reason, pointer, **times).message_id == "m1"


def test_a_file_was_not_received_when_it_was_read():
    message = accept(Envelope(is_received_now=False), timestamp=OWN, sentAt=SENT)
    assert message.occurred_at == NOON - 3 * 3600 * SECOND


def test_what_is_older_than_is_kept_is_refused():
    reader = MessageReader(
        RULES,
        oldest=datetime(2000, 1, 1, tzinfo=UTC),
        future=timedelta(0),
        retention=timedelta(days=30),
    )
    assert accept(reader=reader, timestamp="2026-10-26T12:00:00Z").has_own_time
    rejected = read(reader=reader, timestamp="2026-10-26T11:59:59Z")
    assert rejected.reason == Reason.TIME_OUT_OF_RANGE


# Identifiers


def test_every_identifier_is_found_cleaned_and_in_order():
    message = accept(
        type="identify",
        userId=1234,
        anonymousId="a-1",
        traits={"email": " Ann@Example.COM ", "phone": "+49 (30) 123-456", "loyalty_id": 99},
        context={
            "device": {"id": "d-1", "advertisingId": "shared", "type": "ios"},
            "traits": {"email": "other@example.com", "loyaltyCard": "L2"},
            "externalIds": [
                {"id": "E1", "type": "email", "collection": "users", "encoding": "none"},
                {"id": "b@example.com", "type": "email"},
                {"id": "x", "type": "cross_domain_id"},
            ],
        },
    )
    assert message.identifiers == (
        ("user_id", "1234"),
        ("email", "ann@example.com"),
        ("email", "b@example.com"),
        ("phone", "+4930123456"),
        ("loyalty_card", "99"),
        ("loyalty_card", "L2"),
        ("device_id", "d-1"),
        ("anonymous_id", "a-1"),
    )
    assert message.rows == ()


def test_a_priority_of_ones_own_decides_the_order():
    rules = IdentityRules(priority=("anonymous_id", "user_id"))
    reader = MessageReader(rules, oldest=datetime(2000, 1, 1, tzinfo=UTC), future=timedelta(0))
    assert [kind for kind, _ in accept(reader=reader, anonymousId="a").identifiers] == [
        "anonymous_id",
        "user_id",
    ]


@pytest.mark.parametrize("user", [77, 77.0, "77", " 77 "])
def test_a_number_is_an_identifier(user):
    assert accept(userId=user).identifiers == (("user_id", "77"),)


def test_a_till_needs_no_more_than_a_card():
    message = accept(userId=..., properties={"loyalty_card": "L-7"})
    assert message.identifiers == (("loyalty_card", "L-7"),)


def test_an_address_in_a_form_may_be_that_of_a_friend():
    refuse("missing-identifier", userId=..., properties={"email": "friend@example.com"})


def test_the_traits_of_a_group_are_not_of_the_person():
    message = accept(type="group", groupId="g", traits={"email": "info@example.com", "seats": 9})
    assert (message.identifiers, message.traits) == ((("user_id", "ann"),), {})


@pytest.mark.parametrize("given", [{}, {"userId": None}, {"userId": "", "anonymousId": ""}])
def test_no_identifier(given):
    refuse("missing-identifier", **{"userId": ..., **given})


@pytest.mark.parametrize(
    "given",
    [
        {"userId": "null", "anonymousId": "00000000-0000"},
        {"userId": ..., "context": {"traits": {"phone": "+49 800 1234567"}}},
        {"userId": "x" * 256},
    ],
)
def test_only_blocked_identifiers(given):
    refuse("blocked-identifier", **given)


def test_one_blocked_identifier_of_two_is_dropped():
    assert accept(userId="null", anonymousId="a").identifiers == (("anonymous_id", "a"),)


def test_an_alias_names_what_the_user_was_called_before():
    message = accept(type="alias", previousId="anon-5")
    assert (message.previous, message.rows) == (("anonymous_id", "anon-5"), ())
    refuse("missing-previous-id", "/previousId", type="alias")
    refuse("blocked-identifier", "/previousId", type="alias", previousId="null")


def test_a_deletion_needs_no_id_and_is_the_same_when_sent_again():
    deletion = {"type": "delete", "messageId": ..., "timestamp": OWN}
    first, again, other, later = (
        accept(**deletion),
        accept(**deletion, event="x"),
        accept(**deletion, userId="bob"),
        accept(**{**deletion, "timestamp": SENT}),
    )
    assert first.message_id == again.message_id
    assert len({first.message_id, other.message_id, later.message_id}) == 3
    assert "ann" not in first.message_id
    assert accept(type="delete", messageId="d-1").message_id == "d-1"


# Traits and consent


def test_traits_come_from_an_identify_and_from_around_any_message():
    around = {"context": {"traits": {"plan": "old", "city": "Berlin"}}}
    assert accept(**around).traits == {"plan": "old", "city": "Berlin"}
    own = {"type": "identify", "traits": {"plan": "gold", "address": {"zip": [1, 2]}}}
    assert accept(**own, **around).traits == {
        "plan": "gold",
        "city": "Berlin",
        "address": {"zip": [1, 2]},
    }


def nest(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("levels", [1, 8])
def test_traits_of_eight_levels(levels):
    assert accept(type="identify", traits=nest(levels)).traits == nest(levels)


@pytest.mark.parametrize(
    ("traits", "reason"),
    [
        (nest(9), "too-deep"),
        ({"a": [[[[[[[[1]]]]]]]]}, "too-deep"),
        ({f"t{n}": n for n in range(251)}, "invalid-traits"),
        ({"n" * 101: 1}, "invalid-traits"),
        ({"a": {"b": 2**63}}, "invalid-traits"),
        (["a"], "invalid-traits"),
    ],
)
def test_traits_that_are_refused(traits, reason):
    refuse(reason, "/traits", type="identify", traits=traits)


def test_consent_is_a_mapping_to_true_or_false():
    def state(preferences):
        return {"context": {"consent": {"categoryPreferences": preferences}}}

    assert accept(**state({"ads": True, "mail": False})).consent == {"ads": True, "mail": False}
    assert accept(**state({})).consent == {}
    assert accept().consent is accept(context={"consent": {}}).consent is None
    place = "/context/consent/categoryPreferences"
    refuse("invalid-consent", place, **state({"ads": 1}))
    refuse("invalid-consent", place, **state(["ads"]))
    refuse("invalid-consent", "/context/consent", context={"consent": "yes"})


# The envelope


def test_the_address_says_the_type():
    message = accept(Envelope(type="identify"), type="track", traits={"a": 1})
    assert (message.type, message.traits) == ("identify", {"a": 1})
    assert accept(Envelope(type="page"), type=...).rows[0].type == "page_view"


@pytest.mark.parametrize(
    ("reason", "pointer", "members"),
    [
        ("unknown-type", "/type", {"type": "Track"}),
        ("unknown-type", "/type", {"type": ...}),
        ("unknown-type", "/type", {"type": 3}),
        ("missing-message-id", "/messageId", {"messageId": ...}),
        ("missing-message-id", "/messageId", {"messageId": ""}),
        ("long-message-id", "/messageId", {"messageId": "m" * 101}),
        ("long-message-id", "/messageId", {"messageId": "a\u0000b"}),
        ("invalid-field", "/messageId", {"messageId": 5}),
        ("invalid-field", "/userId", {"userId": ["ann"]}),
        ("invalid-field", "/userId", {"userId": True}),
        ("invalid-field", "/context/device", {"context": {"device": "phone"}}),
        ("missing-event", "/event", {"event": ...}),
        ("missing-event", "/event", {"event": " - "}),
        ("missing-event", "/event", {"event": "e" * 101}),
        ("invalid-property", "/properties", {"properties": [1]}),
    ],
)
def test_what_is_refused(reason, pointer, members):
    detail = refuse(reason, pointer, **members).detail
    assert detail.startswith(SENTENCES[Reason(reason)])


def test_a_hundred_characters_are_no_long_id():
    assert accept(messageId="é" * 100).message_id == "é" * 100


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "invalid-json"),
        (b"{", "invalid-json"),
        (b"[]", "invalid-json"),
        (b"null", "invalid-json"),
        (b'{"a": NaN}', "invalid-json"),
        (b'{"properties": {"price": Infinity}}', "invalid-json"),
        (b'{"a": "\xff"}', "invalid-json"),
        (b'{"a": "\\ud800"}', "invalid-json"),
        (b"{} {}", "invalid-json"),
        (b'{"a": "' + b"x" * 4096 + b'"}', "too-large"),
        (b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}", "too-deep"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "too-deep"),
    ],
)
def test_bytes_that_are_no_message(content, reason):
    rejected = READER.read(content, NOON)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason


def test_many_brackets_are_not_deep():
    assert accept(properties={"a": [{} for _ in range(40)], "b": "[" * 40 + '"{' * 40})


def test_of_a_member_that_is_stated_twice_the_last_counts():
    content = b'{"type":"page","type":"identify","messageId":"m","userId":"a","userId":"b"}'
    message = READER.read(content, NOON)
    assert (message.type, message.identifiers) == ("identify", (("user_id", "b"),))


def test_every_reason_has_a_sentence():
    assert set(SENTENCES) == set(Reason)


# Batches


def test_a_batch_fills_in_what_its_messages_do_not_state():
    outer = {"channel": "mobile", "timezone": "Europe/Berlin", "consent": None}
    inner = json.loads(write(context={"channel": "browser"}, timestamp=OWN))
    body = json.dumps({"batch": [inner, 5], "context": outer, "sentAt": SENT}).encode()
    (content, five), envelope = split_batch(body)
    message = READER.read(content, NOON, envelope)
    assert isinstance(message, Message)
    assert message.occurred_at == NOON - 10 * SECOND
    assert (message.rows[0].channel, message.rows[0].device_time_zone) == ("web", "Europe/Berlin")
    rejected = READER.read(five, NOON, envelope)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "invalid-json"


def test_a_message_of_a_batch_has_its_own_sent_at():
    body = {"batch": [json.loads(write(timestamp=OWN, sentAt=SENT))], "sentAt": OWN}
    (content,), envelope = split_batch(json.dumps(body).encode())
    assert READER.read(content, NOON, envelope).occurred_at == NOON - 10 * SECOND


@pytest.mark.parametrize(
    ("around", "reason", "pointer"),
    [
        ({"sentAt": 5}, "invalid-time", "/sentAt"),
        ({"context": "x"}, "invalid-field", "/context"),
        ({"context": {"traits": 1}}, "invalid-traits", "/context/traits"),
    ],
)
def test_what_is_wrong_around_a_batch_rejects_each_message(around, reason, pointer):
    (content,), envelope = split_batch(json.dumps({"batch": [{}], **around}).encode())
    rejected = READER.read(write(), NOON, envelope)
    assert content == b"{}"
    assert (rejected.reason, rejected.pointer) == (reason, pointer)
    assert READER.read(write(), NOON, envelope).message_id == "m1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"batch": {}}',
        b'{"batch": [NaN]}',
        b'{"batch": [' + b"[" * 9999 + b"]" * 9999 + b"]}",
        b'{"batch": [], "context": {"a": "' + b"x" * MAX_CONTEXT_BYTES + b'"}}',
    ],
)
def test_a_body_that_is_no_batch(body):
    with pytest.raises(InvalidRequest, match="expected"):
        split_batch(body)


def test_an_empty_batch():
    assert split_batch(b'{"batch": []}') == ([], Envelope())


# Whatever comes


def check_reading(content, envelope=None):
    found = READER.read(content, NOON, envelope)
    assert isinstance(found, Message | Rejected)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found)) is not None
    if isinstance(found, Rejected):
        assert found.reason in set(Reason)
        assert found.message_id is None or len(found.message_id) <= 100
        return
    assert found.identifiers
    for row in found.rows:
        assert row.channel in CHANNELS
        assert all(
            value is None or (math.isfinite(value) and value >= 0)
            for value in (row.quantity, row.value)
        )
    assert len({row.event_id for row in found.rows}) == len(found.rows)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**20, max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["null", "2026-11-25T09:00:00Z", "store", "EUR", "ann@example.com"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NUMBERS = st.floats(min_value=0, allow_infinity=False) | st.integers(min_value=0) | ANY


def members(names, values=ANY):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))


PRODUCT = members(["product_id", "sku", "coupon"]) | members(["price", "quantity"], NUMBERS)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["store_id", "channel", "region", "order_id", "coupon", "step"], ANY),
        **dict.fromkeys(["price", "quantity", "total", "subtotal", "discount", "tax"], NUMBERS),
        "products": st.lists(PRODUCT, max_size=3) | ANY,
        "currency": st.just("usd") | ANY,
    },
)
CONTEXT = members(["traits", "device", "externalIds", "timezone", "channel", "consent"]) | ANY
EVENTS = ["Order Completed", "Order Refunded", "Product Viewed", "Email Opened", "Coupon Applied"]
MESSAGE = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["track", "page", "identify", "alias", "group", "delete"]),
        "messageId": st.text(min_size=1, max_size=9) | ANY,
        "userId": st.text(min_size=1, max_size=9) | ANY,
    },
    optional={
        **dict.fromkeys(["timestamp", "sentAt", "receivedAt", "originalTimestamp"], ANY),
        **dict.fromkeys(["previousId", "anonymousId"], ANY),
        "event": st.sampled_from(EVENTS) | st.text() | ANY,
        "properties": PROPERTIES | ANY,
        "traits": st.dictionaries(st.text(max_size=8), ANY, max_size=4) | ANY,
        "context": CONTEXT,
    },
)


@given(MESSAGE)
@settings(max_examples=150, deadline=None)
def test_any_message_is_read_or_rejected(message):
    check_reading(json.dumps(message).encode())
    check_reading(json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200) | ANY.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_rejected(content):
    check_reading(content)
    check_reading(b'{"type":"identify","messageId":"m","userId":"u","traits":' + content + b"}")
    check_reading(write(), Envelope(surroundings=content))
    try:
        contents, envelope = split_batch(content)
    except InvalidRequest:
        return
    for inner in contents:
        check_reading(inner, envelope)


@given(MESSAGE, st.integers(min_value=0, max_value=400), st.binary(min_size=1, max_size=2))
@settings(max_examples=100, deadline=None)
def test_any_damage_is_read_or_rejected(message, at, damage):
    content = json.dumps(message).encode()
    check_reading(content[:at] + damage + content[at + 1 :])
