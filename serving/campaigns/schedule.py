"""A campaign as tables: the schedule to send by, the record to learn from, and what to expect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.schema import Decisions
from models.campaign.arms import ARMS, HOLDOUT, OPTIMISED
from models.campaign.decisions import NOT_WORTH_IT, Campaign, Chosen, build_decisions
from serving.campaigns.plan import BLOCK_ROWS, CampaignModels, CampaignPlan
from serving.explanations import join_reasons
from serving.outlooks import as_columns

PROBABILITY, LOW, HIGH, VALUE = "probability", "probability_low", "probability_high", "value"
MEASURE, LOCAL, SLOT = "measure", "send_at_local", "slot"
EVIDENCE, BECAUSE, OFFER = "evidence", "because", "offer_because"


@dataclass(frozen=True)
class Messages:
    """What stands behind the option of each of n customers; NaN or "" without a message.

    Attributes
    ----------
    probability, low, high : arrays of float64, shape (n,)
        Of what `measure` says, with its 90 % interval.
    value : array of float64, shape (n,)
        Expected money, the cost of the message taken off.
    mean : array of float64, shape (n,)
        Mean probability over what was permitted: what a moment drawn evenly would have.
    """

    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    mean: np.ndarray


def build_schedule(plan: CampaignPlan, models: CampaignModels) -> pd.DataFrame:
    """Write a plan as one row per customer of the audience, in its order.

    Returns
    -------
    DataFrame
        The canonical columns of `decisions`, `reason`, `words` and `candidates` as
        `models.campaign.decisions` writes them; then `send_at_local` (RFC 3339 with the customer's
        offset), `time_zone`, `time_zone_source`, `slot`, `measure`, `probability` with its 90 %
        bounds, `value` (money), `evidence`, `because` and `offer_because`; and, where it is known
        when the customer will order next, `advice` and its numbers.
    """
    decisions = build_decisions(
        Campaign(plan.query.campaign_id, models.version, plan.query.decided_at), _read_choice(plan)
    )
    sent = plan.drawn.option >= 0
    profiles = [models.predictor.profiles.profile(row) for row in plan.rows.tolist()]
    zones = [profile.time_zone for profile in profiles]
    found, evidence = _value_messages(plan), models.predictor.explainer.evidence(plan.rows)
    reasons = models.predictor.explainer.reasons(plan.rows)
    measures = {name: plan.options.scorer.measure(name) for name in plan.query.channels}
    hour = np.maximum(plan.drawn.option, 0) // len(plan.query.channels)
    slot = pd.Series(plan.hours.slot[plan.hours.zone_codes, hour], dtype="Int64")
    about = pd.DataFrame(
        {
            LOCAL: _write_local(decisions[Decisions.SEND_AT], zones),
            "time_zone": zones,
            "time_zone_source": [profile.time_zone_source for profile in profiles],
            SLOT: slot.mask(~sent),
            MEASURE: decisions[Decisions.CHANNEL].map(measures),
            PROBABILITY: found.probability,
            LOW: found.low,
            HIGH: found.high,
            VALUE: found.value,
            EVIDENCE: [one.label for one in evidence],
            BECAUSE: [
                join_reasons((one.words, *told))
                for one, told in zip(evidence, reasons, strict=True)
            ],
            OFFER: plan.worth.words,
        }
    )
    get = models.predictor.outlooks.get if models.predictor.outlooks else (lambda _: None)
    outlooks = as_columns([get(row) for row in plan.rows.tolist()])
    return pd.concat([decisions, about, outlooks], axis=1)


def _read_choice(plan: CampaignPlan) -> Chosen:
    """Return what was decided, as the record of decisions wants it."""
    query, sent = plan.query, plan.drawn.option >= 0
    hour, channel = np.divmod(np.maximum(plan.drawn.option, 0), len(query.channels))
    promotion = np.maximum(plan.worth.place, 0)
    send_at = plan.hours.send_at[plan.hours.zone_codes, hour]
    return Chosen(
        customer_id=np.array(query.customers, dtype=object),
        arm=plan.arm,
        promotion_id=_pick(query.promotions, promotion, sent),
        channel=_pick(query.channels, channel, sent),
        send_at=np.where(sent, send_at, np.datetime64("NaT")),
        propensity=plan.drawn.propensity,
        reason=_find_reasons(plan, sent),
        candidates=np.array(plan.drawn.candidates, dtype=object),
    )


def _pick(names: tuple[str, ...], place: np.ndarray, sent: np.ndarray) -> np.ndarray:
    picked: np.ndarray = np.array(names, dtype=object)[place]
    picked[~sent] = None
    return picked


def describe_plan(plan: CampaignPlan, schedule: pd.DataFrame) -> list[str]:
    """Say in sentences what a campaign does and what is to be expected of it."""
    sent = schedule[Decisions.SEND_AT].notna()
    arms = schedule[Decisions.ARM]
    lines = [
        f"{plan.query.campaign_id}: {int(sent.sum()):,} messages to an audience of "
        f"{len(schedule):,}: "
        + ", ".join(
            f"{int((sent & (arms == arm)).sum()):,} {arm}" for arm in ARMS if arm != HOLDOUT
        )
        + f"; {int((arms == HOLDOUT).sum()):,} held out"
    ]
    reasons = schedule.loc[~sent, "reason"].value_counts()
    if len(reasons):
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        lines.append(f"without a message: {told}")
    lines += _describe_expected(schedule[sent & (arms == OPTIMISED)], plan)
    if plan.assignment is not None:
        found = plan.assignment
        lines.append(
            f"shared limits: the plan they were priced by is worth {found.value:,.1f}, at most "
            f"{100 * found.gap:.3f} % below the best possible; "
            f"{int((found.prices > 0).sum())} hours are full, money for one more message is worth "
            f"{found.budget_price:.3g} of itself"
        )
    return lines


def _describe_expected(rows: pd.DataFrame, plan: CampaignPlan) -> list[str]:
    if rows.empty:
        return []
    lines = []
    mean = _value_messages(plan).mean[rows.index]
    for measure, part in rows.assign(mean=mean).groupby(MEASURE, sort=True):
        word = "answers" if measure == "response" else "customers active in their hour"
        total, drawn = part[PROBABILITY].sum(), part["mean"].sum()
        lines.append(
            f"expected {word} in the optimised arm: {total:,.1f} of {len(part):,} messages "
            f"(90 % interval of the mean {part[LOW].mean():.4f} to {part[HIGH].mean():.4f}); "
            f"at moments drawn evenly {drawn:,.1f}"
        )
    return lines


def _find_reasons(plan: CampaignPlan, sent: np.ndarray) -> np.ndarray:
    reasons = plan.eligibility.reasons()
    reasons = np.where((reasons == "") & ~sent, NOT_WORTH_IT, reasons)
    return np.asarray(np.where(sent, "", reasons))


def _value_messages(plan: CampaignPlan) -> Messages:
    """Value the options drawn, some customers at a time."""
    n = len(plan.rows)
    found = {name: np.full(n, np.nan) for name in ("probability", "low", "high", "value", "mean")}
    sent = np.flatnonzero(plan.drawn.option >= 0)
    for first in range(0, len(sent), BLOCK_ROWS):
        customers = sent[first : first + BLOCK_ROWS]
        made, option = plan.options.make(customers), plan.drawn.option[customers]
        at = np.arange(len(customers))
        found["probability"][customers] = made.probability[at, option]
        found["value"][customers] = made.value[at, option]
        count = np.maximum(made.permitted.sum(axis=1), 1)
        chances = np.where(made.permitted, made.probability, 0.0).sum(axis=1)
        found["mean"][customers] = chances / count
        found["low"][customers], found["high"][customers] = plan.options.bound(customers, option)
    return Messages(**found)


def _write_local(send_at: pd.Series, zones: list[str]) -> list[str | None]:
    known = {zone: ZoneInfo(zone) for zone in set(zones)}
    return [
        None
        if pd.isna(moment)
        else moment.to_pydatetime().replace(tzinfo=UTC).astimezone(known[zone]).isoformat()
        for moment, zone in zip(send_at, zones, strict=True)
    ]
