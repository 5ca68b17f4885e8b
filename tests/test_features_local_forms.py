"""A newcomer's own file, as her spreadsheet exports it: decimal commas, other dates, empty rows."""

from __future__ import annotations

import codecs
from pathlib import Path

import duckdb
import pytest

from features.door.draft import write_draft
from features.door.local_guesses import DateForm, guess_date_format, has_decimal_comma
from features.door.tables import build_tables
from features.errors import ProjectError, SourceError, WrongType
from features.progress import Silent
from features.project import load_project
from serving.batch import read_audience

COLUMNS = (
    'columns = { region_id = "Filiale", product_id = "Artikel", date = "Datum", units = "Menge" }'
)
HEADER = "Datum;Filiale;Artikel;Menge\n"


def read_sales(folder: Path, rows: str, settings: str) -> list[tuple[object, ...]]:
    """Return region, date and units of a file's rows as the door reads them."""
    (folder / "sales.csv").write_text(HEADER + rows, encoding="utf-8")
    toml = f'[tables.sales]\npath = "sales.csv"\n{settings}\n{COLUMNS}\n'
    (folder / "almanac.toml").write_text(toml, encoding="utf-8")
    built = build_tables(load_project(folder / "almanac.toml"), Silent())
    query = f"SELECT region_id, CAST(date AS VARCHAR)[:10], units FROM '{built['sales'].path}'"
    return duckdb.sql(query).fetchall()


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("1 234,5", 1234.5), ("7", 7.0), (",5", 0.5)],
)
def test_decimal_commas(tmp_path, text, value):
    rows = read_sales(tmp_path, f"2025-01-01;N;a;{text}\n", 'decimal = ","')
    assert rows == [("N", "2025-01-01", value)]


@pytest.mark.parametrize("text", ["1.5", "1.23,5", "1,5,2", "viel"])
def test_what_is_no_decimal_comma_is_refused_not_guessed(tmp_path, text):
    with pytest.raises(WrongType) as refused:
        read_sales(tmp_path, f"2025-01-01;N;a;{text}\n", 'decimal = ","')
    assert refused.value.expected == "a number with a decimal comma"
    assert refused.value.got == f"'{text}'"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d.%m.%Y", "28.11.2024"),
        ("%d.%m.%Y", "28.11.2024 00:00"),
        ("%m/%d/%Y", "11/28/2024"),
        ("%d.%m.%y", "28.11.24"),
        ("%d.%m.%Y", "2024-11-28"),
    ],
)
def test_other_dates(tmp_path, form, text):
    rows = read_sales(tmp_path, f"{text};N;a;1\n", f'date_format = "{form}"')
    assert rows == [("N", "2024-11-28", 1.0)]


@pytest.mark.parametrize("text", ["31.02.2025", "2/3", "28.11.2024 18:30"])
def test_dates_that_are_none_are_refused_as_they_were_written(tmp_path, text):
    with pytest.raises(WrongType) as refused:
        read_sales(tmp_path, f"{text};N;a;1\n", 'date_format = "%d.%m.%Y"')
    assert refused.value.got == f"'{text}'"
    assert refused.value.expected == "a date as 31.01.2024 (date_format)"


@pytest.mark.parametrize("form", ["%d.%m", "dd.mm.yyyy", "%H:%M", "%Q"])
def test_a_form_that_is_no_date_is_refused(tmp_path, form):
    with pytest.raises(ProjectError, match=r"date_format: .*such as %d\.%m\.%Y"):
        read_sales(tmp_path, "", f'date_format = "{form}"')


def test_empty_rows_are_passed_over_and_rows_keep_their_numbers(tmp_path):
    rows = ";;;\n2025-01-01;N;a;1\n\n ; ;;\n2025-01-02;N;a;2\n;;;\n"
    assert [units for _, _, units in read_sales(tmp_path, rows, "")] == [1.0, 2.0]
    with pytest.raises(WrongType) as refused:
        read_sales(tmp_path, rows + "2025-01-03;N;a;x\n", "")
    assert refused.value.row == 6
    with pytest.raises(WrongType, match="an empty value"):
        read_sales(tmp_path, rows + ";N;a;3\n", "")


