"""What the demo says on its way, and what it refuses before it begins."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator

import pytest
from rich.console import Console
from typer.testing import CliRunner

import almanac
from features.errors import NotTrained
from features.progress import TimedTerminal
from features.project import load_project
from serving.launch import NotStarted
from training.demand.first_forecast import tell_first_forecasts


def test_each_line_begins_with_the_seconds_gone_by():
    ticks = iter([100.0, 100.4, 163.0])
    console = Console(file=io.StringIO(), width=80)
    terminal = TimedTerminal(console, clock=lambda: next(ticks))
    terminal.say("read")
    terminal.say("fitted")
    assert console.file.getvalue() == "   0 s  read\n  63 s  fitted\n"


def test_the_first_forecasts_lie_within_their_interval(champion):
    total, most = tell_first_forecasts(champion.project)
    assert total.startswith("all regions, all products: 2024-04-30 ")
    assert re.match(r"region (north|south), (tea|new): 2024-04-30 ", most)
    for line in (total, most):
        days = re.findall(r" ([\d.]+) units \(([\d.]+) to ([\d.]+)\)", line)
        assert len(days) == 3
        assert all(float(low) <= float(mean) <= float(high) for mean, low, high in days)


def test_the_most_wanted_is_shown(champion):
    forecasts = champion.forecasts
    leaves = forecasts[(forecasts["region_id"] != "all") & (forecasts["product_id"] != "all")]
    region, product = leaves.groupby(["region_id", "product_id"])["mean"].mean().idxmax()
    assert tell_first_forecasts(champion.project)[1].startswith(f"region {region}, {product}:")


def test_without_a_champion_there_is_nothing_to_tell(tmp_path):
    (tmp_path / "almanac.toml").write_text("")
    with pytest.raises(NotTrained):
        tell_first_forecasts(load_project(tmp_path / "almanac.toml"))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_refused_before_minutes_of_work(tmp_path, taken):
    project = tmp_path / "almanac.toml"
    project.write_text(f"[serving]\nport = {taken}\n")
    done = CliRunner().invoke(almanac.app, ["demo", "--project", str(project)])
    assert isinstance(done.exception, NotStarted)
    assert f"port {taken}" in str(done.exception)
    assert not (tmp_path / ".almanac").exists()
