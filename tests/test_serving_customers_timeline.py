"""What happened with a customer: in order, page by page, and no more than they agreed to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from features.identity.identifiers import Identifier
from features.segment.messages import EventRow, Message
from serving.access.scopes import AUDITED
from serving.api import build_api
from serving.customers.customers import open_customers
from serving.customers.timeline_contract import CustomerTimeline
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import FREE, START, receive, tell_order, view, write_project

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ANN = ("user_id", "ann")
SECOND = 1_000_000
PATH = "/v1/customers/ann/timeline"


class Service:
    def __init__(self, folder, published, open_client, more=FREE):
        predictor = Predictor.load(published)
        self.customers = open_customers(write_project(folder, more), predictor.champions)
        predictor.customers = self.customers
        limits = ServingSettings(is_request_logged=False)
        self.call = open_client(build_api(predictor, limits, clock=lambda: NOW))

    def take(self, *messages):
        self.customers.writer.store.apply(receive(*messages))

    def read(self, path=PATH, **params):
        answer = self.call("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return CustomerTimeline.model_validate_json(answer.content)

    def read_all(self, **params):
        """Every entry, page by page."""
        found = self.read(**params)
        entries = [*found.entries]
        while found.next_cursor is not None:
            found = self.read(**params, cursor=found.next_cursor)
            assert found.entries
            entries += found.entries
        return entries


@pytest.fixture
def service(tmp_path, published, open_client):
    service = Service(tmp_path, published, open_client)
    yield service
    service.customers.close()


def tell_touch(name, kind, at):
    row = EventRow(name, at, "email", kind, promotion_id="p1", message_id="letter")
    return Message(name, "track", at, True, (Identifier(*ANN),), rows=(row,))


def test_it_tells_all_kinds_the_newest_first(service):
    at = START + 100 * SECOND
    consent = Message(
        "c", "identify", at + 5 * SECOND, True, (Identifier(*ANN),), consent={"email": True}
    )
    service.take(
        view("v", ANN, at=at, region_id="r1", product_id="shoe"),
        tell_order("o", "ann", "order-1", 20.0, at=at + SECOND),
        tell_touch("t", "touch", at + 2 * SECOND),
        tell_touch("w", "open", at + 3 * SECOND),
        tell_touch("x", "click", at + 4 * SECOND),
        consent,
        tell_order("r", "ann", "order-1", 5.0, kind="refund", at=at + 6 * SECOND),
    )
    entries = service.read().entries
    assert [entry.kind for entry in entries] == [
        "refund", "consent", "message_clicked", "message_opened", "message_sent", "order", "event",
    ]  # fmt: skip
    refund, consented, clicked, _, _, order, visit = entries
    assert (refund.order_id, refund.value) == ("order-1", 5.0)
    assert consented.preferences == {"email": True}
    assert (clicked.message_id, clicked.promotion_id, clicked.channel) == ("letter", "p1", "email")
    assert (order.value, order.channel) == (15.0, "store")
    assert [line.product_id for line in order.lines or []] == ["p1"]
    assert (visit.type, visit.region_id, visit.product_id) == ("page_view", "r1", "shoe")
    assert visit.at == datetime(2023, 11, 14, 22, 15, tzinfo=UTC)


def test_pages_join_to_the_whole_without_gap_or_repetition(service):
    """Many things at one moment, of one person who was two: each is told once, in any page size."""
    for number in range(40):
        at = START + number // 7 * SECOND
        who = ANN if number % 2 else ("anonymous_id", "a")
        service.take(view(f"v{number}", who, at=at, product_id=str(number)))
    for number in range(6):
        service.take(
            tell_order(f"o{number}", "ann", f"order-{number}", 9.0, at=START + 2 * SECOND),
            tell_order(
                f"c{number}", "ann", f"order-{number}", None, kind="refund", at=START + 2 * SECOND
            ),
        )
    service.take(view("both", ANN, ("anonymous_id", "a"), at=START))
    whole = service.read(limit=200)
    assert whole.next_cursor is None
    assert [entry.kind for entry in whole.entries].count("merge") == 1
    assert len(whole.entries) == 40 + 6 + 6 + 1 + 1
    assert [one.at for one in whole.entries] == sorted((e.at for e in whole.entries), reverse=True)
    for limit in (1, 7, 50):
        assert service.read_all(limit=limit) == whole.entries


def test_what_arrives_between_two_pages_moves_nothing(service):
    service.take(*(view(f"v{n}", ANN, at=START + n * SECOND) for n in range(6)))
    first = service.read(limit=3)
    service.take(view("later", ANN, at=START + 99 * SECOND))
    second = service.read(limit=3, cursor=first.next_cursor)
    assert [entry.at.second - 20 for entry in (*first.entries, *second.entries)] == [
        5, 4, 3, 2, 1, 0,
    ]  # fmt: skip
    assert second.next_cursor is None


def test_a_channel_leaves_the_others_out_and_keeps_its_own_refunds(service):
    service.take(
        view("v", ANN),
        tell_order("o", "ann", "order-1", 20.0, at=START + SECOND),
        tell_order("r", "ann", "order-1", 5.0, kind="refund", at=START + 2 * SECOND),
        Message("c", "identify", START, True, (Identifier(*ANN),), consent={"email": True}),
    )
    assert [entry.kind for entry in service.read(channel="store").entries] == ["refund", "order"]
    assert [entry.kind for entry in service.read(channel="web").entries] == ["event"]
    assert service.read(channel="push").entries == []


def test_of_who_has_not_agreed_only_what_they_said_is_told(tmp_path, published, open_client):
    service = Service(tmp_path, published, open_client, "")
    service.take(
        view("v", ANN),
        Message("c", "identify", START, True, (Identifier(*ANN),), consent={"advertising": False}),
    )
    told = service.read()
    assert [entry.kind for entry in told.entries] == ["consent"]
    assert told.customer_id.startswith("person-")
    assert told.notes == ["the customer has not agreed to personalisation"]
    service.customers.close()


def test_a_cursor_is_of_one_person_and_channel(service):
    service.take(*(view(f"v{n}", ANN, at=START + n) for n in range(3)))
    service.take(*(view(f"w{n}", ("user_id", "bob"), at=START + n) for n in range(3)))
    cursor = service.read(limit=1).next_cursor
    for path, params in (
        ("/v1/customers/bob/timeline", {"cursor": cursor}),
        (PATH, {"cursor": cursor, "channel": "web"}),
        (PATH, {"cursor": "guess"}),
    ):
        answer = service.call("GET", path, params=params)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 201}, {"channel": "fax"}, {"page": 2}])
def test_a_query_that_is_not_known_is_refused(service, params):
    service.take(view("v", ANN))
    answer = service.call("GET", PATH, params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_is_told_of_who_is_not_known(service):
    assert service.call("GET", "/v1/customers/nobody/timeline").status_code == 404
    assert AUDITED["GET /v1/customers/{customer}/timeline"] == "timeline"


@pytest.mark.parametrize("channel", [None, "web"])
def test_a_page_is_read_from_the_end_of_an_index(service, channel):
    """The plan of the database, not a clock: no scan, no sort of everything."""
    within = "" if channel is None else "AND channel = 'web'"
    ((*_, plan), *rest) = service.customers.desk.session.rows(
        "EXPLAIN QUERY PLAN SELECT occurred_at, seq, type FROM event_rows WHERE node = 1 "
        f"AND is_hidden = 0 AND type <> 'item' {within} AND occurred_at <= 5 "
        "AND (occurred_at < 5 OR seq < 3) ORDER BY occurred_at DESC, seq DESC LIMIT 50"
    )
    assert "event_rows_by_time (node=? AND occurred_at<?)" in plan
    assert rest == []


def test_what_is_older_than_the_epoch_is_told(service):
    """Histories of long ago are imported, too."""
    early = int(timedelta(days=-400) / timedelta(microseconds=1))
    service.take(view("v", ANN, at=early))
    assert service.read(limit=1).entries[0].at.year == 1968
