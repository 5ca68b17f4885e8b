"""What response models are fitted with, put together in one way for training and for scoring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from models.receptivity.histories import Histories
from models.receptivity.send_time import EmpiricalBayes
from models.response.context import RECEPTIVITY_LEVEL, ResponseContext
from models.response.message_counts import MessageCounts

LEVEL_FEATURES = (
    "order_recency_days",
    "active_recency_days",
    "tenure_days",
    "orders_30d",
    "orders_90d",
    "orders_365d",
    "active_weeks_91d",
    "basket_value_365d",
    "active_count",
)
"""Level features of the customer table that are read; NaN where it does not hold one."""


def build_context(
    histories: Histories,
    receptivity: EmpiricalBayes,
    messages: MessageCounts,
    *,
    fatigue: pd.DataFrame | None = None,
    discount: float | np.ndarray = np.nan,
) -> ResponseContext:
    """Put together what is known of customers before a message.

    Parameters
    ----------
    histories : Histories
        n customers as of a cut-off.
    receptivity : EmpiricalBayes
        Fitted; LightGBM's send-time model is one, too.
    messages : MessageCounts
        Of the same customers.
    fatigue, discount
        See `ResponseContext.build`.
    """
    context = ResponseContext.build(
        histories,
        receptivity.shape_.share(histories),
        messages,
        share_events=receptivity.shape_.strength(histories),
        fatigue=fatigue,
        discount=discount,
        shape=receptivity.shape_,
    )
    levels = [*_read_levels(histories), receptivity.level_.level(histories)]
    return replace(
        context,
        level_features=np.column_stack(levels),
        level_names=(*LEVEL_FEATURES, RECEPTIVITY_LEVEL),
    )


def _read_levels(histories: Histories) -> list[np.ndarray]:
    """Return each level feature, shape (n,); nothing is known of customers without a row."""
    position = {name: place for place, name in enumerate(histories.level_names)}
    nothing = np.full(len(histories), np.nan)
    return [
        histories.level_features[:, position[name]] if name in position else nothing
        for name in LEVEL_FEATURES
    ]
