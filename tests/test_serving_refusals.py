"""Few refusals go out at once, many at their pace, and none is held for long."""

import asyncio

import pytest

from serving import refusals
from serving.refusals import AT_ONCE, LONGEST_SECONDS, PER_SECOND, Refusals


def list_seconds(n, monkeypatch, most_held=10_000):
    """Return after how many seconds each of `n` refusals goes out, all asked for at once."""
    monkeypatch.setattr(refusals, "MOST_HELD", most_held)

    async def run():
        found, loop = Refusals(), asyncio.get_running_loop()
        started = loop.time()

        async def one():
            await found.wait()
            return loop.time() - started

        seconds = await asyncio.gather(*(one() for _ in range(n)))
        return seconds, found.held

    seconds, held = asyncio.run(run())
    assert held == 0
    return seconds


def test_the_first_go_out_at_once_and_the_others_one_after_the_other(monkeypatch):
    seconds = list_seconds(AT_ONCE + 40, monkeypatch)
    assert sum(each < 1 / PER_SECOND for each in seconds) >= AT_ONCE
    assert seconds == sorted(seconds)
    assert seconds[-1] >= 39 / PER_SECOND


def test_none_is_held_for_longer_than_the_refused_are_asked_to_wait(monkeypatch):
    seconds = list_seconds(AT_ONCE + 3 * int(PER_SECOND * LONGEST_SECONDS), monkeypatch)
    assert max(seconds) == pytest.approx(LONGEST_SECONDS, rel=0.5)


def test_where_too_many_wait_the_rest_is_refused_at_once(monkeypatch):
    seconds = list_seconds(AT_ONCE + 200, monkeypatch, most_held=5)
    assert sum(each > 1 / PER_SECOND for each in seconds) <= 5
