"""Drafting a campaign over HTTP: what is told before anything is sent, and the file of it."""

import io
import json
import threading
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.progress import Silent
from features.project import load_project
from models.artifact import load_published
from serving.api import build_api
from serving.campaigns import endpoints
from serving.campaigns.asking import ask_draft
from serving.campaigns.contract import CampaignChoices, CampaignDraft, CampaignDraftRequest
from serving.campaigns.desk import CampaignDesk
from serving.campaigns.drafts import KEPT_FOR, MOST, DraftShelf, NoDraft
from serving.campaigns.messages_file import write_csv
from serving.campaigns.run import run_campaign
from serving.client import Almanac
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.campaign_project import AUDIENCE, check_schedule
from tests.campaign_service import NOW, CampaignService, make_campaign_project
from tests.test_serving_client import Over
from training.erasure.workspace import erase_from_workspace

URL = "/v1/campaign-drafts"
BODY = {"promotions": ["ten"], "channels": ["email", "sms"], "customers": list(AUDIENCE)}


@pytest.fixture(scope="module")
def service(tmp_path_factory, send_time_model, profile_files, open_client):
    folder = tmp_path_factory.mktemp("drafts")
    project = make_campaign_project(folder, {**send_time_model.to_files(), **profile_files})
    service = CampaignService(project, open_client)
    yield service
    service.customers.close()


@pytest.fixture(scope="module")
def draft(service) -> CampaignDraft:
    return ask(service, **BODY)


def ask(service, **body) -> CampaignDraft:
    response = service.call("POST", URL, json=body)
    assert response.status_code == 200, response.text
    return CampaignDraft.model_validate_json(response.content)


def read_file(service, draft: CampaignDraft) -> pd.DataFrame:
    response = service.call("GET", f"{URL}/{draft.id}/messages")
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].startswith("attachment")
    return pd.read_csv(io.BytesIO(response.content), parse_dates=["send_at"])


def test_a_draft_tells_in_counts_what_its_file_holds(service, draft):
    table, plan = read_file(service, draft), draft.plan
    assert draft.state == "ready"
    sent = table[table["send_at"].notna()]
    assert (plan.audience, plan.messages) == (250, len(sent))
    for arm in plan.arms:
        assert arm.customers == (table["arm"] == arm.arm).sum()
        assert arm.messages == (sent["arm"] == arm.arm).sum()
    reasons = table.loc[table["send_at"].isna(), "reason"].value_counts()
    assert sum(one.customers for one in plan.left_out) == reasons.sum() == 250 - len(sent)
    assert {one.reason for one in plan.left_out} == set(reasons.index)
    for hour in plan.schedule:
        inside = sent["send_at"].between(hour.start, hour.start + timedelta(hours=1), "left")
        own = sent[inside & (sent["channel"] == hour.channel)]
        assert hour.optimised == (own["arm"] == "optimised").sum()
        assert hour.random == (own["arm"] == "random").sum()
    assert sum(hour.optimised + hour.random for hour in plan.schedule) == len(sent)
    assert plan.slots == np.bincount(sent["slot"].astype(int), minlength=168).tolist()
    cost = sent["channel"].map({"email": 0.01, "sms": 0.04}).sum()
    assert plan.cost == pytest.approx(cost)


def test_what_is_expected_is_the_sum_over_the_optimised_arm(service, draft):
    table = read_file(service, draft)
    own = table[table["send_at"].notna() & (table["arm"] == "optimised")]
    (expected,) = draft.plan.expected
    assert expected.measure == "reach"
    assert expected.messages == len(own)
    assert expected.expected == pytest.approx(own["probability"].sum(), abs=1e-3)
    assert expected.widest_low == pytest.approx(own["probability_low"].sum(), abs=1e-3)
    assert expected.widest_high == pytest.approx(own["probability_high"].sum(), abs=1e-3)
    half = 1.6448536 * np.sqrt((own["probability"] * (1 - own["probability"])).sum())
    assert expected.high == pytest.approx(expected.expected + half, abs=1e-3)
    assert expected.low == pytest.approx(expected.expected - half, abs=1e-3)
    assert expected.lift == pytest.approx(expected.expected / expected.evenly)
    assert expected.lift > 1.0
    assert any(f"{expected.expected:,.1f} of" in line for line in draft.plan.words)


