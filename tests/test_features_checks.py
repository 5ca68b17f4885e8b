"""The door: each way in which a file can be wrong, named by file, row, column and remedy."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.door.casts import Family, cast_sql, family_of
from features.door.tables import build_tables
from features.engine import open_engine
from features.errors import (
    AlmanacError,
    AmbiguousTime,
    DuplicateKey,
    EmptyTable,
    MissingColumn,
    OutOfRange,
    ProjectError,
    SourceError,
    TableError,
    UnknownReference,
    WrongType,
)
from features.progress import Silent
from features.project import load_project
from features.schema import EVENTS, SALES, Column, Kind

SALES_COLUMNS = 'columns = {region_id="store", product_id="product", date="date", units="quantity"}'
HEADER = "date,store,product,quantity\n"

FIRST_MOMENT, LAST_MOMENT = (datetime.fromisoformat(f"{y}-01-01") for y in (1990, 2037))


def build(folder: Path, toml: str, **files: str | bytes) -> dict[str, pd.DataFrame]:
    """Write the files (`a_csv` becomes a.csv) and a project file, build, and read the tables."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("_", ".")).write_bytes(data)
    (folder / "almanac.toml").write_text(toml)
    built = build_tables(load_project(folder / "almanac.toml"), Silent())
    return {name: duckdb.sql(f"SELECT * FROM '{t.path}'").df() for name, t in built.items()}


def sales_toml(more: str = "", columns: str = SALES_COLUMNS) -> str:
    return f'[tables.sales]\npath = "a.csv"\n{columns}\n{more}'


def events_toml(more: str = "") -> str:
    columns = 'columns = {customer_id="customer", occurred_at="timestamp"}'
    return f'[tables.events]\npath = "a.csv"\n{columns}\n{more}'


def refused(kind: type[AlmanacError], folder: Path, toml: str, **files: str | bytes) -> TableError:
    with pytest.raises(kind) as caught:
        build(folder, toml, **files)
    assert type(caught.value) is kind
    return caught.value  # type: ignore[return-value]


def test_missing_column_names_what_is_there_and_the_remedy(tmp_path):
    error = refused(MissingColumn, tmp_path, sales_toml(), a_csv="date,store,product,qty\n")
    assert (error.table, error.column) == ("sales", "quantity")
    assert error.source.endswith("a.csv")
    assert error.got == "the columns date, store, product, qty"
    assert 'columns = { units = "qty" }' in error.fix


def test_missing_column_that_nothing_resembles(tmp_path):
    error = refused(MissingColumn, tmp_path, sales_toml(), a_csv="date,store,product,zzz\n")
    assert 'units = "..."' in error.fix


def test_optional_column_that_is_named_must_be_there(tmp_path):
    columns = SALES_COLUMNS.replace("}", ', price="prize"}')
    error = refused(
        MissingColumn, tmp_path, sales_toml(columns=columns), a_csv=HEADER + "2024-01-01,a,b,1\n"
    )
    assert error.column == "prize"


def test_column_names_are_found_in_any_case(tmp_path):
    tables = build(tmp_path, sales_toml(), a_csv="DATE,Store,Product,Quantity\n2024-01-01,a,b,1\n")
    assert tables["sales"]["units"].tolist() == [1.0]


def test_unknown_canonical_name_is_a_project_error(tmp_path):
    with pytest.raises(ProjectError, match="no column 'unit' in sales; nearest: 'units'"):
        build(tmp_path, sales_toml(columns='columns = {unit="quantity"}'), a_csv=HEADER)


def test_wrong_type_is_named_by_its_first_row(tmp_path):
    rows = "2024-01-01,a,b,1\n2024-01-02,a,b,two\n2024-01-03,a,b,three\n"
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + rows)
    assert (error.row, error.column, error.got) == (2, "quantity", "'two'")


def test_first_row_wins_over_first_column(tmp_path):
    rows = "2024-01-01,a,b,x\nyesterday,a,b,1\n"
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + rows)
    assert (error.row, error.column) == (1, "quantity")


