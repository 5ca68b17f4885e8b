"""Canonical tables as a whole: derived, summed, completed, atomic, reused, reproducible."""

import json
import os
import random
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.door.table_files import fingerprint_table, write_table
from features.door.tables import TableSummary, build_tables
from features.engine import open_engine
from features.errors import (
    AmbiguousTime,
    DuplicateKey,
    ProjectError,
    TableError,
    UnknownName,
    UnknownReference,
    WrongType,
)
from features.progress import Silent
from features.project import load_project
from features.schema import TABLES, Kind

SALES = """
[tables.sales]
path = "sales.csv"
columns = {region_id="store", product_id="product", units="quantity"}
"""
ORDERS = """
[tables.events]
path = "orders.csv"
columns = {customer_id="customer", occurred_at="timestamp"}
"""
SALES_CSV = "date,store,product,quantity\n2024-01-01,b,p,1\n2024-01-02,a,p,2\n2024-01-01,a,q,3\n"
ORDERS_CSV = "customer,timestamp\nann,2024-01-01T10:00Z\nbob,2024-01-02T11:00Z\n"


def write(folder: Path, toml: str = SALES + ORDERS, **files: str) -> Path:
    files = {"sales": SALES_CSV, "orders": ORDERS_CSV} | files
    for name, content in files.items():
        file = folder / f"{name}.csv"
        if not file.exists() or file.read_text() != content:
            file.write_text(content)
    (folder / "almanac.toml").write_text(toml)
    return folder / "almanac.toml"


def build(path: Path, only: set[str] | None = None) -> dict[str, TableSummary]:
    return build_tables(load_project(path), Silent(), only)


def read(summary: TableSummary) -> pd.DataFrame:
    return duckdb.sql(f"SELECT * FROM '{summary.path}'").df()


def test_every_table_has_its_columns_and_types(tmp_path):
    types = {
        Kind.TEXT: "VARCHAR", Kind.ZONE: "VARCHAR", Kind.NUMBER: "DOUBLE",
        Kind.BOOLEAN: "BOOLEAN", Kind.TIMESTAMP: "TIMESTAMP", Kind.DATE: "DATE",
    }  # fmt: skip
    built = build(write(tmp_path))
    assert list(built) == ["events", "sales", "regions", "products", "customers"]
    for name, summary in built.items():
        rows = duckdb.sql(f"DESCRIBE SELECT * FROM '{summary.path}'").fetchall()
        assert [row[:2] for row in rows] == [(c.name, types[c.kind]) for c in TABLES[name].columns]
        assert summary.rows == len(read(summary))
        assert summary.path == tmp_path / ".almanac" / "tables" / f"{name}.parquet"


def test_what_is_not_given_is_made_of_the_ids(tmp_path):
    toml = '[project]\ntime_zone = "Europe/Paris"\n' + SALES + ORDERS
    orders = "customer,timestamp,region_id\nann,2024-01-01T10:00Z,web\nann,2024-01-02T10:00Z,\n"
    built = build(write(tmp_path, toml, orders=orders))
    regions, products, customers = (read(built[n]) for n in ("regions", "products", "customers"))
    assert regions["region_id"].tolist() == ["a", "b", "web"]
    assert set(regions["parent_id"]) == {"all"}
    assert set(regions["level"]) == {"region"}
    assert products["product_id"].tolist() == ["p", "q"]
    assert set(products["level"]) == {"product"}
    assert customers[["customer_id", "time_zone", "time_zone_source"]].values.tolist() == [
        ["ann", "Europe/Paris", "project"]
    ]


def test_one_source_of_ids_gives_each_id_once(tmp_path):
    built = build(write(tmp_path, SALES))
    assert list(built) == ["sales", "regions", "products"]
    assert read(built["regions"])["region_id"].tolist() == ["a", "b"]


def test_rows_are_sorted_by_key_and_events_by_time(tmp_path):
    orders = ORDERS_CSV + "cid,2023-01-01T00:00Z\n"
    built = build(write(tmp_path, orders=orders))
    sales = read(built["sales"])
    keys = list(zip(sales["region_id"], sales["product_id"], sales["date"], strict=True))
    assert keys == sorted(keys)
    assert read(built["events"])["customer_id"].tolist() == ["cid", "ann", "bob"]


def test_plan_and_missing_observations_stay(tmp_path):
    sales = SALES_CSV + "2024-01-03,a,p,\n2023-12-31,a,p,\n"
    units = read(build(write(tmp_path, SALES, sales=sales))["sales"])["units"]
    assert units.isna().sum() == 2


