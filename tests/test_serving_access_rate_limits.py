"""Limits per key: exact, over all workers, whatever the calendar clock does."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from features.project import load_project
from serving.access.callers import Caller, open_access
from serving.access.rate_limits import N_SLOTS, RateLimits

SECOND = 1_000_000_000


class Clock:
    def __init__(self):
        self.now = 1000 * SECOND

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limits(tmp_path, clock):
    limits = RateLimits(tmp_path / "limits", clock)
    yield limits
    limits.close()


def test_a_minutes_quota_may_come_at_once_then_one_by_one(limits, clock):
    taken = [limits.take("a", 6) for _ in range(8)]
    assert [quota.is_allowed for quota in taken] == [True] * 6 + [False] * 2
    assert [quota.remaining for quota in taken] == [5, 4, 3, 2, 1, 0, 0, 0]
    assert taken[0].headers() == {
        "RateLimit-Policy": '"key";q=6;w=60',
        "RateLimit": '"key";r=5;t=10',  # one request of six takes ten seconds to come back
    }
    assert taken[7].retry_seconds == 10
    assert taken[7].reset_seconds == 60
    clock.now += 10 * SECOND - 1
    assert not limits.take("a", 6).is_allowed
    clock.now += 1
    assert [limits.take("a", 6).is_allowed for _ in range(2)] == [True, False]
    clock.now += 60 * SECOND
    assert sum(limits.take("a", 6).is_allowed for _ in range(9)) == 6


def test_callers_do_not_share_a_quota(limits):
    assert [limits.take(name, 1).is_allowed for name in "abab"] == [True, True, False, False]


def test_against_a_plain_leaky_bucket(limits, clock):
    """An independent oracle: a bucket that empties by itself, in whole nanoseconds."""
    rng = random.Random(3)
    limit, level, last = 7, 0, clock.now  # the level in requests × 60 seconds
    for _ in range(3000):
        clock.now += rng.randrange(0, 15 * SECOND)
        level, last = max(0, level - (clock.now - last)), clock.now
        cost = 60 * SECOND // limit
        fits = level + cost <= cost * limit
        level += cost if fits else 0
        assert limits.take("a", limit).is_allowed == fits


def test_a_clock_that_began_anew_with_the_machine_locks_nobody_out(tmp_path):
    clock = Clock()
    before = RateLimits(tmp_path / "limits", clock)
    clock.now = 10**15
    assert [before.take("a", 1).is_allowed for _ in range(2)] == [True, False]
    before.close()
    clock.now = 5 * SECOND
    after = RateLimits(tmp_path / "limits", clock)
    assert after.take("a", 1).is_allowed
    after.close()


def test_the_file_does_not_grow_with_callers(limits, clock, tmp_path):
    size = (tmp_path / "limits").stat().st_size
    for number in range(2 * N_SLOTS):
        clock.now += 120 * SECOND  # the one before is done, and its slot as good as empty
        assert limits.take(str(number), 1).is_allowed
        assert not limits.take(str(number), 1).is_allowed
    assert (tmp_path / "limits").stat().st_size == size


def test_where_the_file_cannot_be_made_callers_are_answered_without_limits(tmp_path, caplog):
    (tmp_path / "almanac.toml").write_text("[access]\nrequests_per_minute = 1\n")
    project = load_project(tmp_path / "almanac.toml")
    (project.workspace.root / "access" / "limits").mkdir(parents=True)
    access = open_access(project)
    assert access.count(Caller("a", frozenset(), 1)) is None
    assert [record.getMessage() for record in caplog.records] == ["limits"]
    access.close()


def test_the_file_has_all_its_blocks_from_the_start(limits, tmp_path):
    """A sparse file that is mapped kills its writer when the disk is full."""
    found = (tmp_path / "limits").stat()
    assert found.st_blocks * 512 >= found.st_size == N_SLOTS * 16


TAKE = """
import sys
from pathlib import Path
from serving.access.rate_limits import RateLimits
limits = RateLimits(Path(sys.argv[1]), lambda: 10**12)
print(sum(limits.take("a", 1000).is_allowed for _ in range(2000)))
"""


def test_two_processes_share_one_quota_exactly(tmp_path):
    command = [sys.executable, "-c", TAKE, str(tmp_path / "limits")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts = [int(process.communicate(timeout=60)[0]) for process in both]
    assert sum(counts) == 1000