def test_row_and_file_are_exact_among_several_files(tmp_path):
    toml = sales_toml().replace("a.csv", "part*.csv")
    (tmp_path / "part1.csv").write_text(HEADER + "2024-01-01,a,b,1\n2024-01-02,a,b,1\n")
    (tmp_path / "part2.csv").write_text("quantity," + HEADER[:-10] + "\n1,2024-02-01,a,b\n,x,a,b\n")
    error = refused(WrongType, tmp_path, toml)
    assert (Path(error.source).name, error.row, error.column) == ("part2.csv", 2, "date")


def test_row_is_exact_far_into_a_large_file(tmp_path):
    lines = [f"2024-01-01,s{i},p,1" for i in range(300_000)]
    lines[250_000] = "2024-01-01,s,p,oops"
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + "\n".join(lines))
    assert error.row == 250_001


@pytest.mark.parametrize("text", ["inf", "-inf", "1e999", "NaN", "nan", "NA", "null", "1_000"])
def test_numbers_must_be_finite_digits(tmp_path, text):
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + f"2024-01-01,a,b,{text}\n")
    assert error.row == 1
    assert error.got == f"'{text}'"


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3.0), (" 3.5 ", 3.5), (".5", 0.5), ("1e2", 100.0), ("+2.", 2.0)]
)
def test_numbers_that_are_read(tmp_path, text, value):
    tables = build(tmp_path, sales_toml(), a_csv=HEADER + f"2024-01-01,a,b,{text}\n")
    assert tables["sales"]["units"].tolist() == [value]


def test_nan_in_parquet_is_no_number(tmp_path):
    duckdb.sql(
        f"COPY (SELECT *, 'nan'::DOUBLE AS quantity FROM (VALUES ('2024-01-01', 'a', 'p')) "
        f"t(date, store, product)) TO '{tmp_path / 'a.parquet'}'"
    )
    error = refused(WrongType, tmp_path, sales_toml().replace("a.csv", "a.parquet"))
    assert (error.row, error.expected, error.got) == (1, "a finite number", "'nan'")


def test_negative_units_are_returns(tmp_path):
    rows = "2024-01-01,a,b,1\n2024-01-02,a,b,-2\n"
    error = refused(OutOfRange, tmp_path, sales_toml(), a_csv=HEADER + rows)
    assert (error.row, error.expected, error.got) == (2, "a number >= 0", "'-2'")
    assert "Returns" in error.fix
    tables = build(tmp_path, repaired(sales_toml(), error))
    assert sorted(tables["sales"]["units"]) == [0.0, 1.0]


def repaired(toml: str, error: TableError) -> str:
    """Do what the error says: a key more, or a named source and its query instead of the path."""
    key = re.search(r'(decimal|date_format) = "[^"]+"', error.fix)
    if key is not None:
        return toml.replace('path = "a.csv"', f'path = "a.csv"\n{key[0]}')
    query = re.search(r"sql = '''.*'''", error.fix)
    assert query is not None, error.fix
    return '[sources]\nmine = "a.csv"\n' + toml.replace('path = "a.csv"', query[0])


@pytest.mark.parametrize(
    ("text", "value"), [("1,5", 1.5), ("1.234,5", 1234.5), ("12,50", 12.5), ("1,234.5", 1234.5)]
)
def test_decimal_comma_is_explained_and_the_advice_works(tmp_path, text, value):
    file = HEADER.replace(",", ";") + f"2024-01-01;a;b;{text}\n"
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=file)
    assert error.got == f"'{text}'"
    tables = build(tmp_path, repaired(sales_toml(), error))
    assert tables["sales"]["units"].tolist() == [value]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-03-05", "2024-03-05"),
        ("20240305", "2024-03-05"),
        ("2024-03", "2024-03-01"),
        ("2024-03-05 00:00:00", "2024-03-05"),
        ("2024-03-05T00:00", "2024-03-05"),
    ],
)
def test_iso_dates_are_read(tmp_path, text, day):
    tables = build(tmp_path, sales_toml(), a_csv=HEADER + f"{text},a,b,1\n")
    assert [str(d)[:10] for d in tables["sales"]["date"]] == [day]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("05/03/2024", "2024-03-05"),
        ("03/25/2024", "2024-03-25"),
        ("5.3.24", "2024-03-05"),
        ("2024/03/05", "2024-03-05"),
        ("2024-03-05 18:30:00", "2024-03-05"),
    ],
)
def test_other_dates_are_refused_and_the_advice_works(tmp_path, text, day):
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + f"{text},a,b,1\n")
    assert (error.column, error.got) == ("date", f"'{text}'")
    tables = build(tmp_path, repaired(sales_toml(), error))
    assert [str(d)[:10] for d in tables["sales"]["date"]] == [day]