def test_the_file_keeps_every_rule_of_the_project_and_the_request(service):
    draft = ask(service, **BODY, quiet_hours="12:00-18:00", hourly_capacity={"email": 2, "sms": 1})
    project = service.project
    query = ask_draft(
        project,
        CampaignDraftRequest.model_validate_json(
            json.dumps({**BODY, "hourly_capacity": {"email": 2, "sms": 1}})
        ),
        AUDIENCE,
        NOW,
    )
    table = read_file(service, draft)
    promotions = pd.read_parquet(project.workspace.table("promotions"))
    promotions["channels"] = ""
    check_schedule(table, without_quiet(query), promotions)
    hours = table["send_at_local"].dropna().str[11:13].astype(int)
    assert not hours.between(12, 17).any()
    first = table.set_index("customer_id")["send_at"]["c0"]
    assert pd.isna(first) or first >= pd.Timestamp("2026-11-02T23:00Z")  # a day after the touch


def without_quiet(query):
    return replace(query, settings=query.settings.model_copy(update={"quiet_hours": ""}))


def test_it_is_the_very_plan_of_the_command(service, draft):
    project = load_project(service.project.path)
    asked = CampaignDraftRequest.model_validate_json(json.dumps(BODY))
    query = ask_draft(project, asked, AUDIENCE, NOW)
    pointer, artifact = load_published(project.workspace.published, "promotion")
    planned = run_campaign(project, artifact.files, pointer.version, query)
    response = service.call("GET", f"{URL}/{draft.id}/messages")
    assert response.content == write_csv(planned.schedule)


def test_an_audience_is_everyone_or_a_segment(service):
    everyone = ask(service, promotions=["ten"])
    assert (everyone.segment, everyone.plan.audience) == ("everyone", 240)
    region = ask(service, promotions=["ten"], segment="region:r1")
    assert (region.segment, region.plan.audience) == ("region:r1", 48)
    assert {one.reason for one in region.plan.left_out} >= {"holdout"}


def test_a_draft_is_found_again_and_no_other(service, draft):
    again = service.call("GET", f"{URL}/{draft.id}")
    assert CampaignDraft.model_validate_json(again.content) == draft
    for name in ("0" * 32, "x", "..%2f..%2fpublished"):
        for path in ("", "/messages"):
            assert service.call("GET", f"{URL}/{name}{path}").status_code == 404
    assert service.call("POST", f"{URL}/{'0' * 32}/decision").status_code == 404
    service.now = NOW + KEPT_FOR
    try:
        assert service.call("GET", f"{URL}/{draft.id}").status_code == 404
    finally:
        service.now = NOW


def test_lines_say_the_same_as_the_file(service, draft):
    response = service.call(
        "GET", f"{URL}/{draft.id}/messages", headers={"accept": "application/x-ndjson"}
    )
    rows = [json.loads(line) for line in response.text.splitlines()]
    table = read_file(service, draft)
    assert [row["customer_id"] for row in rows] == table["customer_id"].tolist()
    np.testing.assert_allclose([row["propensity"] for row in rows], table["propensity"])
    assert [row["send_at"] is None for row in rows] == table["send_at"].isna().tolist()


def test_a_spreadsheet_computes_nothing_of_it(service):
    draft = ask(service, promotions=["ten"], customers=["=1+1", "c1"], name="-campaign")
    content = service.call("GET", f"{URL}/{draft.id}/messages").text
    assert ",'=1+1," in content
    assert ",'-campaign," in content


