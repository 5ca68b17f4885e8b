"""What a campaign does and what is to be expected of it, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.schema import HOLDOUT, Decisions
from models.campaign.arms import ARMS, OPTIMISED
from models.campaign.assignment import Assignment
from models.campaign.decisions import REASON
from serving.campaigns.options import SUREST_FIRST
from serving.campaigns.plan import CampaignPlan
from serving.receptivity_words import name_slot

_COUNTED = {
    "response": "answers",
    "reach": "customers active within three hours of their message",
    "activity": "customers active in the hour of their message",
}


def describe_plan(plan: CampaignPlan, schedule: pd.DataFrame) -> list[str]:
    """Say in sentences what a campaign does and what is to be expected of it.

    Parameters
    ----------
    plan : CampaignPlan
    schedule : DataFrame
        Of the plan, from `serving.campaigns.schedule.build_schedule`.
    """
    sent = schedule[Decisions.SEND_AT].notna()
    arms = schedule[Decisions.ARM]
    counts = [f"{int((sent & (arms == arm)).sum()):,} {arm}" for arm in ARMS if arm != HOLDOUT]
    lines = [
        f"{plan.query.campaign_id}: {int(sent.sum()):,} messages to an audience of "
        f"{len(schedule):,}: {', '.join(counts)}; {int((arms == HOLDOUT).sum()):,} held out"
    ]
    reasons = schedule.loc[~sent, REASON].value_counts()
    if len(reasons):
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        lines.append(f"without a message: {told}")
    lines += _describe_money(plan, sent.to_numpy())
    for measure in SUREST_FIRST:
        lines += _describe_expected(plan, measure)
    lines += _describe_comparison(plan)
    if plan.assignment is not None:
        lines.append(_describe_limits(plan, plan.assignment))
    return lines


def _describe_money(plan: CampaignPlan, sent: np.ndarray) -> list[str]:
    """Say what all messages cost, of both arms."""
    budget, spent = plan.query.settings.budget, sum_costs(plan, sent)
    if not plan.query.costs.any():
        return []
    of = "" if budget is None else f" of a budget of {budget:,.2f}"
    return [f"all messages together cost {spent:,.2f}{of}"]


def sum_costs(plan: CampaignPlan, sent: np.ndarray) -> float:
    """Return what the messages of the customers at `sent` cost, bool of shape (n,)."""
    costs = plan.query.costs
    return float(costs[plan.drawn.option[sent] % len(costs)].sum())


def _describe_expected(plan: CampaignPlan, measure: str) -> list[str]:
    """Say what is expected of the optimised arm's messages over the channels of one measure."""
    found = expect(plan, measure)
    if found is None:
        return []
    return [
        f"expected {_COUNTED[measure]}, optimised arm: {found.expected:,.1f} of "
        f"{found.messages:,} messages; the same messages at hours drawn evenly: "
        f"{found.evenly:,.1f}; all at the best single hour, {name_slot(found.best_slot)} "
        f"local time, had it room for them: {found.best_slot_expected:,.1f} (the 90 % interval "
        f"of one message reaches from {found.low / found.messages:.2%} to "
        f"{found.high / found.messages:.2%} on average)"
    ]


@dataclass(frozen=True)
class Expected:
    """What is expected of the optimised arm's messages over the channels of one measure.

    Attributes
    ----------
    messages : int
    expected, low, high : float
        Sum of their probabilities, and of the 90 % bounds of these.
    spread : float
        Standard deviation of how many there will be, by chance and by what is not known of each
        customer, as far as that does not go together.
    evenly : float
        The same messages at permitted hours drawn evenly.
    best_slot : int
        The best single hour of the local week.
    best_slot_expected : float
        All of them in that hour, had it room for them.
    """

    messages: int
    expected: float
    low: float
    high: float
    spread: float
    evenly: float
    best_slot: int
    best_slot_expected: float


def expect(plan: CampaignPlan, measure: str) -> Expected | None:
    """Return what is expected over the channels of one measure; None without such a message."""
    channels = plan.query.channels
    of_measure = np.array([plan.options.scores.measure(name) == measure for name in channels])
    option, found = plan.drawn.option, plan.messages
    own = (option >= 0) & (plan.people.arm == OPTIMISED) & of_measure[option % len(channels)]
    if not own.any():
        return None
    week = np.where(of_measure[:, None], found.week, 0.0).sum(axis=0)
    best, chances = int(np.nanargmax(week)), found.probability[own]
    return Expected(
        messages=int(own.sum()),
        expected=float(chances.sum()),
        low=float(found.low[own].sum()),
        high=float(found.high[own].sum()),
        spread=float(np.sqrt((chances * (1.0 - chances)).sum())),
        evenly=float(found.mean[own].sum()),
        best_slot=best,
        best_slot_expected=float(week[best]),
    )


def _describe_comparison(plan: CampaignPlan) -> list[str]:
    """Say which channels' scores say nothing of how good the channel is."""
    pairs = zip(plan.query.channels, plan.options.is_comparable.tolist(), strict=True)
    others = [name for name, is_comparable in pairs if not is_comparable]
    if not others:
        return []
    return [
        f"{', '.join(others)}: no answers were learned, so that only the hours tell; valued like "
        "an average hour of the other channels"
    ]


def _describe_limits(plan: CampaignPlan, found: Assignment) -> str:
    """Say what the shared limits cost."""
    full = int((found.prices > 0).sum())
    text = (
        f"shared limits: the plan that prices come from is worth {found.value:,.2f}, at most "
        f"{found.gap:.3%} below the best possible; {full:,} hours of a channel are full"
    )
    if plan.query.settings.budget is None:
        return text
    return f"{text}; one more unit of money would add {found.budget_price:.3g}"
