"""The whole way of promotion timing: tables → training → files → answers and a campaign."""

from datetime import UTC, timedelta

import numpy as np
import pandas as pd
import pytest

from features.errors import ArtifactError
from features.progress import Silent
from features.project import load_project
from models.receptivity.histories import Histories
from serving.batch import load_predictor
from serving.campaigns.query import build_campaign_query
from serving.campaigns.run import run_campaign
from serving.campaigns.settings import CampaignSettings
from serving.send_times import SendTimeQuery
from tests.activity_tables import write_tables
from tests.response_tables import DAY, N_CUSTOMERS, N_DAYS, START, draw_tables
from training.config import PromotionSettings
from training.promotion.parts import make_response_options
from training.promotion.recipe import PROMOTION, PUBLISHED
from training.promotion.steps import open_reader
from training.response.windows import TouchReader

PROJECT = """
[project]
name = "shop"
workspace = "space"
time_zone = "UTC"
threads = 1

[promotion]
label_days = 21
folds = 2
half_life_days = 60
lightgbm = { rounds = 10, leaves = 4 }
gates = { require_proof = false }
"""
N_TRIAL = 600
CUTOFF = START + N_DAYS * DAY


def draw_trial(rng):
    """Customers of whom half were offered `p` at random; it brings three of ten to order."""
    decisions, events, customers = [], [], []
    for number in range(N_TRIAL):
        name, at = f"t{number:03d}", START + 20 * DAY
        has_offer = bool(rng.integers(0, 2))
        customers.append({"customer_id": name, "region_id": "r0"})
        decisions.append(
            {
                "decision_id": f"d{number}", "customer_id": name, "decided_at": at,
                "campaign_id": "one", "promotion_id": "p" if has_offer else None,
                "arm": "random", "propensity": 0.5,
            }
        )  # fmt: skip
        moments = [START + float(rng.uniform(0, 20)) * DAY]
        if rng.random() < (0.5 if has_offer else 0.2):
            moments.append(at + float(rng.uniform(0.1, 9)) * DAY)
        events += [
            {"event_id": f"x{number}-{place}", "customer_id": name, "type": "order",
             "channel": "web", "occurred_at": moment, "value": 40.0}
            for place, moment in enumerate(moments)
        ]  # fmt: skip
    return {"decisions": decisions, "events": events, "customers": customers}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    tables = draw_tables()
    for event in tables["events"]:
        event["value"] = 30.0
    trial = draw_trial(np.random.default_rng(2))
    for name in ("events", "customers"):
        tables[name] = tables[name] + trial[name]
    promotion = {"promotion_id": "p", "starts_at": START, "ends_at": START + 400 * DAY}
    tables["promotions"] = [{**promotion, "discount": 0.1, "margin": 0.5}]
    write_tables(folder / "space", **tables, decisions=trial["decisions"])
    (folder / "almanac.toml").write_text(PROJECT, encoding="utf-8")
    return load_project(folder / "almanac.toml")


@pytest.fixture(scope="module")
def trained(project):
    return PROMOTION.train(project, Silent())


@pytest.fixture(scope="module")
def predictor(trained):
    return load_predictor(trained.files)


def ask(predictor, customers, channel, **changes):
    start = CUTOFF.replace(tzinfo=UTC)
    query = {"start": start, "end": start + timedelta(days=7), "channels": (channel,),
             "quiet_hours": None, "top_k": 3, "has_all_slots": True,
             "has_reasons": True}  # fmt: skip
    return predictor.answer(SendTimeQuery(customers=customers, **(query | changes)))


def test_every_part_is_trained_and_its_evidence_kept(trained):
    files, tables = trained.files, trained.tables
    parts = {"response.json", "messages.parquet", "fatigue.parquet", "value.json",
             "outlook.parquet", "offers.json"}  # fmt: skip
    assert parts <= set(files)
    evidence = {"response_scores", "policy_gains", "fallback_gains", "value_scores", "offer_cells"}
    assert evidence <= set(tables)
    published = tables[PUBLISHED].set_index("part")
    assert published["is_published"].all()
    assert "published as no proof is required" in published.loc["response", "words"]
    assert trained.metrics["response/log_loss"] > 0


@pytest.mark.slow
def test_the_same_data_makes_the_same_bytes(project, trained):
    again = PROMOTION.train(project, Silent())
    assert again.files == trained.files


def test_the_service_answers_what_the_response_model_says(project, trained, predictor):
    customers = [f"c{row:03d}" for row in range(0, N_CUSTOMERS, 7)]
    answers = ask(predictor, customers, "email")
    settings = project.section("promotion", PromotionSettings)
    with open_reader(project, settings) as reader:
        profiles = reader.read_profiles(predictor.profiles.as_of.replace(tzinfo=None))
        rows = profiles[profiles["customer_id"].isin(customers)]
        touches = TouchReader(reader, make_response_options(project, settings))
        context = touches.read_context(
            Histories.from_table(rows), predictor.profiles.as_of, predictor.model,
            predictor.scorer.memory.channels,
        )  # fmt: skip
    offline = predictor.scorer.memory.model.predict(context, "email")
    served = np.array([answer.probabilities for answer in answers])
    assert {answer.measure for answer in answers} == {"response"}
    assert np.abs(served - offline).max() <= 1e-9
    for answer in answers:
        assert all(slot.low <= slot.probability <= slot.high for slot in answer.slots)
        assert answer.outlook.advice in ("now", "wait", "win back")
        assert "orders" in answer.reasons[0] or "events" in answer.reasons[0]


def test_channels_without_learned_hours_fall_back_and_strangers_get_an_answer(predictor):
    (sms,) = ask(predictor, ["c001"], "sms")
    (web,) = ask(predictor, ["c001"], "web")
    (nobody,) = ask(predictor, ["nobody"], "email")
    assert (sms.measure, web.measure, nobody.measure) == ("reach", "activity", "response")
    assert nobody.outlook is None
    assert len(nobody.slots) == 3


def test_a_campaign_offers_what_the_experiment_proved(project, trained):
    customers = [f"c{row:03d}" for row in range(100)] + ["nobody"]
    start = CUTOFF.replace(tzinfo=UTC)
    query = build_campaign_query(
        "spring", customers, promotions=("p",), channels=("email", "sms"), start=start, days=3,
        decided_at=start, settings=CampaignSettings(hourly_capacity={"email": 3}), salt="shop",
    )  # fmt: skip
    planned = run_campaign(project, trained.files, "7", query)
    table = planned.schedule
    sent = table[table["send_at"].notna()]
    assert len(table) == 101
    assert sent.groupby(["send_at", "channel"]).size().loc[:, "email"].max() <= 3
    assert (sent["promotion_id"] == "p").all()
    assert set(sent["measure"]) <= {"response", "reach"}
    assert (sent["propensity"] > 0).all()
    assert sent["offer_because"].str.contains("more likely to order").any()
    again = run_campaign(project, trained.files, "7", query).schedule
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize("name", ["messages.parquet", "fatigue.parquet"])
def test_a_response_without_its_memory_is_refused(trained, name):
    files = {key: content for key, content in trained.files.items() if key != name}
    with pytest.raises(ArtifactError, match=name):
        load_predictor(files)
