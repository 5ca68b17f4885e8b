"""Refusals at a measured pace, so that saying no does not take the time that answers need.

A refusal costs a fifth of an answer or so. If five times too much arrives and is refused at once,
whoever was refused sends the next request, and the service does little but refuse. So only so many
a second go out, and the others wait: a kept connection that waits sends nothing meanwhile.
"""

from __future__ import annotations

import asyncio

PER_SECOND = 200.0
AT_ONCE = 64
"""Refusals that wait for nothing, after a time without any."""
LONGEST_SECONDS = 1.0
"""That a refusal is held; as long as the refused are asked to wait before they come again."""
MOST_HELD = 1024


class Refusals:
    """Holds a refusal until its time has come."""

    def __init__(self) -> None:
        self._next = float("-inf")
        self.held = 0

    async def wait(self) -> None:
        """Return when one more refusal may go out; at once where too many wait already."""
        now = asyncio.get_running_loop().time()
        if self.held >= MOST_HELD:
            return
        due = max(self._next, now - AT_ONCE / PER_SECOND) + 1 / PER_SECOND
        self._next = min(due, now + LONGEST_SECONDS)
        if self._next <= now:
            return
        self.held += 1
        try:
            await asyncio.sleep(self._next - now)
        finally:
            self.held -= 1
