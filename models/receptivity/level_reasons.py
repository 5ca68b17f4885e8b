"""What the level of the trees is made of: contributions that add up exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.receptivity.histories import Histories
from models.receptivity.send_time import LightGBMSendTime

CHAIN, BASE, LEVEL = "chain", "base", "level"
"""Columns beside those of the features: where the sum starts, what all have, what it comes to."""


def explain_level(model: LightGBMSendTime, histories: Histories) -> pd.DataFrame:
    """Take each customer's expected activity apart, on the logarithmic scale.

    Parameters
    ----------
    model : LightGBMSendTime
        Fitted.
    histories : Histories
        n customers.

    Returns
    -------
    DataFrame
        `customer_id`, `chain` (log of the empirical-Bayes level), `base` (what the trees add for
        everybody), one column for each feature of the trees (its SHAP contribution), and `level`:
        the log of `model.predict_level`, which the others sum to. e to the power of a contribution
        is a factor: 0.1 makes a customer some 10 % more active. Where the trees have no say, for
        customers without activity, all but `chain` is 0.

    References
    ----------
    .. [1] Lundberg et al. (2020), "From local explanations to global understanding with
       explainable AI for trees", Nature Machine Intelligence 2.
    """
    start = model.level_.level(histories)
    names = model.feature_names_
    parts = np.zeros((len(histories), len(names) + 1))
    rows = np.flatnonzero(histories.events > 0)
    if model.booster_ is not None and len(rows):
        design = model.build_design(histories.take(rows), start[rows])
        parts[rows] = model.booster_.predict(design, pred_contrib=True, num_threads=1)
    columns = {CHAIN: np.log(start), BASE: parts[:, -1]}
    columns |= {name: parts[:, place] for place, name in enumerate(names)}
    table = pd.DataFrame(columns)
    table[LEVEL] = table.sum(axis=1)
    table.insert(0, "customer_id", histories.customer_id)
    return table
