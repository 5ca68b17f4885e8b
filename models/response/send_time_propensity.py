"""When a message was likely to be sent: propensities of 3-hour blocks, and the weights they give.

Senders send to whom they expect an answer from, when they expect one. Comparing hours as they are
would give the hour what is the customer's. Where the sender logged how likely each hour was, that
is used; else a model of the sender is fitted: P(block | what the sender could see), cross-fitted
by customer, so that no touch is judged by a model that has seen its customer.

References
----------
.. [1] Robins, Hernán & Brumback (2000), "Marginal structural models and causal inference in
   epidemiology", Epidemiology 11 (stabilised weights).
.. [2] Kish (1965), "Survey Sampling" (effective sample size).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

N_BLOCKS = 8
"""Three-hour blocks of the local day."""
FLOOR = 0.005
"""No block is less likely than this: a sender is never that predictable."""
MIN_ROWS = 400
"""With fewer touches than this everybody gets the marginal propensities."""
CLIPS = tuple(np.geomspace(10.0, 1.0, 21).tolist())
"""Bounds of a weight that are tried, widest first: from 1 / c to c."""
MIN_EFFECTIVE_SHARE = 0.5
"""Weights are clipped until touches tell at least as much as this share of them at random."""


def estimate_propensity(
    block: np.ndarray,
    context: np.ndarray,
    customer: np.ndarray,
    *,
    n_blocks: int = N_BLOCKS,
    n_folds: int = 3,
    rounds: int = 60,
    learning_rate: float = 0.1,
    leaves: int = 8,
    min_rows_in_leaf: int = 50,
    max_rows: int = 60_000,
    threads: int = 1,
    seed: int = 7,
) -> np.ndarray:
    """Estimate the probability of every block for every touch, cross-fitted by customer.

    Parameters
    ----------
    block : array of int, shape (m,)
        Block that was chosen, 0 to n_blocks − 1.
    context : array of float64, shape (m, d)
        What the sender could see before the send, such as `build_send_context`; NaN = not known.
    customer : array of int, shape (m,)
        Code of the customer; all touches of one are in one fold.
    n_blocks, n_folds : int
    rounds, learning_rate, leaves, min_rows_in_leaf, threads, seed
        LightGBM's.
    max_rows : int
        Touches that a fold's model is fitted on at most, evenly spread.

    Returns
    -------
    array of shape (m, n_blocks)
        Rows sum to 1; every entry >= `FLOOR` / (1 + n_blocks × `FLOOR`).
    """
    marginal = _marginal(block, n_blocks)
    probability = np.tile(marginal, (len(block), 1))
    codes = np.unique(customer, return_inverse=True)[1]
    if len(block) < MIN_ROWS or context.shape[1] == 0 or codes.max(initial=0) + 1 < n_folds:
        return _floor(probability)
    fold = np.random.default_rng(seed).permutation(codes.max() + 1)[codes] % n_folds
    settings = {
        "objective": "multiclass",
        "num_class": n_blocks,
        "learning_rate": learning_rate,
        "num_leaves": leaves,
        "min_data_in_leaf": min_rows_in_leaf,
        "num_threads": threads,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    for number in range(n_folds):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        seen = seen[:: max(1, -(-len(seen) // max_rows))]
        data = lgb.Dataset(context[seen], block[seen], params={"verbosity": -1})
        booster = lgb.train(settings, data, num_boost_round=rounds)
        probability[unseen] = booster.predict(context[unseen], num_threads=threads)
    return _floor(probability)


def build_send_context(
    block: np.ndarray,
    customer: np.ndarray,
    sent_order: np.ndarray,
    *others: np.ndarray,
    n_blocks: int = N_BLOCKS,
) -> np.ndarray:
    """Describe what a sender could see: the customer's earlier sends by block, and other columns.

    Parameters
    ----------
    block, customer : arrays of int, shape (m,)
    sent_order : array of shape (m,)
        When each was sent, in any unit; touches sent at one time do not see each other.
    *others : arrays of shape (m,) or (m, d)
        Further columns: codes of segment, channel and promotion, shares of the customer's
        activity by block, fatigue.

    Returns
    -------
    array of float64, shape (m, n_blocks + 1 + …)
        Share of the customer's earlier sends in each block (shrunk by one send to evenness), how
        many there were, and the others.
    """
    order = np.lexsort((sent_order, customer))
    own = np.eye(n_blocks)[block[order]]
    total = np.cumsum(own, axis=0) - own
    who, when = customer[order], sent_order[order]
    is_first = np.append(True, who[1:] != who[:-1])
    is_new_time = is_first | np.append(True, when[1:] != when[:-1])
    at_customer = np.maximum.accumulate(np.where(is_first, np.arange(len(who)), 0))
    at_time = np.maximum.accumulate(np.where(is_new_time, np.arange(len(who)), 0))
    earlier = total[at_time] - total[at_customer]
    n = earlier.sum(axis=1, keepdims=True)
    described = np.empty((len(block), n_blocks + 1))
    described[order] = np.column_stack([(earlier + 1 / n_blocks) / (n + 1), n])
    return np.column_stack([described, *others])


@dataclass(frozen=True)
class SendWeights:
    """Weights that undo when the sender chose to send.

    Attributes
    ----------
    weight : array of shape (m,)
        Stabilised and clipped, with mean 1.
    effective_rows : float
        (Σ w)² / Σ w²: as many touches sent at random would tell as much.
    logged_share : float
        Share of the touches whose propensity the sender logged.
    """

    weight: np.ndarray
    effective_rows: float
    logged_share: float


def weigh_sends(
    block: np.ndarray,
    logged: np.ndarray,
    estimated: np.ndarray,
    *,
    clips: Sequence[float] = CLIPS,
) -> SendWeights:
    """Weigh touches by one over the probability of when they were sent, stabilised.

    Within each block, and apart for logged and estimated probabilities, weights have mean 1: what
    is undone is who was sent to in a block, not how much. So it does not matter whether a sender
    logs the probability of the block or, finer, of the hour.

    Parameters
    ----------
    block : array of int, shape (m,)
    logged : array of shape (m,)
        Logged probability of the send time; NaN, 0 and what is above 1 = not logged.
    estimated : array of shape (m, n_blocks)
        From `estimate_propensity`; used where none was logged.
    clips : sequence of float
        Bounds c of a weight, from 1 / c to c, before all are scaled to mean 1, widest first: the
        first is taken that leaves an effective share of `MIN_EFFECTIVE_SHARE`, else the last.
    """
    if len(block) == 0:
        return SendWeights(np.zeros(0), 0.0, 0.0)
    is_logged = (logged > 0) & (logged <= 1)
    inverse = 1 / np.where(is_logged, logged, estimated[np.arange(len(block)), block])
    group = 2 * block + is_logged
    mean = np.bincount(group, inverse) / np.maximum(np.bincount(group), 1)
    raw, weight, effective = inverse / mean[group], inverse, 0.0
    for bound in clips:
        weight = np.clip(raw, 1 / bound, bound)
        effective = float(weight.sum() ** 2 / (weight**2).sum())
        if effective >= MIN_EFFECTIVE_SHARE * len(block):
            break
    return SendWeights(weight / weight.mean(), effective, float(is_logged.mean()))


def _marginal(block: np.ndarray, n_blocks: int) -> np.ndarray:
    counts = np.bincount(block, minlength=n_blocks) + 1 / n_blocks
    return np.asarray(counts / counts.sum())


def _floor(probability: np.ndarray) -> np.ndarray:
    raised = probability + FLOOR
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
