"""What is found in tables with planted flaws, counted by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.project import Project, load_project
from tests.activity_tables import write_tables
from tests.training_evidence import make_demand_evidence
from training.lifecycle import read_evidence, write_evidence
from training.palette import open_figure
from training.quality.chapter import write_quality_chapter
from training.quality.measure import measure_quality, take_quality
from training.quality.plots import draw_rows, make_quality_figures
from training.report import write_report

FIRST = date(2025, 1, 6)  # a Monday
MORNING = datetime(2025, 1, 6, 9, 30)  # noqa: DTZ001 - as the engine returns it


def sell(region: str, product: str, day: int, units: float | None, **more: object) -> dict:
    return {"region_id": region, "product_id": product, "date": FIRST + timedelta(days=day),
            "units": units, **more}  # fmt: skip


def make_project(folder: Path, **tables: list[dict]) -> Project:
    path = folder / "almanac.toml"
    path.write_text('[project]\nname = "flaws"\nthreads = 1\ntime_zone = "Asia/Kolkata"\n')
    project = load_project(path)
    write_tables(project.workspace.root, **tables)
    return project


def find(measured: dict[str, pd.DataFrame]) -> dict[str, tuple[int, int, str]]:
    return {
        row["finding"]: (row["count"], row["of"], row["weight"])
        for row in measured["quality_findings"].to_dict("records")
    }


def test_flaws_of_sales_are_counted(tmp_path):
    """Series a sells 2 a day for 100 days but lacks days 10 to 12, has none known on day 20, and
    sells 90 on day 30; b never sells; c falls silent after day 9."""
    rows = [sell("r", "a", day, 2.0) for day in range(100) if day not in (10, 11, 12, 20, 30)]
    rows += [sell("r", "a", 20, None), sell("r", "a", 30, 90.0)]
    rows += [sell("r", "b", day, 0.0) for day in range(100)]
    rows += [sell("r", "c", day, 1.0 if day < 10 else 0.0) for day in range(100)]
    found = find(measure_quality(make_project(tmp_path, sales=rows), ["sales"]))
    assert found == {
        "gaps": (3, 300, "note"),
        "empty units": (1, 297, "note"),
        "never sold": (1, 3, "look"),
        "fell silent": (1, 3, "look"),
        "outliers": (1, 106, "look"),
    }


def test_the_plan_after_the_last_sale_is_no_flaw(tmp_path):
    rows = [sell("r", "a", day, 2.0 if day < 80 else None) for day in range(100)]
    assert find(measure_quality(make_project(tmp_path, sales=rows), ["sales"])) == {}


def test_flaws_of_events_are_counted_in_local_time(tmp_path):
    """Midnight in India is 18:30 UTC; an event at 00:00 UTC is at half past five there."""
    base = {"type": "order", "value": 5.0, "channel": "web"}
    events = [
        {**base, "event_id": f"e{day}", "customer_id": f"c{day % 3}",
         "occurred_at": MORNING + timedelta(days=day)}
        for day in range(60)
    ]  # fmt: skip
    midnight = datetime(2025, 1, 9, 18, 30)  # noqa: DTZ001
    events += [
        {**base, "event_id": "m", "customer_id": "c1", "occurred_at": midnight},
        {**base, "event_id": "u", "customer_id": "c1", "value": None,
         "occurred_at": datetime(2025, 1, 9)},  # noqa: DTZ001
        {**events[4], "event_id": "again"},
        {**base, "event_id": "once", "customer_id": "c9", "occurred_at": MORNING},
    ]  # fmt: skip
    found = find(measure_quality(make_project(tmp_path, events=events), ["events"]))
    assert found["no hour"] == (1, 64, "look")
    assert found["repeated"] == (1, 64, "look")
    assert found["orders without value"] == (1, 64, "note")
    assert found["one and done"] == (1, 4, "note")
    assert found["busiest customer"] == (23, 64, "look")


def test_a_day_that_was_cut_short_is_named(tmp_path):
    events = [
        {"event_id": f"{day}-{place}", "customer_id": f"c{place}", "type": "order",
         "occurred_at": MORNING + timedelta(days=day, minutes=place)}
        for day in range(60)
        for place in range(1 if day == 33 else 10)
    ]  # fmt: skip
    measured = measure_quality(make_project(tmp_path, events=events), ["events"])
    (row,) = measured["quality_findings"].query("finding == 'thin days'").to_dict("records")
    assert (row["count"], row["of"]) == (1, 60)
    assert row["words"].endswith("the first on 2025-02-08")


def test_messages_whose_answers_are_unknown_are_told(tmp_path):
    sent = [{"message_id": f"m{i}", "customer_id": "c", "channel": "email", "sent_at": MORNING}
            for i in range(4)]  # fmt: skip
    found = find(measure_quality(make_project(tmp_path, touches=sent), ["touches"]))
    assert found["no answers"] == (4, 4, "look")
    early = [{**row, "clicked_at": MORNING - timedelta(hours=1)} for row in sent[:1]] + sent[1:]
    found = find(measure_quality(make_project(tmp_path / "", touches=early), ["touches"]))
    assert "no answers" not in found
    assert found["answered before sent"] == (1, 4, "look")


def test_columns_say_how_full_they_are_and_hold_no_identifier(tmp_path):
    rows = [sell("r", "a", day, 2.0, price=1.5 if day < 25 else None) for day in range(100)]
    measured = measure_quality(make_project(tmp_path, sales=rows), ["sales", "events"])
    columns = measured["quality_columns"].set_index("column")
    assert columns.loc["price", ["filled", "low", "high"]].tolist() == [0.25, "1.5", "1.5"]
    assert columns.loc["region_id", "low"] == ""
    assert measured["quality_tables"].values.tolist() == [
        ["sales", 100, "2025-01-06", "2025-04-15"]
    ]
    assert len(measured["quality_days"]) == 100


def test_tables_that_are_not_there_measure_nothing(tmp_path):
    assert measure_quality(make_project(tmp_path), ["sales"]) == {}
    assert write_quality_chapter({}) is None
    assert make_quality_figures({}) == {}


@pytest.fixture
def measured(tmp_path) -> dict[str, pd.DataFrame]:
    rows = [sell("r", "a", day, 2.0) for day in range(100) if day != 10]
    rows += [sell("r", "b", day, 0.0) for day in range(100)]
    return measure_quality(make_project(tmp_path, sales=rows), ["sales"])


def test_the_chapter_reads_the_same_from_files(measured, tmp_path):
    write_evidence(measured, tmp_path / "evidence")
    kept = write_quality_chapter(read_evidence(tmp_path / "evidence"))
    chapter = write_quality_chapter(measured)
    assert kept is not None
    assert chapter is not None
    assert kept.headline == chapter.headline
    assert [section.grids for section in kept.sections] == [s.grids for s in chapter.sections]
    assert chapter.headline.startswith("199 rows in 1 tables passed every check at the door. One")
    (what,) = [row for row in chapter.sections[0].grids[0].rows if "never sold" in row[2]]
    assert what[:3] == ("sales", "look", "1 of 2 series never sold anything")
    assert "price" in chapter.sections[-1].sentences[0]


def test_what_two_trainings_measured_is_told_once(measured):
    joined = take_quality({"scores": measured["quality_tables"]}, measured, measured)
    for name, table in measured.items():
        pd.testing.assert_frame_equal(joined[name], table)


def test_days_without_rows_are_drawn_at_zero():
    _, (axes,) = open_figure(4, 2)
    dates = ["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-05"]
    draw_rows(axes, pd.DataFrame({"date": dates, "rows": [5, 6, 5, 7]}), title="events")
    assert list(axes.get_lines()[0].get_ydata()) == [5, 6, 5, 0, 7]


def test_months_are_dots():
    _, (axes,) = open_figure(4, 2)
    dates = ["2025-01-01", "2025-02-01", "2025-03-01"]
    draw_rows(axes, pd.DataFrame({"date": dates, "rows": [5, 6, 5]}), title="sales")
    (line,) = axes.get_lines()
    assert list(line.get_ydata()) == [5, 6, 5]
    assert line.get_marker() == "o"


def test_the_report_measures_what_no_training_did(tmp_path, monkeypatch):
    """Demand was trained before the data was measured: the report looks at the tables itself."""
    monkeypatch.setattr("training.report.draw_png", lambda _: b"\x89PNG")
    sold = [sell("r", "a", day, 0.0) for day in range(60)]
    project = make_project(tmp_path, sales=sold)
    write_evidence(make_demand_evidence(), project.workspace.runs / "demand")
    page = write_report(project, tmp_path).read_text(encoding="utf-8")
    assert page.index('id="data"') < page.index('id="demand"')
    assert "1 of 1 series never sold anything" in page