SUMMED = """date,store,product,quantity,revenue,price,base_price,is_promoted,display,on_hand
2024-01-01,a,p,1,10,10,,false,0.2,5
2024-01-01,a,p,3,15,5,8,true,0.1,
2024-01-01,a,p,,,100,,,,4
2024-01-02,a,p,,,3,,,,
2024-01-02,a,p,,,5,,,,
"""


def test_duplicates_are_added_up_where_that_is_asked_for(tmp_path):
    with pytest.raises(DuplicateKey):
        build(write(tmp_path, SALES, sales=SUMMED))
    toml = SALES + 'on_duplicate = "sum"\n'
    sales = read(build(write(tmp_path, toml, sales=SUMMED))["sales"])
    first, second = sales.to_dict("records")
    assert (first["units"], first["revenue"]) == (4.0, 25.0)
    assert first["price"] == (10 * 1 + 5 * 3) / 4
    assert first["base_price"] == 8.0
    assert bool(first["is_promoted"]) is True
    assert (first["display"], first["on_hand"]) == (0.2, 4.0)
    assert pd.isna(second["units"])
    assert second["price"] == 4.0


def test_only_sales_are_added_up(tmp_path):
    with pytest.raises(ProjectError, match='"sum" is for sales only'):
        build(write(tmp_path, ORDERS + 'on_duplicate = "sum"\n'))


def test_equal_events_both_stay_and_ids_do_not_depend_on_order(tmp_path):
    lines = [*ORDERS_CSV.splitlines()[1:], "ann,2024-01-01T10:00Z"]
    found = []
    for seed in (1, 2):
        random.Random(seed).shuffle(lines)
        folder = tmp_path / str(seed)
        folder.mkdir()
        orders = "\n".join(["customer,timestamp", *lines])
        summary = build(write(folder, ORDERS, orders=orders))["events"]
        found.append((read(summary)["event_id"].tolist(), summary.fingerprint))
    assert found[0] == found[1]
    ids = found[0][0]
    assert len(set(ids)) == 3
    assert sorted(i[-2:] for i in ids) == ["-1", "-1", "-2"]


def test_event_ids_that_are_given_are_keys(tmp_path):
    orders = "event_id,customer,timestamp\n1,a,2024-01-01T00:00Z\n1,b,2024-01-01T00:00Z\n"
    with pytest.raises(DuplicateKey, match="1 again, as in row 1"):
        build(write(tmp_path, ORDERS, orders=orders))


def test_customers_zones_and_where_they_are_from(tmp_path):
    toml = '[project]\ntime_zone = "Asia/Tokyo"\n[tables.customers]\npath = "c.csv"\n'
    rows = "customer_id,time_zone,time_zone_source\na,Europe/Paris,crm\nb,Europe/Rome,\nc,,\n"
    customers = read(build(write(tmp_path, toml, c=rows))["customers"])
    assert customers[["time_zone", "time_zone_source"]].values.tolist() == [
        ["Europe/Paris", "crm"],
        ["Europe/Rome", "stated"],
        ["Asia/Tokyo", "project"],
    ]


REGIONS = SALES + '[tables.regions]\npath = "r.csv"\n'


def test_parents_without_rows_become_nodes(tmp_path):
    toml = REGIONS + 'columns = {parent_id = "state"}\ndefaults = {level = "store"}\n'
    built = build(write(tmp_path, toml, r="region_id,state\na,TX\nb,\n"))
    regions = read(built["regions"])[["region_id", "parent_id", "level"]].values.tolist()
    assert regions == [["TX", "all", "state"], ["a", "TX", "store"], ["b", "all", "store"]]


def test_a_tree_of_three_levels(tmp_path):
    rows = (
        "region_id,parent_id,level\na,Rome,store\nb,Rome,store\nRome,Italy,city\nItaly,,country\n"
    )
    regions = read(build(write(tmp_path, REGIONS, r=rows))["regions"])
    assert regions["parent_id"].tolist() == ["all", "Italy", "Rome", "Rome"]


def test_a_parent_without_a_row_among_parents_with_rows(tmp_path):
    rows = "region_id,parent_id\na,Rome\nb,Rom\nRome,\n"
    with pytest.raises(UnknownReference, match=r"row 2, column 'parent_id'.*nearest: 'Rome'"):
        build(write(tmp_path, REGIONS, r=rows))


