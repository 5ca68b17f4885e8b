"""Stock advice, the simulation of policies, and the command line's answers."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

import almanac
from features.door.tables import build_tables
from features.errors import InvalidRequest, NotTrained, UnknownName
from features.progress import Silent
from features.project import load_project
from features.region.hierarchy import build_hierarchy
from models.artifact import Pointer, write_artifact, write_pointer
from models.demand.coherent import draw_block
from models.demand.marginals import KNOTS
from models.demand.model import DemandModel
from models.demand.path_files import unpack_paths, unpack_totals
from models.demand.sample_paths import SamplePaths, keep_paths
from models.demand.shocks import OWN, Shocks
from tests.small_project import write_small_project
from training.config import StockSettings
from training.demand.steps import load_panel
from training.demand.stock_advice import KNOWN_ONLY, advise, place_arrivals
from training.demand.stock_answers import make_advice, make_allocation
from training.demand.stock_chapter import write_stock
from training.demand.stock_inputs import KnownStock, make_rules, read_stock
from training.recipes import RECIPES

ORIGIN = np.datetime64("2026-03-01")
TREE = pd.DataFrame({"region_id": ["r0", "r1"], "parent_id": "all", "level": "store"})
KINDS = pd.DataFrame({"product_id": ["tea"], "parent_id": "all", "level": "product"})


def make_paths(units: float = 10.0, spread: float = 0.0, n_steps: int = 28) -> SamplePaths:
    """Two series whose distribution is `units` plus `spread` times a normal score, every day."""
    knots = np.broadcast_to(units + spread * KNOTS, (2, n_steps, len(KNOTS))).astype(np.float32)
    return SamplePaths(
        series=pd.DataFrame({"region_id": ["r0", "r1"], "product_id": ["tea", "tea"]}),
        dates=ORIGIN + 1 + np.arange(n_steps),
        origin=ORIGIN,
        frequency="day",
        knots=knots,
        shocks=Shocks((OWN,), np.array([0.5]), np.array([0.5])),
        seed=3,
        regions=build_hierarchy(TREE, "regions", "region_id"),
        products=build_hierarchy(KINDS, "products", "product_id"),
    )


def make_stock(on_hand: list[float], **changes) -> KnownStock:
    n = len(on_hand)
    stock = KnownStock(
        on_hand=np.array(on_hand),
        reserved=np.zeros(n),
        incoming=np.zeros(n),
        expected_on=np.full(n, np.datetime64("NaT", "D")),
        as_of=np.full(n, ORIGIN),
        lead_time_days=np.full(n, 7.0),
        source=np.array(["table stock"] * n, dtype=object),
    )
    return dataclasses.replace(stock, **changes)


def advise_on(paths: SamplePaths, stock: KnownStock, rows=None, **settings) -> pd.DataFrame:
    chosen = StockSettings(**{"lead_time_sd_days": 0.0, **settings})
    return advise(paths, make_rules(chosen, "day", paths.n_steps), stock, rows)


def test_advice_on_certain_demand_by_hand():
    """Ten a day, lead time 7 and review 7: the level is 140, and 95 units last nine full days."""
    table = advise_on(make_paths(), make_stock([95.0, 200.0]), pack_size=6.0)
    short, well = table.to_dict("records")
    assert short["reorder_point"] == short["order_up_to"] == pytest.approx(140.0)
    assert short["safety_stock"] == pytest.approx(0.0, abs=1e-4)
    assert short["interval_demand"] == pytest.approx(140.0)
    assert short["order_now"] == 48.0  # 45 in packs of six
    assert short["cover_days"] == 9.0
    assert short["stock_out_by"] == [0.0] * 9 + [1.0] * 19
    assert short["likely_out_on"] == pd.Timestamp("2026-03-11")  # the tenth day
    assert short["expected_lost_units"] == pytest.approx(280.0 - 95.0, rel=1e-4)
    assert well["order_now"] == 0.0
    assert well["cover_days"] == 20.0
    assert short["reason"] == (
        "lead time 7 ± 0 d + review 7 d; service level 95 %; demand over it 140 (140–140); "
        "position 95 is at or below 140: order 48 to reach 140"
    )


def test_without_stock_there_are_levels_only():
    table = advise_on(make_paths(), make_stock([np.nan, 50.0], source=np.array(
        ["no stock is known", "table stock"], dtype=object)))  # fmt: skip
    unknown = table.iloc[0]
    assert unknown[list(KNOWN_ONLY)].isna().all()
    assert unknown["stock_out_by"] == []
    assert unknown["reorder_point"] == pytest.approx(140.0)
    assert unknown["reason"].endswith("no stock is known: levels only")
    assert table.iloc[1]["order_now"] == pytest.approx(90.0)


@pytest.mark.parametrize("aim", ["service_level", "lost_margin", "lead_time_days"])
def test_what_asks_for_more_gets_a_higher_level(aim):
    paths, stock = make_paths(spread=4.0), make_stock([0.0, 0.0])
    ladder = {"service_level": (0.5, 0.8, 0.95, 0.99), "lost_margin": (1.0, 5.0, 50.0)}
    points = []
    for value in ladder.get(aim, (0.0, 3.0, 9.0)):
        more = {"holding_cost": 0.05} if aim == "lost_margin" else {}
        given = {} if aim == "lead_time_days" else {aim: value}
        known = stock
        if aim == "lead_time_days":
            known = make_stock([0.0, 0.0], lead_time_days=np.full(2, value))
        points.append(advise_on(paths, known, **given, **more)["reorder_point"].to_numpy())
    assert (np.diff(points, axis=0) > 0).all()


def test_a_row_does_not_depend_on_the_others():
    paths, stock = make_paths(spread=4.0), make_stock([30.0, 60.0])
    both = advise_on(paths, stock, lead_time_sd_days=2.0)
    one = advise_on(paths, stock, np.array([1]), lead_time_sd_days=2.0)
    pd.testing.assert_frame_equal(both.iloc[[1]].reset_index(drop=True), one)


def test_a_forecast_shorter_than_the_interval_is_carried_on_and_said():
    table = advise_on(make_paths(n_steps=10), make_stock([0.0, 0.0]))
    assert table["reorder_point"].tolist() == pytest.approx([140.0, 140.0])
    assert "100 % of the sample paths reach beyond the forecast" in table["reason"][0]


def test_what_is_incoming_arrives_on_its_day_or_late():
    days = np.array(["2026-02-20", "2026-03-04", "2026-05-01", "NaT"], dtype="datetime64[D]")
    stock = make_stock([0.0] * 4, incoming=np.full(4, 5.0), expected_on=days)
    arrivals, later = place_arrivals(stock, ORIGIN + 1 + np.arange(7), 1.0)
    assert np.argwhere(arrivals == 5.0).tolist() == [[0, 0], [1, 2]]
    assert later.tolist() == [0.0, 0.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"service_level": 0.9, "lost_margin": 2.0, "holding_cost": 1.0}, "not both"),
        ({"lost_margin": 2.0}, "need holding_cost"),
        ({"order_cost": 2.0}, "need holding_cost"),
        ({"service_level": 1.0}, "less than 1"),
        ({"pack_size": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ValidationError, match=words):
        StockSettings(**settings)


def test_settings_in_weeks():
    rules = make_rules(StockSettings(holding_cost=0.5, horizon_days=15), "week", 8)
    assert (rules.review_periods, rules.outlook_periods, rules.holding_cost) == (1, 3, 3.5)
    leads = rules.draw_lead_times(np.array([7.0, 21.0]), 4000, seed=1)
    assert leads.mean(axis=1) == pytest.approx([1.0, 3.0], abs=0.05)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The small project with a table of stock, trained and published."""
    folder = tmp_path_factory.mktemp("stock")
    path = write_small_project(folder).path
    stock = pd.DataFrame(
        {"store": ["store <0>"] * 2 + ["store <3>"], "product": ["product & 1"] * 3,
         "day": ["2025-07-20T00:00:00Z", "2025-07-25T00:00:00Z", "2025-07-25T00:00:00Z"],
         "stock": [999, 20, 400], "lead": [3, 3, 14]}
    )  # fmt: skip
    stock.to_csv(folder / "stock.csv", index=False)
    table = '[tables.stock]\npath = "stock.csv"\ncolumns = { location_id = "store", '
    table += 'product_id = "product", as_of = "day", on_hand = "stock", lead_time_days = "lead" }\n'
    text = path.read_text(encoding="utf-8").replace("[tables.events]", f"{table}\n[tables.events]")
    text = text.replace("rounds = 20", "rounds = 5")
    path.write_text(text, encoding="utf-8")
    project = load_project(path)
    build_tables(project, Silent(), RECIPES["demand"].tables(project))
    found = RECIPES["demand"].train(project, Silent())
    directory = project.workspace.published / "demand" / "v1"
    directory.parent.mkdir(parents=True)
    digest = write_artifact(directory, "demand", found.files, {}, code_version="1")
    write_pointer(project.workspace.published, "demand", Pointer("1", "v1", digest, "run"))
    return project, found