def test_a_decision_is_logged_once_and_as_it_was_drafted(service, draft):
    told = service.call("POST", f"{URL}/{draft.id}/decision")
    assert told.json() == {"campaign": "ten", "customers": 250, "is_new": True}
    assert service.call("POST", f"{URL}/{draft.id}/decision").json()["is_new"] is False
    logged = pd.read_parquet(service.project.workspace.root / "decisions" / "ten")
    table = read_file(service, draft)
    assert logged["customer_id"].tolist() == table["customer_id"].tolist()
    np.testing.assert_allclose(logged["propensity"], table["propensity"], rtol=0, atol=1e-6)


def test_who_is_erased_is_gone_from_a_draft_and_from_the_next_audience(service):
    service.now = NOW + timedelta(minutes=1)
    before = ask(service, promotions=["ten"])
    track = {"messageId": "m", "userId": "c11", "event": "X", "timestamp": "2026-11-01T00:00:00Z"}
    service.call("POST", "/v1/track", json=track)
    service.now = NOW + timedelta(minutes=2)
    assert service.call("DELETE", "/v1/customers/c11").status_code == 200
    try:
        assert "c11" not in set(read_file(service, before)["customer_id"])
        after = ask(service, promotions=["ten"])
        assert after.plan.audience == 239
        assert "c11" not in set(read_file(service, after)["customer_id"])
        week = service.call("GET", "/v1/receptivity?channel=web").json()
        assert week["customers"] == 239
    finally:
        service.now = NOW


def test_an_erasure_of_files_takes_customers_out_of_drafts(service):
    draft = ask(service, promotions=["ten"], customers=["c1", "c16"], name="small")
    report = erase_from_workspace(service.project, ["c16"], Silent(), now=NOW)
    path = service.desk.shelf.folder / draft.id / "messages.parquet"
    assert pd.read_parquet(path)["customer_id"].tolist() == ["c1"]
    assert not [one for one in report.unread if "campaign-drafts" in str(one)]


