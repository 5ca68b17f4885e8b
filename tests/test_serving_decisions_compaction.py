"""Spool files become Parquet once, wherever it is cut short."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from features.served.places import ServedPlaces, list_spool
from serving.decisions.compaction import Compacted, compact
from serving.decisions.lines import Candidate, DecisionRow, OutcomeLine
from serving.decisions.spool import Spool
from tests.conftest import NOW

STEPS = ("written", "removed")


def make_line(name: str, decided_at=NOW) -> bytes:
    candidates = [Candidate("2026-11-05T09:00:00+01:00", "email", 0.25, 1.0)]
    row = DecisionRow(
        name, "r", decided_at, "p" * 32, "send-times", "champion", "3", "best", "h", "global",
        candidates, 0, 1.0, False, True, False, 9,
    )  # fmt: skip
    return msgspec.json.encode(row) + b"\n"


def make_outcome(name: str, kind: str = "opened", value: float | None = None) -> bytes:
    return msgspec.json.encode(OutcomeLine(name, kind, NOW, value, None, NOW)) + b"\n"


def read_ids(folder: Path) -> list[str]:
    files = sorted(folder.rglob("*.parquet"))
    return sorted(i for path in files for i in pq.read_table(path)["decision_id"].to_pylist())


def fill(places: ServedPlaces, *lines: bytes) -> Spool:
    spool = Spool(places.decision_spool, 1 << 30, sync_seconds=0)
    for line in lines:
        spool.append(line, NOW)
    return spool


def test_closed_files_become_one_part_a_day_and_go(tmp_path):
    places = ServedPlaces(tmp_path)
    fill(places, make_line("a"), make_line("b", NOW + timedelta(days=1))).close()
    assert compact(places) == Compacted(files=1, decisions=2)
    assert list_spool(places.decision_spool) == []
    days = sorted(path.parent.name for path in places.decisions.rglob("*.parquet"))
    assert days == ["date=2026-11-04", "date=2026-11-05"]
    (first, _) = sorted(places.decisions.rglob("*.parquet"))
    (row,) = pq.read_table(first).to_pylist()
    assert (row["decided_at"], row["propensity"], row["chosen"]) == (NOW, 1.0, 0)
    assert row["candidates"] == [
        {
            "start": "2026-11-05T09:00:00+01:00",
            "channel": "email",
            "probability": 0.25,
            "propensity": 1.0,
        }
    ]
    assert compact(places) == Compacted()


def test_a_file_that_is_written_to_is_left_alone(tmp_path):
    places = ServedPlaces(tmp_path)
    spool = fill(places, make_line("a"))
    assert compact(places) == Compacted()
    spool.append(make_line("b"), NOW + timedelta(hours=1))
    spool.sync()  # lets go of the hour before
    assert compact(places).decisions == 1
    spool.close()
    assert compact(places).decisions == 1
    assert read_ids(places.decisions) == ["a", "b"]


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_neither_loses_nor_doubles(tmp_path, step):
    places = ServedPlaces(tmp_path)
    spool = fill(places, make_line("a"), make_line("b"))
    spool.append(make_line("c"), NOW + timedelta(hours=1))
    spool.close()

    def crash(done: str) -> None:
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compact(places, crash)
    compact(places)
    assert read_ids(places.decisions) == ["a", "b", "c"]
    assert list_spool(places.decision_spool) == []
    assert not list(places.folder.rglob("*.partial"))


def test_a_disk_that_fails_while_parts_are_written_keeps_the_lines(tmp_path, monkeypatch):
    places = ServedPlaces(tmp_path)
    fill(places, make_line("a")).close()

    def refuse(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="No space"):
            compact(places)
    assert len(list_spool(places.decision_spool)) == 1
    compact(places)
    assert read_ids(places.decisions) == ["a"]


WRITER = """
import sys
from pathlib import Path
from features.served.places import ServedPlaces
from serving.decisions.spool import Spool
from tests.conftest import NOW
from tests.test_serving_decisions_compaction import make_line
spool = Spool(ServedPlaces(Path(sys.argv[1])).decision_spool, 1 << 30)
for number in range(10**9):
    spool.append(make_line(f"{number:09d}"), NOW)
    print(number, flush=True)
"""


def test_kill_nine_loses_nothing_that_was_acknowledged(tmp_path):
    places = ServedPlaces(tmp_path)
    root = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    acknowledged = [int(process.stdout.readline()) for _ in range(300)][-1]
    assert compact(places) == Compacted()  # its writer lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with list_spool(places.decision_spool)[0].open("ab") as file:
        file.write(make_line("torn")[:40])
    done = compact(places)
    assert done.torn == 1
    ids = read_ids(places.decisions)
    assert ids == [f"{number:09d}" for number in range(len(ids))]
    assert len(ids) > acknowledged


def test_the_same_outcome_twice_is_one(tmp_path):
    places = ServedPlaces(tmp_path)
    spool = Spool(places.outcome_spool, 1 << 30, sync_seconds=0)
    for line in (make_outcome("a"), make_outcome("a"), make_outcome("a", "clicked")):
        spool.append(line, NOW)
    spool.close()
    assert compact(places) == Compacted(files=1, outcomes=2)
    assert read_ids(places.outcomes) == ["a", "a"]


def test_two_at_once_write_each_line_once(tmp_path):
    places = ServedPlaces(tmp_path)
    for number in range(6):
        fill(places, *(make_line(f"{number}-{i}") for i in range(50))).close()
    code = (
        "import sys, json; from pathlib import Path\n"
        "from features.served.places import ServedPlaces\n"
        "from serving.decisions.compaction import compact\n"
        "print(json.dumps(compact(ServedPlaces(Path(sys.argv[1]))).decisions))"
    )
    root = Path(__file__).parents[1]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    assert sum(json.loads(run.communicate()[0]) for run in runs) == 300
    assert len(read_ids(places.decisions)) == 300


def test_what_was_added_is_on_the_disk_within_a_second_or_so(tmp_path):
    spool = Spool(tmp_path, 1 << 20, sync_seconds=0.05)
    spool.append(b"{}\n", NOW)
    deadline = time.monotonic() + 5
    while spool.is_dirty and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not spool.is_dirty
    spool.close()
