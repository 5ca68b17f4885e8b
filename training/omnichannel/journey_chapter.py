"""What the page says of journeys between channels."""

from __future__ import annotations

import pandas as pd

from training.chapters import Grid, Picture, Section, make_grid, write_number, write_percent
from training.omnichannel.plots import draw_journeys
from training.omnichannel.proportions import find_wilson_bounds


def add_shares(table: pd.DataFrame, source: str, count: str) -> pd.DataFrame:
    """Return the table with the share of each row within its source, with Wilson's interval.

    Parameters
    ----------
    table : DataFrame
        Of `features.journeys.transitions`.
    source, count : str
        Columns: shares are of `count` within `source`.

    Returns
    -------
    DataFrame
        With `share, low, high`.
    """
    totals = table.groupby(source)[count].transform("sum")
    low, high = find_wilson_bounds(table[count], totals)
    return table.assign(share=table[count] / totals, low=low, high=high)


def write_journey_sections(
    transitions: pd.DataFrame, first_to_order: pd.DataFrame, gap_minutes: float
) -> list[Section]:
    """Write the sections on visits that follow each other, and on where orders begin.

    Parameters
    ----------
    transitions, first_to_order : DataFrame
        Of `features.journeys.transitions`.
    gap_minutes : float
    """
    return [_write_transitions(transitions, gap_minutes), _write_origins(first_to_order)]


def _write_transitions(transitions: pd.DataFrame, gap_minutes: float) -> Section:
    title = "From one visit to the next"
    about = (
        "A visit is what a customer does in one channel without a pause of more than "
        f"{write_number(gap_minutes, 0)} minutes. Intervals take visits as independent."
    )
    if transitions.empty:
        return Section(title, (about, "No customer came twice, so there is no journey to show."))
    channels = set(transitions["from_channel"]) | set(transitions["to_channel"])
    if len(channels) == 1:
        only = f"Every event is in one channel ({channels.pop()}): there is no journey between any."
        return Section(title, (about, only))
    table = add_shares(transitions, "from_channel", "visits")
    crossing = table.loc[table["from_channel"] != table["to_channel"], "visits"].sum()
    finding = (
        f"{write_percent(crossing / table['visits'].sum())} of the visits that follow another are "
        "in another channel than the one before."
    )
    picture = Picture(
        draw_journeys(
            _spread(table, "from_channel", "to_channel"), title="Next visit, of those that follow",
            x="channel of the next visit", y="channel of the visit",
        ),
        "Where customers go next, by the channel in which they were",
        "A matrix of shares of the next channel by the present one; numbers below.",
    )  # fmt: skip
    grid = _list(table, ("from_channel", "from"), ("to_channel", "to"), ("visits", "visits"))
    return Section(title, (about, finding), (picture,), (grid,))


def _write_origins(first_to_order: pd.DataFrame) -> Section:
    title = "Where orders begin"
    about = "An order's journey begins with the first event after the order before it."
    if first_to_order.empty:
        return Section(title, ("There are no orders in these days.",))
    table = add_shares(first_to_order, "first_channel", "orders")
    moved = table.loc[table["first_channel"] != table["order_channel"], "orders"].sum()
    finding = (
        f"{write_percent(moved / table['orders'].sum())} of "
        f"{write_number(table['orders'].sum(), 0)} orders were made in another channel than their "
        "journey began in."
    )
    grid = _list(
        table, ("first_channel", "began in"), ("order_channel", "ordered in"), ("orders", "orders")
    )
    if len(set(table["first_channel"]) | set(table["order_channel"])) == 1:
        return Section(title, (about, finding), grids=(grid,))
    picture = Picture(
        draw_journeys(
            _spread(table, "first_channel", "order_channel"), title="Channel of the order",
            x="ordered in", y="began in",
        ),
        "Where orders were made, by the channel in which their journey began",
        "A matrix of shares of the order's channel by the first one; numbers below.",
    )  # fmt: skip
    return Section(title, (about, finding), (picture,), (grid,))


def _spread(table: pd.DataFrame, row: str, column: str) -> pd.DataFrame:
    return table.pivot_table(index=row, columns=column, values="share", fill_value=0.0)


def _list(table: pd.DataFrame, *named: tuple[str, str]) -> Grid:
    (row, row_name), (column, column_name), (count, count_name) = named
    return make_grid(
        f"{count_name.capitalize()} by channel, their share, and the time between",
        table,
        [
            (row, row_name, None), (column, column_name, None), (count, count_name, 0),
            ("customers", "customers", 0), ("share", "share", 1), ("low", "95 % from", 1),
            ("high", "to", 1), ("median_hours", "median hours", 1),
        ],
        percent=("share", "low", "high"),
    )  # fmt: skip
