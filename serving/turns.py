"""Turns on the event loop: one answer at a time, and a look at what has arrived between two.

An answer keeps the loop until it is done. If all that wait were answered in one go, whoever asks
whether the service is alive would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets one waiter go on in each round of the event loop, first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def wait(self) -> None:
        """Return in a round of the event loop in which no other waiter goes on."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
            return
        self._is_taken = True
        try:
            await asyncio.sleep(0)
        finally:
            self._pass_on(loop)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the next round call the next waiter; where there is none, the turn is free."""
        self._is_taken = bool(self._waiting)
        if self._is_taken:
            loop.call_soon(self._call, loop)

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # who waits may have been cancelled
                turn.set_result(None)
                break
        self._pass_on(loop)