@pytest.mark.parametrize("text", ["2024-02-30", "infinity", "week 7", "2024-13"])
def test_dates_that_are_none(tmp_path, text):
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + f"{text},a,b,1\n")
    assert error.got == f"'{text}'"


def test_duplicate_keys_name_both_rows(tmp_path):
    rows = "2024-01-01,a,b,1\n2024-01-02,a,b,1\n2024-01-01,a,b,2\n2024-01-02,a,b,3\n"
    error = refused(DuplicateKey, tmp_path, sales_toml(), a_csv=HEADER + rows)
    assert error.row == 3
    assert error.got == "a, b, 2024-01-01 again, as in row 1"
    assert error.expected == "one row for each store x product x date"
    assert 'on_duplicate = "sum"' in error.fix


def test_naive_timestamps_need_a_zone(tmp_path):
    rows = "customer,timestamp\n1,2024-01-01T10:00:00Z\n"
    build(tmp_path, events_toml(), a_csv=rows)
    rows = "customer,timestamp\n1,2024-01-01 10:00:00\n"
    error = refused(AmbiguousTime, tmp_path, events_toml(), a_csv=rows)
    assert (error.row, error.column) == (1, "timestamp")
    assert 'naive_time_zone = "' in error.fix


@pytest.mark.parametrize("zone", ["", 'naive_time_zone = "UTC"'])
def test_mixed_timestamps_are_refused(tmp_path, zone):
    rows = "customer,timestamp\n1,2024-01-01T10:00:00Z\n2,2024-01-01T11:00:00\n"
    error = refused(AmbiguousTime, tmp_path, events_toml(zone), a_csv=rows)
    assert error.row == 2


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-07-01T10:00:00Z", "2024-07-01 10:00:00"),
        ("2024-07-01T10:00:00+02:00", "2024-07-01 08:00:00"),
        ("2024-07-01 10:00:00.250-0530", "2024-07-01 15:30:00.250"),
        ("2024-07-01 10:00 +02", "2024-07-01 08:00:00"),
    ],
)
def test_offsets_become_utc(tmp_path, text, utc):
    tables = build(tmp_path, events_toml(), a_csv=f"customer,timestamp\n1,{text}\n")
    assert tables["events"]["occurred_at"].tolist() == [pd.Timestamp(utc)]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-01-15 10:00:00", "2024-01-15 15:00:00"),
        ("2024-07-15 10:00:00", "2024-07-15 14:00:00"),
        ("2024-03-10 02:30:00", "2024-03-10 07:30:00"),  # skipped: read as 03:30 EDT
        ("2024-11-03 01:30:00", "2024-11-03 06:30:00"),  # twice: the second pass, EST
        ("2024-07-15", "2024-07-15 04:00:00"),
    ],
)
def test_naive_timestamps_hang_in_their_zone(tmp_path, local, utc):
    toml = events_toml('naive_time_zone = "America/New_York"')
    tables = build(tmp_path, toml, a_csv=f"customer,timestamp\n1,{local}\n")
    assert tables["events"]["occurred_at"].tolist() == [pd.Timestamp(utc)]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("1704103200", "2024-01-01 10:00:00"),
        ("1704103200000", "2024-01-01 10:00:00"),
        ("01/02/2024 10:00", "2024-02-01 10:00:00"),
        ("12/31/2024 10:00:05", "2024-12-31 10:00:05"),
    ],
)
def test_other_timestamps_are_refused_and_the_advice_works(tmp_path, text, utc):
    toml = events_toml('naive_time_zone = "UTC"')
    error = refused(WrongType, tmp_path, toml, a_csv=f"customer,timestamp\n1,{text}\n")
    tables = build(tmp_path, repaired(toml, error))
    assert tables["events"]["occurred_at"].tolist() == [pd.Timestamp(utc)]


