from __future__ import annotations

import io

import pytest
from rich.console import Console

from features.progress import Silent, Terminal


@pytest.fixture(params=[False, True], ids=["log", "terminal"])
def console(request: pytest.FixtureRequest) -> Console:
    return Console(file=io.StringIO(), force_terminal=request.param, width=100)


def test_every_watcher_passes_every_item_on(console):
    assert list(Terminal(console).track(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert list(Silent().track("abc", "letters")) == ["a", "b", "c"]


def test_the_end_is_told_with_its_total(console):
    list(Terminal(console).track([1, 2, 3, 4], "folds"))
    told = console.file.getvalue()
    assert "folds" in told
    assert "4" in told


def test_a_log_of_quick_items_has_one_line():
    console = Console(file=io.StringIO(), force_terminal=False)
    list(Terminal(console).track(range(500), "rows"))
    assert console.file.getvalue() == "rows: 500 of 500\n"


def test_an_error_inside_the_work_is_not_swallowed(console):
    def work():
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(Terminal(console).track(work(), "work", 2))
