"""Weights of touches over several windows, and how busy their customers are by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.receptivity.reach import REACH_HOURS
from models.response.send_time_propensity import (
    SendWeights,
    build_send_context,
    estimate_propensity,
    weigh_sends,
)
from models.response.sent_touches import SentTouches
from training.response.options import ResponseOptions


def weigh_windows(
    windows: Sequence[SentTouches], rows: Sequence[pd.DataFrame], options: ResponseOptions
) -> tuple[list[np.ndarray], SendWeights]:
    """Weigh the touches of several windows by when their sender chose to send.

    Returns
    -------
    weights : list of arrays
        One per window, shape (m,).
    whole : SendWeights
        Of all windows together.
    """
    table = pd.concat(rows, ignore_index=True)
    block = np.concatenate([window.block for window in windows])
    logged = np.concatenate([window.propensity for window in windows])
    estimated = np.full((len(block), 8), 1 / 8)
    if not (logged > 0).all():
        customer = pd.factorize(table["customer_id"])[0]
        activity = np.concatenate([_by_block(window) for window in windows])
        segment = np.concatenate([_segments(window) for window in windows])
        context = build_send_context(
            block,
            customer,
            table["sent_at"].to_numpy().astype(np.int64),
            activity,
            pd.factorize(segment, sort=True)[0],
            pd.factorize(table["channel"], sort=True)[0],
            pd.factorize(table["promotion_id"], sort=True)[0],
            table["slot"].to_numpy() // 24,
            table["touches_7d"].to_numpy(dtype=np.float64),
        )
        estimated = estimate_propensity(
            block, context, customer, threads=options.threads, seed=options.seed
        )
    whole = weigh_sends(block, logged, estimated)
    ends = np.cumsum([len(window) for window in windows])
    return np.split(whole.weight, ends[:-1]), whole


def activity_by_block(touches: SentTouches) -> np.ndarray:
    """Return how busy each touch's customer is within reach of every block of its day, (m, 8).

    Of the hours in which a message sent in the block would be found, see
    `models.receptivity.reach`; 1 is as busy as in an average hour of their week.
    """
    share = touches.context.share
    ahead = np.mean([np.roll(share, -hours, axis=1) for hours in range(REACH_HOURS)], axis=0)
    week = ahead[touches.row].reshape(len(touches), 7, 8, 3).mean(axis=3)
    return np.asarray(168 * week[np.arange(len(touches)), touches.slot // 24])


def _by_block(touches: SentTouches) -> np.ndarray:
    """Return the share of activity in each block of the day, over the week, shape (m, 8)."""
    week = touches.context.share.reshape(-1, 7, 8, 3).sum(axis=(1, 3))
    return np.asarray(week[touches.row])


def _segments(touches: SentTouches) -> np.ndarray:
    names = np.array([*touches.context.segment_names, ""], dtype=object)
    return np.asarray(names[touches.context.segment_codes[touches.row]])