def test_unknown_time_zone_in_the_project_file(tmp_path):
    with pytest.raises(ProjectError, match="not an IANA time zone; nearest: 'America/New_York'"):
        build(tmp_path, events_toml('naive_time_zone = "America/NewYork"'), a_csv="x\n")


def test_unknown_time_zone_in_a_row(tmp_path):
    rows = "customer_id,time_zone\n1,Europe/Paris\n2,\n3,Europe/Pariss\n"
    error = refused(OutOfRange, tmp_path, '[tables.customers]\npath = "a.csv"\n', a_csv=rows)
    assert (error.row, error.got) == (3, "'Europe/Pariss'")
    assert "'Europe/Paris'" in error.fix


def test_empty_file_and_header_only(tmp_path):
    assert "empty file" in str(refused(EmptyTable, tmp_path, sales_toml(), a_csv=""))
    assert "no rows" in str(refused(EmptyTable, tmp_path, sales_toml(), a_csv=HEADER))


def test_only_a_plan_is_no_history(tmp_path):
    error = refused(EmptyTable, tmp_path, sales_toml(), a_csv=HEADER + "2024-01-01,a,b,\n")
    assert error.column == "quantity"


@pytest.mark.parametrize("text", ["", "   "])
def test_empty_required_value(tmp_path, text):
    rows = f"2024-01-01,a,b,1\n2024-01-01,{text},b,1\n"
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=HEADER + rows)
    assert (error.row, error.column, error.got) == (2, "store", "an empty value")
    tables = build(tmp_path, repaired(sales_toml(), error))
    assert tables["sales"]["region_id"].tolist() == ["a"]


def test_unknown_region_in_a_join(tmp_path):
    toml = sales_toml() + '[tables.regions]\npath = "r.csv"\n'
    error = refused(
        UnknownReference, tmp_path, toml,
        a_csv=HEADER + "2024-01-01,North,b,1\n2024-01-02,Nrth,b,1\n",
        r_csv="region_id\nNorth\nSouth\n",
    )  # fmt: skip
    assert (error.row, error.column, error.got) == (2, "store", "'Nrth'")
    assert "nearest: 'North'" in error.fix


def test_two_hundred_columns(tmp_path):
    names = [f"c{i}" for i in range(196)] + ["date", "store", "product", "quantity"]
    rows = [",".join([*["x"] * 196, "2024-01-01", f"s{i}", "p", str(i)]) for i in range(50)]
    tables = build(tmp_path, sales_toml(), a_csv="\n".join([",".join(names), *rows]))
    assert len(tables["sales"]) == 50
    assert tables["sales"].shape[1] == len(SALES.columns)
    error = refused(MissingColumn, tmp_path, sales_toml(), a_csv=",".join(names[:-1]) + "\n")
    assert "and 187 more" in error.got


def test_file_that_is_not_utf8_names_the_byte(tmp_path):
    file = (HEADER + "2024-01-01,Zürich,b,1\n").encode("latin-1")
    with pytest.raises(SourceError, match=r'byte 40 \(0xfc\) .*encoding = "latin-1"'):
        build(tmp_path, sales_toml(), a_csv=file)
    tables = build(tmp_path, sales_toml('encoding = "latin-1"'), a_csv=file)
    assert tables["sales"]["region_id"].tolist() == ["Zürich"]
    assert file[40] == 0xFC


def test_header_that_is_not_utf8_names_the_byte(tmp_path):
    with pytest.raises(SourceError, match=r"byte 1 \(0xe4\)"):
        build(tmp_path, sales_toml(), a_csv="tägø\n1\n".encode("latin-1"))