def test_two_parents_and_cycles(tmp_path):
    with pytest.raises(DuplicateKey, match="a again, as in row 1"):
        build(write(tmp_path, REGIONS, r="region_id,parent_id\na,x\na,y\nb,x\n"))
    with pytest.raises(TableError, match="got a cycle: a > b > c > a"):
        build(write(tmp_path, REGIONS, r="region_id,parent_id\nd,a\na,b\nb,c\nc,a\n"))
    with pytest.raises(TableError, match="got a cycle: a > a"):
        build(write(tmp_path, REGIONS, r="region_id,parent_id\na,a\nb,\n"))


def test_a_refused_source_leaves_everything_as_it_was(tmp_path):
    path = write(tmp_path)
    before = build(path)
    folder = before["sales"].path.parent
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    write(tmp_path, sales=SALES_CSV + "2024-01-09,a,p,many\n")
    with pytest.raises(WrongType):
        build(path)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == files


def test_a_first_run_that_fails_leaves_no_table(tmp_path):
    with pytest.raises(WrongType):
        build(write(tmp_path, SALES, sales=SALES_CSV + "2024-01-09,a,p,many\n"))
    assert list((tmp_path / ".almanac" / "tables").iterdir()) == []


def test_nothing_but_tables_and_notes_stays_behind(tmp_path):
    built = build(write(tmp_path))
    names = {file.name for file in built["sales"].path.parent.iterdir()}
    assert names == {f"{name}.{end}" for name in built for end in ("parquet", "json")}


def test_an_unchanged_source_is_not_read_again(tmp_path, monkeypatch):
    path = write(tmp_path)
    first = build(path)
    assert not any(summary.is_reused for summary in first.values())
    with monkeypatch.context() as patch:
        patch.setattr("features.door.tables.open_engine", None)
        second = build(path)
    assert all(summary.is_reused for summary in second.values())
    assert [s.fingerprint for s in second.values()] == [s.fingerprint for s in first.values()]


def reused(path: Path) -> set[str]:
    return {name for name, summary in build(path).items() if summary.is_reused}


def test_what_changed_is_read_again_and_what_rests_on_it(tmp_path):
    path = write(tmp_path)
    build(path)
    write(tmp_path, sales=SALES_CSV + "2024-01-09,c,p,1\n")
    assert reused(path) == {"events", "customers"}
    # The same content with another time: sales are read again, their ids are what they were.
    os.utime(tmp_path / "sales.csv", ns=(1, 1))
    assert reused(path) == {"events", "customers", "regions", "products"}
    write(tmp_path, SALES.replace("[tables.sales]", '[tables.sales]\ndelimiter=","') + ORDERS,
          sales=SALES_CSV)  # fmt: skip
    assert "sales" not in reused(path)


@pytest.mark.parametrize("damage", ["table", "note", "gone"])
def test_a_damaged_table_is_read_again(tmp_path, damage):
    path = write(tmp_path)
    table = build(path)["sales"].path
    if damage == "table":
        table.write_bytes(b"PAR1")
    elif damage == "note":
        table.with_suffix(".json").write_text("{")
    else:
        table.unlink()
    assert reused(path) == {"events", "customers", "regions", "products"}
    assert len(duckdb.sql(f"SELECT * FROM '{table}'").fetchall()) == 3


def test_a_stop_between_the_two_renames_is_harmless(tmp_path, monkeypatch):
    path = write(tmp_path, SALES)
    build(path)
    write(tmp_path, SALES, sales=SALES_CSV + "2024-01-09,a,p,1\n")
    renamed: list[Path] = []
    real = Path.replace

    def stop_after_the_table(self, target):
        if renamed:
            raise KeyboardInterrupt
        renamed.append(target)
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop_after_the_table)
        with pytest.raises(KeyboardInterrupt):
            build(path)
    write(tmp_path, SALES)  # back to the first content
    assert read(build(path)["sales"]).shape[0] == 3


def test_new_regions_are_checked_against_unchanged_sales(tmp_path):
    path = write(tmp_path, REGIONS, r="region_id\na\nb\n")
    build(path)
    write(tmp_path, REGIONS, r="region_id\na\n")
    with pytest.raises(UnknownReference, match="'b'"):
        build(path)


def test_only_takes_what_a_table_rests_on(tmp_path):
    toml = REGIONS + '[tables.promotions]\npath = "nowhere.csv"\n'
    path = write(tmp_path, toml, r="region_id\na\nb\n")
    assert list(build(path, only={"sales"})) == ["regions", "sales", "products"]
    # Derived regions hold the ids of events too, whatever was asked for.
    path = write(tmp_path)
    assert "events" in build(path, only={"sales"})


