"""What was found of channels, from the report's numbers to the answer over HTTP."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest

from features.project import Workspace
from serving.api import build_api
from serving.insight_contract import OmnichannelInsight
from serving.settings import ServingSettings
from tests.test_training_omnichannel_page import simulate_events, write_project
from training.omnichannel.page import write_omnichannel_report

PATH = "/v1/insight/omnichannel"
SETTINGS = "baseline_days = 120\noutcome_days = 120\npermutations = 99"


def serve(predictor, workspace, open_client):
    limits = ServingSettings(is_request_logged=False)
    return open_client(build_api(predictor, limits, workspace=workspace))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A simulated shop whose app broke for two weeks, and its report."""
    folder = tmp_path_factory.mktemp("shop")
    project = write_project(folder, simulate_events(700), SETTINGS)
    write_omnichannel_report(project, folder / "out")
    return project


def test_what_the_report_found_is_answered_in_numbers(project, predictor, open_client):
    os.utime(project.workspace.omnichannel, (1_700_000_000, 1_700_000_000))
    answer = serve(predictor, project.workspace, open_client)("GET", PATH)
    assert answer.status_code == 200, answer.text
    told = OmnichannelInsight.model_validate_json(answer.content)
    assert told.made_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert told.value.lift is not None
    spend = told.value.lift.effects[0]
    assert spend.outcome == "spend"
    # most of the raw difference of this world is who uses several channels
    assert spend.adjusted < spend.raw / 2
    assert spend.low < spend.adjusted < spend.high
    assert sum(mix.customers for mix in told.value.mixes) == told.value.lift.compared
    for source in ("web", "app", "store"):
        shares = [one.share for one in told.visits if one.from_channel == source]
        assert sum(shares) == pytest.approx(1.0)
    (funnel,) = told.funnels
    whole = [one for one in funnel.conversions if one.channel is None]
    assert [one.name for one in whole] == [
        "product_viewed → product_added", "product_added → checkout_started",
        "checkout_started → order",
    ]  # fmt: skip
    assert whole[0].reached == funnel.begun
    assert whole[2].went_on == funnel.ordered
    worst = funnel.friction.incidents[0]
    assert (worst.kind, worst.event) == ("surge", "error_shown")
    assert [(key.column, key.value) for key in worst.group] == [("channel", "app")]
    assert str(worst.first_day) >= "2025-05-29"
    assert worst.revenue_low < worst.revenue < worst.revenue_high


def test_nobody_is_in_the_numbers(project):
    assert '"c0' not in project.workspace.omnichannel.read_text(encoding="utf-8")


def test_a_later_report_takes_the_place_of_the_one_before(tmp_path, predictor, open_client):
    project = write_project(tmp_path, simulate_events(60, is_one_channel=True))
    call = serve(predictor, project.workspace, open_client)
    absent = call("GET", PATH)
    assert absent.status_code == 404
    assert absent.json()["type"] == "urn:almanac:problem:not-reported"
    assert "almanac report omnichannel" in absent.json()["detail"]
    write_omnichannel_report(project, tmp_path / "out")
    told = OmnichannelInsight.model_validate_json(call("GET", PATH).content)
    assert told.value.lift is None
    assert "store only" in told.value.missing
    numbers = json.loads(project.workspace.omnichannel.read_text(encoding="utf-8"))
    project.workspace.omnichannel.write_text(json.dumps({**numbers, "customers": 7}))
    assert call("GET", PATH).json()["customers"] == 7


def test_numbers_of_another_version_are_not_told(tmp_path, predictor, open_client):
    workspace = Workspace(tmp_path)
    workspace.omnichannel.parent.mkdir()
    workspace.omnichannel.write_text('{"customers": 3}', encoding="utf-8")
    answer = serve(predictor, workspace, open_client)("GET", PATH)
    assert answer.status_code == 404
    assert "another version" in answer.json()["detail"]


def test_a_service_without_a_workspace_says_what_to_run(predictor, open_client):
    call = serve(predictor, None, open_client)
    assert call("GET", PATH).status_code == 404
    assert call("GET", f"{PATH}?day=1").status_code == 422