def test_utf16_is_recognised(tmp_path):
    with pytest.raises(SourceError, match='encoding = "utf-16"'):
        build(tmp_path, sales_toml(), a_csv=(HEADER + "2024-01-01,a,b,1\n").encode("utf-16"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2024-01-01,a,b,1\n2024-01-01,a,b\n", "line 3 .data row 2.: expected 4 fields, .* got 3"),
        ("2024-01-01,a,b,1,9\n", "line 2 .data row 1.: expected 4 fields, .* got 5"),
        ('2024-01-01,"a,b,1\n', "closing quote"),
    ],
)
def test_ragged_rows_are_named_by_line(tmp_path, rows, words):
    with pytest.raises(SourceError, match=words):
        build(tmp_path, sales_toml(), a_csv=HEADER + rows)


def test_ids_stay_text(tmp_path):
    tables = build(tmp_path, sales_toml(), a_csv=HEADER + "2024-01-01,007,0012,1\n")
    assert tables["sales"]["region_id"].tolist() == ["007"]
    assert tables["products"]["product_id"].tolist() == ["0012"]


def test_numeric_ids_of_parquet_have_no_point(tmp_path):
    frame = pd.DataFrame(
        {
            "customer_id": [1001.0, 12345678901234.0, 2.5],
            "occurred_at": pd.to_datetime(["2024-01-01"] * 3, utc=True),
            "order_id": [7, 8, 9],
            "region_id": [1.0, None, 3.0],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    events = build(tmp_path, '[tables.events]\npath = "a.parquet"\n')["events"]
    assert sorted(events["customer_id"]) == ["1001", "12345678901234", "2.5"]
    assert sorted(events["order_id"]) == ["7", "8", "9"]
    assert sorted(events["region_id"].dropna()) == ["1", "3"]


def test_channels_are_a_choice_in_any_case(tmp_path):
    rows = "customer,timestamp,channel\n1,2024-01-01T00:00Z,Email\n2,2024-01-01T00:00Z,\n"
    events = build(tmp_path, events_toml(), a_csv=rows)["events"]
    assert sorted(events["channel"]) == ["email", "store"]
    rows += "3,2024-01-01T00:00Z,newsletter\n"
    error = refused(OutOfRange, tmp_path, events_toml(), a_csv=rows)
    assert (error.row, error.got) == (3, "'newsletter'")
    assert error.expected.startswith("one of web, app, store")
    assert len(build(tmp_path, repaired(events_toml(), error))["events"]) == 3


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("Yes", True), ("1", True), ("0", False), ("F", False)]
)
def test_flags_are_read(tmp_path, text, value):
    rows = f"date,store,product,quantity,is_promoted\n2024-01-01,a,b,1,{text}\n"
    assert build(tmp_path, sales_toml(), a_csv=rows)["sales"]["is_promoted"].tolist() == [value]
    error = refused(WrongType, tmp_path, sales_toml(), a_csv=rows + "2024-01-02,a,b,1,2\n")
    assert error.row == 2


def test_bounds_on_both_sides(tmp_path):
    rows = "promotion_id,starts_at,ends_at,discount\nx,2024-01-01T00Z,2024-01-02T00Z,0.2\n"
    toml = '[tables.promotions]\npath = "a.csv"\nnaive_time_zone = "UTC"\n'
    rows = rows.replace("T00Z", "")
    assert build(tmp_path, toml, a_csv=rows)["promotions"]["discount"].tolist() == [0.2]
    error = refused(OutOfRange, tmp_path, toml, a_csv=rows.replace("0.2", "20"))
    assert error.expected == "a number from 0 to 1"


def test_the_root_is_nobodys_id(tmp_path):
    error = refused(OutOfRange, tmp_path, sales_toml(), a_csv=HEADER + "2024-01-01,all,b,1\n")
    assert (error.row, error.column) == (1, "store")


def test_defaults_fill_absent_columns_and_empty_values(tmp_path):
    toml = sales_toml(
        'defaults = {region_id = "everywhere", price = 2.5, is_promoted = false}',
        columns='columns = {product_id="product", units="quantity"}',
    )
    rows = "date,product,quantity,price\n2024-01-01,b,1,\n2024-01-02,b,1,3\n"
    sales = build(tmp_path, toml, a_csv=rows)["sales"]
    assert sales["region_id"].tolist() == ["everywhere"] * 2
    assert sales["price"].tolist() == [2.5, 3.0]
    assert sales["is_promoted"].tolist() == [False, False]


