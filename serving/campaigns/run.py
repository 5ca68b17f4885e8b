"""A campaign from the published models and the project's tables to a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.project import Project
from features.schema import EVENTS, Events, EventType
from models.offers.offer_model import OfferModel, load_offers
from serving.batch import load_predictor
from serving.campaigns.plan import CampaignModels, CampaignPlan, plan_campaign
from serving.campaigns.query import CampaignQuery
from serving.campaigns.schedule import build_schedule
from serving.campaigns.tables import load_tables
from serving.outlooks import Outlooks
from serving.profiles import PROFILES_FILE
from serving.tables import read_table

OFFERS_FILE = "offers.json"


@dataclass(frozen=True)
class PlannedCampaign:
    """A plan, and its schedule as a table."""

    plan: CampaignPlan
    schedule: pd.DataFrame


def run_campaign(
    project: Project, files: Mapping[str, bytes], version: str, query: CampaignQuery
) -> PlannedCampaign:
    """Plan a campaign with a `promotion` artifact.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    files : mapping of name to bytes
        Of the artifact.
    version : str
        Which goes into the record of decisions.
    query : CampaignQuery

    Raises
    ------
    AlmanacError
        As `plan_campaign`, or if there is no table of promotions.
    """
    models = load_models(project, files, version)
    tables = load_tables(project, query.start, query.settings.cap_days)
    rng = np.random.default_rng([project.settings.seed, *query.campaign_id.encode()])
    plan = plan_campaign(query, models, tables, rng)
    return PlannedCampaign(plan, build_schedule(plan, models))


def load_models(project: Project, files: Mapping[str, bytes], version: str) -> CampaignModels:
    """Load what a campaign is decided by from an artifact's files."""
    predictor = load_predictor(files)
    profiles = read_table(files[PROFILES_FILE], PROFILES_FILE)
    flat = [field.name for field in profiles.schema if not pa.types.is_nested(field.type)]
    offers: OfferModel | None = load_offers(files) if OFFERS_FILE in files else None
    return CampaignModels(
        predictor=predictor,
        offers=offers,
        profiles=profiles.select(flat).to_pandas(),
        order_value=_find_order_values(project, predictor.outlooks, len(predictor.profiles)),
        version=version,
    )


def _find_order_values(project: Project, outlooks: Outlooks | None, n: int) -> np.ndarray:
    """Return the expected value of an order of each customer; everybody's mean where not known."""
    values = np.full(n, np.nan) if outlooks is None else outlooks.order_values()
    path = project.workspace.table(EVENTS.name)
    mean = np.nan
    if path.exists():
        orders = pd.read_parquet(
            path, columns=[Events.VALUE], filters=[(Events.TYPE, "==", str(EventType.ORDER))]
        )
        mean = float(orders[Events.VALUE].mean())
    return np.where(np.isnan(values), 0.0 if np.isnan(mean) else mean, values)
