"""Reasons and scenarios through the service, on a champion that was trained."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from jsonschema import Draft202012Validator

from features.errors import ArtifactError
from models.demand.plan_changes import Change
from serving import contract, scenario_contract
from serving.api import build_api
from serving.forecasts import ForecastTable
from serving.openapi import build_openapi
from serving.predictor import Predictor
from serving.settings import ServingSettings
from training.demand.what_if import ask_scenario

WHAT_IF = "/v1/forecasts/what-if"
DOCUMENT = build_openapi("0")
ASKED = {"region": "all", "product": "tea", "price": 1.7}


@pytest.fixture(scope="module")
def ask(champion, open_client):
    predictor = Predictor.load(champion.project.workspace.published)
    return open_client(build_api(predictor, ServingSettings(is_request_logged=False)))


def is_described(response, path: str, method: str) -> bool:
    answers = DOCUMENT["paths"][path][method]["responses"][str(response.status_code)]
    media_type = response.headers["content-type"].partition(";")[0]
    schema = answers["content"][media_type]["schema"] | {"components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(response.json())
    return True


def test_a_scenario_is_what_the_command_line_says(ask, champion):
    response = ask("POST", WHAT_IF, json=ASKED)
    assert response.status_code == 200, response.text
    assert is_described(response, WHAT_IF, "post")
    answer = scenario_contract.WhatIf.model_validate_json(response.content)
    assert (answer.region_id, answer.product_id, answer.series) == ("all", "tea", 2)
    found = ask_scenario(champion.project, "all", "tea", Change(price=1.7))
    assert len(answer.dates) == 14
    for row, one in zip(found.by_date.to_dict("records"), answer.dates, strict=True):
        assert one.date == row["date"]
        assert one.scenario.mean == pytest.approx(row["scenario_mean"], rel=1e-12)
        assert one.difference.upper_95 == pytest.approx(row["difference_upper_95"], rel=1e-12)
    gain = answer.total.scenario.mean - answer.total.plan.mean
    assert answer.total.difference.mean == pytest.approx(gain)
    assert gain > 0


def test_the_plan_of_a_scenario_is_the_published_forecast(ask):
    body = {"region": "north", "product": "tea", "from": "2024-05-02", "to": "2024-05-03"}
    dates = ask("POST", WHAT_IF, json=body).json()["dates"]
    assert [one["date"] for one in dates] == ["2024-05-02", "2024-05-03"]
    query = "region=north&product=tea&from=2024-05-02&to=2024-05-03"
    published = ask("GET", f"/v1/forecasts?{query}").json()["forecasts"]
    for one, other in zip(dates, published, strict=True):
        assert one["plan"]["mean"] == pytest.approx(other["mean"], rel=1e-12)
        assert one["scenario"] == one["plan"]
        assert set(one["difference"].values()) == {0.0}


def test_warnings_are_served(ask):
    found = ask("POST", WHAT_IF, json=ASKED | {"price": 50.0, "mailer": 1.0}).json()["warnings"]
    assert found[0] == "mailer is not planned: list it in [demand] known_ahead"
    assert found[1].startswith("price 50: outside the range seen in training, 1.6 to 2")


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"region": "nrth"}, 404, "#/region"),
        ({"product": "coffee"}, 404, "#/product"),
        ({"price": 0}, 422, "#/price"),
        ({"price": "2"}, 422, "#/price"),
        ({"price": -math.inf}, 422, "#/price"),
        ({"depth": 1.0}, 422, "#/depth"),
        ({"display": -1.0}, 422, "#/display"),
        ({"promotion": "on"}, 422, "#/promotion"),
        ({"promotion": False, "depth": 0.2}, 422, "#"),
        ({"from": "2024-05-03", "to": "2024-05-01"}, 422, "#"),
        ({"from": "2025-05-03"}, 422, "#/from"),
        ({"colour": "red"}, 422, "#"),
    ],
)
def test_refusals_name_the_field(ask, change, status, pointer):
    body = json.dumps(ASKED | change)
    response = ask("POST", WHAT_IF, content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    assert is_described(response, WHAT_IF, "post")
    assert response.json()["errors"][0]["pointer"] == pointer


def test_bodies_that_are_not_json(ask):
    headers = {"content-type": "application/json"}
    assert ask("POST", WHAT_IF, content=b"{", headers=headers).status_code == 400
    assert ask("POST", WHAT_IF, content=b"{}").status_code == 415
    assert ask("POST", f"{WHAT_IF}?x=1", json=ASKED).status_code == 422


def test_too_many_series_for_one_request(ask, monkeypatch):
    monkeypatch.setattr("serving.scenario_endpoint.MAX_ROWS", 27)
    response = ask("POST", WHAT_IF, json=ASKED)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/region"
    assert ask("POST", WHAT_IF, json=ASKED | {"region": "north"}).status_code == 200


def test_reasons_sum_to_the_mean(ask):
    response = ask("GET", "/v1/forecasts?reasons=true&limit=200")
    assert is_described(response, "/v1/forecasts", "get")
    page = contract.Forecasts.model_validate_json(response.content)
    assert len({one.level for one in page.forecasts}) == 4
    for one in page.forecasts:
        assert sum(one.reasons.model_dump().values()) == pytest.approx(one.mean, abs=1e-6)
    plain = ask("GET", "/v1/forecasts?limit=200&reasons=false").json()["forecasts"]
    assert all("reasons" not in one for one in plain)


def test_reasons_as_csv(ask):
    response = ask("GET", "/v1/forecasts?reasons=true", headers={"accept": "text/csv"})
    (first, *_) = csv.DictReader(io.StringIO(response.text))
    parts = [float(value) for name, value in first.items() if name.startswith("reason_")]
    assert len(parts) == 8
    assert sum(parts) == pytest.approx(float(first["mean"]), abs=1e-6)


def test_pages_with_reasons_go_on_with_reasons(ask):
    first = ask("GET", "/v1/forecasts?reasons=true&limit=3").json()
    url = f"/v1/forecasts?reasons=true&limit=3&cursor={first['next_cursor']}"
    assert all("reasons" in one for one in ask("GET", url).json()["forecasts"])
    wrong = ask("GET", f"/v1/forecasts?limit=3&cursor={first['next_cursor']}")
    assert wrong.status_code == 422
    assert ask("GET", "/v1/forecasts?reasons=yes").status_code == 422


def test_a_model_without_the_files_says_so(call):
    for response in (call("POST", WHAT_IF, json=ASKED), call("GET", "/v1/forecasts?reasons=true")):
        assert response.status_code == 409
        assert response.json()["type"] == "urn:almanac:problem:not-planned"
        assert "train and promote again" in response.json()["detail"]


def test_reasons_of_other_forecasts_are_refused(champion):
    with pytest.raises(ArtifactError, match="expected"):
        ForecastTable(
            champion.forecasts.iloc[:-1].to_parquet(index=False), champion.files["reasons.parquet"]
        )
    moved = champion.forecasts.assign(mean=champion.forecasts["mean"] + 1.0)
    with pytest.raises(ArtifactError, match="sum to the means"):
        ForecastTable(moved.to_parquet(index=False), champion.files["reasons.parquet"])
