"""Killed at any moment: what was acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from serving.customers.store import CustomerStore
from tests.customer_messages import FREE, write_project

BATCHES, SIZE = 40, 60


def make_batches(rng: random.Random) -> list[list[dict]]:
    """Views and orders; each order is worth 1, so that what they are worth counts them."""
    batches = []
    for batch in range(BATCHES):
        messages = []
        for place in range(SIZE):
            told = {"type": "track", "messageId": f"b{batch}-{place}",
                    "userId": f"u{rng.randrange(50)}", "anonymousId": f"a{rng.randrange(80)}",
                    "event": "Page Read", "timestamp": "2026-01-01T00:00:00Z"}  # fmt: skip
            if place % 10 == 0:
                bought = {"order_id": f"o{batch}-{place}", "revenue": 1.0}
                told |= {"event": "Order Completed", "properties": bought}
            messages.append(told)
        batches.append(messages)
    return batches


def feed(project_file: Path, batches: list[list[dict]], kill_after: float | None) -> set[int]:
    """Feed every batch to a process, which may be killed; return those it acknowledged."""
    root = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, str(root / "tests" / "customer_feeder.py"), str(project_file)],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip

    def send() -> None:
        try:
            for number, batch in enumerate(batches):
                process.stdin.write(f"{number}\t{json.dumps(batch)}\n")
        except BrokenPipeError:
            pass
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    sender = threading.Thread(target=send)
    sender.start()
    acknowledged = set()
    first = process.stdout.readline()
    if first.strip():
        acknowledged.add(int(first))
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process.pid, signal.SIGKILL)
    acknowledged.update(int(line) for line in process.stdout if line.endswith("\n"))
    process.wait()
    sender.join()
    process.stdout.close()
    return acknowledged


def kill_and_count(folder: Path, kills: int, seed: int) -> None:
    project, rng = write_project(folder, FREE), random.Random(seed)
    batches = make_batches(rng)
    acknowledged: set[int] = set()
    killed = 0
    for _ in range(kills):
        acknowledged |= feed(project.path, batches, rng.uniform(0.0, 0.12))
        store = CustomerStore.open(project)
        stored = {row[0] for row in store.session.rows("SELECT event_id FROM event_rows")}
        for number in acknowledged:
            assert {message["messageId"] for message in batches[number]} <= stored
        ((rows, distinct),) = store.session.rows(
            "SELECT COUNT(*), COUNT(DISTINCT event_id) FROM event_rows"
        )
        assert rows == distinct
        assert store.session.rows("PRAGMA integrity_check") == [("ok",)]
        killed += len(acknowledged) < BATCHES
        store.close()
    assert killed > 0
    assert feed(project.path, batches, None) == set(range(BATCHES))
    store = CustomerStore.open(project)
    ((rows, worth),) = store.session.rows(
        "SELECT COUNT(*), SUM(value) FROM event_rows WHERE is_hidden = 0"
    )
    assert (rows, worth) == (BATCHES * SIZE, BATCHES * SIZE / 10)
    ((orphans,),) = store.session.rows(
        "SELECT COUNT(*) FROM event_rows e LEFT JOIN nodes n ON n.node = e.node "
        "LEFT JOIN profiles p ON p.root = n.root WHERE p.root IS NULL"
    )
    assert orphans == 0
    store.close()


def test_a_killed_process_loses_nothing_it_acknowledged_and_doubles_nothing(tmp_path):
    kill_and_count(tmp_path, kills=4, seed=1)


@pytest.mark.slow
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path):
    kill_and_count(tmp_path, kills=50, seed=2)
