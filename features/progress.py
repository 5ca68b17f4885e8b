"""How long work tells how far it is, without knowing who is watching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


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
