"""What is drawn for whom: the random arm evenly, the optimised arm by value, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.campaign.arms import OPTIMISED, RANDOM
from models.campaign.assignment import Assignment, assign_blocks
from models.campaign.decisions import write_candidates
from models.campaign.exploration import Choice, choose_explored, choose_uniform
from serving.campaigns.draws import Drawn, Limits, draw_within
from serving.campaigns.options import OptionMaker, Options
from serving.campaigns.pacing import Yield, find_budget_price
from serving.campaigns.query import CampaignQuery

BLOCK_ROWS = 4096
"""Customers whose options are valued at once."""
PACED_ROWS = 1000
"""Customers by whom the price of money is found."""
MAX_CELLS = 200_000_000
"""Values that are kept in memory, as float32; of larger audiences they are made again each time."""


def decide(
    query: CampaignQuery, options: OptionMaker, arm: np.ndarray, rng: np.random.Generator
) -> tuple[Drawn, Assignment | None]:
    """Draw both arms.

    The random arm is drawn first, out of its share of every limit, and gives back what it did not
    use; so that neither arm lives at the expense of the other. For the optimised arm a linear
    programme finds what full hours and the budget cost; then each customer's option is drawn by
    how likely it is the best after these prices, with a floor under every permitted one.

    Parameters
    ----------
    query : CampaignQuery
    options : OptionMaker
        Of the n customers.
    arm : array of str, shape (n,)
    rng : numpy Generator

    Returns
    -------
    drawn : Drawn
    assignment : Assignment or None
        What the shared limits cost the optimised arm; None where there are none.
    """
    limits = _open_limits(query, len(options.hours.hours))
    labels, drawn = _label_options(options), Drawn.empty(len(arm))
    at_random, rest = (
        np.flatnonzero((arm == name) & (options.promotion >= 0)) for name in (RANDOM, OPTIMISED)
    )

    def write(choice: Choice) -> np.ndarray:
        return write_candidates(choice, labels)

    def draw_evenly(customers: np.ndarray, is_open: np.ndarray) -> Choice:
        permitted = options.permit(customers).reshape(len(customers), -1)
        return choose_uniform(permitted & is_open, rng=rng)

    part = limits.split(len(at_random) / max(len(at_random) + len(rest), 1), rng)
    draw_within(at_random, draw_evenly, write, part, drawn, rng)
    limits.join(part)
    assignment = _price(rest, options, limits) if len(rest) and limits.is_limited else None
    explorer = Explorer(query.settings.exploration, query.settings.thompson, options)
    prices = np.zeros(len(limits.cost))
    if assignment is not None:
        prices = explorer.list_prices(assignment, limits, rest, rng)

    def draw_best(customers: np.ndarray, is_open: np.ndarray) -> Choice:
        return explorer.draw(options.make(customers), is_open, prices, rng)

    draw_within(rest, draw_best, write, limits, drawn, rng)
    return drawn, assignment


@dataclass(frozen=True)
class Explorer:
    """How the optimised arm explores.

    Attributes
    ----------
    exploration, thompson : float
        As in `CampaignSettings`.
    options : OptionMaker
    """

    exploration: float
    thompson: float
    options: OptionMaker

    def draw(
        self, made: Options, is_open: np.ndarray, prices: np.ndarray, rng: np.random.Generator
    ) -> Choice:
        """Draw what is likely the best; the last option is no message, which is worth nothing."""
        n = len(made.value)
        permitted = np.column_stack([made.permitted & is_open, np.ones(n, dtype=np.bool_)])
        return choose_explored(
            np.column_stack([made.value - prices, np.zeros(n)]),
            np.column_stack([self.thompson * made.sd, np.zeros(n)]),
            permitted,
            floor=self.exploration / permitted.sum(axis=1),
            rng=rng,
        )

    def list_prices(
        self, assignment: Assignment, limits: Limits, rest: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the price of each option, shape (k,): of its hour, its channel and its money."""
        by_hour = (assignment.prices + assignment.channel_prices).ravel()
        price = assignment.budget_price
        if np.isfinite(limits.budget) and limits.cost.any():
            price = self._pace(by_hour, price, limits, rest, rng)
        return np.asarray(by_hour + price * limits.cost)

    def _pace(
        self,
        by_hour: np.ndarray,
        least: float,
        limits: Limits,
        rest: np.ndarray,
        rng: np.random.Generator,
    ) -> float:
        """Raise the price of money to where draws for some of the customers make most of it."""
        some = rng.permutation(rest)[:PACED_ROWS]
        made, is_open = self.options.make(some), limits.is_open()
        worth = np.where(made.permitted & is_open, made.value - by_hour, 0.0)
        seed = int(rng.integers(2**32))  # the same draws at every price

        def draw(price: float) -> Yield:
            prices = by_hour + price * limits.cost
            choice = self.draw(made, is_open, prices, np.random.default_rng(seed))
            chance = choice.probabilities[:, :-1]
            return Yield(float((chance * worth).sum()), float((chance @ limits.cost).sum()))

        best = np.max(worth + 3.0 * self.thompson * made.sd, initial=0.0)
        return find_budget_price(
            draw,
            max(limits.budget, 0.0) * len(some) / len(rest),
            least=least,
            most=float(best) / limits.cost[limits.cost > 0.0].min(),
        )


def _open_limits(query: CampaignQuery, n_hours: int) -> Limits:
    budget = query.settings.budget
    return Limits(
        capacity=np.tile(query.capacity, n_hours),
        cost=np.tile(query.costs, n_hours),
        budget=np.inf if budget is None else budget,
    )


def _price(rest: np.ndarray, options: OptionMaker, limits: Limits) -> Assignment:
    """Return what full hours and the budget cost."""
    shape = (len(options.hours.hours), len(options.channels))

    def make_blocks() -> Iterator[np.ndarray]:
        for first in range(0, len(rest), BLOCK_ROWS):
            yield _value_block(options, rest[first : first + BLOCK_ROWS], shape)

    kept = list(make_blocks()) if len(rest) * shape[0] * shape[1] <= MAX_CELLS else None
    return assign_blocks(
        lambda: kept if kept is not None else make_blocks(),
        shape=shape,
        capacity=limits.capacity.reshape(shape),
        cost=limits.cost[: shape[1]],
        budget=None if np.isinf(limits.budget) else max(limits.budget, 0.0),
        most_per_customer=np.ones(len(rest), dtype=np.int64),
    )


def _value_block(options: OptionMaker, customers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    made = options.make(customers)
    value = np.where(made.permitted, made.value, np.nan)
    return value.reshape(len(customers), *shape).astype(np.float32)


def _label_options(options: OptionMaker) -> list[str]:
    hours = np.datetime_as_string(options.hours.hours, unit="m").tolist()
    named = [f"{hour}Z {channel}" for hour in hours for channel in options.channels]
    return [*named, "no message"]
