"""One waiter goes on in each round of the event loop, in the order of their coming."""

import asyncio

import pytest

from serving.turns import Turns


def test_others_get_the_loop_between_two_waiters():
    seen = []

    async def wait(turns, name):
        await turns.wait()
        seen.append(name)

    async def tick():
        for _ in range(8):
            seen.append("tick")
            await asyncio.sleep(0)

    async def run():
        turns = Turns()
        await asyncio.gather(*(wait(turns, name) for name in "abc"), tick())

    asyncio.run(run())
    told = "".join("." if name == "tick" else name for name in seen)
    assert told.replace(".", "") == "abc"
    assert "ab" not in told
    assert "bc" not in told


def test_who_was_cancelled_takes_no_turn_and_later_ones_still_come():
    async def run():
        turns = Turns()
        gone, stays = asyncio.create_task(turns.wait()), asyncio.create_task(turns.wait())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait_for(stays, 1)
        with pytest.raises(asyncio.CancelledError):
            await gone
        await asyncio.wait_for(turns.wait(), 1)

    asyncio.run(run())
