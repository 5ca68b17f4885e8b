"""A small simulated world of messages with known truth, for tests.

Customers have an hour of their own, told by what they do by themselves; they answer in proportion
to a power of that, times a level of their own and a lift that evenings have in everybody's eyes;
at once, if at all. The sender is confounded: loyal customers get most messages in the morning,
others at any time.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.receptivity.empirical_bayes import build_kernel
from models.response.context import ResponseContext
from models.response.message_counts import ChannelCounts, MessageCounts
from models.response.sent_touches import SentTouches

SLOTS = np.arange(168)
RATES = {"email": 0.06, "push": 0.12}
POWER = 0.8


@dataclass(frozen=True)
class World:
    windows: list[SentTouches]
    truth: dict[str, np.ndarray]  # P(answer) by channel, (n, 168)


def near_hour(hour, width=2.0):
    apart = (SLOTS[None, :] % 24 - np.asarray(hour)[:, None] + 12) % 24 - 12
    return np.exp(-0.5 * (apart / width) ** 2)


def make_world(n=1200, seed=1, *, n_windows=4, sends=4, events=8.0):
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, 4, n)
    hour = (np.array([8, 13, 19, 21])[segment] + rng.normal(0, 3, n)) % 24
    habit = 0.25 / 168 + 0.75 * (near := near_hour(hour)) / near.sum(axis=1, keepdims=True)
    counts = rng.poisson(habit * (events * rng.gamma(2.0, 0.5, n))[:, None]).astype(float)
    share = estimate_share(counts, segment)
    level = rng.gamma(2.0, 0.5, n)
    lift = 1 + 0.5 * near_hour([20.0])[0]
    truth = {
        name: -np.expm1(-rate * level[:, None] * (168 * habit) ** POWER * lift / 1.5)
        for name, rate in RATES.items()
    }
    memory = {name: np.zeros((2, n, 168)) for name in RATES}
    windows = []
    for _ in range(n_windows):
        context = make_context(segment, share, memory, level_hint=counts.sum(axis=1))
        windows.append(send(context, level, truth, sends, rng))
        for name in RATES:
            own = windows[-1].take(windows[-1].channel == name)
            np.add.at(memory[name][0], (own.row, own.slot), 1.0)
            np.add.at(memory[name][1], (own.row, own.slot), own.is_engaged.astype(float))
    return World(windows, truth)


def estimate_share(counts, segment):
    """Shares by the receptivity chain's formula, with strengths that are given."""
    kernel = build_kernel(1.5, 0.8)
    everybody = (counts.sum(axis=0) @ kernel + 1) / (counts.sum() + 168)
    of_segment = np.array(
        [(counts[segment == s].sum(axis=0) @ kernel + 10 * everybody) for s in range(4)]
    )
    of_segment /= of_segment.sum(axis=1, keepdims=True)
    own = counts @ kernel + 4.0 * of_segment[segment]
    return own / own.sum(axis=1, keepdims=True)


def make_context(segment, share, memory, level_hint):
    n = len(segment)
    channels = tuple(memory)
    parts = []
    for name in channels:
        sent, answered = (sparse.csr_array(table) for table in memory[name])
        parts.append(ChannelCounts(sent, answered, sent, answered))
    return ResponseContext(
        customer_id=np.array([f"c{i:05d}" for i in range(n)], dtype=object),
        segment_names=("east", "north", "south", "west"),
        segment_codes=segment.astype(np.int64),
        share=share,
        share_events=level_hint + 4.0,
        messages=MessageCounts(channels, tuple(parts), n),
        fatigue=np.column_stack([np.zeros((n, 3)), np.full(n, np.nan)]),
        channel_fatigue=np.zeros((n, len(channels))),
        discount=np.full(n, np.nan),
        level_features=np.column_stack([level_hint, np.full(n, np.nan)]),
        level_names=("active_count", "empty"),
    )


def send(context, level, truth, sends, rng):
    n = len(context)
    row = np.repeat(np.arange(n), sends)
    m = len(row)
    is_morning = rng.random(m) < np.where(level > 1, 0.8, 0.3)[row]
    hour = np.where(is_morning, rng.integers(8, 12, m), rng.integers(0, 24, m))
    slot = 24 * rng.integers(0, 7, m) + hour
    channel = rng.choice(list(truth), m).astype(object)
    chance = np.empty(m)
    for name, table in truth.items():
        own = channel == name
        chance[own] = table[row[own], slot[own]]
    is_engaged = rng.random(m) < chance
    opened = np.where(rng.random(m) < 0.3, rng.exponential(6.0, m), np.nan)
    return SentTouches(
        context=context,
        message_id=np.array([f"m{i}" for i in range(m)], dtype=object),
        row=row,
        channel=channel,
        slot=slot,
        minute=rng.uniform(0, 60, m),
        is_engaged=is_engaged,
        propensity=np.full(m, np.nan),
        fatigue=np.column_stack([rng.integers(0, 3, (m, 3)), rng.uniform(1, 200, m)]),
        channel_fatigue=rng.integers(0, 3, m).astype(float),
        discount=rng.choice([np.nan, 0.1, 0.3], m),
        hours_to_open=np.where(opened < 168, opened, np.nan),
        hours_to_answer=np.where(is_engaged, rng.exponential(0.2, m), np.nan),
        observed_hours=np.full(m, 168.0),
    )