def test_training_publishes_advice_with_the_newest_stock(trained):
    _, found = trained
    table = pd.read_parquet(io.BytesIO(found.files["stock.parquet"]))
    assert len(table) == 12
    assert table["on_hand"].notna().sum() == 2
    row = table.query("region_id == 'store <0>' and product_id == 'product & 1'").iloc[0]
    assert (row["on_hand"], row["lead_time_days"], row["stock_source"]) == (
        20.0,
        3.0,
        "table stock",
    )
    assert row["order_now"] > 0
    assert row["stock_out_probability"] > 0.9
    rich = table.query("region_id == 'store <3>' and product_id == 'product & 1'").iloc[0]
    assert rich["lead_time_days"] == 14.0
    assert rich["stock_out_probability"] < 0.5


def test_policies_are_simulated_and_reported(trained):
    assert trained[1].tables["latent_demand"].empty  # it was never out of stock
    policies = trained[1].tables["stock_policies"].set_index("policy")
    assert policies.index[0] == "almanac"
    assert {"seasonal_naive", "lightgbm_quantiles"} <= set(policies.index)
    assert (policies["n_series"] == 12).all()
    assert policies["demand_units"].nunique() == 1  # all met the same demand
    total = policies[["holding_money", "lost_money", "order_money"]].sum(axis=1)
    np.testing.assert_allclose(total, policies["total_money"])
    assert policies.loc["seasonal_naive", "saving"] == 0.0
    assert policies.loc["almanac", "fill_rate"] > 0.9
    (section,) = write_stock(trained[1].tables["stock_policies"])
    names = {row[0] for row in section.grids[0].rows}
    assert {"Almanac, sample paths", "LightGBM's quantiles, added up"} <= names
    assert write_stock(None) == []


