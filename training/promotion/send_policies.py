"""What others would have done with the messages of the test windows, from what was known before.

One row a tested touch, one column a 3-hour block of the local day it was sent on; the weekday and
the channel are held as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from features.customer.activity import Activity, build_stream
from features.customer.dialect import DuckDB, quote
from features.schema import EventType
from models.receptivity.histories import Histories
from models.response.response import EBResponse, GlobalHour, LightGBMResponse
from training.promotion.plan import Fold
from training.promotion.slices import SliceReader
from training.proof.logged import BLOCK_HOURS, N_BLOCKS
from training.proof.policies import (
    BEST_GLOBAL_HOUR,
    CUSTOMER_HISTOGRAM,
    MEDIAN_HOUR,
    RANDOM,
    choose_best,
    choose_randomly,
    follow_histogram,
    follow_median_hour,
)
from training.response.backtest import RECEPTIVITY, ResponseBacktest

RESPONSE = "response"
PERSONAL = (EBResponse.name, LightGBMResponse.name)
"""Response models that tell customers apart."""
MEDIAN_DAYS = 60
"""Days that the rule of the median hour looks back."""


def build_policies(
    backtest: ResponseBacktest, reader: SliceReader, folds: Sequence[Fold], allowed: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the policies to be valued, by name, each of shape (n_touches, 8).

    Parameters
    ----------
    backtest : ResponseBacktest
    reader : SliceReader
        Of the same project.
    folds : sequence of Fold
        Those of the plan; the touches number them from 1.
    allowed : array of bool, shape (n_touches, 8)
        Blocks that were in use.
    """
    touches, blocks = backtest.touches, backtest.blocks
    activity, everybody = np.zeros((2, len(touches), N_BLOCKS))
    answered = np.zeros((len(touches), 24))
    for number, fold in enumerate(folds, start=1):
        rows = np.flatnonzero(touches["fold"] == number)
        if len(rows) == 0:
            continue
        customers = touches["customer_id"].iloc[rows].to_numpy(dtype=object)
        own, all_of_them = _count_activity(reader, fold.test, customers)
        activity[rows], everybody[rows] = own, all_of_them
        answered[rows] = _count_answers(reader, fold.test, customers)
    policies = {
        BEST_GLOBAL_HOUR: choose_best(blocks[GlobalHour.name], allowed),
        CUSTOMER_HISTOGRAM: follow_histogram(activity, everybody, allowed),
        MEDIAN_HOUR: follow_median_hour(answered, allowed),
        RANDOM: choose_randomly(allowed),
        RECEPTIVITY: choose_best(blocks[RECEPTIVITY], allowed),
    }
    if backtest.best in PERSONAL:
        policies[RESPONSE] = choose_best(blocks[backtest.best], allowed)
    return policies


def find_allowed(touches: pd.DataFrame) -> np.ndarray:
    """Return the blocks that any message of the channel was sent in, bool of shape (n, 8)."""
    block = touches["slot"].to_numpy() % 24 // BLOCK_HOURS
    codes, channels = pd.factorize(touches["channel"])
    seen = np.zeros((len(channels), N_BLOCKS), dtype=np.bool_)
    seen[codes, block] = True
    return np.asarray(seen[codes])


def _count_activity(
    reader: SliceReader, as_of: datetime, customers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return activity by block of the day: of each row's customer, and of everybody."""
    histories = Histories.from_table(reader.read_profiles(as_of))
    blocks = np.eye(N_BLOCKS)[np.arange(168) % 24 // BLOCK_HOURS]
    counts = histories.counts @ blocks
    place = pd.Index(histories.customer_id).get_indexer(pd.Index(customers))
    own = np.where((place >= 0)[:, None], counts[place], 0.0)
    return own, np.asarray(counts.sum(axis=0))


def _count_answers(reader: SliceReader, as_of: datetime, customers: np.ndarray) -> np.ndarray:
    """Return opens and clicks of each row's customer by hour of the local day, shape (n, 24)."""
    dialect, project = DuckDB(), reader.project
    columns = (Activity.CUSTOMER_ID, Activity.TYPE, Activity.OCCURRED_AT, Activity.SLOT)
    stream = build_stream(
        dialect, project.workspace, columns, time_zone=project.settings.time_zone, as_of=as_of
    )
    kinds = ", ".join(quote(kind) for kind in (EventType.OPEN, EventType.CLICK))
    since = dialect.timestamp(as_of - timedelta(days=MEDIAN_DAYS))
    found: pd.DataFrame = (
        reader.engine.sql(
            "SELECT customer_id, CAST(slot % 24 AS BIGINT) AS hour, COUNT(*) AS answers\n"
            f"FROM (\n{stream}\n) AS activity\nWHERE type IN ({kinds}) "
            f"AND occurred_at >= {since} AND occurred_at < {dialect.timestamp(as_of)}\n"
            "GROUP BY customer_id, hour"
        )
        .to_arrow_table()
        .to_pandas()
    )
    known = pd.Index(found["customer_id"].unique())
    counts = np.zeros((len(known) + 1, 24))  # the last row: customers without any
    place = known.get_indexer(pd.Index(found["customer_id"]))
    counts[place, found["hour"].to_numpy(dtype=np.int64)] = found["answers"]
    return np.asarray(counts[known.get_indexer(pd.Index(customers))])


def stack_scores(blocks: Mapping[str, np.ndarray], best: str) -> np.ndarray:
    """Return what is known of each block before the send, shape (n, 8, 2): for the reward model."""
    return np.stack([blocks[best], blocks[RECEPTIVITY]], axis=2)
