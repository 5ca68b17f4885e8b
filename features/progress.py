"""How long work tells how far it is, without knowing who is watching."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 5.0


class Progress(Protocol):
    """What a watcher must offer; the command line draws a bar or writes lines."""

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Yield every item of `items`, telling the watcher after each one."""
        ...

    def say(self, message: str) -> None:
        """Tell the watcher one finished fact."""
        ...


class Silent:
    """Nobody watches."""

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:  # noqa: ARG002, D102
        yield from items

    def say(self, message: str) -> None:  # noqa: D102
        pass


class Terminal:
    """A bar on a terminal, plain lines in a log.

    Parameters
    ----------
    console : rich.console.Console
        Where to write; whether it is a terminal decides between bar and lines.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Yield every item, moving a bar or, in a log, writing a line now and then."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        if self.console.is_terminal:
            with _bar(self.console) as bar:
                yield from bar.track(items, total=total, description=label)
            return
        of_total = f" of {total}" if total else ""
        last = time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            if done == total or time.monotonic() - last > SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.say(f"{label}: {done}{of_total}")

    def say(self, message: str) -> None:
        """Write one line."""
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)


class TimedTerminal(Terminal):
    """A terminal that writes before each line how many seconds have gone by.

    Parameters
    ----------
    console : rich.console.Console
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self.clock, self.started = clock, clock()

    def say(self, message: str) -> None:
        """Write one line after the seconds since the beginning."""
        super().say(f"{self.clock() - self.started:4.0f} s  {message}")


def _bar(console: Console) -> Bar:
    return Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