def test_an_empty_name_leaves_a_column_out(tmp_path):
    rows = "date,store,product,quantity,price\n2024-01-01,a,b,1,cheap\n"
    toml = sales_toml(columns=SALES_COLUMNS.replace("}", ', price=""}'))
    assert build(tmp_path, toml, a_csv=rows)["sales"]["price"].isna().all()
    toml = sales_toml(columns=SALES_COLUMNS.replace('"date"', '""'))
    assert refused(MissingColumn, tmp_path, toml, a_csv=rows).column == "date"


def test_names_of_columns_may_hold_anything(tmp_path):
    toml = sales_toml(
        columns="""columns = {region_id="St\\"ore 'x'", product_id="a b", units="Größe"}"""
    )
    rows = 'date,"St""ore \'x\'",a b,Größe\n2024-01-01,s,p,-1\n'
    error = refused(OutOfRange, tmp_path, toml, a_csv=rows)
    assert error.column == "Größe"
    tables = build(tmp_path, repaired(toml, error))
    assert tables["sales"]["region_id"].tolist() == ["s"]


def cast_all(column: Column, texts: list[str], zone: str | None = None) -> list[object]:
    values = [cast_sql(column, f"'{text}'", Family.TEXT, zone) for text in texts]
    with open_engine(threads=1) as engine:
        return list(engine.execute(f"SELECT {', '.join(values)}").fetchall()[0])


@given(
    moments=st.lists(st.datetimes(FIRST_MOMENT, LAST_MOMENT), min_size=1, max_size=20),
    zone=st.sampled_from(["America/New_York", "Europe/Paris", "Asia/Kolkata", "Pacific/Auckland"]),
)
@settings(max_examples=12, deadline=None)
def test_local_times_agree_with_the_standard_library(moments, zone):
    utc = ZoneInfo("UTC")
    locals_ = [moment.replace(tzinfo=ZoneInfo(zone), fold=1) for moment in moments]
    # Left out is the hour that is skipped: there the standard library reads another rule.
    locals_ = [t for t in locals_ if t.astimezone(utc).astimezone(t.tzinfo).hour == t.hour]
    texts = [t.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds") for t in locals_]
    if texts:
        found = cast_all(EVENTS.column("occurred_at"), texts, zone)
        assert found == [t.astimezone(utc).replace(tzinfo=None) for t in locals_]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
)
@settings(max_examples=12, deadline=None)
def test_numbers_written_by_python_are_read_back(numbers):
    assert cast_all(Column("x", Kind.NUMBER), [repr(n) for n in numbers]) == numbers


@pytest.mark.parametrize(
    ("engine_type", "family"),
    [
        ("VARCHAR", Family.TEXT),
        ("VARCHAR[]", Family.OTHER),
        ("ENUM('a', 'b')", Family.TEXT),
        ("BIGINT", Family.INTEGER),
        ("UTINYINT", Family.INTEGER),
        ("DECIMAL(18,2)", Family.DECIMAL),
        ("TIMESTAMP_NS", Family.NAIVE),
        ("TIMESTAMP WITH TIME ZONE", Family.INSTANT),
        ("TIMESTAMPTZ_NS", Family.INSTANT),
        ("DATE", Family.DATE),
        ("TIME", Family.OTHER),
        ("BLOB", Family.OTHER),
    ],
)
def test_families(engine_type, family):
    assert family_of(engine_type) is family


@pytest.mark.parametrize("name", ["units", "date"])
def test_unreadable_types_of_parquet_are_refused(tmp_path, name):
    values = {"region_id": "'a'", "product_id": "'p'", "date": "DATE '2024-01-01'", "units": "1"}
    values[name] = "[1, 2]"
    columns = ", ".join(f"{value} AS {column}" for column, value in values.items())
    duckdb.sql(f"COPY (SELECT {columns}) TO '{tmp_path / 'a.parquet'}'")
    error = refused(WrongType, tmp_path, '[tables.sales]\npath = "a.parquet"\n')
    assert (error.row, error.column, error.got) == (1, name, "'[1, 2]'")
