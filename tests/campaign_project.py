"""A small campaign: 240 known customers and 10 others, a published model, and what limits it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.region.hierarchy import build_hierarchy
from models.artifact import Pointer, write_artifact, write_pointer
from models.campaign.eligibility import Places
from models.offers.offer_model import OfferModel
from models.offers.trees import Trees
from serving.campaigns.champion import CampaignModels
from serving.campaigns.plan import CampaignPlan, plan_campaign
from serving.campaigns.query import CampaignQuery, build_campaign_query
from serving.campaigns.schedule import build_schedule
from serving.campaigns.settings import CampaignSettings
from serving.campaigns.tables import CampaignTables
from serving.send_times import SendTimePredictor
from training.offers.backtest import fit_offers
from training.offers.trials import build_offer_trials

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
NOW = MONDAY - timedelta(hours=6)
KNOWN = tuple(f"c{i}" for i in range(240))
AUDIENCE = (*KNOWN, *(f"new{i}" for i in range(10)))
REGIONS = build_hierarchy(
    pd.DataFrame({"region_id": [f"r{i}" for i in range(5)], "parent_id": "all", "level": "shop"}),
    "regions",
    "region_id",
)


def list_promotions(*rows: dict[str, object]) -> pd.DataFrame:
    """Canonical promotions; what a row does not say: all of 2026, everywhere, a tenth off."""
    usual = {
        "promotion_id": "ten", "starts_at": "2026-01-01", "ends_at": "2027-01-01", "discount": 0.1,
        "channels": "", "regions": None, "products": None, "margin": 0.4,
    }  # fmt: skip
    table = pd.DataFrame([{**usual, **row} for row in rows or ({},)])
    moments = dict.fromkeys(("starts_at", "ends_at"), "datetime64[us]")
    return table.astype({**moments, "discount": float, "margin": float})


def list_touches(*rows: tuple[str, str, datetime]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows), columns=["customer_id", "channel", "sent_at"])
    naive = [moment.astimezone(UTC).replace(tzinfo=None) for moment in table["sent_at"]]
    return table.assign(sent_at=pd.Series(naive, dtype="datetime64[us]"))


def make_tables(
    *promotions: dict[str, object],
    touches: tuple[tuple[str, str, datetime], ...] = (),
    stock: pd.DataFrame | None = None,
) -> CampaignTables:
    places = Places(regions=REGIONS, stock=stock)
    return CampaignTables(list_promotions(*promotions), places, list_touches(*touches))


def make_models(predictor: SendTimePredictor, table: pd.DataFrame, offers=None) -> CampaignModels:
    return CampaignModels(predictor, offers, table, np.full(len(table), 40.0), "3")


def ask(
    customers=AUDIENCE,
    *,
    promotions=("ten",),
    channels=("email", "sms"),
    start=MONDAY,
    days=7.0,
    now=NOW,
    salt="test",
    name="spring",
    **settings,
) -> CampaignQuery:
    return build_campaign_query(
        name,
        customers,
        promotions=promotions,
        channels=channels,
        start=start,
        days=days,
        decided_at=now,
        settings=CampaignSettings(**settings),
        salt=salt,
    )


def run(
    query: CampaignQuery, models: CampaignModels, tables: CampaignTables, seed: int = 1
) -> tuple[CampaignPlan, pd.DataFrame]:
    plan = plan_campaign(query, models, tables, np.random.default_rng(seed))
    return plan, build_schedule(plan, models)


def fit_offer_model(seed: int = 0, n: int = 3000) -> OfferModel:
    """An experiment in which 'ten' makes customers seen lately order, and 'mug' nobody."""
    rng = np.random.default_rng(seed)
    recency = rng.uniform(0, 90, n)
    offer = rng.choice(["ten", "mug", "nothing"], n)
    ordered = rng.random(n) < 0.1 + 0.4 * ((offer == "ten") & (recency < 45))
    log = pd.DataFrame(
        {
            "decision_id": [f"d{i}" for i in range(n)], "customer_id": [f"c{i}" for i in range(n)],
            "campaign_id": "winter", "decided_at": pd.Timestamp("2026-03-01"), "offer": offer,
            "channel": "email", "arm": "random", "propensity": np.nan, "visited": ordered,
            "ordered": ordered, "orders": ordered.astype(int), "spend": 40.0 * ordered,
            "recency_days": recency,
        }
    )  # fmt: skip
    trials, _ = build_offer_trials(log, outcome="ordered", min_customers=100)
    return fit_offers(trials, trees=Trees(rounds=5))


def check_schedule(schedule: pd.DataFrame, query: CampaignQuery, promotions: pd.DataFrame) -> None:
    """Check every message against the rules, one by one and with no code of the planner."""
    sent = schedule[schedule["send_at"].notna()]
    rules = promotions.set_index("promotion_id")
    per_hour: Counter[tuple[str, datetime]] = Counter()
    for row in sent.to_dict("records"):
        moment = row["send_at"].to_pydatetime()
        local = moment.astimezone(ZoneInfo(row["time_zone"]))
        rule = rules.loc[row["promotion_id"]]
        assert row["arm"] != "holdout"
        assert query.start <= moment < query.end
        assert moment >= query.decided_at
        assert rule["starts_at"] <= row["send_at"].tz_localize(None) < rule["ends_at"]
        assert not rule["channels"] or row["channel"] in rule["channels"].split()
        assert row["channel"] in query.channels
        assert datetime.fromisoformat(row["send_at_local"]) == moment
        assert row["send_at_local"].endswith(
            local.strftime("%z")[:3] + ":" + local.strftime("%z")[3:]
        )
        assert row["slot"] == local.weekday() * 24 + local.hour
        if query.settings.quiet_hours == "21:00-08:00":
            assert 8 <= local.hour < 21
        assert 0 <= row["probability_low"] <= row["probability"] <= row["probability_high"] <= 1
        per_hour[row["channel"], moment.replace(minute=0, second=0, microsecond=0)] += 1
    for (channel, _), count in per_hour.items():
        assert count <= query.settings.hourly_capacity.get(channel, np.inf)
    if query.settings.budget is not None:
        costs = sent["channel"].map(lambda name: query.settings.message_cost.get(name, 0.0))
        assert costs.sum() <= query.settings.budget * (1 + 1e-9)
    assert schedule["propensity"].between(0, 1, inclusive="right").all()
    assert list(schedule["customer_id"]) == list(query.customers)


def publish(folder: Path, files: dict[str, bytes]) -> None:
    """Make files the promotion champion of the workspace `folder`/.almanac."""
    published = folder / ".almanac" / "published"
    digest = write_artifact(
        published / "promotion" / "one", "promotion", files, {}, code_version="0"
    )
    write_pointer(published, "promotion", Pointer("3", "one", digest, "run"))
