"""The price of money at which draws make the most of a budget.

A linear programme prices money for messages that it knows to be the best. Draws that explore spend
more than it plans, so that at its price the money may be gone long before the last customers are
drawn for. A higher price reaches more of them with fewer messages that are dear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FINEST = 20
"""Prices tried lie `most` / 2 ** `FINEST` to `most` above the least one, in doublings."""
REFINED = (0.6, 0.7, 0.85, 1.2, 1.4, 1.7)
"""Parts of the best of these that are tried, too."""


@dataclass(frozen=True)
class Yield:
    """What draws for some customers are expected to bring at a price of money.

    Attributes
    ----------
    value : float
        Money that the messages earn, what full hours cost taken off.
    spent : float
        Money that they cost; >= 0.
    """

    value: float
    spent: float


def find_budget_price(
    draw: Callable[[float], Yield], budget: float, *, least: float, most: float
) -> float:
    """Return the price of money at which a budget earns most.

    Parameters
    ----------
    draw : callable
        Price → what all the customers bring, if the money reaches.
    budget : float
    least : float
        Price that a plan without exploration has; >= 0. None below it is tried.
    most : float
        Price above which nothing that costs money is worth it.

    Examples
    --------
    A message costs 1 and is sent where its worth, 1 to 8, exceeds its price; two can be paid for.

    >>> def draw(price):
    ...     sent = [worth for worth in range(1, 9) if worth > price]
    ...     return Yield(float(sum(sent)), float(len(sent)))
    >>> 6.0 <= find_budget_price(draw, 2.0, least=1.0, most=9.0) < 7.0
    True
    """

    def earn(above: float) -> float:
        found = draw(least + above)
        return found.value * (min(1.0, budget / found.spent) if found.spent > 0.0 else 1.0)

    if draw(least).spent <= budget:
        return least
    tried = (0.0, *(most * 2.0**-step for step in range(FINEST + 1)))
    earned = {above: earn(above) for above in tried}
    middle = max(earned, key=lambda above: earned[above])
    earned |= {middle * part: earn(middle * part) for part in REFINED}
    return least + max(earned, key=lambda above: earned[above])
