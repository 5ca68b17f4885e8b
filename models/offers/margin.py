"""From uplift to money: what an offer adds for a customer, and what it gives away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import InvalidRequest

NOTHING = "nothing"
"""The offer of not making one."""


@dataclass(frozen=True)
class Terms:
    """What an offer costs and an order earns.

    Attributes
    ----------
    margin : float
        Of an order at full price, as a fraction of its value; 0 to 1.
    discount : float
        As a fraction of the order's value; 0 to 1.
    contact_cost : float
        Of making the offer to one customer, in money; >= 0.
    orders_per_outcome : float
        Orders that one outcome stands for: 1 if the outcome is an order, less for a visit; >= 0.
    """

    margin: float
    discount: float = 0.0
    contact_cost: float = 0.0
    orders_per_outcome: float = 1.0

    def __post_init__(self) -> None:
        for name, most in (("margin", 1.0), ("discount", 1.0), ("contact_cost", np.inf)):
            value = getattr(self, name)
            if not 0.0 <= value <= most:
                raise InvalidRequest(
                    f"terms of an offer: expected {name} from 0 to {most:g}, got {value:g}; "
                    "margins and discounts are fractions of an order's value"
                )
        if not 0.0 <= self.orders_per_outcome < np.inf:
            raise InvalidRequest(
                f"terms of an offer: expected orders_per_outcome of at least 0, got "
                f"{self.orders_per_outcome:g}; it is 1 where the outcome is an order"
            )


@dataclass(frozen=True)
class Effects:
    """What offers do, per customer and offer.

    Attributes
    ----------
    offers : tuple of str
        The k offers.
    mean, sd : arrays of shape (n, k)
        Outcome with the offer − without it, and its standard deviation.
    control, control_sd, covariance : arrays of shape (n, k)
        Outcome without the offer, its standard error, its covariance with `mean`.
    """

    offers: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    control: np.ndarray
    control_sd: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Margins:
    """What each offer adds, in money per customer.

    Attributes
    ----------
    offers : tuple of str
    gained : array of shape (n, k)
        Margin, at full price, of the orders that would not have come.
    discount_cost : array of shape (n, k)
        Discount on all orders that come, those that would have come anyway included.
    contact_cost : array of shape (k,)
    mean, sd : arrays of shape (n, k)
        Gained − both costs, and its standard deviation.
    """

    offers: tuple[str, ...]
    gained: np.ndarray
    discount_cost: np.ndarray
    contact_cost: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Recommendation:
    """The offer for each customer, or none.

    Attributes
    ----------
    offer : object array of shape (n,)
        Name of the offer; 'nothing' where no permitted one has a lower bound above 0.
    place : int array of shape (n,)
        Its place among the offers; -1 for none.
    margins : Margins
    low, high : arrays of shape (n, k)
        Interval of the margin that each offer adds.
    level : float
        Of the intervals.
    """

    offer: np.ndarray
    place: np.ndarray
    margins: Margins
    low: np.ndarray
    high: np.ndarray
    level: float


def build_margins(effects: Effects, terms: Mapping[str, Terms], order_value: np.ndarray) -> Margins:
    """Turn effects into money.

    With order value V and q orders an outcome, margin m, discount d and contact cost c, an offer
    that moves the outcome from a to a + u adds V q (m u − d (a + u)) − c.

    Parameters
    ----------
    effects : Effects
        Of n customers and k offers.
    terms : mapping of offer to Terms
        Of every offer.
    order_value : array of shape (n,)
        Expected value of an order at full price, in money; >= 0, no NaN.

    Raises
    ------
    InvalidRequest
        If an offer has no terms, or an order value is negative, NaN or missing.
    """
    missing = [offer for offer in effects.offers if offer not in terms]
    if missing:
        raise InvalidRequest(
            f"offers: expected the terms of all of {list(effects.offers)}, got none of {missing}; "
            "give each a margin, and a discount where there is one"
        )
    value = np.asarray(order_value, dtype=np.float64)
    if value.shape != (len(effects.mean),) or not (value >= 0.0).all():
        raise InvalidRequest(
            f"offers: expected {len(effects.mean)} order values of at least 0, got shape "
            f"{value.shape} with {int((~(value >= 0.0)).sum())} negative or empty; "
            "fill customers without orders with the average"
        )
    chosen = [terms[offer] for offer in effects.offers]
    margin, discount, cost, orders = np.array(
        [(t.margin, t.discount, t.contact_cost, t.orders_per_outcome) for t in chosen]
    ).T
    money = value[:, None] * orders
    gained = money * margin * effects.mean
    discount_cost = money * discount * (effects.control + effects.mean)
    keep, give = money * (margin - discount), money * discount
    variance = (
        (keep * effects.sd) ** 2
        + (give * effects.control_sd) ** 2
        - 2.0 * keep * give * effects.covariance
    )
    mean = gained - discount_cost - cost
    sd = np.sqrt(np.maximum(variance, 0.0))
    return Margins(effects.offers, gained, discount_cost, cost, mean, sd)


def choose_offers(
    margins: Margins, *, quantile: float, level: float, permitted: np.ndarray | None = None
) -> Recommendation:
    """Choose for each customer the permitted offer that adds most, if it surely adds anything.

    Parameters
    ----------
    margins : Margins
        Of n customers and k offers.
    quantile : float
        Standard deviations to either side of the mean that make the interval.
    level : float
        Of the interval, kept with the result.
    permitted : bool array of shape (n, k), optional
        By default every offer is, to everybody.

    Returns
    -------
    Recommendation
        The offer of the largest mean among those whose lower bound is above 0.
    """
    low, high = margins.mean - quantile * margins.sd, margins.mean + quantile * margins.sd
    is_open = low > 0.0
    if permitted is not None:
        is_open &= np.asarray(permitted, dtype=bool)
    worth = np.where(is_open, margins.mean, -np.inf)
    place = np.where(is_open.any(axis=1), worth.argmax(axis=1), -1)
    names = np.array([*margins.offers, NOTHING], dtype=object)
    return Recommendation(names[place], place, margins, low, high, level)
