"""Series by words, kin, history, accuracy and growth through the whole ASGI application."""

from __future__ import annotations

import csv
import io
from datetime import date

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from models.demand.series_facts import SERIES_FILE
from serving.api import build_api
from serving.client import Almanac
from serving.openapi import build_openapi
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.scenario_project import make_promoted_sales
from tests.test_serving_client import Over

DOCUMENT = build_openapi("0")
BOTH = "region=north&product=tea"


@pytest.fixture(scope="module")
def ask(champion, open_client):
    predictor = Predictor.load(champion.project.workspace.published)
    return open_client(build_api(predictor, ServingSettings(is_request_logged=False)))


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return make_promoted_sales()


def get(ask, url: str) -> dict:
    """Return an answer of 200, checked against the document."""
    response = ask("GET", url)
    assert response.status_code == 200, response.text
    path = url.partition("?")[0]
    answer = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    schema = {**answer["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(response.json())
    return response.json()


def refuse(ask, url: str, status: int) -> str:
    response = ask("GET", url)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()["detail"]


def test_history_is_what_was_sold_and_what_is_planned(ask, sales):
    found = get(ask, f"/v1/history?{BOTH}")
    own = sales[(sales["region_id"] == "north") & (sales["product_id"] == "tea")]
    assert found["origin"] == "2024-04-29"
    assert found["dates"] == [str(day) for day in own["date"]]
    assert found["units"][:120] == own["units"].tolist()[:120]
    assert found["units"][120:] == [None] * 14
    assert found["promoted"] == own["is_promoted"].astype(float).tolist()
    assert found["price"] == pytest.approx(own["price"].tolist())


def test_history_of_the_whole_sums_units_and_weighs_prices(ask, sales):
    found = get(ask, "/v1/history?region=all&product=tea")
    past = sales[(sales["product_id"] == "tea") & sales["units"].notna()]
    by_day = past.groupby("date")
    assert found["units"][:120] == by_day["units"].sum().tolist()
    weights = past.groupby("region_id")["units"].sum()
    day = past[past["date"] == past["date"].iloc[7]].set_index("region_id")["price"]
    assert found["price"][7] == pytest.approx((day * weights).sum() / weights.sum(), abs=1e-3)
    share = by_day["is_promoted"].mean().to_numpy()
    assert np.abs(np.array(found["promoted"][:120]) - share).max() < 0.01


def test_history_within_dates_and_as_csv(ask):
    found = get(ask, f"/v1/history?{BOTH}&from=2024-02-01&to=2024-02-03")
    assert found["dates"] == ["2024-02-01", "2024-02-02", "2024-02-03"]
    assert len(found["units"]) == 3
    response = ask("GET", f"/v1/history?{BOTH}&from=2024-02-01&to=2024-02-03",
                   headers={"accept": "text/csv"})  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["date"] for row in rows] == found["dates"]
    assert [float(row["units"]) for row in rows] == found["units"]
    nothing = get(ask, f"/v1/history?{BOTH}&from=2030-01-01")
    assert nothing["dates"] == nothing["units"] == nothing["holidays"] == []


def test_history_is_held_by_its_tag(ask):
    response = ask("GET", f"/v1/history?{BOTH}")
    held = ask("GET", f"/v1/history?{BOTH}", headers={"if-none-match": response.headers["etag"]})
    assert held.status_code == 304


def test_search_finds_series_by_all_words(ask):
    found = get(ask, "/v1/series?search=TEA+north")["series"]
    assert [(one["region_id"], one["product_id"]) for one in found] == [("north", "tea")]
    by_size = [one["units"] for one in get(ask, "/v1/series")["series"]]
    assert by_size == sorted(by_size, reverse=True)
    assert len(by_size) == 9
    assert get(ask, "/v1/series?search=coffee")["series"] == []
    level = get(ask, "/v1/series?level=region/all")["series"]
    assert {one["region_id"] for one in level} == {"north", "south"}


def test_search_goes_page_by_page(ask):
    found, url = [], "/v1/series?limit=4"
    cursor = None
    while True:
        page = get(ask, url + (f"&cursor={cursor}" if cursor else ""))
        found += [(one["region_id"], one["product_id"]) for one in page["series"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 9
    assert "cursor" in refuse(ask, "/v1/series?limit=4&search=tea&cursor=AAAA", 422)


def test_kin_are_one_step_up_and_down(ask):
    found = get(ask, f"/v1/series/kin?{BOTH}")
    assert found["series"]["level"] == "region/product"
    above = [(one["region_id"], one["product_id"]) for one in found["above"]]
    assert above == [("all", "tea"), ("north", "all")]
    assert found["regions"] == found["products"] == []
    whole = get(ask, "/v1/series/kin?region=all&product=all")
    assert whole["above"] == []
    assert {one["region_id"] for one in whole["regions"]} == {"north", "south"}
    assert {one["product_id"] for one in whole["products"]} == {"tea", "new"}


def test_accuracy_of_one_series_is_that_of_its_own_backtest(ask, champion):
    from features.progress import Silent
    from training.demand.steps import backtest_demand

    rows = backtest_demand(champion.project, Silent(), panel=champion.panel).forecasts
    own = rows[(rows["region"] == "north") & (rows["product"] == "tea") & rows["units"].notna()]
    found = get(ask, f"/v1/accuracy?{BOTH}")
    for model, name in (("almanac", "wape"), ("seasonal_naive", "baseline_wape")):
        one = own[own["model"] == model]
        errors = [abs(mean - sold) for mean, sold in zip(one["mean"], one["units"], strict=True)]
        assert found[name] == pytest.approx(sum(errors) / one["units"].sum(), rel=1e-5)
    assert found["judged"] == 14
    assert (found["first_date"], found["last_date"]) == ("2024-04-16", "2024-04-29")
    assert 0.0 <= found["coverage_80"] <= found["coverage_95"] <= 1.0


def test_growth_compares_with_last_year_where_all_of_it_is_known(ask):
    found = get(ask, "/v1/growth?product=all")
    assert found["region_level"] == "region"
    regions = {row["region_id"]: row for row in found["regions"]}
    # Of north a year ago is known of one product of two; of south of both: 0 and 80.
    assert regions["north"]["compared_with"] == "recent weeks"
    assert regions["north"]["before_units"] == 200.0
    assert regions["south"]["compared_with"] == "last year"
    assert regions["south"]["growth"] == pytest.approx(regions["south"]["units"] / 80.0)
    assert regions["south"]["growth_lower"] < regions["south"]["growth"]
    growths = [row["growth"] for row in found["regions"]]
    assert growths == sorted(growths, reverse=True)
    text = ask("GET", "/v1/growth", headers={"accept": "text/csv"}).text
    assert len(list(csv.DictReader(io.StringIO(text)))) == 2


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("/v1/history?region=nrth&product=tea", 404, "nearest: 'north'"),
        ("/v1/history?region=north", 422, "product"),
        (f"/v1/history?{BOTH}&from=2024-02-02&to=2024-02-01", 422, "before"),
        ("/v1/accuracy?region=north&product=te", 404, "nearest: 'tea'"),
        ("/v1/growth?level=shop", 404, "level"),
        ("/v1/series?level=shop/tea", 404, "level"),
        ("/v1/series?region=nowhere", 404, "region"),
        ("/v1/series/kin?region=all", 422, "product"),
        ("/v1/series?limit=0", 422, "limit"),
    ],
)
def test_refusals_say_what_to_change(ask, url, status, words):
    assert words in refuse(ask, url, status)


def test_an_older_model_serves_on_and_says_what_to_do(champion, tmp_path, publish_model,
                                                       open_client):  # fmt: skip
    files = {name: content for name, content in champion.files.items() if name != SERIES_FILE}
    publish_model(tmp_path, "demand", files)
    ask = open_client(build_api(Predictor.load(tmp_path), ServingSettings(is_request_logged=False)))
    assert "train and promote again" in refuse(ask, f"/v1/history?{BOTH}", 409)
    assert ask("GET", f"/v1/forecasts?{BOTH}").status_code == 200


def test_the_client_knows_all_of_it(ask):
    with Almanac("http://almanac", transport=Over(ask)) as almanac:
        assert [one.product_id for one in almanac.series("north tea")] == ["tea"]
        assert len(list(almanac.series(limit=2))) == 9
        assert len(almanac.series_kin("north", "tea").above) == 2
        past = almanac.history("north", "tea", first_date=date(2024, 2, 1))
        assert past.dates[0] == date(2024, 2, 1)
        assert almanac.accuracy("north", "tea").judged == 14
        assert {one.region_id for one in almanac.growth(limit=1)} == {"north", "south"}
