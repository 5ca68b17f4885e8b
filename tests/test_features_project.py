"""The project file: what it gives, and how each mistake in it is named."""

from pathlib import Path

import pytest

from features.errors import ProjectError
from features.project import Project, ProjectSettings, Settings, Workspace, load_project


def load(folder: Path, text: str) -> Project:
    (folder / "almanac.toml").write_text(text, encoding="utf-8")
    return load_project(folder / "almanac.toml")


def test_an_empty_file_has_every_default(tmp_path):
    project = load(tmp_path, "")
    assert project.settings == ProjectSettings()
    assert (project.tables, project.sources) == ({}, {})
    assert project.workspace.root == tmp_path / ".almanac"


def test_what_is_written_is_read(tmp_path):
    project = load(
        tmp_path,
        '[project]\nname="shop"\ntime_zone="Europe/Paris"\nworkspace="out"\n[sources]\na="a.csv"\n'
        '[tables.sales]\npath="s.csv"\ncolumns={units="qty"}\n',
    )
    assert (project.settings.name, project.settings.time_zone) == ("shop", "Europe/Paris")
    assert project.sources == {"a": "a.csv"}
    assert project.tables["sales"].columns == {"units": "qty"}
    assert project.workspace.table("sales") == tmp_path / "out" / "tables" / "sales.parquet"


def test_paths_are_relative_to_the_project_file(tmp_path, monkeypatch):
    project = load(tmp_path, "")
    monkeypatch.chdir("/")
    assert project.resolve("data/a.csv") == tmp_path / "data" / "a.csv"
    assert project.resolve("/data/a.csv") == Path("/data/a.csv")


def test_workspace_folders_are_apart(tmp_path):
    workspace = Workspace(tmp_path)
    folders = {workspace.tables, workspace.datasets, workspace.runs, workspace.published,
               workspace.tracking}  # fmt: skip
    assert len(folders) == 5
    assert all(folder.parent == tmp_path for folder in folders)


def test_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(ProjectError, match="almanac init"):
        load_project(tmp_path / "almanac.toml")


@pytest.mark.parametrize("content", [b"[project\n", b"name = \xff\n"])
def test_file_that_is_no_toml(tmp_path, content):
    (tmp_path / "almanac.toml").write_bytes(content)
    with pytest.raises(ProjectError, match="not valid TOML"):
        load_project(tmp_path / "almanac.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[projct]\n", r"section \[projct\] is not known; nearest: \[project\]"),
        ('[tables.sale]\npath="a"\n', r"table \[sale\] is not known; nearest: \[sales\]"),
        ('[project]\nnam="x"\n', r"\[project\] nam: .*nearest: 'name'"),
        ("[project]\nthreads=0\n", r"\[project\] threads: .*greater than or equal to 1, got 0"),
        ('[project]\ntime_zone="Europe/Pari"\n', "nearest: 'Europe/Paris'"),
        ('[tables.sales]\npath="a"\nurl="b"\n', r"\[tables\.sales\].*exactly one of path, url or"),
        ("[tables.sales]\n", "exactly one of path, url or sql is needed, got none"),
        ('[tables.sales]\nurl="sqlite:///a"\n', "url and table go together"),
        ('[tables.sales]\npath="a"\ntable="b"\n', "url and table go together"),
        ('[tables.sales]\npath="a"\non_duplicate="drop"\n', "on_duplicate.*'error' or 'sum'"),
        ('[tables.sales]\npath="a"\nnaive_time_zone="EST5"\n', "not an IANA time zone"),
    ],
)
def test_mistakes_are_named(tmp_path, text, words):
    with pytest.raises(ProjectError, match=words) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "almanac.toml") in str(caught.value)


class Demand(Settings):
    horizon_days: int = 28


def test_a_room_reads_its_own_section(tmp_path):
    assert load(tmp_path, "").section("demand", Demand).horizon_days == 28
    project = load(tmp_path, "[demand]\nhorizon_days = 7\n")
    assert project.section("demand", Demand).horizon_days == 7
    project = load(tmp_path, "[demand]\nhorizon_day = 7\n")
    with pytest.raises(ProjectError, match=r"\[demand\] horizon_day: .*nearest: 'horizon_days'"):
        project.section("demand", Demand)


def test_settings_are_frozen(tmp_path):
    settings = load(tmp_path, "").settings
    with pytest.raises(ValueError, match="frozen"):
        settings.name = "other"  # type: ignore[misc]
