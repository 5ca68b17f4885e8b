"""What a campaign does and what is to be expected of it, in sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.schema import HOLDOUT, Decisions
from models.campaign.arms import ARMS, OPTIMISED
from models.campaign.assignment import Assignment
from models.campaign.decisions import REASON
from serving.campaigns.options import SUREST_FIRST
from serving.campaigns.plan import CampaignPlan

_COUNTED = {
    "response": "answers",
    "reach": "customers active within three hours of their message",
    "activity": "customers active in the hour of their message",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
    costs, budget = plan.query.costs, plan.query.settings.budget
    if not costs.any():
        return []
    spent = float(costs[plan.drawn.option[sent] % len(costs)].sum())
    of = "" if budget is None else f" of a budget of {budget:,.2f}"
    return [f"all messages together cost {spent:,.2f}{of}"]


def _describe_expected(plan: CampaignPlan, measure: str) -> list[str]:
    """Say what is expected of the optimised arm's messages over the channels of one measure."""
    channels = plan.query.channels
    of_measure = np.array([plan.options.scores.measure(name) == measure for name in channels])
    option, found = plan.drawn.option, plan.messages
    own = (option >= 0) & (plan.people.arm == OPTIMISED) & of_measure[option % len(channels)]
    if not own.any():
        return []
    week = np.where(of_measure[:, None], found.week, 0.0).sum(axis=0)
    best = int(np.nanargmax(week))
    return [
        f"expected {_COUNTED[measure]}, optimised arm: {found.probability[own].sum():,.1f} of "
        f"{int(own.sum()):,} messages; the same messages at hours drawn evenly: "
        f"{found.mean[own].sum():,.1f}; all at the best single hour, {_DAYS[best // 24]} "
        f"{best % 24:02}:00 local time, had it room for them: {week[best]:,.1f} (the 90 % interval "
        f"of one message reaches from {found.low[own].mean():.2%} to {found.high[own].mean():.2%} "
        "on average)"
    ]


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
