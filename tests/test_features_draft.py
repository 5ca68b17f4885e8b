"""`almanac init`: drafts load, build, and say what could not be found."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.door.draft import draft_project, write_draft
from features.door.guesses import guess_encoding, guess_frequency, match_columns
from features.door.tables import TableSummary, build_tables
from features.errors import EmptyTable, MissingColumn, SourceError
from features.progress import Silent
from features.project import Project, load_project
from features.schema import EVENTS, SALES
from training.config import DemandSettings, PromotionSettings, StockSettings

FRAT = Path(__file__).resolve().parents[2] / "shared" / "data" / "frat" / "transactions.parquet"


def load(folder: Path, text: str) -> Project:
    (folder / "almanac.toml").write_text(text, encoding="utf-8")
    project = load_project(folder / "almanac.toml")
    # Every key that a draft writes must be one that training knows.
    project.section("demand", DemandSettings)
    project.section("promotion", PromotionSettings)
    return project


def build(folder: Path, text: str) -> dict[str, TableSummary]:
    return build_tables(load(folder, text), Silent())


def draft(folder: Path, sales: str | None = None, orders: str | None = None) -> str:
    paths: dict[str, Path | None] = {"sales": None, "orders": None}
    for name, content in (("sales", sales), ("orders", orders)):
        if content is not None:
            paths[name] = folder / f"{name}.csv"
            (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return draft_project(sales=paths["sales"], orders=paths["orders"], name="shop", folder=folder)


def test_two_minimal_files_build_as_drafted(tmp_path):
    text = draft(
        tmp_path,
        "date,store,product,quantity\n2024-01-01,007,a,1\n2024-01-02,007,a,2\n",
        "customer,timestamp\n1,2024-01-01 10:00:00\n2,2024-01-02 11:00:00\n",
    )
    built = build(tmp_path, text)
    assert {name: summary.rows for name, summary in built.items()} == {
        "events": 2, "sales": 2, "regions": 1, "products": 1, "customers": 2,
    }  # fmt: skip
    assert 'path = "sales.csv"' in text
    assert 'naive_time_zone = "UTC"' in text
    assert "known_ahead" not in text


def test_timestamps_with_offsets_need_no_zone(tmp_path):
    text = draft(tmp_path, orders="customer,timestamp\n1,2024-01-01T10:00:00Z\n")
    assert "naive_time_zone" not in text
    assert "hour of the day" not in text
    assert build(tmp_path, text)["events"].rows == 1


def test_orders_by_day_are_told_to_have_no_hour(tmp_path):
    text = draft(tmp_path, orders="customer,date\n1,2024-01-01\n2,2024-01-02\n")
    assert "have no hour of the day" in text
    assert build(tmp_path, text)["events"].rows == 2


def test_european_export_is_read_as_it_is(tmp_path):
    path = tmp_path / "Umsätze.csv"
    path.write_bytes("Date;Store ID;SKU;Qty\n2024-01-01;Zürich;ä;3\n".encode("cp1252"))
    text = draft_project(sales=path, orders=None, name='a "shop"', folder=tmp_path)
    assert 'encoding = "cp1252"' in text
    built = build(tmp_path, text)
    rows = duckdb.sql(f"SELECT region_id, product_id, units FROM '{built['sales'].path}'")
    assert rows.fetchall() == [("Zürich", "ä", 3.0)]


@pytest.mark.parametrize(
    ("step", "frequency", "horizon"), [(1, "day", 28), (7, "week", 56), (0, "month", 365)]
)
def test_frequency_and_its_horizon(tmp_path, step, frequency, horizon):
    days = [date(2024, m, 1) for m in range(1, 13)]
    if step:
        days = [date(2024, 1, 3) + timedelta(days=step * i) for i in range(12)]
    rows = "".join(f"{day},s,p,1\n" for day in days)
    project = load(tmp_path, draft(tmp_path, "date,store,product,units\n" + rows))
    settings = project.section("demand", DemandSettings)
    assert (settings.frequency, settings.horizon_days) == (frequency, horizon)


def test_promotion_columns_are_known_ahead_and_prices_are_asked_for(tmp_path):
    text = draft(
        tmp_path,
        "date,store,product,units,promo,price\n2024-01-01,s,p,1,yes,2\n2024-01-02,s,p,1,no,3\n",
    )
    settings = load(tmp_path, text).section("demand", DemandSettings)
    assert settings.known_ahead == ("is_promoted",)
    assert "Are coming prices decided too? Then add price." in text


def test_repeated_days_are_added_up(tmp_path):
    text = draft(tmp_path, "date,store,product,units\n2024-01-01,s,p,1\n2024-01-01,s,p,2\n")
    assert 'on_duplicate = "sum"' in text
    assert "s, p, 2024-01-01 again" in text
    assert build(tmp_path, text)["sales"].rows == 1


def test_optional_column_of_another_meaning_is_left_out(tmp_path):
    text = draft(
        tmp_path,
        "date,store,product,units,promo,price\n2024-01-01,s,p,1,3 for 2,cheap\n",
        "customer,timestamp,channel\n1,2024-01-01T00:00Z,newsletter\n",
    )
    assert "# promo: not read as is_promoted: expected true or false" in text
    assert "got 'cheap' in row 1" in text
    assert "# channel: not read as channel: expected one of web" in text
    build(tmp_path, text)


def test_required_column_that_is_not_there(tmp_path):
    text = draft(tmp_path, "date,product,units,colour\n2024-01-01,p,1,red\n")
    assert "# TO DO: region_id = ?" in text
    assert "looked for: region_id, store" in text
    assert "the file has: date, product, units, colour" in text
    with pytest.raises(MissingColumn, match="region_id"):
        build(tmp_path, text)
    done = text.replace(
        "[tables.sales]\n", '[tables.sales]\ndefaults = { region_id = "everywhere" }\n'
    )
    assert build(tmp_path, done)["sales"].rows == 1


def test_required_value_that_is_refused_is_a_to_do(tmp_path):
    text = draft(tmp_path, "date,store,product,units\n01/02/2024,s,p,1\nsoon,s,p,1\n")
    assert "# TO DO: sales: " in text
    assert 'date_format = "%d/%m/%Y"' in text
    load(tmp_path, text)


def test_files_that_cannot_be_looked_at(tmp_path):
    with pytest.raises(EmptyTable):
        draft(tmp_path, "")
    with pytest.raises(EmptyTable):
        draft(tmp_path, "date,store,product,units\n")
    with pytest.raises(SourceError, match="there is no such file"):
        draft_project(sales=tmp_path / "nowhere.csv", orders=None, name="x")


def test_without_a_folder_paths_are_written_in_full(tmp_path, monkeypatch):
    pd.DataFrame({"date": ["2024-01-01"], "store": [1], "product": [2], "units": [3]}).to_parquet(
        tmp_path / "s.parquet"
    )
    monkeypatch.chdir(tmp_path)
    text = draft_project(sales=Path("s.parquet"), orders=None, name="x")
    assert f'path = "{tmp_path / "s.parquet"}"' in text
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert build(elsewhere, text)["sales"].rows == 1


def test_breakfast_at_the_frat_builds_as_drafted(tmp_path):
    if not FRAT.exists():
        pytest.skip("the shared data sets are not on this machine")
    text = draft_project(sales=FRAT, orders=None, name="frat")
    built = build(tmp_path, text)
    assert {name: built[name].rows for name in built} == {
        "sales": 524_950, "regions": 77, "products": 55,
    }  # fmt: skip
    settings = load(tmp_path, text).section("demand", DemandSettings)
    assert (settings.frequency, settings.horizon_days) == ("week", 56)
    assert settings.known_ahead == ("display", "mailer")
    for line in ('revenue = "spend"', 'mailer = "feature"', 'base_price = "base_price"'):
        assert line in text
    assert "# not used: visits, hhs, tpr_only" in text


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["STORE_ID", "Product ID", "week end date", "Units"],
         {"region_id": "STORE_ID", "product_id": "Product ID", "date": "week end date",
          "units": "Units"}),
        (["ds", "unique", "y"], {"date": "ds", "units": "y"}),
        (["sales", "quantity"], {"units": "quantity"}),
    ],
)  # fmt: skip
def test_columns_are_matched_by_synonym(names, expected):
    assert match_columns(SALES, names) == expected


@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_a_column_is_taken_once(names):
    for table in (SALES, EVENTS):
        taken = list(match_columns(table, [*names, "date", "created_at"]).values())
        assert len(set(taken)) == len(taken)


@given(start=st.dates(date(2000, 1, 1), date(2030, 1, 1)), count=st.integers(8, 60))
def test_weeks_are_recognised_on_any_weekday(start, count):
    assert guess_frequency([start + timedelta(days=7 * i) for i in range(count)]) == "week"
    assert guess_frequency([start + timedelta(days=i) for i in range(count)]) == "day"


def test_frequency_of_too_few_dates():
    assert guess_frequency([]) == "day"
    assert guess_frequency([date(2024, 1, 1)]) == "day"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("Zürich".encode(), "utf-8"),
        ("Zürich €".encode("cp1252"), "cp1252"),
        ("Zürich".encode("utf-16"), "utf-16"),
        (b"\x81\xff", "latin-1"),
    ],
)
def test_encoding(tmp_path, content, encoding):
    (tmp_path / "a.csv").write_bytes(content)
    assert guess_encoding(tmp_path / "a.csv") == encoding


def test_stock_settings_stand_in_the_draft_as_comments_that_load(tmp_path):
    text = draft(tmp_path, "date,store,product,quantity\n2024-01-01,a,b,1\n")
    start = text.index("# [stock]")
    lines = [line.removeprefix("# ") for line in text[start:].splitlines()]
    by_level = "\n".join(line for line in lines if not line.startswith("lost_margin"))
    project = load(tmp_path, text[:start] + by_level)
    assert project.section("stock", StockSettings).service_level == 0.95


def test_what_must_be_filled_in_is_counted(tmp_path):
    (tmp_path / "sales.csv").write_text("date,store,product,how many\n2024-01-01,a,b,1\n")
    said = write_draft(tmp_path / "almanac.toml", sales=tmp_path / "sales.csv", orders=None)
    assert "fill in what is marked TO DO (1)" in said
    assert "regressors" not in (tmp_path / "almanac.toml").read_text()
