import io
import time

import numpy as np
import pandas as pd
import pytest

import models.artifact
from features.errors import ArtifactError
from models.artifact import load_artifact
from models.demand.forecast_store import BLOCK_ROWS, FOLDER, open_stored
from serving.champions import load_champions
from serving.forecasts import ForecastQuery, ForecastTable
from training.publish import publish_bundle

QUERIES = [
    ForecastQuery(),
    ForecastQuery(region="s1"),
    ForecastQuery(product="cat 2", level="store/category"),
    ForecastQuery(
        first_date=pd.Timestamp("2026-11-04").date(), last_date=pd.Timestamp("2026-11-06").date()
    ),
]


@pytest.fixture
def published(tmp_path, forecast_file, publish_model, monkeypatch):
    """Published forecasts that are left on disk, as large ones are."""
    monkeypatch.setattr(models.artifact, "LARGE_BYTES", 100)
    publish_model(tmp_path, "demand", {"forecasts.parquet": forecast_file})
    return tmp_path


@pytest.fixture
def folder(published):
    return published / "demand" / "three"


def open_table(published) -> ForecastTable:
    return load_champions(published).demand.model


def flip(path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def ask_for_seconds(table: ForecastTable, seconds: int) -> None:
    for _ in range(100 * seconds):
        table.find(ForecastQuery(), (0.5,), limit=1)
        time.sleep(0.01)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("limit", [7, 1000])
def test_answers_from_disk_are_those_from_memory(published, forecast_file, query, limit):
    held, stored = ForecastTable(forecast_file), open_table(published)
    assert stored.levels == held.levels
    from_row = 0
    while from_row is not None:
        expected = held.find(query, (0.025, 0.5), limit=limit, from_row=from_row)
        assert stored.find(query, (0.025, 0.5), limit=limit, from_row=from_row) == expected
        from_row = expected.next_row


def test_the_table_read_in_pieces_is_the_same_as_at_once(
    tmp_path, forecast_file, publish_model, monkeypatch
):
    monkeypatch.setattr(models.artifact, "LARGE_BYTES", 100)
    content = io.BytesIO()
    pd.read_parquet(io.BytesIO(forecast_file)).to_parquet(content, index=False, row_group_size=7)
    publish_model(tmp_path, "demand", {"forecasts.parquet": content.getvalue()})
    expected = ForecastTable(forecast_file).find(ForecastQuery(), (0.5,), limit=999)
    for table in (ForecastTable(content.getvalue()), open_table(tmp_path)):
        assert table.find(ForecastQuery(), (0.5,), limit=999) == expected
        assert table.levels == ForecastTable(forecast_file).levels


def test_single_precision_is_kept_and_answered_as_it_is(published, folder, forecast_file):
    frame = pd.read_parquet(io.BytesIO(forecast_file))
    numbers = [name for name in frame if name == "mean" or name[0] == "q"]
    single = frame.astype(dict.fromkeys(numbers, np.float32)).to_parquet(index=False)
    found = ForecastTable(single).find(ForecastQuery(), (0.5,), limit=999).forecasts
    expected = frame["mean"].to_numpy().astype(np.float32).astype(np.float64)
    assert [row.mean for row in found] == expected.tolist()


def test_a_second_start_makes_nothing_anew_and_does_not_read_the_parquet(published, folder):
    open_table(published)
    written = (folder / FOLDER / "stamp.json").stat().st_mtime_ns
    (folder / "forecasts.parquet").write_bytes(b"no Parquet" * 100)
    assert len(open_table(published)) == 160
    assert (folder / FOLDER / "stamp.json").stat().st_mtime_ns == written


def test_a_damaged_parquet_is_refused_and_nothing_is_made_of_it(published, folder):
    flip(folder / "forecasts.parquet", 500)
    champions = load_champions(published)
    assert champions.demand is None
    assert "checksum" in champions.states[1].reason
    assert not list(folder.glob("*rows"))


@pytest.mark.parametrize("name", ["stamp.json", "blocks.bin", "series.arrow"])
def test_damage_to_what_is_checked_at_start_is_refused(published, folder, name):
    open_table(published)
    path = folder / FOLDER / name
    path.write_bytes(path.read_bytes()[:-9] + b"\0" * 9)
    champions = load_champions(published)
    assert (champions.demand, champions.states[1].state) == (None, "refused")


@pytest.mark.parametrize("change", [lambda rows: rows[:-1], lambda rows: rows + b"\0"])
def test_rows_cut_short_or_longer_are_refused(published, folder, change):
    open_table(published)
    path = folder / FOLDER / "rows.bin"
    path.write_bytes(change(path.read_bytes()))
    assert load_champions(published).states[1].state == "refused"


def test_one_bad_block_refuses_the_whole_table_once_it_is_met(published, folder):
    open_table(published)
    flip(folder / FOLDER / "rows.bin", -5)
    stored = open_table(published)
    # The last block is bad, the first is not; the check in the background meets it without a query.
    with pytest.raises(ArtifactError, match="not what was published"):
        ask_for_seconds(stored, 10)


def test_a_bad_block_is_never_answered(published, folder):
    open_table(published)
    flip(folder / FOLDER / "rows.bin", -5)
    series = open_table(published)._series
    with pytest.raises(ArtifactError, match="not what was published"):
        series.records.take(np.array([len(series) - 1]))
    with pytest.raises(ArtifactError):
        series.records.take(np.array([0]))


def test_rows_of_another_version_are_refused(published, folder, publish_model, forecast_file):
    open_table(published)
    stamp = folder / FOLDER / "stamp.json"
    stamp.write_text(stamp.read_text().replace('"parquet": "', '"parquet": "0'))
    assert "not made of this" in load_champions(published).states[1].reason


def test_publishing_makes_the_records(published, folder, tmp_path):
    (tmp_path / "to" / "demand").mkdir(parents=True)
    publish_bundle(tmp_path / "to", "demand", folder, version="4", run_id="r")
    (made,) = (tmp_path / "to" / "demand").glob(f"v4-*/{FOLDER}")
    assert (made / "rows.bin").stat().st_size % 160 == 0
    assert load_champions(tmp_path / "to").states[1].state == "loaded"


def test_small_files_are_read_and_checked_at_once(tmp_path, forecast_file, publish_model):
    publish_model(tmp_path, "demand", {"forecasts.parquet": forecast_file})
    artifact = load_artifact(
        tmp_path / "demand" / "three", "demand", on_disk=("forecasts.parquet",)
    )
    assert not artifact.large
    assert artifact.files["forecasts.parquet"] == forecast_file


def test_a_table_of_several_blocks_ends_in_a_shorter_one(published, folder):
    assert BLOCK_ROWS < 160 < 2 * BLOCK_ROWS
    large = load_artifact(folder, "demand", on_disk=("forecasts.parquet",)).large
    records = open_stored(large["forecasts.parquet"]).records
    rows = np.array([159, 0, 128, 127])
    assert (records.take(rows) == records.take(np.arange(160))[rows]).all()
