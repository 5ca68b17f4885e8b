"""Sends as they were logged: who, in which block of the day, how likely that was, what came of it.

An action is a three-hour block of the customer's local day; the weekday stays as it was logged.
Finer actions starve: an hour of the week that a policy names is one that the log rarely holds.
Within a block, a policy is valued at the hours that the log used there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import InvalidRequest, NotEnoughData
from features.schema import SLOTS_PER_WEEK

BLOCK_HOURS = 3
N_BLOCKS = 24 // BLOCK_HOURS
BLOCK_NAMES = tuple(f"{start:02d}–{start + BLOCK_HOURS:02d}" for start in range(0, 24, BLOCK_HOURS))


@dataclass(frozen=True)
class LoggedSends:
    """One row a send, in any order.

    Attributes
    ----------
    customer : array of shape (n,), int
        Code of the customer; all rows of one are resampled, and held out, together.
    action : array of shape (n,), int
        What was done: 0 to k − 1.
    reward : array of shape (n,)
        What came of it: 1 and 0, an order value, a margin.
    propensity : array of shape (n,)
        Probability that the log chose this action for this row, given its weekday; NaN where it
        was not logged and has to be estimated. Above 0; at most 1, or 3 where a log by the hour
        prefers one hour of a block, see `training.proof.granularity`.
    context : array of shape (n, d)
        What was known before the send and may have moved both the choice and the reward; NaN
        where unknown, d may be 0.
    allowed : array of shape (n, k), bool
        Actions that could have been chosen; the logged one is among them.
    per_action : array of shape (n, k, m) or None
        What was known before the send of each action: such as the customer's share of activity
        in the block. It only sharpens the reward model.

    Raises
    ------
    NotEnoughData
        If there is no row.
    InvalidRequest
        If shapes differ, or a value is outside of what is written above.

    Examples
    --------
    >>> sends = LoggedSends(
    ...     customer=np.array([0, 1]), action=np.array([3, 6]), reward=np.array([1.0, 0.0]),
    ...     propensity=np.array([0.9, np.nan]), context=np.zeros((2, 1)),
    ...     allowed=np.ones((2, 8), dtype=bool),
    ... )
    >>> len(sends), sends.n_actions, sends.n_customers, sends.is_estimated
    (2, 8, 2, True)
    """

    customer: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    context: np.ndarray
    allowed: np.ndarray
    per_action: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_values(self)

    def __len__(self) -> int:
        return len(self.action)

    @property
    def n_actions(self) -> int:
        """Actions there are, chosen or not."""
        return int(self.allowed.shape[1])

    @property
    def n_customers(self) -> int:
        """Different customers."""
        return len(np.unique(self.customer))

    @property
    def is_estimated(self) -> bool:
        """Whether any propensity was not logged."""
        return bool(np.isnan(self.propensity).any())


def to_block(slot: np.ndarray) -> np.ndarray:
    """Return the block of the local day, 0 to 7, of slots of the local week.

    Examples
    --------
    >>> to_block(np.array([0, 23, 24 + 9])).tolist()
    [0, 7, 3]
    """
    return np.asarray(slot) % 24 // BLOCK_HOURS


def build_logged_sends(
    touches: pd.DataFrame,
    *,
    context: Sequence[str] = (),
    reward: str = "engaged",
    allowed: np.ndarray | None = None,
    per_action: np.ndarray | None = None,
) -> LoggedSends:
    """Read a table of touches as logged sends in three-hour blocks.

    Parameters
    ----------
    touches : DataFrame
        A row a touch: `customer_id`, `slot` (local, 0 to 167), the reward, and `propensity` of the
        block given the weekday; without that column all are estimated.
    context : sequence of str
        Columns, numbers or categories, that were known before the send. The weekday is added.
    reward : str
        Column of the reward.
    allowed : array of shape (n, 8), bool, or None
        None allows every block that any touch was sent in.
    per_action : array of shape (n, 8, m) or None

    Raises
    ------
    InvalidRequest
        If a column is missing, or a slot is not one of the week.
    NotEnoughData
        If there is no row.
    """
    missing = [name for name in ("customer_id", "slot", reward, *context) if name not in touches]
    if missing:
        raise InvalidRequest(
            f"logged sends: expected the columns {missing}, got {list(touches.columns)}"
        )
    slot = touches["slot"].to_numpy(dtype=np.int64)
    if ((slot < 0) | (slot >= SLOTS_PER_WEEK)).any():
        raise InvalidRequest(
            f"logged sends: expected slots from 0 to {SLOTS_PER_WEEK - 1}, got {slot.min()} to "
            f"{slot.max()}; a slot is an hour of the local week"
        )
    action = to_block(slot)
    columns = [slot // 24, *(_to_numbers(touches[name]) for name in context)]
    return LoggedSends(
        customer=pd.factorize(touches["customer_id"])[0],
        action=action,
        reward=touches[reward].to_numpy(dtype=np.float64),
        propensity=_read_propensity(touches),
        context=np.column_stack(columns).astype(np.float64),
        allowed=_allow_seen(action) if allowed is None else allowed,
        per_action=per_action,
    )


def sum_block_propensity(probabilities: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Return the probability of each send's block given its weekday, from that of every slot.

    Parameters
    ----------
    probabilities : array of shape (n, 168)
        With which the log chose among the slots of the week; rows sum to 1.
    slot : array of shape (n,)
        The one that was chosen.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> probabilities = np.zeros((1, 168))
    >>> probabilities[0, [9, 10, 15, 40]] = [0.1, 0.3, 0.4, 0.2]  # the last is on Tuesday
    >>> sum_block_propensity(probabilities, np.array([10])).round(2).tolist()
    [0.5]
    """
    by_block = probabilities.reshape(len(slot), 7, N_BLOCKS, BLOCK_HOURS).sum(axis=3)
    of_day = by_block[np.arange(len(slot)), slot // 24]
    return np.asarray(of_day[np.arange(len(slot)), to_block(slot)] / of_day.sum(axis=1))


def _allow_seen(action: np.ndarray) -> np.ndarray:
    seen = np.bincount(action, minlength=N_BLOCKS) > 0
    return np.tile(seen, (len(action), 1))


def _read_propensity(touches: pd.DataFrame) -> np.ndarray:
    if "propensity" not in touches:
        return np.full(len(touches), np.nan)
    return touches["propensity"].to_numpy(dtype=np.float64, na_value=np.nan)


def _to_numbers(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(column.astype("category").cat.codes, dtype=np.float64)


def _check_shapes(sends: LoggedSends) -> None:
    n = len(sends.action)
    if n == 0:
        raise NotEnoughData("logged sends: expected at least one send, got none")
    for name in ("customer", "action", "reward", "propensity"):
        if np.shape(getattr(sends, name)) != (n,):
            raise InvalidRequest(
                f"logged sends: expected '{name}' of shape ({n},), as long as 'action', got "
                f"{np.shape(getattr(sends, name))}"
            )
    for name, ndim in (("context", 2), ("allowed", 2), ("per_action", 3)):
        values = getattr(sends, name)
        if values is not None and (np.ndim(values) != ndim or len(values) != n):
            raise InvalidRequest(
                f"logged sends: expected '{name}' with {ndim} dimensions and {n} rows, got shape "
                f"{np.shape(values)}"
            )
    k = sends.allowed.shape[1]
    if k < 2 or (sends.per_action is not None and sends.per_action.shape[1] != k):
        raise InvalidRequest(
            f"logged sends: expected at least two actions, as many in 'per_action' as in "
            f"'allowed', got {k} allowed"
        )


def _check_values(sends: LoggedSends) -> None:
    low, high, k = sends.action.min(), sends.action.max(), sends.n_actions
    if low < 0 or high >= k:
        raise InvalidRequest(
            f"logged sends: expected actions from 0 to {k - 1}, got {low} to {high}"
        )
    if not np.isfinite(sends.reward).all() or np.isinf(sends.context).any():
        raise InvalidRequest(
            "logged sends: expected finite rewards and contexts, got infinite or missing ones; "
            "a send whose outcome is not known yet must be left out"
        )
    wrong = (sends.propensity <= 0) | (sends.propensity > BLOCK_HOURS)
    if wrong.any():
        raise InvalidRequest(
            f"logged sends: expected propensities above 0 and at most {BLOCK_HOURS}, got "
            f"{sends.propensity[wrong][0]:.4g} and {int(wrong.sum()) - 1} more; leave those empty "
            "that were not logged"
        )
    outside = ~sends.allowed[np.arange(len(sends)), sends.action]
    if outside.any():
        raise InvalidRequest(
            f"logged sends: expected every logged action among the allowed ones, got "
            f"{int(outside.sum())} sends outside, the first in row {int(outside.argmax())}"
        )
