"""What the page says of the value of several channels."""

from __future__ import annotations

import pandas as pd

from training.chapters import Grid, Picture, Section, make_grid, write_number, write_percent
from training.omnichannel.lift import LEAST_OVERLAP, Lift
from training.omnichannel.plots import draw_lift

_MOST_FEATURES = 16
_GOOD_BALANCE = 0.1


def tabulate_mixes(mixes: pd.DataFrame) -> Grid:
    """Tabulate customers, orders and spend by mix of channels.

    Parameters
    ----------
    mixes : DataFrame
        Of `features.journeys.mixes.build_mixes`.
    """
    table = mixes.groupby("mix", as_index=False).agg(
        customers=("mix", "size"), orders=("orders", "mean"), spend=("spend", "mean"),
        baseline=("baseline_orders", "mean"),
    )  # fmt: skip
    table["value"] = table["spend"] / table["orders"].where(table["orders"] > 0)
    return make_grid(
        "Customers by the channels of their orders in the baseline window, and what came after it",
        table.sort_values("customers", ascending=False),
        [
            ("mix", "channels", None), ("customers", "customers", 0),
            ("baseline", "orders a customer, baseline", 2),
            ("orders", "orders a customer, after", 2),
            ("spend", "spend a customer, after", 2), ("value", "value of an order, after", 2),
        ],
    )  # fmt: skip


def write_value_section(
    mixes: pd.DataFrame | None, lift: Lift | None, windows: str, missing: str = ""
) -> Section:
    """Write raw and adjusted lift, and what they rest on.

    Parameters
    ----------
    mixes : DataFrame or None
    lift : Lift or None
        None where it cannot be told.
    windows : str
        A sentence on the two windows.
    missing : str
        Why it cannot be told.
    """
    title = "What several channels are worth"
    grids = () if mixes is None or mixes.empty else (tabulate_mixes(mixes),)
    if lift is None:
        reason = f"What several channels are worth cannot be told: {missing}"
        return Section(title, (windows, reason), grids=grids)
    sentences = (windows, write_lift(lift), *_write_grounds(lift))
    picture = Picture(
        draw_lift(lift),
        "Left: raw and adjusted differences. Right: how likely each group was to use several "
        "channels, by what was known of it",
        "Intervals of the raw and adjusted differences, and two histograms; numbers below.",
    )
    return Section(title, sentences, (picture,), (_list_effects(lift), *grids, _list_balance(lift)))


def write_lift(lift: Lift) -> str:
    """Return the finding in a sentence: raw, adjusted, and what that means."""
    spend = lift.effects.iloc[0]
    sentence = (
        f"Customers of several channels spend {_write_more(spend['raw'])}; among like customers "
        f"{_write_more(spend['adjusted'])} ({write_percent(spend['low'], 0)} to "
        f"{write_percent(spend['high'], 0)})"
    )
    if spend["raw"] <= 0.0:
        return f"{sentence}."
    part = 1.0 - max(spend["adjusted"], 0.0) / spend["raw"]
    if part >= 0.5:
        return f"{sentence}: most of the raw difference is selection."
    if part >= 0.2:
        return f"{sentence}: {write_percent(part, 0)} of the raw difference is selection."
    return f"{sentence}: little of the raw difference is explained by what is known of them."


def _write_more(difference: float) -> str:
    words = "more" if difference >= 0 else "less"
    return f"{write_percent(abs(difference), 0)} {words}"


def _write_grounds(lift: Lift) -> tuple[str, ...]:
    spend = lift.effects.iloc[0]
    trimmed = int((~lift.is_kept).sum())
    worst = float(lift.balance["after"].abs().max())
    return (
        "Like customers: of the same orders, spend and events before and in the baseline window, "
        "recency, tenure and region (doubly robust, cross-fitted). "
        f"{write_number(trimmed, 0)} of {write_number(len(lift.is_kept), 0)} customers are left "
        f"out because their propensity lies within {LEAST_OVERLAP} of 0 or 1; the weights of the "
        f"others are not cut. They count as {write_number(lift.effective[0], 0)} customers of "
        f"several channels and {write_number(lift.effective[1], 0)} of one (effective sample "
        "sizes).",
        f"After weighting, the largest standardised difference is {write_number(worst, 2)}"
        + (
            "; below 0.1 is good balance."
            if worst < _GOOD_BALANCE
            else ": above 0.1, so read the adjusted figures with care."
        ),
        "Something unknown that goes with both several channels and spend by a factor of "
        f"{write_number(spend['e_value'], 2)} each (E-value) would explain the adjusted difference "
        f"away; to reach an interval that holds no difference, "
        f"{write_number(spend['e_value_limit'], 2)}. How keen a customer is shows only in what "
        "they did, so part of it stays unknown; only a trial can rule that out.",
    )


def _list_effects(lift: Lift) -> Grid:
    shares = ("raw", "raw_low", "raw_high", "adjusted", "low", "high")
    return make_grid(
        "Several channels against one: relative differences with 95 % intervals",
        lift.effects,
        [
            ("outcome", "after the baseline window", None), ("raw", "raw", 1),
            ("raw_low", "from", 1), ("raw_high", "to", 1), ("adjusted", "adjusted", 1),
            ("low", "from", 1), ("high", "to", 1), ("e_value", "E-value", 2),
            ("e_value_limit", "E-value of the limit", 2),
        ],
        percent=shares,
    )  # fmt: skip


def _list_balance(lift: Lift) -> Grid:
    order = lift.balance["before"].abs().sort_values(ascending=False).index[:_MOST_FEATURES]
    named = lift.balance.loc[order].assign(
        feature=lambda rows: rows["feature"].str.replace("_", " ")
    )
    return make_grid(
        "Balance: standardised mean differences of several channels against one",
        named,
        [("feature", "feature", None), ("before", "before", 3), ("after", "after weighting", 3)],
    )
