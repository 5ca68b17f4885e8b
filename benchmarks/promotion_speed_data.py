"""Generated customer profiles and messages for the speed benchmark: made up, of no real person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from features.messages.touch_rows import CHANNEL_FATIGUE, FATIGUE
from features.schema import SLOTS_PER_WEEK
from models.receptivity.histories import EVENTS, SLOT_COUNTS, TENURE_DAYS, Histories, Outcomes
from models.receptivity.send_time import EmpiricalBayes
from models.response.customer_context import LEVEL_FEATURES, build_context
from models.response.message_counts import ChannelCounts, MessageCounts
from models.response.response import LightGBMResponse
from models.response.sent_touches import SentTouches

BATCH_ROWS = 32_768
CHANNEL = "email"
_MORE_FEATURES = 45
_REGIONS = np.array([f"r{number:03d}" for number in range(400)], dtype=object)
_SLOTS_PER_CUSTOMER = 8.0
_MESSAGES_PER_CUSTOMER = 12
_RATE = 0.08


def write_profiles(path: Path, n_customers: int, seed: int) -> None:
    """Write a customer feature table of generated people, a row group a batch."""
    writer = None
    for first in range(0, n_customers, BATCH_ROWS):
        rng = np.random.default_rng([seed, first])
        table = _draw_profiles(first, min(BATCH_ROWS, n_customers - first), rng)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _draw_profiles(first: int, n: int, rng: np.random.Generator) -> pa.Table:
    habit = rng.integers(0, SLOTS_PER_WEEK, n)
    drawn = 1 + rng.poisson(_SLOTS_PER_CUSTOMER, n)
    near = np.round(rng.normal(0, 3, drawn.sum())) + 24 * rng.integers(0, 7, drawn.sum())
    slots = (np.repeat(habit, drawn) + near).astype(np.int64) % SLOTS_PER_WEEK
    cells = np.unique(np.repeat(np.arange(n), drawn) * SLOTS_PER_WEEK + slots)
    lengths = np.bincount(cells // SLOTS_PER_WEEK, minlength=n)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    slots, weights = cells % SLOTS_PER_WEEK, rng.random(len(cells))
    fields = pa.StructArray.from_arrays([pa.array(slots), pa.array(weights)], ["slot", "weight"])
    columns: dict[str, pa.Array] = {
        "customer_id": pa.array([f"c{row:08d}" for row in range(first, first + n)]),
        "region_id": pa.array(_REGIONS[rng.integers(0, len(_REGIONS), n)], pa.string()),
        "time_zone": pa.array(["Europe/Berlin"] * n),
        "time_zone_source": pa.array(["stated"] * n),
        "consent": pa.nulls(n, pa.string()),
        SLOT_COUNTS: pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), fields),
        EVENTS: pa.array(lengths.astype(np.float64) * 2),
        TENURE_DAYS: pa.array(rng.uniform(30, 1000, n)),
    }
    names = [name for name in LEVEL_FEATURES if name not in columns]
    for name in (*names, *(f"feature_{number:02d}" for number in range(_MORE_FEATURES))):
        columns[name] = pa.array(rng.gamma(1.5, 4.0, n))
    return pa.table(columns)


def read_histories(table: pa.Table) -> Histories:
    """Read a batch of profiles; the histograms stay in Arrow until they are counted."""
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    frame = table.select(flat).to_pandas()
    counts = pd.arrays.ArrowExtensionArray(table.column(SLOT_COUNTS))
    return Histories.from_table(frame.assign(**{SLOT_COUNTS: counts}))


def draw_outcomes(histories: Histories, seed: int) -> Outcomes:
    """Draw four weeks in which customers keep to their habits, some more than others."""
    rng = np.random.default_rng([seed, 1])
    busy = histories.counts.copy()
    busy.data = 4.0 - rng.poisson(np.maximum(4 - 2 * busy.data, 0)).clip(0, 4)
    busy.eliminate_zeros()
    return Outcomes(busy, 4)


def draw_messages(histories: Histories, seed: int) -> MessageCounts:
    """Draw a dozen messages a customer and what was answered, by the slot of sending."""
    n = len(histories)
    rng = np.random.default_rng([seed, 2, n])
    rows = np.repeat(np.arange(n), _MESSAGES_PER_CUSTOMER)
    slots = 24 * rng.integers(0, 7, len(rows)) + rng.integers(8, 21, len(rows))
    answered = (rng.random(len(rows)) < _RATE).astype(np.float64)
    shape = (n, SLOTS_PER_WEEK)
    sent = sparse.csr_array((np.ones(len(rows)), (rows, slots)), shape=shape)
    won = sparse.csr_array((answered, (rows, slots)), shape=shape)
    won.eliminate_zeros()
    return MessageCounts((CHANNEL,), (ChannelCounts(sent, won, sent, won),), n)


def make_response(
    histories: Histories, receptivity: EmpiricalBayes, seed: int, *, threads: int
) -> LightGBMResponse:
    """Fit the response model to generated touches: as large as the product's, and as slow."""
    rng = np.random.default_rng([seed, 3])
    context = build_context(histories, receptivity, draw_messages(histories, seed))
    n = len(histories)
    slot = 24 * rng.integers(0, 7, n) + rng.integers(8, 21, n)
    chance = np.minimum(_RATE * 168 * context.share[np.arange(n), slot] ** 0.9, 0.9)
    is_engaged = rng.random(n) < chance
    opened = np.where(is_engaged | (rng.random(n) < 0.3), rng.exponential(4, n), np.nan)
    rows = pd.DataFrame(
        {
            "message_id": [f"m{row:07d}" for row in range(n)],
            "customer_id": histories.customer_id,
            "channel": CHANNEL,
            "slot": slot,
            "minute": rng.uniform(0, 60, n),
            "is_engaged": is_engaged,
            "propensity": 3 / 13,
            "discount": np.nan,
            "hours_to_open": opened,
            "hours_to_click": np.where(is_engaged, opened, np.nan),
            "hours_to_order": np.nan,
            "observed_hours": 168.0,
            **dict.fromkeys((*FATIGUE, CHANNEL_FATIGUE), 0.0),
        }
    )
    touches = SentTouches.from_rows(rows, context)
    model = LightGBMResponse(window_hours=24.0, threads=threads, seed=seed)
    return model.fit([touches], [np.ones(n)], channels=(CHANNEL,)).calibrate(touches)
