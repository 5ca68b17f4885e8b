"""A simulated send-time world whose truth is known: customers, messages and orders, made up.

SIMULATED: no retailer, no person. It exists to ask how much of what there is to gain from the hour
of sending a model finds, which real logs cannot tell. The process (`promotion_world_people`: people
with routines; `promotion_world_truth`: inboxes; `promotion_world_log`: campaigns) shares no
equation with the models that are measured on it: no shares of the week, no Dirichlet, no level
times shape.

All parameters were fixed for plausibility before any response model was measured, and are not
changed to please a bar: some three looks into the inbox a day, 9 % engagement, the best hour of
each person some 40 to 50 % above the best hour of all. They were set on the truth, and on what
could be learned at all: of a first version with more scattered habits, even a Bayesian who knows
the generator learned less than half of the oracle's gain from 18 messages and 25 orders, so no
model could have been judged by it; of this one that Bayesian learns about four fifths, and about
three fifths from 2 and 2. Receptivity alone had been measured once on that first version; nothing
was changed after its next measurement.

*To engage* is to click within 24 hours of the message being sent. The truth is of a message with an
average offer to a customer who got none in the week before, sent at a uniformly random minute of
the slot; 0 for those who are no longer customers when the log ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.promotion_world_log import (
    N_DAYS,
    PERMITTED,
    Senders,
    Sends,
    draw_senders,
    live,
)
from benchmarks.promotion_world_orders import Organic
from benchmarks.promotion_world_people import People, draw_people
from benchmarks.promotion_world_truth import compute_truth

FIRST_DAY = pd.Timestamp("2025-01-06")  # a Monday
CUT_OFF = FIRST_DAY + timedelta(days=N_DAYS + 1)
"""When the log is over everywhere, in UTC."""
PERMITTED_SLOTS = (24 * np.arange(7)[:, None] + PERMITTED).ravel()
"""Slots of the week in which a message may be sent, shape (91,)."""


@dataclass(frozen=True)
class Population:
    """Simulated people and the truth about them.

    Attributes
    ----------
    people : People
        n of them.
    halves : array of shape (2, n, 168)
        Two estimates of P(engage | sent in slot) with independent errors, while a customer.
    """

    people: People
    halves: np.ndarray


@dataclass(frozen=True)
class World:
    """A population and half a year of its log; what is no table is known to the simulation alone.

    Attributes
    ----------
    population : Population
    senders : Senders
    sends : Sends
    organic : Organic
    seed : int
        Of the log.
    """

    population: Population
    senders: Senders
    sends: Sends
    organic: Organic
    seed: int

    @property
    def truth(self) -> np.ndarray:
        """P(engage within 24 hours | sent in slot) once the log is over, shape (n, 168)."""
        stays = self.senders.left_on >= N_DAYS
        return np.asarray(self.population.halves.mean(axis=0) * stays[:, None])

    @property
    def customer_id(self) -> np.ndarray:
        """Ids in the order of the truth's rows, shape (n,)."""
        return name_customers(np.arange(len(self.population.people)))


def make_population(n: int, seed: int, *, n_weeks: int = 64) -> Population:
    """Draw n people and integrate the truth about them, over `n_weeks` weeks of each."""
    rng = np.random.default_rng([seed, 0])
    people = draw_people(n, rng)
    return Population(people, compute_truth(people, rng, n_weeks=n_weeks))


def make_world(
    population: Population, seed: int, *, n_sends: int = 18, events_per_customer: float = 25.0
) -> World:
    """Let a population live through half a year of campaigns; equal seeds give equal worlds.

    Parameters
    ----------
    population : Population
    seed : int
        Of the log alone: the same people under another seed live another half-year.
    n_sends : int
        Messages a customer; 1 to 60.
    events_per_customer : float
        Orders that no message caused, on average, of customers who stay.
    """
    rng = np.random.default_rng([seed, 1])
    senders = draw_senders(population.people, n_sends, rng)
    sends, organic = live(population.people, senders, rng, events_per_customer=events_per_customer)
    return World(population, senders, sends, organic, seed)


def name_customers(rows: np.ndarray) -> np.ndarray:
    """Return the id of the customer in each row of the population."""
    return np.array([f"c{row:06d}" for row in rows.tolist()], dtype=object)


def describe_world(world: World) -> Mapping[str, Any]:
    """Return what a world holds, in plain numbers, its truth included."""
    truth = world.truth[:, PERMITTED_SLOTS]
    best = float(truth.mean(axis=0).max())
    return {
        "customers": len(truth),
        "sends": len(world.sends.sent),
        "organic_events": len(world.organic.at),
        "engaged": float(world.sends.engaged.mean()),
        "explored": float(world.sends.is_explored.mean()),
        "true_best_hour": best,
        "true_oracle": float(truth.max(axis=1).mean()),
        "oracle_gain": float(truth.max(axis=1).mean()) / best - 1,
    }
