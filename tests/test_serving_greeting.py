"""What `almanac serve` says when it starts, and when it cannot."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from features.project import load_project
from serving.greeting import greet
from serving.launch import NotStarted, is_alive, start
from serving.settings import ServingSettings


class Answers(BaseHTTPRequestHandler):
    """A service that says what it is told to."""

    bodies: dict[str, Any] = {}  # noqa: RUF012 - set by each test

    def do_GET(self) -> None:
        body = json.dumps(self.bodies.get(self.path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def settings() -> Iterator[ServingSettings]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield ServingSettings(port=server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def model(kind: str, state: str, **more: object) -> dict[str, object]:
    return {"kind": kind, "state": state, "model_version": None, "refused_version": None} | more


def test_it_says_which_models_answer(settings):
    damaged = {"refused_version": "2", "reason": "v2/a.parquet: damaged"}
    Answers.bodies = {
        "/readyz": {
            "models": [
                model("demand", "loaded", model_version="7"),
                model("promotion", "refused", **damaged),
            ]
        }
    }
    first, pages, demand, promotion = greet(settings, " -p x.toml")
    assert first == f"serving at http://127.0.0.1:{settings.port}; stop with Ctrl+C"
    assert f"  Overview            http://127.0.0.1:{settings.port}/\n" in pages
    assert demand == "demand: version 7 answers"
    assert "version 2 cannot answer: v2/a.parquet: damaged" in promotion
    assert "almanac promote promotion -p x.toml puts it back" in promotion


def test_nothing_is_published(settings):
    models = [model("demand", "not-published"), model("promotion", "not-published")]
    Answers.bodies = {"/readyz": {"models": models}}
    _, _, demand, _, last = greet(settings)
    assert demand.endswith("Next: almanac train demand, then almanac promote demand")
    assert last.startswith("no model answers yet")


def test_a_service_that_says_nothing_is_greeted_all_the_same(settings):
    Answers.bodies = {}
    assert len(greet(settings)) == 1


def test_a_taken_port_says_by_whom(settings, tmp_path):
    (tmp_path / "almanac.toml").write_text(f"[serving]\nport = {settings.port}\n")
    project = load_project(tmp_path / "almanac.toml")
    Answers.bodies = {"/livez": {"status": "well"}}
    assert not is_alive(settings)
    with pytest.raises(NotStarted, match=r"cannot listen on .* another port"):
        start(project)
    Answers.bodies = {"/livez": {"status": "alive"}}
    with pytest.raises(NotStarted, match=r"a service of Almanac answers at .* already"):
        start(project)


def test_a_damaged_store_of_customers_is_refused_at_once(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "almanac.toml").write_text(f"[serving]\nport = {port}\n")
    (tmp_path / ".almanac").mkdir()
    (tmp_path / ".almanac" / "customers.db").write_bytes(b"no database at all" * 400)
    with pytest.raises(NotStarted, match=r"not a database.*almanac doctor"):
        start(load_project(tmp_path / "almanac.toml"))


def test_a_port_whose_owner_says_nothing(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (tmp_path / "almanac.toml").write_text(f"[serving]\nport = {port}\n")
        with pytest.raises(NotStarted, match="cannot listen"):
            start(load_project(tmp_path / "almanac.toml"))
