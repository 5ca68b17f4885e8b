"""What a campaign is decided by: the published models, and what the project knows of orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.engine import open_engine
from features.project import Project
from features.schema import EVENTS, Events, EventType
from models.offers.offer_model import MODEL_FILE, OfferModel, load_offers
from serving.batch import load_predictor
from serving.customers.hiding import hide_customers
from serving.outlooks import Outlooks
from serving.profiles import PROFILES_FILE
from serving.send_times import SendTimePredictor
from serving.tables import read_table


@dataclass(frozen=True)
class CampaignModels:
    """What a campaign is decided by.

    Attributes
    ----------
    predictor : SendTimePredictor
    offers : OfferModel or None
        From experiments; None where there were none.
    profiles : DataFrame
        Customer feature table of the predictor's profiles, in their order.
    order_value : array of shape (n_profiles,)
        Expected value of an order of each of them.
    version : str
        Of the champion.
    """

    predictor: SendTimePredictor
    offers: OfferModel | None
    profiles: pd.DataFrame
    order_value: np.ndarray
    version: str


def load_models(project: Project, files: Mapping[str, bytes], version: str) -> CampaignModels:
    """Load what a campaign is decided by from an artifact's files."""
    predictor = load_predictor(files)
    hide_customers(predictor, project)
    profiles = read_table(files[PROFILES_FILE], PROFILES_FILE)
    flat = [field.name for field in profiles.schema if not pa.types.is_nested(field.type)]
    offers: OfferModel | None = load_offers(files) if MODEL_FILE in files else None
    order_value = np.full(len(predictor.profiles.histories), np.nan)
    if offers is not None:  # nothing else reads what an order is worth
        outlooks = predictor.outlooks if isinstance(predictor.outlooks, Outlooks) else None
        order_value = _find_order_values(project, outlooks, len(order_value))
    return CampaignModels(
        predictor, offers, profiles.select(flat).to_pandas(), order_value, version
    )


def _find_order_values(project: Project, outlooks: Outlooks | None, n: int) -> np.ndarray:
    """Return the expected value of an order of each customer; everybody's mean where not known."""
    values = np.full(n, np.nan) if outlooks is None else outlooks.order_values()
    if not np.isnan(values).any():
        return values
    return np.where(np.isnan(values), _find_mean_order(project), values)


def _find_mean_order(project: Project) -> float:
    """Return the mean value of all orders; 0 where none is known."""
    path, settings = project.workspace.table(EVENTS.name), project.settings
    if not path.exists():
        return 0.0
    with open_engine(settings.threads, settings.memory_limit) as engine:
        (found,) = engine.sql(
            f"SELECT avg({Events.VALUE}) FROM read_parquet($path) WHERE {Events.TYPE} = $order",
            params={"path": str(path), "order": str(EventType.ORDER)},
        ).fetchall()
    return 0.0 if found[0] is None else float(found[0])
