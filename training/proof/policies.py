"""Send-time policies to be valued: the probability of each block of the day for each send.

All are matrices of shape (n, k) whose rows sum to 1. What they rest on must be older than the
sends they are valued on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import InvalidRequest
from training.proof.logged import BLOCK_HOURS, N_BLOCKS

BEST_GLOBAL_HOUR = "best_global_hour"
CUSTOMER_HISTOGRAM = "customer_histogram"
MEDIAN_HOUR = "median_hour_rule"
LOGGED = "logged_policy"
RANDOM = "random_block"

_MEDIAN_LEAST_EVENTS = 5
_MEDIAN_DEFAULT_HOURS = (9, 10, 11)
_PRIOR_SENDS = 50.0


@dataclass(frozen=True)
class Restricted:
    """A policy that only does what the log could have done.

    Attributes
    ----------
    policy : array of shape (n, k)
    outside : float
        Share of the original's sends that the log could not have made; theirs were spread over
        the row's other blocks in proportion, evenly where the policy named none of them.
    """

    policy: np.ndarray
    outside: float


def choose_best(score: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the policy that does what scores highest among the allowed; ties are split evenly.

    Parameters
    ----------
    score : array of shape (n, k) or (k,)
        Such as a model's probability of each block; NaN is never chosen unless all are.
    allowed : array of shape (n, k), bool

    Returns
    -------
    array of shape (n, k)

    Examples
    --------
    >>> choose_best(np.array([0.2, 0.3, 0.3]), np.array([[True, True, True], [True, False, True]]))
    array([[0. , 0.5, 0.5],
           [0. , 0. , 1. ]])
    """
    _check_allowed(allowed)
    known = np.where(np.isnan(score), -np.inf, score)
    masked = np.where(allowed, known, -np.inf)
    is_best = allowed & (masked == masked.max(axis=1, keepdims=True))
    return np.asarray(is_best / is_best.sum(axis=1, keepdims=True))


def choose_randomly(allowed: np.ndarray) -> np.ndarray:
    """Return the policy that does each allowed action equally often."""
    _check_allowed(allowed)
    return np.asarray(allowed / allowed.sum(axis=1, keepdims=True))


def score_blocks(
    action: np.ndarray,
    reward: np.ndarray,
    *,
    n_actions: int = N_BLOCKS,
    propensity: np.ndarray | None = None,
) -> np.ndarray:
    """Return the mean reward of each block over earlier sends, shape (k,).

    Per send, never a count of responses: a block that is used often is not therefore good. Fifty
    sends at the overall mean are added to each, so that a block with a handful of lucky sends is
    not the best of all.

    Parameters
    ----------
    action, reward : array of shape (n,)
        Of sends before those that the policy is valued on.
    n_actions : int
    propensity : array of shape (n,) or None
        Weights each send by 1 ÷ propensity, which undoes that a block was used for those who
        respond anyway; the weights are scaled to a mean of 1.
    """
    weight = np.ones(len(action)) if propensity is None else 1.0 / propensity
    weight = weight / weight.mean() if len(weight) else weight
    overall = float(np.average(reward, weights=weight)) if len(weight) else 0.0
    sends = np.bincount(action, weight, minlength=n_actions) + _PRIOR_SENDS
    return np.asarray(
        (np.bincount(action, weight * reward, minlength=n_actions) + _PRIOR_SENDS * overall) / sends
    )


def follow_histogram(
    activity: np.ndarray, everybody: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Return the policy that sends in the customer's own busiest block.

    Parameters
    ----------
    activity : array of shape (n, k)
        Earlier events of the row's customer in each block.
    everybody : array of shape (k,)
        Events of all customers: followed where the customer has none in an allowed block.
    allowed : array of shape (n, k), bool
    """
    has_own = (np.where(allowed, activity, 0) > 0).any(axis=1, keepdims=True)
    return choose_best(np.where(has_own, activity, everybody), allowed)


def follow_median_hour(hours: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the rule of the median hour, as an open-source campaign tool documents it.

    The hour before, of and after the (lower) median hour of the customer's engagements of the last
    60 days, each equally often; with fewer than five of them, 9:00 to 12:00. The tool's default
    days, Monday, Tuesday and Thursday, play no part: the weekday stays as it was logged.

    Parameters
    ----------
    hours : array of shape (n, 24)
        Engagements of the row's customer by hour of the local day.
    allowed : array of shape (n, 8), bool
        Where the rule names no allowed block, each of them is as likely.

    Returns
    -------
    array of shape (n, 8)
    """
    total = hours.sum(axis=1)
    median = (hours.cumsum(axis=1) >= total[:, None] / 2).argmax(axis=1)
    named = (median[:, None] + np.array([-1, 0, 1])) % 24
    default = np.array(_MEDIAN_DEFAULT_HOURS)
    named = np.where((total >= _MEDIAN_LEAST_EVENTS)[:, None], named, default)
    policy = np.zeros((len(hours), N_BLOCKS))
    for place in range(named.shape[1]):
        policy[np.arange(len(hours)), named[:, place] // BLOCK_HOURS] += 1 / named.shape[1]
    return restrict_policy(policy, allowed).policy


def average_blocks(probability: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Return what a model of all slots says of each block of the day that each send was made on.

    Parameters
    ----------
    probability : array of shape (n, 168)
    slot : array of shape (n,)
        The logged one; only its weekday counts.

    Returns
    -------
    array of shape (n, 8)
        The mean over the block's three hours: what `choose_best` takes as the target's scores.
    """
    blocks = probability.reshape(len(slot), 7, N_BLOCKS, BLOCK_HOURS).mean(axis=3)
    return np.asarray(blocks[np.arange(len(slot)), slot // 24])


def restrict_policy(policy: np.ndarray, allowed: np.ndarray) -> Restricted:
    """Return the policy within what is allowed, and the share of it that was not.

    Raises
    ------
    InvalidRequest
        If shapes differ, a row allows nothing, or the rows are not probabilities.
    """
    _check_allowed(allowed)
    if policy.shape != allowed.shape:
        raise InvalidRequest(
            f"a policy: expected shape {allowed.shape}, a row a send and a column an action, "
            f"got {policy.shape}"
        )
    if not (policy >= 0).all() or not np.allclose(policy.sum(axis=1), 1.0):
        raise InvalidRequest(
            "a policy: expected rows of probabilities that sum to 1, got others; see `choose_best`"
        )
    kept = np.where(allowed, policy, 0.0)
    mass = kept.sum(axis=1, keepdims=True)
    is_lost = mass <= 0
    spread = np.where(is_lost, allowed / allowed.sum(axis=1, keepdims=True), kept)
    return Restricted(spread / np.where(is_lost, 1.0, mass), float(1.0 - mass.mean()))


def _check_allowed(allowed: np.ndarray) -> None:
    if not allowed.any(axis=1).all():
        raise InvalidRequest(
            "a policy: expected at least one allowed block in every row, got a row without any"
        )