def test_published_paths_are_those_of_the_forecast(trained):
    project, found = trained
    panel = load_panel(project)
    model = DemandModel.from_files(found.files)
    made, _ = model.make(panel)
    paths = unpack_paths(found.files)
    direct = keep_paths(panel, made, model.calibration.shocks, model.calibration.seed)
    pd.testing.assert_frame_equal(paths.series, direct.series)
    series = made.members.nodes.series
    names = (series["region_id"] + "/" + series["product_id"]).to_numpy(object)
    order = series.sort_values(["region_id", "product_id"]).index.to_numpy()
    expected = draw_block(made, model.calibration.shocks, names, order, model.calibration.seed)
    np.testing.assert_allclose(paths.draw(np.arange(12)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(paths.draw(np.array([5])), expected[[5]], rtol=1e-5, atol=1e-5)
    totals = unpack_totals(found.files)
    np.testing.assert_allclose(totals.units, expected.sum(axis=1), rtol=1e-4)
    forecasts = pd.read_parquet(io.BytesIO(found.files["forecasts.parquet"]))
    bottom = forecasts[forecasts["level"] == "region/product"]
    means = bottom.groupby(["region_id", "product_id"])["mean"].sum()
    np.testing.assert_allclose(totals.units.mean(axis=1), means, rtol=0.1)


def test_answers_of_the_command_line(trained):
    project, found = trained
    table = make_advice(project)
    published = pd.read_parquet(io.BytesIO(found.files["stock.parquet"]))
    np.testing.assert_allclose(table["reorder_point"], published["reorder_point"])
    few = make_advice(project, region="store <0>", product="product & 1")
    assert few["order_now"].tolist() == published["order_now"].dropna().tolist()[:1]
    with pytest.raises(UnknownName, match="nearest: 'store <0>'"):
        make_advice(project, region="store 0")


def test_scarce_units_are_shared_out_whole(trained):
    project, _ = trained
    table = make_allocation(project, 150.0, "product & 1").set_index("region_id")
    assert table["units"].sum() == pytest.approx(150.0)
    assert table.loc["store <3>", "units"] == 0.0  # it has 400 already
    assert table.loc["store <0>", "on_hand"] == 20.0
    assert (table["expected_sales"] <= table["on_hand"] + table["units"] + 1e-9).all()
    with pytest.raises(InvalidRequest, match="0 or more"):
        make_allocation(project, -1.0, "product & 1")


def test_the_command_writes_advice_and_allocations(trained):
    project, _ = trained
    folder, runner = project.path.parent, CliRunner()

    def run(*words: str):
        return runner.invoke(almanac.app, ["stock", "--project", str(project.path), *words])

    done = run("--out", str(folder / "advice.csv"), "--region", "store <0>")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(folder / "advice.csv")
    assert len(table) == 3
    assert table["reason"].str.startswith("lead time").all()
    chosen = ("--product", "product & 1", "--allocate", "90")
    done = run("--out", str(folder / "shares.parquet"), *chosen)
    assert done.exit_code == 0, done.output
    assert pd.read_parquet(folder / "shares.parquet")["units"].sum() == pytest.approx(90.0)
    assert run("--out", str(folder / "x.csv"), "--allocate", "90").exit_code == 2
    assert run("--out", str(folder / "x.txt")).exit_code == 2


def test_a_champion_without_paths_says_train_again(trained, tmp_path):
    project, found = trained
    raw = project.raw | {"project": project.raw["project"] | {"workspace": str(tmp_path)}}
    settings = project.settings.model_copy(update={"workspace": tmp_path})
    other = dataclasses.replace(project, raw=raw, settings=settings)
    directory = tmp_path / "published" / "demand" / "v1"
    directory.parent.mkdir(parents=True)
    files = {"forecasts.parquet": found.files["forecasts.parquet"]}
    digest = write_artifact(directory, "demand", files, {}, code_version="1")
    write_pointer(tmp_path / "published", "demand", Pointer("1", "v1", digest, "run"))
    with pytest.raises(NotTrained, match="again"):
        make_advice(other)


def test_stock_in_the_sales_counts_up_to_the_origin(trained):
    project, _ = trained
    series = pd.DataFrame({"region_id": ["store <0>", "x"], "product_id": ["product & 1", "y"]})
    stock = read_stock(project, series, np.datetime64("2025-07-24"), StockSettings())
    assert stock.on_hand[0] == 20.0
    assert np.isnan(stock.on_hand[1])
    assert stock.lead_time_days.tolist() == [3.0, 7.0]
