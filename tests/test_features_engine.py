from pathlib import Path

import pytest

from features.engine import open_engine
from features.errors import ProjectError


def test_session_is_utc_whatever_the_machine(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with open_engine(threads=1) as engine:
        row = engine.execute(
            "SELECT CAST(TIMESTAMPTZ '2024-03-10 12:00:00+00' AS TIMESTAMP), "
            "current_setting('TimeZone')"
        ).fetchone()
    assert str(row[0]) == "2024-03-10 12:00:00"
    assert row[1] == "UTC"


def test_settings_are_taken(tmp_path: Path):
    with open_engine(threads=1, memory_limit="300MiB", temp_directory=tmp_path / "spill") as engine:
        row = engine.execute(
            "SELECT current_setting('threads'), current_setting('memory_limit'), "
            "current_setting('temp_directory')"
        ).fetchone()
    assert row == (1, "300.0 MiB", str(tmp_path / "spill"))


def test_a_query_beyond_the_limit_spills_instead_of_failing(tmp_path: Path):
    with open_engine(threads=1, memory_limit="60MiB", temp_directory=tmp_path) as engine:
        groups = engine.execute(
            "SELECT count(*) FROM (SELECT i, sum(i) AS s FROM range(4000000) t(i) GROUP BY i)"
        ).fetchone()
    assert groups == (4_000_000,)


def test_engines_do_not_share_tables():
    with open_engine(threads=1) as one, open_engine(threads=1) as two:
        one.execute("CREATE TABLE only_here AS SELECT 1 AS x")
        assert two.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


@pytest.mark.parametrize("settings", [{"threads": 0}, {"memory_limit": "lots"}])
def test_a_wrong_setting_is_named(settings):
    with pytest.raises(ProjectError, match=r"threads = .* memory_limit = .*Expected"):
        open_engine(**settings)
