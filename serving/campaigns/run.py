"""A campaign from the published models and the project's tables to a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.project import Project
from serving.campaigns.champion import load_models
from serving.campaigns.plan import CampaignPlan, plan_campaign
from serving.campaigns.query import CampaignQuery
from serving.campaigns.schedule import build_schedule
from serving.campaigns.tables import load_tables


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
    tables = load_tables(project, query.start, query.look_back_days)
    rng = np.random.default_rng([project.settings.seed, *query.campaign_id.encode()])
    plan = plan_campaign(query, models, tables, rng)
    return PlannedCampaign(plan, build_schedule(plan, models))
