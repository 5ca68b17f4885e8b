"""Files of messages: taken once, resumed where they ended, refused where they are broken."""

from __future__ import annotations

import gzip
import json

import pytest

from features.errors import SourceError
from features.progress import Silent
from serving.customers import files
from serving.customers.files import ingest_file
from serving.customers.replay import replay_letters
from serving.customers.store import CustomerStore
from tests.customer_messages import write_project

NOW = 1_790_000_000_000_000


@pytest.fixture
def store(tmp_path):
    store = CustomerStore.open(write_project(tmp_path))
    yield store
    store.close()


def write_lines(path, n, *, start=0, opener=open):
    lines = [
        json.dumps({"type": "track", "messageId": f"m{i}", "userId": f"u{i % 7}", "event": "Read",
                    "timestamp": "2025-03-01T10:00:00Z", "sentAt": "2025-03-01T10:00:05Z"})
        for i in range(start, start + n)
    ]  # fmt: skip
    with opener(path, "wt") as file:
        file.write("\n".join(lines) + "\n")
    return lines


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_a_file_is_taken_once(store, tmp_path, name):
    path = tmp_path / name
    write_lines(path, 50, opener=gzip.open if name.endswith("gz") else open)
    first = ingest_file(store, path, NOW, Silent())
    assert first.describe() == f"{name}: 50 accepted, 0 known before, 0 rejected"
    again = ingest_file(store, path, NOW, Silent())
    assert (again.skipped, sum(again.statuses.values())) == (50, 0)
    # a file was not sent at this moment: its times stand as they are
    times = store.session.rows("SELECT DISTINCT occurred_at FROM event_rows")
    assert times == [(1_740_823_200_000_000,)]


def test_a_file_that_grew_is_taken_from_where_it_ended(store, tmp_path):
    path = tmp_path / "events.jsonl"
    lines = write_lines(path, 30)
    ingest_file(store, path, NOW, Silent())
    more = write_lines(tmp_path / "more", 5, start=30)
    path.write_text("\n".join([*lines, *more]) + "\n")
    summary = ingest_file(store, path, NOW, Silent())
    assert (summary.skipped, summary.statuses["accepted"]) == (30, 5)


def test_an_ingest_that_was_stopped_goes_on_where_it_ended(store, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    path = tmp_path / "events.jsonl"
    write_lines(path, 100)
    apply, calls = store.apply, []

    def stop_at_the_third(*items, **more):
        calls.append(len(items[0]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return apply(*items, **more)

    monkeypatch.setattr(store, "apply", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        ingest_file(store, path, NOW, Silent())
    monkeypatch.setattr(store, "apply", apply)
    summary = ingest_file(store, path, NOW, Silent())
    assert summary.skipped == sum(calls[:2])
    assert summary.statuses["accepted"] == 100 - summary.skipped
    assert store.session.rows("SELECT COUNT(*) FROM event_rows") == [(100,)]


def test_lines_that_are_wrong_are_kept_with_their_reason_and_sent_again(store, tmp_path):
    path = tmp_path / "events.jsonl"
    good = '{"type":"track","messageId":"a","userId":"ann","event":"X"}'
    path.write_text(f'{good}\n{{"type":"track"}}\nnot json\n\n{good.replace("ann", "null")}\n')
    summary = ingest_file(store, path, NOW, Silent())
    assert summary.reasons == {
        "missing-message-id": 1, "invalid-json": 1, "blocked-identifier": 1,
    }  # fmt: skip
    kept = store.session.rows("SELECT reason, body IS NULL FROM dead_letters ORDER BY letter")
    # what is no JSON is not kept: nobody could find who stands in it
    assert kept == [("missing-message-id", 0), ("invalid-json", 1), ("blocked-identifier", 0)]

    store.session.run("UPDATE dead_letters SET body = replace(body, 'null', 'bob')")
    store.session.run("UPDATE dead_letters SET body = replace(body, '\"a\"', '\"b\"')")
    counts = replay_letters(store, None)
    assert counts == {"accepted": 1, "rejected": 1}
    reasons = store.session.rows("SELECT reason FROM dead_letters ORDER BY letter")
    assert sorted(reasons) == [("invalid-json",), ("missing-message-id",)]


def test_a_file_that_is_cut_off_is_taken_as_far_as_it_goes(store, tmp_path):
    path = tmp_path / "events.jsonl.gz"
    write_lines(path, 2000, opener=gzip.open)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(SourceError, match="mend the file and ingest it again"):
        ingest_file(store, path, NOW, Silent())
    ((taken,),) = store.session.rows("SELECT COUNT(*) FROM event_rows")
    assert 0 < taken < 2000
    write_lines(path, 2000, opener=gzip.open)
    assert ingest_file(store, path, NOW, Silent()).statuses["accepted"] == 2000 - taken


def test_a_file_that_is_not_there_is_said_so(store, tmp_path):
    with pytest.raises(SourceError, match=r"nothing\.jsonl: cannot be read: No such file"):
        ingest_file(store, tmp_path / "nothing.jsonl", NOW, Silent())


def test_a_line_that_is_still_being_written_is_taken_when_it_is_whole(store, tmp_path):
    path = tmp_path / "events.jsonl"
    whole = write_lines(path, 3)
    last = whole[-1].replace("m2", "m3")
    path.write_text("\n".join([*whole, last[:40]]))
    assert ingest_file(store, path, NOW, Silent()).statuses == {"accepted": 3}
    path.write_text("\n".join([*whole, last]))  # whole, though without an end
    assert ingest_file(store, path, NOW, Silent()).statuses == {"accepted": 1}
    assert store.session.rows("SELECT COUNT(*) FROM dead_letters") == [(0,)]
