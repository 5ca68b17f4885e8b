"""The command line of live customers, as an operator types it."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

import almanac
from features.errors import AlmanacError
from serving.campaigns.drafts import DraftShelf
from serving.customers.store import CustomerStore
from tests.customer_messages import receive, view, write_project


@pytest.fixture
def shop(tmp_path, monkeypatch):
    project = write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return project


def run(*words: str) -> str:
    result = CliRunner().invoke(almanac.app, list(words), input="y\n")
    if isinstance(result.exception, AlmanacError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def write_lines(path, *messages: dict) -> None:
    path.write_text("".join(json.dumps(message) + "\n" for message in messages))


def test_ingest_show_split_erase_and_purge(shop, tmp_path):
    track = {"type": "track", "event": "Read", "timestamp": "2026-01-05T10:00:00Z"}
    write_lines(
        tmp_path / "e.jsonl",
        {**track, "messageId": "1", "userId": "ann"},
        {**track, "messageId": "2", "anonymousId": "x"},
        {**track, "messageId": "3", "userId": "ann", "anonymousId": "x"},
        {**track, "messageId": "4"},
    )
    said = run("ingest", "e.jsonl")
    assert "3 accepted, 0 known before, 1 rejected (1 missing-identifier)" in said
    assert "1 dead letters wait" in said
    assert "#1 e.jsonl missing-identifier" in run("dead-letters")
    assert "1 rejected again" in run("dead-letters", "--replay")
    shown = run("identity", "show", "ann")
    assert "user_id: ann" in shown
    assert "anonymous_id: x" in shown
    assert "merge 1: 1 and 2, by 3" in shown
    assert "split into 2 people" in run("identity", "split", "1", "--reason", "two people")
    assert "split" in run("identity", "show", "ann")
    assert "erased: 2 events" in run("erase", "ann").replace("1 dead letters, ", "")
    draft = DraftShelf(shop.workspace.root)
    draft.write("d" * 32, b"{}")
    os.utime(draft.folder / ("d" * 32), (0, 0))
    assert "erased ids from files" in run("purge")
    assert list(draft.folder.iterdir()) == []  # past its day
    assert [json.loads(line)["action"] for line in run("keys", "audit").splitlines()] == ["erasure"]
    with pytest.raises(AlmanacError, match="nobody is known"):
        run("identity", "show", "ann")


def test_proposals_are_reviewed_by_number_and_by_question(shop):
    store = CustomerStore.open(shop)
    store.apply(receive(*(view(f"m{n}", ("anonymous_id", f"a{n}")) for n in range(4))))
    with store.write() as session:
        for number, (one, two) in enumerate(((1, 2), (3, 4)), start=1):
            session.run(
                "INSERT INTO proposals (node, other, probability, reasons, at, number) "
                "VALUES (?, ?, .9, 'same name', 0, ?)",
                (one, two, number),
            )
    assert "rejected 2" in run("identity", "review", "--reject", "2")
    asked = run("identity", "review")
    assert "1: 90.0%, same name" in asked
    assert store.find("a0") == store.find("a1")
    assert store.find("a2") != store.find("a3")
    with pytest.raises(AlmanacError, match="there is none that waits"):
        run("identity", "review", "--accept", "2")
    store.close()


def test_history_that_is_read_from_the_store_is_not_taken_in_again(shop):
    with pytest.raises(AlmanacError, match="holds its history already"):
        run("ingest", "--history")
