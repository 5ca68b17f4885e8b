"""Stock advice, allocations and assortments through the whole ASGI application."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from features.region.hierarchy import build_hierarchy
from models.demand.marginals import KNOTS
from models.demand.path_files import KNOTS_FILE, TOTALS_FILE, pack_paths, pack_totals
from models.demand.sample_paths import SamplePaths
from models.demand.shocks import OWN, Shocks
from serving import stock_contract
from serving.api import build_api
from serving.openapi import build_openapi
from serving.predictor import Predictor
from serving.settings import ServingSettings
from training.config import StockSettings
from training.demand.stock_advice import advise
from training.demand.stock_inputs import KnownStock, make_rules

DOCUMENT = build_openapi("0")
ADVICE, ALLOCATE, ASSORT = "/v1/stock-advice", "/v1/allocations", "/v1/assortment"
REGIONS = pd.DataFrame(
    [("s0", "north", "store"), ("s1", "north", "store"), ("s2", "south", "store"),
     ("north", "all", "state"), ("south", "all", "state")],
    columns=["region_id", "parent_id", "level"],
)  # fmt: skip
PRODUCTS = pd.DataFrame(
    [("tea", "drinks", "sku"), ("=milk", "drinks", "sku"), ("drinks", "all", "category")],
    columns=["product_id", "parent_id", "level"],
)
SIZES = {("s0", "=milk"): 10.0, ("s0", "tea"): 4.0, ("s1", "=milk"): 2.0, ("s1", "tea"): 8.0,
         ("s2", "tea"): 16.0}  # fmt: skip


@pytest.fixture(scope="module")
def paths() -> SamplePaths:
    sizes = np.array(list(SIZES.values()))[:, None, None]
    knots = np.maximum(sizes * (1.0 + 0.3 * KNOTS), 0.0)
    return SamplePaths(
        series=pd.DataFrame(list(SIZES), columns=["region_id", "product_id"]),
        dates=np.datetime64("2026-11-02") + np.arange(14),
        origin=np.datetime64("2026-11-01"),
        frequency="day",
        knots=np.broadcast_to(knots, (5, 14, len(KNOTS))).astype(np.float32),
        shocks=Shocks((OWN,), np.array([0.8]), np.array([0.2])),
        seed=5,
        regions=build_hierarchy(REGIONS, "regions", "region_id"),
        products=build_hierarchy(PRODUCTS, "products", "product_id"),
    )


@pytest.fixture(scope="module")
def files(paths, forecast_file) -> dict[str, bytes]:
    n_series = len(paths.series)
    never = np.full(n_series, np.datetime64("NaT", "D"))
    stock = KnownStock(
        on_hand=np.array([50.0, np.nan, 0.0, 300.0, np.nan]),
        reserved=np.zeros(n_series),
        incoming=np.zeros(n_series),
        expected_on=never,
        as_of=never,
        lead_time_days=np.full(n_series, 4.0),
        source=np.array(["table stock", "no stock is known"] * 2 + ["no stock is known"], object),
    )
    content = io.BytesIO()
    rules = make_rules(StockSettings(review_days=3), "day", paths.n_steps)
    advise(paths, rules, stock).to_parquet(content, index=False)
    past = paths.series.assign(recent_units=100.0, last_year_units=np.nan)
    return {
        "forecasts.parquet": forecast_file,
        "stock.parquet": content.getvalue(),
        TOTALS_FILE: pack_totals(past, paths.sum_horizon()),
        **pack_paths(paths),
    }


def open_api(files, folder, publish_model, open_client):
    publish_model(folder, "demand", files)
    return open_client(build_api(Predictor.load(folder), ServingSettings(is_request_logged=False)))


@pytest.fixture(scope="module")
def ask(files, tmp_path_factory, publish_model, open_client):
    return open_api(files, tmp_path_factory.mktemp("plan"), publish_model, open_client)


def check_answer(response, method: str, url: str) -> dict:
    """Check that an answer of 200 is what the document says."""
    assert response.status_code == 200, response.text
    schema = DOCUMENT["paths"][url][method]["responses"]["200"]["content"]["application/json"]
    whole = {**schema["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(whole).validate(response.json())
    return response.json()


def check_refusal(response, status: int, kind: str) -> dict:
    assert response.status_code == status, response.text
    problem = response.json()
    assert problem["type"] == f"urn:almanac:problem:{kind}"
    assert problem["detail"].endswith(".")
    return problem


def allocate(ask, **body):
    return ask("POST", ALLOCATE, json={"product": "tea", "units": 100.0, **body})


def test_advice_page_by_page(ask):
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        response = ask("GET", ADVICE, params=params)
        page = check_answer(response, "get", ADVICE)
        found += [(row["region_id"], row["product_id"]) for row in page["advice"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert cursor in response.headers["link"]
    assert found == list(SIZES)


def test_advice_of_any_level_and_what_is_not_known(ask):
    north = ask("GET", ADVICE, params={"region": "north", "product": "drinks"}).json()["advice"]
    assert [row["region_id"] for row in north] == ["s0", "s0", "s1", "s1"]
    known, unknown = north[:2]
    assert known["on_hand"] == 50.0
    assert known["order_now"] > 0
    assert len(known["stock_out_by"]) == 14
    assert known["stock_out_by"] == sorted(known["stock_out_by"])
    assert "service level 95 %" in known["reason"]
    assert (unknown["on_hand"], unknown["order_now"], unknown["stock_out_by"]) == (None, None, [])
    assert unknown["reorder_point"] > unknown["interval_demand"] > 0


def test_advice_as_csv_that_no_spreadsheet_computes(ask):
    response = ask("GET", ADVICE, headers={"accept": "text/csv"})
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert rows[0]["product_id"] == "'=milk"
    assert float(rows[0]["on_hand"]) == 50.0
    assert rows[1]["on_hand"] == ""


@pytest.mark.parametrize(
    ("url", "place", "words"),
    [
        (f"{ADVICE}?region=nrth", "region", "nearest: 'north'"),
        (f"{ADVICE}?product=te", "product", "nearest: 'tea'"),
        (f"{ASSORT}?region=s9", "region", "nearest: 's"),
        (f"{ASSORT}?region=s0&reference=sout", "reference", "nearest: 'south'"),
        (f"{ASSORT}?region=s0&level=categry", "level", "nearest: 'category'"),
    ],
)
def test_unknown_names_say_where_and_the_nearest(ask, url, place, words):
    problem = check_refusal(ask("GET", url), 404, "not-forecast")
    assert problem["errors"][0]["parameter"] == place
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("url", "parameter"),
    [
        (ASSORT, "region"),
        (f"{ASSORT}?region=s0&limit=0", "limit"),
        (f"{ADVICE}?limit=1001", "limit"),
        (f"{ADVICE}?cursor=abc", "cursor"),
        (f"{ADVICE}?regoin=s0", None),
    ],
)
def test_queries_that_break_the_contract(ask, url, parameter):
    problem = check_refusal(ask("GET", url), 422, "invalid-request")
    if parameter:
        assert problem["errors"][0]["parameter"] == parameter


def test_an_allocation_serves_the_dearest_sales_first(ask):
    """Demand for tea over 14 days is near 56, 112 and 224; s1 earns three times as much."""
    bounds = [{"region": "s0"}, {"region": "s1", "margin": 3.0}, {"region": "s2", "minimum": 30}]
    answer = check_answer(allocate(ask, units=120.0, regions=bounds), "post", ALLOCATE)
    units = {row["region_id"]: row["units"] for row in answer["regions"]}
    assert units["s2"] >= 30.0
    assert units["s1"] > 75.0
    assert sum(units.values()) + answer["left_over"] == pytest.approx(120.0)
    for row in answer["regions"]:
        assert row["expected_sales"] + row["expected_lost"] == pytest.approx(row["expected_demand"])
    whole = ask("POST", ALLOCATE, json={"product": "drinks", "units": 1.0}).json()
    assert [row["region_id"] for row in whole["regions"]] == ["s0", "s1", "s2"]


def test_what_would_earn_nothing_is_kept_back(ask):
    answer = allocate(ask, units=5000.0, overage_cost=1.0, pack_size=6.0).json()
    assert answer["left_over"] > 4000.0
    assert answer["next_pack_gain"] == 0.0
    for row in answer["regions"]:
        assert row["units"] % 6 == 0
        assert row["marginal_profit"] <= 0
        assert row["demand_lower"] < row["units"] < row["demand_upper"]
        assert "one more pack would earn nothing" in row["reason"]


def test_a_shorter_horizon_needs_less(ask):
    week, all_of_it = (allocate(ask, units=1e6, horizon_days=days).json() for days in (7, 99))
    assert (week["last_date"], all_of_it["last_date"]) == ("2026-11-08", "2026-11-15")
    means = [sum(row["expected_demand"] for row in one["regions"]) for one in (week, all_of_it)]
    assert means[0] == pytest.approx(means[1] / 2, rel=0.05)


@pytest.mark.parametrize(
    ("body", "pointer", "status"),
    [
        ({"product": "te"}, "#/product", 404),
        ({"regions": [{"region": "s0"}, {"region": "s9"}]}, "#/regions/1/region", 404),
        ({"product": "=milk", "regions": [{"region": "s2"}]}, "#/regions/0/region", 404),
        ({"regions": [{"region": "north"}, {"region": "s1"}]}, "#/regions/1/region", 422),
        ({"regions": [{"region": "s0"}, {"region": "s0"}]}, "#/regions", 422),
        ({"regions": []}, "#/regions", 422),
        ({"units": -1.0}, "#/units", 422),
        ({"margin": -1.0}, "#/margin", 422),
        ({"pack_size": 0.0}, "#/pack_size", 422),
        ({"horizon_days": 0}, "#/horizon_days", 422),
        ({"regions": [{"region": "s0", "minimum": 200.0}]}, "#", 422),
        ({"regions": [{"region": "s0", "minimum": 5.0, "maximum": 4.0}]}, "#", 422),
        ({"colour": "red"}, "#", 422),
    ],
)
def test_allocations_that_cannot_be(ask, body, pointer, status):
    kind = "not-forecast" if status == 404 else "invalid-request"
    problem = check_refusal(allocate(ask, **body), status, kind)
    assert problem["errors"][0]["pointer"] == pointer


def test_very_many_packs_are_refused(ask, monkeypatch):
    monkeypatch.setattr("serving.allocations.MAX_PACKS", 100)
    problem = check_refusal(allocate(ask, pack_size=0.01), 422, "invalid-request")
    assert problem["errors"][0]["pointer"] == "#/pack_size"


@settings(max_examples=25, deadline=None)
@given(
    units=st.floats(0.0, 1e4),
    pack=st.floats(0.5, 50.0),
    overage=st.floats(0.0, 5.0),
    minimum=st.floats(0.0, 50.0),
    maximum=st.none() | st.floats(0.0, 500.0),
)
def test_any_allocation_keeps_its_bounds_or_is_refused(ask, units, pack, overage, minimum, maximum):
    bounds = [{"region": "s0", "minimum": minimum, "maximum": maximum}, {"region": "south"}]
    body = {"units": units, "pack_size": pack, "overage_cost": overage, "regions": bounds}
    response = allocate(ask, **body)
    assert response.status_code in (200, 422)
    if response.status_code == 200:
        answer = check_answer(response, "post", ALLOCATE)
        own = answer["regions"][0]["units"]
        assert minimum - 1e-6 <= own
        assert maximum is None or own <= maximum + 1e-6
        assert answer["units"] + answer["left_over"] == pytest.approx(units, abs=1e-6)


def test_an_assortment(ask):
    """Milk is 10 of 14 in s0 and 12 of 24 in the north: index 10/7, and surely over."""
    page = check_answer(ask("GET", f"{ASSORT}?region=s0"), "get", ASSORT)
    assert (page["reference_id"], page["product_level"]) == ("north", "sku")
    milk, tea = page["products"]
    assert milk["index"] == pytest.approx(10 / 7, rel=0.05)
    assert milk["index_lower"] < milk["index"] < milk["index_upper"]
    assert (milk["standing"], tea["standing"]) == ("over", "under")
    assert (milk["direction"], tea["direction"]) == ("rising", "fading")
    one = check_answer(ask("GET", f"{ASSORT}?region=s0&limit=1"), "get", ASSORT)
    rest = ask("GET", f"{ASSORT}?region=s0&cursor={one['next_cursor']}").json()
    assert [row["product_id"] for row in rest["products"]] == ["tea"]


def test_a_champion_of_before_says_train_again(call):
    for method, url, body in (
        ("GET", ADVICE, None),
        ("GET", f"{ASSORT}?region=s0", None),
        ("POST", ALLOCATE, {"product": "tea", "units": 1.0}),
    ):
        problem = check_refusal(call(method, url, json=body), 409, "not-planned")
        assert "train and promote again" in problem["detail"]


def test_without_distributions_the_whole_horizon_is_left(
    files, tmp_path, publish_model, open_client
):
    few = {name: content for name, content in files.items() if name != KNOTS_FILE}
    ask = open_api(few, tmp_path, publish_model, open_client)
    assert allocate(ask).status_code == 200
    assert allocate(ask, horizon_days=14).status_code == 200
    problem = check_refusal(allocate(ask, horizon_days=7), 409, "not-planned")
    assert "leave horizon_days out" in problem["detail"]


def test_without_a_model_nothing_is_decided(tmp_path, open_client):
    empty = open_client(build_api(Predictor.load(tmp_path), ServingSettings()))
    check_refusal(empty("GET", ADVICE), 503, "model-not-loaded")
    check_refusal(allocate(empty), 503, "model-not-loaded")


def test_the_contract_names_every_column_that_is_published(files):
    published = pd.read_parquet(io.BytesIO(files["stock.parquet"])).columns
    assert list(published) == list(stock_contract.StockAdvice.model_fields)
    assert "NaN" not in json.dumps(DOCUMENT)


def test_an_assortment_as_csv_has_its_rows_and_no_formulas(ask):
    page = ask("GET", "/v1/assortment?region=s1&limit=2")
    table = ask("GET", "/v1/assortment?region=s1&limit=2", headers={"accept": "text/csv"})
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0] == list(stock_contract.AssortedProduct.model_fields)
    told = page.json()["products"]
    assert sorted(row[0] for row in rows[1:]) == ["'=milk", "tea"]
    assert {product["product_id"] for product in told} == {"=milk", "tea"}
    assert float(rows[1][1]) == told[0]["units"]