def test_a_german_spreadsheet_builds_as_drafted(tmp_path, monkeypatch):
    sales = "Datum;Filiale;Artikel;Menge;Preis\n31.01.2025;Köln;Brot;1.200;2,49\n;;;;\n"
    orders = "Kunde;Zeitpunkt;Betrag\nK1;31.01.2025 18:30;12,50\n\nK2;01.02.2025 09:05;3,00\n"
    for name, text in (("verkauf.csv", sales), ("bestellungen.csv", orders)):
        (tmp_path / name).write_bytes(codecs.BOM_UTF8 + text.encode())
    monkeypatch.chdir(tmp_path)
    files = {"sales": Path("verkauf.csv"), "orders": Path("bestellungen.csv")}
    said = write_draft(Path("almanac.toml"), **files)
    assert "verkauf.csv as sales: Filiale is region_id, Artikel is product_id" in said
    assert "a decimal comma; dates as %d.%m.%Y" in said
    assert said.endswith("wrote almanac.toml. Read it, then run: almanac check")
    built = build_tables(load_project(Path("almanac.toml")), Silent())
    (row,) = duckdb.sql(f"SELECT units, price FROM '{built['sales'].path}'").fetchall()
    assert row == (1200.0, 2.49)
    rows = duckdb.sql(f"SELECT occurred_at, value FROM '{built['events'].path}'").fetchall()
    assert [(str(moment), value) for moment, value in rows] == [
        ("2025-01-31 18:30:00", 12.5),
        ("2025-02-01 09:05:00", 3.0),
    ]


def test_an_audience_may_come_from_a_spreadsheet_too(tmp_path):
    file = tmp_path / "ids.csv"
    file.write_bytes(codecs.BOM_UTF8 + "customer_id;Ort\nK1;Köln\nK2;Bonn\n".encode())
    assert read_audience(file) == ["K1", "K2"]
    file.write_text("Kunde;Ort\nK1;Köln\n")
    with pytest.raises(SourceError, match=r"got Kunde, Ort; rename the one that holds"):
        read_audience(file)


def test_days_that_could_be_months_are_pointed_out(tmp_path):
    (tmp_path / "s.csv").write_text("date,store,product,units\n01/02/2024,s,p,1\n")
    write_draft(tmp_path / "almanac.toml", sales=tmp_path / "s.csv", orders=None)
    text = (tmp_path / "almanac.toml").read_text()
    assert 'date_format = "%d/%m/%Y"' in text
    assert "# date: no date tells the day from the month; read as %d/%m/%Y. If the" in text
    assert 'date_format = "%m/%d/%Y"' in text


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["13/01/2025", "01/02/2025"], DateForm("%d/%m/%Y", is_certain=True)),
        (["01/13/2025", "01/02/2025"], DateForm("%m/%d/%Y", is_certain=True)),
        (["2025/01/02"], DateForm("%Y/%m/%d", is_certain=True)),
        (["3.1.25"], DateForm("%d.%m.%y", is_certain=False)),
        (["13/01/2025", "01/13/2025"], None),
        (["13.01.2025", "13/01/2025"], None),
        (["13.01.2025", "gestern"], None),
        (["13.01.2025", "13.01.25"], None),
        ([], None),
    ],
)
def test_the_form_of_dates(texts, form):
    assert guess_date_format(texts) == form


@pytest.mark.parametrize(
    ("texts", "is_comma"),
    [
        (["1,5", "2"], True),
        (["1.234,567"], True),
        (["1,234", "5"], False),
        (["1,234.5"], False),
        (["1.5", "2,5"], False),
        ([], False),
    ],
)
def test_decimal_commas_are_told_from_thousands(texts, is_comma):
    assert has_decimal_comma(texts) is is_comma
