"""The database behind live customers: what several processes do at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.customers.database import SQLite, StoreUnavailable

OPEN_EACH = """
import sys, time
from pathlib import Path
from serving.customers.database import SQLite

folder, start = Path(sys.argv[1]), float(sys.argv[2])
for number in range(100):
    while time.time() < start + number * 0.03:
        pass
    session = SQLite(folder / f"{number}.db").connect()
    session.run("CREATE TABLE IF NOT EXISTS one (a)")
    session.close()
"""


def test_processes_that_make_a_file_together_all_open_it(tmp_path):
    start = str(time.time() + 2.0)
    command = [sys.executable, "-c", OPEN_EACH, str(tmp_path), start]
    root = Path(__file__).parents[1]
    running = [
        subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [process.communicate()[1] for process in running] == [""] * 3


def test_a_file_that_stays_locked_is_refused_when_the_time_is_up(tmp_path):
    path = tmp_path / "one.db"
    path.touch()
    holder = SQLite(path).connect()
    holder.run("PRAGMA journal_mode = delete")
    holder.run("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked"):
        SQLite(path, busy_seconds=0.05).connect()
    holder.close()
