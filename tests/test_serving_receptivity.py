"""The 24 × 7 hours of customers and segments, over HTTP."""

from datetime import datetime

import numpy as np
import pytest

from serving.api import build_api
from serving.predictor import Predictor
from serving.receptivity import MAX_SCORED, Segments, UnknownSegment
from serving.receptivity_contract import ReceptiveWeek, ReceptivitySegments
from serving.settings import ServingSettings
from tests.conftest import NOW

URL = "/v1/receptivity"


def read(response) -> ReceptiveWeek:
    assert response.status_code == 200, response.text
    return ReceptiveWeek.model_validate_json(response.content)


def test_the_week_of_everyone_is_the_mean_of_all_customers(call, predictor, customer_table):
    told = read(call("GET", f"{URL}?channel=web"))
    model = predictor.champions.promotion.model
    every = model.scorer.score(np.arange(len(customer_table)), "web").probability
    np.testing.assert_allclose([slot.probability for slot in told.slots], every.mean(axis=0))
    assert told.customers == told.scored == len(customer_table) < MAX_SCORED
    assert told.mean == pytest.approx(every.mean())
    best = max(told.slots, key=lambda slot: slot.lift)
    assert best.lift == pytest.approx(best.probability / told.mean)
    assert all(slot.low <= slot.probability <= slot.high for slot in told.slots)
    assert sum(told.evidence.values()) == told.scored


def test_a_region_is_its_customers_alone(call, predictor):
    told = read(call("GET", f"{URL}?segment=region:r2&channel=web"))
    rows = np.arange(2, 240, 5)
    model = predictor.champions.promotion.model
    every = model.scorer.score(rows, "web").probability
    np.testing.assert_allclose([slot.probability for slot in told.slots], every.mean(axis=0))
    assert (told.customers, told.segment) == (48, "region:r2")


def test_rhythms_part_those_who_were_active(call):
    listed = ReceptivitySegments.model_validate_json(call("GET", f"{URL}/segments").content)
    kinds = [one.kind for one in listed.segments]
    assert kinds[0] == "everyone"
    assert [one.segment for one in listed.segments if one.kind == "region"] == [
        f"region:r{i}" for i in range(5)
    ]
    rhythms = [one for one in listed.segments if one.kind == "rhythm"]
    assert sum(one.customers for one in rhythms) == 240  # each of them had an event
    for one in rhythms:
        told = read(call("GET", f"{URL}?segment={one.segment}&channel=web"))
        assert told.customers == one.customers
        assert told.slots[one.busiest_slot].lift > 1.0


def test_a_customer_is_told_as_send_times_tell_them(call):
    told = read(call("POST", URL, json={"customers": ["c1"], "channel": "email"}))
    asked = {"customers": ["c1"], "all_slots": True, "reasons": True, "quiet_hours": None}
    (one,) = call("POST", "/v1/send-times", json={**asked, "top_k": 24}).json()["customers"]
    assert [slot.probability for slot in told.slots] == one["probabilities"]
    for slot in one["slots"]:
        shown = told.slots[slot["slot"]]
        assert (shown.low, shown.high) == (slot["low"], slot["high"])
    assert all(slot.low <= slot.probability <= slot.high for slot in told.slots)
    assert told.time_zone == one["time_zone"]
    assert told.evidence == {one["evidence"]["label"]: 1}
    assert told.words[2:] == [one["evidence"]["words"], *one["reasons"]]


@pytest.mark.parametrize("zone_customer", ["c0", "c1", "c2", "c3"])
def test_every_hour_has_its_own_bounds_whenever_it_is_asked(predictor, open_client, zone_customer):
    model = predictor.champions.promotion.model
    row = model.profiles.find_rows([zone_customer])
    low, high = model.scorer.bound(row, "web", np.arange(168)[None, :])
    for moment in ("2026-10-24T22:59:59Z", "2026-03-28T12:30:00Z", "2026-11-04T15:00:00Z"):
        now = datetime.fromisoformat(moment)
        settings = ServingSettings(is_request_logged=False)
        call = open_client(build_api(predictor, settings, clock=lambda now=now: now))
        told = read(call("POST", URL, json={"customers": [zone_customer], "channel": "web"}))
        np.testing.assert_allclose([slot.low for slot in told.slots], low[0])
        np.testing.assert_allclose([slot.high for slot in told.slots], high[0])


def test_several_customers_are_the_mean_of_each(call):
    names = ["c0", "c1", "c2", "nobody", "c3", "c9"]
    told = read(call("POST", URL, json={"customers": names, "channel": "web"}))
    alone = [read(call("POST", URL, json={"customers": [n], "channel": "web"})) for n in names]
    expected = np.mean([[slot.probability for slot in one.slots] for one in alone], axis=0)
    np.testing.assert_allclose([slot.probability for slot in told.slots], expected)
    assert told.time_zone is None
    assert told.unknown == 1


def test_without_consent_there_are_hours_and_no_bounds(call):
    told = read(call("POST", URL, json={"customers": ["c12"], "channel": "email"}))
    assert told.without_consent == 1
    assert {(slot.low, slot.high, slot.lift_low) for slot in told.slots} == {(None, None, None)}
    assert "the customer has stated consent, and not for this channel" in told.words


def test_who_is_hidden_is_in_no_segment(predictor, customer_table):
    model = predictor.champions.promotion.model
    segments = Segments(model, {"c2", "c7", "c9"})
    assert segments.list_segments()[0].customers == 237
    assert {"c2", "c7"}.isdisjoint(segments.list_customers("region:r2"))
    assert len(segments.list_customers("region:r2")) == 46
    gone = {f"c{i}" for i in range(2, 240, 5)}
    with pytest.raises(UnknownSegment, match="nearest: 'region:r"):
        Segments(model, gone).tell_week("region:r2", "web")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("segment=region:r22", 404, "nearest: 'region:r2'"),
        ("segment=rhythm:99", 404, "nearest: 'rhythm"),
        ("segment=rhythm:0", 404, "nearest: 'rhythm"),
        ("segment=region:all", 404, "nearest"),
        ("segment=shops", 422, "must match the pattern"),
        ("channel=pigeon", 422, "channel"),
        ("customer=c1", 422, "no other query parameters"),
    ],
)
def test_what_is_no_segment_is_refused(call, query, status, words):
    response = call("GET", f"{URL}?{query}")
    assert response.status_code == status
    assert words in response.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"customers": []}, {"customers": ["a", "a"]}, {"x": 1}])
def test_bodies_that_break_the_contract_are_refused(call, body):
    assert call("POST", URL, json=body).status_code == 422


def test_without_a_model_it_says_so(tmp_path, open_client):
    empty = open_client(build_api(Predictor.load(tmp_path), ServingSettings(), clock=lambda: NOW))
    for url in (URL, f"{URL}/segments"):
        response = empty("GET", url)
        assert (response.status_code, response.headers["retry-after"]) == (503, "30")
    assert empty("POST", URL, json={"customers": ["c1"]}).status_code == 503