def test_a_write_that_is_sent_again_drafts_once(service):
    headers = {"idempotency-key": "k1"}
    body = {"promotions": ["ten"], "customers": ["c1"]}
    first = service.call("POST", URL, json=body, headers=headers)
    again = service.call("POST", URL, json=body, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"promotions": ["tne"]}, "#/promotions/0", "nearest: 'ten'"),
        ({"promotions": []}, "#/promotions", "1 or more"),
        ({"promotions": ["ten", "ten"]}, "#/promotions", "the same"),
        ({"customers": ["a", "a"]}, "#/customers", "the same"),
        ({"segment": "everyone"}, "#", "not both"),
        ({"customers": None, "segment": "region:x"}, "#/segment", "nearest: 'region:r"),
        ({"cap_messages": 3}, "#/cap_messages", "at most 2"),
        ({"min_gap_hours": 1.0}, "#/min_gap_hours", "at least 24"),
        ({"hourly_capacity": {"email": 31}}, "#/hourly_capacity/email", "at most 30"),
        ({"random": 1.0}, "#/random", "at most 0.95"),
        ({"decided_at": "2027-01-01T00:00:00Z", "window": {
            "start": "2026-11-03T00:00:00Z", "end": "2026-11-05T00:00:00Z"}},
         "#/window/start", "in the past"),
        ({"quiet_hours": "9-10"}, "#/quiet_hours", "pattern"),
        ({"name": "../x"}, "#/name", "pattern"),
        ({"holdout": 0.0}, "#", "not known"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_says_where(service, change, pointer, words):
    response = service.call("POST", URL, json={**BODY, **change})
    assert response.status_code == 422, response.text
    (fault,) = response.json()["errors"]
    assert fault["pointer"] == pointer
    assert words in fault["detail"]


def test_quiet_hours_that_leave_nothing_are_refused_in_words(service):
    window = {"start": "2026-11-03T00:00:00Z", "end": "2026-11-03T02:00:00Z"}
    body = {**BODY, "customers": ["c1"], "window": window, "quiet_hours": "00:00-23:59"}
    response = service.call("POST", URL, json=body)
    assert response.status_code == 422
    assert "quiet hours" in response.json()["detail"].lower()


def test_a_plan_that_takes_long_is_answered_before_it_is_done(service, monkeypatch):
    may_go = threading.Event()
    real = endpoints.CampaignDesk._plan

    def wait(self, *values):
        may_go.wait(20)
        real(self, *values)

    monkeypatch.setattr(endpoints.CampaignDesk, "_plan", wait)
    monkeypatch.setattr(endpoints, "PATIENCE", 0.01)
    drafts = [ask(service, promotions=["ten"], customers=["c1"]) for _ in range(4)]
    assert {one.state for one in drafts} == {"planning"}
    assert service.call("GET", f"{URL}/{drafts[0].id}/messages").status_code == 404
    refused = service.call("POST", URL, json={"promotions": ["ten"], "customers": ["c1"]})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    may_go.set()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        states = {service.call("GET", f"{URL}/{one.id}").json()["state"] for one in drafts}
        if states == {"ready"}:
            break
        time.sleep(0.05)
    assert states == {"ready"}


def test_a_draft_that_was_broken_off_says_so(service, draft):
    about = {**draft.model_dump(mode="json"), "state": "planning", "plan": None}
    name = service.desk.shelf.new_id()
    service.desk.shelf.write(name, json.dumps({**about, "id": name}).encode())
    assert service.desk.read(name, NOW)["state"] == "planning"
    late = service.desk.read(name, NOW + timedelta(minutes=11))
    assert late["state"] == "failed"
    assert "draft it anew" in late["problem"]


def test_a_shelf_keeps_no_more_than_it_should(tmp_path):
    shelf = DraftShelf(tmp_path)
    names = [shelf.new_id() for _ in range(MOST + 2)]
    for name in names:
        shelf.write(name, b"{}")
    shelf.prune(NOW - timedelta(days=400))  # nobody is past their day
    assert len(list(shelf.folder.iterdir())) == MOST
    shelf.prune(NOW + timedelta(days=36_500))
    assert list(shelf.folder.iterdir()) == []
    with pytest.raises(NoDraft, match="draft it anew"):
        shelf.read(names[0])


def test_choices_tell_promotions_channels_and_rules(service):
    told = CampaignChoices.model_validate_json(service.call("GET", "/v1/campaign-choices").content)
    assert [one.promotion_id for one in told.promotions] == ["ten", "old"]
    assert told.promotions[0].discount == 0.1
    assert {one.channel: one.measure for one in told.channels}["email"] == "reach"
    assert (told.rules.cap_messages, told.rules.hourly_capacity) == (2, {"email": 30})
    assert told.time_zone == "America/Chicago"


def test_without_promotions_it_says_what_to_do(service, tmp_path, open_client, published):
    (tmp_path / "almanac.toml").write_text("[project]\n", encoding="utf-8")
    desk = CampaignDesk(load_project(tmp_path / "almanac.toml"))
    api = build_api(Predictor.load(published), ServingSettings(), campaigns=desk)
    response = open_client(api)("POST", URL, json={"promotions": ["ten"], "customers": ["c1"]})
    assert response.status_code == 409
    assert "[tables.promotions]" in response.json()["detail"]


def test_the_client_goes_the_whole_way(service):
    with Almanac("http://almanac", transport=Over(service.call)) as client:
        assert client.campaign_choices().promotions[0].promotion_id == "ten"
        assert client.receptivity("region:r2", "web").customers == 48
        assert client.receptivity_of(["c1"], "web").time_zone == "Europe/Berlin"
        assert client.receptivity_segments().segments[0].segment == "everyone"
        asked = CampaignDraftRequest(promotions=["ten"], customers=["c1", "c2"], name="by client")
        draft = client.draft_campaign(asked)
        assert client.campaign_draft(draft.id) == draft
        assert client.campaign_messages(draft.id).count(b"\r\n") == 3
        assert client.decide_campaign(draft.id).customers == 2