def test_only_of_what_is_not_there(tmp_path):
    path = write(tmp_path, SALES)
    with pytest.raises(ProjectError, match=r"\[tables.events\] is needed and not there"):
        build(path, only={"events"})
    with pytest.raises(UnknownName, match="table 'sale' is not known; nearest: 'sales'"):
        build(path, only={"sale"})


def test_tables_that_the_project_no_longer_has_go(tmp_path):
    folder = build(write(tmp_path))["sales"].path.parent
    build(write(tmp_path, SALES))
    assert {file.stem for file in folder.iterdir()} == {"sales", "regions", "products"}


def test_a_project_without_tables(tmp_path):
    with pytest.raises(ProjectError, match=r"no \[tables"):
        build(write(tmp_path, "[project]\n"))


def test_databases_and_queries_become_tables(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE o (customer INTEGER, timestamp TEXT)")
        connection.execute("INSERT INTO o VALUES (7, '2024-01-01 10:00:00')")
    connection.close()
    toml = ORDERS.replace('path = "orders.csv"', 'url = "sqlite:///shop.db"\ntable = "o"')
    path = write(tmp_path, toml + 'naive_time_zone = "UTC"\n')
    assert read(build(path)["events"])["customer_id"].tolist() == ["7"]
    assert reused(path) == set(build(path))


def test_a_source_that_is_no_text_is_refused(tmp_path):
    toml = "[sources]\nmine = 3\n[tables.sales]\nsql = 'SELECT * FROM mine'\n"
    with pytest.raises(ProjectError, match=r"\[sources\] mine: expected a path or URL, got 3"):
        build(write(tmp_path, toml))


def test_timestamps_of_parquet_with_and_without_zone(tmp_path):
    moments = pd.to_datetime(["2024-07-01 10:00:00"])
    toml = '[tables.events]\npath = "o.parquet"\n'
    for unit in ("ns", "us", "ms"):
        frame = pd.DataFrame({"customer_id": ["a"], "occurred_at": moments.as_unit(unit)})
        frame.to_parquet(tmp_path / "o.parquet")
        with pytest.raises(AmbiguousTime, match="row 1, column 'occurred_at'"):
            build(write(tmp_path, toml))
        path = write(tmp_path, toml + 'naive_time_zone = "America/New_York"\n')
        assert read(build(path)["events"])["occurred_at"][0] == pd.Timestamp("2024-07-01 14:00")
        zoned = frame.assign(occurred_at=frame["occurred_at"].dt.tz_localize("Asia/Tokyo"))
        zoned.to_parquet(tmp_path / "o.parquet")
        path = write(tmp_path, toml)
        assert read(build(path)["events"])["occurred_at"][0] == pd.Timestamp("2024-07-01 01:00")


def test_note_beside_a_table_holds_no_clock(tmp_path):
    notes = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        summary = build(write(folder, SALES))["sales"]
        note = json.loads(summary.path.with_suffix(".json").read_text())
        notes.append((note["fingerprint"], note["rows"], note["inputs"]["settings"]))
    assert notes[0] == notes[1]


ROW = st.tuples(st.sampled_from("ab"), st.sampled_from("pq"), st.integers(1, 28), st.floats(0, 99))


@given(rows=st.lists(ROW, min_size=1, max_size=12), rng=st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_fingerprint_depends_on_content_and_not_on_order(tmp_path_factory, rows, rng):
    folder = tmp_path_factory.mktemp("f")
    shuffled = list(rows)
    rng.shuffle(shuffled)
    changed = [(*rows[0][:3], rows[0][3] + 1.0), *rows[1:]]
    found = [
        fingerprint(folder / f"{i}.parquet", r) for i, r in enumerate((rows, shuffled, changed))
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert fingerprint(folder / "twice.parquet", [*rows, rows[0], rows[0]]) != found[0]


def fingerprint(path: Path, rows: list[tuple[str, str, int, float]]) -> str:
    values = ", ".join(
        f"('{r}', '{p}', DATE '2024-01-{d:02}', {u!r}::DOUBLE)" for r, p, d, u in rows
    )
    others = ", ".join(f"NULL AS {c.name}" for c in TABLES["sales"].columns[4:])
    query = f"SELECT *, {others} FROM (VALUES {values}) AS t(region_id, product_id, date, units)"
    with open_engine(threads=1) as engine:
        write_table(engine, TABLES["sales"], query, path)
        return fingerprint_table(engine, TABLES["sales"], path)[1]
