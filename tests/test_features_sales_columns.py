"""The door for what the project file adds to sales: regressors, returns, dates of a plan."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from features.door.draft import draft_project
from features.door.tables import build_tables
from features.engine import open_engine
from features.errors import MissingColumn, OutOfRange, ProjectError, WrongType
from features.progress import Silent
from features.project import Workspace, load_project
from features.region.design import build_forecast_design
from features.region.frequency import DAY, Bucket
from features.region.panel import build_panel

HEADER = "date,region,product,units"


class Told(Silent):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def build(folder: Path, text: str, settings: str = "", more: str = "") -> pd.DataFrame:
    (folder / "a.csv").write_text(text)
    columns = 'columns = {region_id="region", product_id="product"}'
    toml = f'[tables.sales]\npath = "a.csv"\n{columns}\n{settings}\n{more}'
    (folder / "almanac.toml").write_text(toml)
    built = build_tables(load_project(folder / "almanac.toml"), Silent())
    return duckdb.sql(f"SELECT * FROM '{built['sales'].path}'").df()


def test_regressors_become_numbers_under_their_own_names(tmp_path):
    text = f"{HEADER},schulferien,temp_c\n2024-01-01,a,b,1,ja,3\n"
    text = text.replace("ja", "true") + "2024-01-02,a,b,1,no,-2.5\n2024-01-03,a,b,1,1,\n"
    settings = 'regressors = { school_holiday = "schulferien", temperature = "temp_c" }'
    sales = build(tmp_path, text, settings)
    assert sales["school_holiday"].tolist() == [1.0, 0.0, 1.0]
    assert sales["temperature"].tolist()[:2] == [3.0, -2.5]
    assert pd.isna(sales["temperature"][2])


def test_a_regressor_that_is_no_number_is_named_by_row_and_column(tmp_path):
    text = f"{HEADER},wetter\n2024-01-01,a,b,1,3\n2024-01-02,a,b,1,sunny\n"
    with pytest.raises(WrongType) as caught:
        build(tmp_path, text, 'regressors = { weather = "wetter" }')
    error = caught.value
    assert (error.row, error.column, error.got) == (2, "wetter", "'sunny'")
    assert error.expected == "a number, or true or false"


def test_a_regressor_that_is_not_in_the_file_says_where_it_is_named(tmp_path):
    with pytest.raises(MissingColumn, match=r"regressors = \{ weather = ") as caught:
        build(tmp_path, f"{HEADER}\n2024-01-01,a,b,1\n", 'regressors = { weather = "wetter" }')
    assert caught.value.column == "wetter"


@pytest.mark.parametrize(
    ("name", "told"),
    [("price", "a column of Almanac's"), ("Wind", "small letters"), ("a b", "a b")],
)
def test_names_that_regressors_cannot_have(tmp_path, name, told):
    with pytest.raises(ProjectError, match=told):
        build(tmp_path, f"{HEADER},w\n2024-01-01,a,b,1,2\n", f'regressors = {{ "{name}" = "w" }}')


@pytest.mark.parametrize("setting", ['regressors = { w = "w" }', 'returns = "separate"'])
def test_only_sales_have_regressors_and_returns(tmp_path, setting):
    (tmp_path / "r.csv").write_text("region_id\na\n")
    more = f'[tables.regions]\npath = "r.csv"\n{setting}\n'
    with pytest.raises(
        ProjectError, match=r"\[tables.regions\] (regressors|returns): is for sales"
    ):
        build(tmp_path, f"{HEADER}\n2024-01-01,a,b,1\n", more=more)


RETURNS = f"{HEADER},returned_units\n2024-01-01,a,b,5,\n2024-01-01,a,b,-2,1\n2024-01-02,a,b,-3,\n"


def test_negative_units_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(OutOfRange, match='put returns = "separate" in') as caught:
        build(tmp_path, RETURNS, 'on_duplicate = "sum"')
    assert (caught.value.row, caught.value.got) == (2, "'-2'")


def test_returns_go_to_their_own_column_and_are_added_up_apart(tmp_path):
    sales = build(tmp_path, RETURNS, 'on_duplicate = "sum"\nreturns = "separate"')
    assert sales["units"].tolist() == [5.0, 0.0]
    assert sales["returned_units"].tolist() == [3.0, 3.0]


def test_the_summary_counts_returns_and_keeps_that_when_the_table_is_reused(tmp_path):
    build(tmp_path, RETURNS, 'on_duplicate = "sum"\nreturns = "separate"')
    told = Told()
    build_tables(load_project(tmp_path / "almanac.toml"), told)
    assert "sales: 2 rows with negative units, 5 in all, kept as returned_units" in told.said


def test_a_file_without_returns_has_nothing_to_say(tmp_path):
    build(tmp_path, f"{HEADER}\n2024-01-01,a,b,1\n", 'returns = "separate"')
    summary = build_tables(load_project(tmp_path / "almanac.toml"), Silent())["sales"]
    assert summary.notes == ()


def test_regressors_of_rows_that_are_added_up_are_averaged(tmp_path):
    text = f"{HEADER},t\n2024-01-01,a,b,1,10\n2024-01-01,a,b,9,20\n"
    sales = build(tmp_path, text, 'on_duplicate = "sum"\nregressors = { t = "t" }')
    assert sales[["units", "t"]].to_numpy().tolist() == [[10.0, 15.0]]


def test_a_draft_of_a_file_with_returns_keeps_them_apart_and_builds(tmp_path):
    (tmp_path / "a.csv").write_text(
        "date,store,product,quantity\n2024-01-01,a,b,5\n2024-01-02,a,b,-1\n"
    )
    text = draft_project(sales=tmp_path / "a.csv", orders=None, name="x", folder=tmp_path)
    assert 'returns = "separate"' in text
    (tmp_path / "almanac.toml").write_text(text)
    build_tables(load_project(tmp_path / "almanac.toml"), Silent())


def test_dates_of_plans_delistings_and_closings_come_through_the_door(tmp_path):
    (tmp_path / "r.csv").write_text("region_id,closed_at\na,2024-02-01\n")
    (tmp_path / "p.csv").write_text("product_id,delisted_at\nb,2024-03-01\n")
    more = '[tables.regions]\npath = "r.csv"\n[tables.products]\npath = "p.csv"\n'
    text = f"{HEADER},known_since\n2024-01-01,a,b,1,2023-12-24\n"
    assert str(build(tmp_path, text, more=more)["known_since"][0].date()) == "2023-12-24"
    for name, column in (("regions", "closed_at"), ("products", "delisted_at")):
        table = pd.read_parquet(tmp_path / ".almanac" / "tables" / f"{name}.parquet")
        assert str(table[column][0])[:4] == "2024"


def test_quarters_are_read_as_their_first_day(tmp_path):
    text = f"{HEADER}\n2024-Q1,a,b,1\n2024 Q2,a,b,1\n2024q4,a,b,1\n"
    dates = build(tmp_path, text)["date"].astype(str).tolist()
    assert dates == ["2024-01-01", "2024-04-01", "2024-10-01"]
    with pytest.raises(WrongType, match="got '2024-Q5'"):
        build(tmp_path, f"{HEADER}\n2024-Q5,a,b,1\n")


def test_a_draft_shows_how_an_unused_column_becomes_a_regressor(tmp_path):
    (tmp_path / "a.csv").write_text("date,store,product,quantity,wind\n2024-01-01,a,b,5,1\n")
    text = draft_project(sales=tmp_path / "a.csv", orders=None, name="x", folder=tmp_path)
    assert '#   regressors = { holiday = "wind" }' in text


def test_what_comes_through_the_door_reaches_the_design(tmp_path):
    days = pd.date_range("2024-01-01", periods=47)
    rows = [
        f"{day:%Y-%m-%d},a,b,{'' if place >= 40 else 3},{'yes' if place == 42 else 'no'},{place}"
        for place, day in enumerate(days)
    ]
    text = "\n".join([f"{HEADER},schulferien,temp_c", *rows])
    (tmp_path / "promotions.csv").write_text(
        "promotion_id,starts_at,ends_at,discount,regions,products,known_since\n"
        "p1,2024-02-11,2024-02-13,0.25,a,,2024-02-01\n"
        "p2,2024-02-14,2024-02-16,0.5,a,b,2024-02-10\n"
    )
    more = '[tables.promotions]\npath = "promotions.csv"\nnaive_time_zone = "UTC"\n'
    settings = 'regressors = { school_holiday = "schulferien", temperature = "temp_c" }'
    build(tmp_path, text, settings, more)
    with open_engine(threads=1) as engine:
        panel = build_panel(
            engine, Workspace(tmp_path / ".almanac"), origin=None, horizon_days=7, frequency=DAY,
            known_ahead=("school_holiday",),
        )  # fmt: skip
    found = build_forecast_design(panel, panel.origin_period, Bucket(1, 7), 7).features
    assert found["school_holiday_planned"].tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert found["temperature_lag_0"].tolist()[-1] == 39.0
    # The second promotion became known the day after the origin, 9 February.
    assert found["promotion_depth"].tolist() == [0, 0.25, 0.25, 0, 0, 0, 0]
