"""What the service logs holds no personal data, at any level, on any route, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from urllib.parse import quote

import pytest

from serving.api import build_api
from serving.customers.customers import open_customers
from serving.logs import JsonLines
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import write_project

ID, MAIL, PHONE, CARD = "kundin-4711", "ann.muster@example.org", "+4915112345678", "LOY-998877"
SECRETS = (ID, MAIL, PHONE, PHONE[1:], CARD, "ann.muster", "hunter2")
MESSAGE = {
    "messageId": f"m-{ID}",
    "userId": ID,
    "anonymousId": CARD,
    "event": "Order Completed",
    "timestamp": "2026-11-04T15:00:00Z",
    "traits": {"email": MAIL, "phone": PHONE, "loyaltyCard": CARD},
    "properties": {"order_id": CARD, "value": 12.0, "email": MAIL, "products": [{"id": ID}]},
    "context": {"traits": {"email": MAIL, "phone": PHONE}, "ip": "203.0.113.9"},
    "previousId": MAIL,
    "groupId": PHONE,
    "name": MAIL,
}
BODIES = (
    {"customers": [ID, MAIL, PHONE], "channels": [MAIL]},
    {"customers": [ID, MAIL, PHONE]},
    {"customers": [ID, ID], MAIL: PHONE},
    MESSAGE,
    {"batch": [MESSAGE, {**MESSAGE, "type": "track"}, {"type": "identify", "userId": MAIL}]},
    {"region": ID, "product": MAIL, "units": 5, "date": PHONE},
    [ID, MAIL, PHONE],
)
RAW = (b'{"userId": "' + MAIL.encode() + b'", ', MAIL.encode() + b"\xff", b"")


@pytest.fixture
def lines():
    """Every line of every logger, as the service would write it."""
    found: list[str] = []
    handler, formatter = logging.Handler(level=1), JsonLines()
    handler.emit = lambda record: found.append(formatter.format(record))
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, list(root.manager.loggerDict))]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(1)
        logger.propagate = True
    yield found
    root.removeHandler(handler)
    for logger, level, propagate in before:
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.fixture
def customers(tmp_path, published):
    predictor = Predictor.load(published)
    predictor.customers = open_customers(write_project(tmp_path), predictor.champions)
    yield predictor
    predictor.customers.close()


async def send(app, method: str, path: str, body: bytes, query: str, content_type: str) -> int:
    headers = {
        "content-type": content_type, "content-length": str(len(body)),
        "authorization": f"Bearer {MAIL}-hunter2", "cookie": f"user={MAIL}", "x-customer": ID,
        "user-agent": PHONE, "x-forwarded-for": PHONE, "idempotency-key": MAIL,
        "x-request-id": MAIL, "x-signature": f"sha1={MAIL}",
    }  # fmt: skip
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": quote(path).encode(),
        "query_string": query.encode(), "root_path": "", "client": (PHONE, 1), "scheme": "http",
        "http_version": "1.1", "server": ("almanac", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    status = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def take(message):
        status.extend([message["status"]] if message["type"] == "http.response.start" else [])

    await app(scope, receive, take)
    return status[0]


def list_addresses(app) -> list[tuple[str, str]]:
    """Every route and method of the service, with something personal where a path has a place."""
    found = []
    for route in app.app.routes:
        for method in sorted({*route.methods, "PATCH"}):
            for who in (ID, f"email:{MAIL}", f"phone:{PHONE}"):
                path = re.sub(r"\{(customer:path|draft)\}", who, route.path)
                if (method, path) not in found:
                    found.append((method, path))
    assert not [path for _, path in found if "{" in path]
    return [*found, ("GET", f"/{MAIL}"), (MAIL, "/livez"), ("GET", f"/v1/nothing/{PHONE}")]


def send_everything(app) -> set[int]:
    query = f"region={quote(MAIL)}&{quote(MAIL)}={quote(PHONE)}&email={quote(MAIL)}&id={ID}"
    contents = [*(json.dumps(body).encode() for body in BODIES), *RAW]

    async def run():
        statuses = set()
        for method, path in list_addresses(app):
            for content in contents if method in ("POST", "PUT") else [b""]:
                for asked in ("", query):
                    statuses.add(await send(app, method, path, content, asked, "application/json"))
            statuses.add(await send(app, method, path, MAIL.encode(), "", f"text/{MAIL}"))
        return statuses

    return asyncio.run(run())


def check(lines: list[str], least: int) -> None:
    assert len(lines) >= least
    for line in lines:
        json.loads(line)
        assert not [secret for secret in SECRETS if secret in line], line


def test_no_route_logs_what_was_sent_to_it(customers, lines):
    app = build_api(customers, ServingSettings())
    statuses = send_everything(app)
    assert {200, 404, 405, 415, 422} <= statuses
    assert 500 not in statuses
    check(lines, least=200)


def test_nor_where_there_is_no_model_and_no_store(tmp_path, lines):
    statuses = send_everything(build_api(Predictor.load(tmp_path), ServingSettings()))
    assert 503 in statuses
    check(lines, least=200)


def test_nor_when_everything_fails_with_words_that_quote_rows(customers, lines, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"row {ID}: {MAIL}, {PHONE} is not of this type")

    monkeypatch.setattr(type(customers), "send_times", fail)
    monkeypatch.setattr(type(customers.customers.writer), "submit", fail)
    monkeypatch.setattr(type(customers.customers.view), "tell", fail, raising=False)
    monkeypatch.setattr(type(customers.customers.writer.store), "apply", fail)
    statuses = send_everything(build_api(customers, ServingSettings()))
    assert 500 in statuses
    failed = [json.loads(line) for line in lines if '"request failed"' in line]
    assert {line["error"] for line in failed} == {"RuntimeError"}
    assert all(line["at"] for line in failed)
    check(lines, least=200)


def test_the_lines_would_show_it(lines):
    logging.getLogger("almanac.serving").debug("a line with %s in it", MAIL)
    with pytest.raises(AssertionError, match="a line with"):
        check(lines, least=1)
