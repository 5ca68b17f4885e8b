"""What the page says of funnels, and of where customers are lost in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from features.journeys.funnel_query import Funnel
from training.chapters import Grid, Picture, Section, make_grid, write_number, write_percent
from training.omnichannel.friction import Friction
from training.omnichannel.groups import has_several, select_group
from training.omnichannel.plots import draw_funnel, draw_incident
from training.omnichannel.step_rows import CHANNEL, STEP, tabulate_steps

_MOST_LINES = 20
_MOST_PICTURES = 2
_COLUMNS = [
    ("reached", "stood there", 0), ("went_on", "went on", 0), ("conversion", "conversion", 1),
    ("low", "95 % from", 1), ("high", "to", 1), ("dropped", "attempts lost", 0),
    ("customers_dropped", "customers lost", 0), ("median_minutes", "median minutes", 1),
]  # fmt: skip
_SHARES = ("conversion", "low", "high")


def write_funnel_section(rows: pd.DataFrame, funnel: Funnel, segments: Sequence[str]) -> Section:
    """Write the conversion of each step: all, by channel, and by channel and segment.

    Parameters
    ----------
    rows : DataFrame
        Of `training.omnichannel.step_rows.build_step_rows`.
    funnel : Funnel
    segments : sequence of str
    """
    by_channel = tabulate_steps(rows, funnel, (CHANNEL,))
    words = {"ordered": "in this order", "strict": "with nothing between", "any": "in any order"}
    begun = int((rows[STEP] == 1).sum())
    ordered = int(rows.loc[rows[STEP] == 1, "ordered"].sum())
    sentences = (
        f"{' → '.join(funnel.steps)}, {words[funnel.order]}, within "
        f"{write_number(funnel.window_hours, 0)} hours of the first step.",
        f"{write_number(begun, 0)} attempts began, {write_number(ordered, 0)} "
        f"({write_percent(ordered / begun)}) reached the last step.",
    )
    grids = [_list_steps("All channels", tabulate_steps(rows, funnel), ())]
    if has_several(rows[CHANNEL]):
        grids.append(_list_steps("By channel at the step", by_channel, (CHANNEL,)))
    for name in segments:
        if has_several(rows[name]):
            split = tabulate_steps(rows, funnel, (CHANNEL, name)).nlargest(_MOST_LINES, "reached")
            caption = f"By channel and {name}, the {len(split)} most frequent"
            grids.append(_list_steps(caption, split.sort_values(STEP), (CHANNEL, name)))
    picture = Picture(
        draw_funnel(by_channel),
        "Conversion from each step to the next, by the channel in which it was made",
        "Shares with intervals by step and channel; numbers below.",
    )
    return Section(f"Funnel: {funnel.name}", sentences, (picture,), tuple(grids))


def write_friction_section(
    rows: pd.DataFrame, funnel: Funnel, found: Friction, rate: float
) -> Section:
    """Write incidents and groups that convert less, ranked by revenue at stake.

    Parameters
    ----------
    rows : DataFrame
        Of `training.omnichannel.step_rows.build_step_rows`.
    funnel : Funnel
    found : Friction
    rate : float
        Of false discoveries.
    """
    about = (
        f"{write_number(found.n_tests, 0)} tests: every channel, segment, month and channel × each "
        "of them against the rest, and every run of days against the others, for going on and for "
        f"every other event met on the way. Of what is reported, {write_percent(rate, 0)} at most "
        "is expected to be chance (Benjamini–Hochberg over all tests). A run of days is an "
        "incident only if fewer ordered on them than on days without any run.",
        "Revenue at stake: orders lost against the other days or groups, times the mean order "
        f"value ({write_number(found.order_value.mean, 2)})."
        if found.order_value.is_known
        else "No order value is known: what is at stake is counted in orders.",
    )
    if found.incidents.empty and found.standing.empty:
        return Section(
            f"Friction: {funnel.name}", (*about, "Nothing stands out beyond what chance explains.")
        )
    sentences = [*about, _write_incidents(found.incidents)]
    pictures = [
        _draw(rows, incident)
        for incident in found.incidents.head(_MOST_PICTURES).to_dict("records")
    ]
    grids = []
    if not found.incidents.empty:
        grids.append(_list_incidents(found.incidents))
    if not found.standing.empty:
        sentences.append(
            "Groups that convert less than the rest may differ in who they are: a difference that "
            "lasts is a question, an incident is nearer to a cause. Months may repeat incidents."
        )
        grids.append(_list_standing(found.standing))
    return Section(f"Friction: {funnel.name}", tuple(sentences), tuple(pictures), tuple(grids))


def describe_incident(incident: Mapping[Any, Any]) -> str:
    """Return what happened where and when: 'payment_error surged (channel app), 3 to 9 May 2025'.

    Parameters
    ----------
    incident : mapping
        A row of `Friction.incidents`.
    """
    first, last = pd.Timestamp(str(incident["first_day"])), pd.Timestamp(str(incident["last_day"]))
    what = f"{incident['event']} surged" if incident["event"] else f"{incident['name']} fell"
    days = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    group = "all attempts" if incident["group"] == "all" else incident["group"]
    return f"{what} ({group}), {days}"


def _write_incidents(incidents: pd.DataFrame) -> str:
    if incidents.empty:
        return "No run of days stands out."
    worst = incidents.iloc[0].to_dict()
    return (
        f"Most is at stake in: {describe_incident(worst)}. "
        f"{write_percent(worst['conversion'])} of the attempts at that step ordered, "
        f"{write_percent(worst['conversion_elsewhere'])} on days without any incident: "
        f"{write_number(worst['lost_orders'], 1)} orders lost."
    )


def _draw(rows: pd.DataFrame, incident: Mapping[Any, Any]) -> Picture:
    here = rows[rows[STEP] == incident["step"]]
    here = here[select_group(here, incident["keys"])]
    week = here["day"].dt.to_period("W").dt.start_time
    weeks = (
        here.groupby(week)["ordered"].agg(["size", "sum"]).reset_index()
        .set_axis(["week", "attempts", "ordered"], axis=1)
    )  # fmt: skip
    title = describe_incident(incident)
    return Picture(
        draw_incident(weeks, incident, title),
        f"{title}: share of attempts at this step that ordered, by week, with 95 % intervals",
        "A line of the share that ordered by week, with the days of the incident shaded.",
    )


def _list_steps(caption: str, table: pd.DataFrame, by: Sequence[str]) -> Grid:
    words = [("name", "step", None), *((name, name.replace("_", " "), None) for name in by)]
    return make_grid(caption, table, [*words, *_COLUMNS], percent=_SHARES)


_STAKES = [
    ("attempts", "attempts", 0), ("conversion", "share", 1), ("conversion_elsewhere", "else", 1),
    ("lost_orders", "orders lost", 1), ("revenue", "revenue at stake", 0),
    ("revenue_low", "95 % from", 0), ("revenue_high", "to", 0),
]  # fmt: skip


def _list_incidents(incidents: pd.DataFrame) -> Grid:
    named = incidents.assign(
        what=[describe_incident(row) for row in incidents.to_dict("records")],
        stood=incidents["with"].replace("", "–"),
    )
    return make_grid(
        "Incidents by revenue at stake; share: of the attempts at the step that ordered",
        named,
        [
            ("what", "incident", None),
            ("name", "at", None),
            ("stood", "stood out too", None),
            *_STAKES,
        ],
        percent=("conversion", "conversion_elsewhere"),
    )


def _list_standing(standing: pd.DataFrame) -> Grid:
    return make_grid(
        "Groups by revenue at stake; share: of the attempts at the step that went on",
        standing.head(_MOST_LINES),
        [("group", "group", None), ("name", "at", None), *_STAKES],
        percent=("conversion", "conversion_elsewhere"),
    )
