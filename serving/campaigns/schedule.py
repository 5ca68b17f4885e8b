"""A campaign as a table: the schedule to send by, and the record to learn from."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.schema import Decisions
from models.campaign.decisions import (
    NOT_WORTH_IT,
    REASON,
    WORDS,
    Campaign,
    Chosen,
    build_decisions,
)
from models.campaign.eligibility import Reason
from models.campaign.hours import CampaignHours
from serving.campaigns.champion import CampaignModels
from serving.campaigns.plan import CampaignPlan
from serving.explanations import Explainer, join_reasons
from serving.outlooks import as_columns

PROBABILITY, LOW, HIGH, VALUE = "probability", "probability_low", "probability_high", "value"
MEASURE, LOCAL, SLOT = "measure", "send_at_local", "slot"
EVIDENCE, BECAUSE, OFFER = "evidence", "because", "offer_because"
NO_HOUR = "no hour is left between quiet hours, frequency rules and the promotion's dates"
NO_OFFER = "no offer surely earns more than it gives away, by the experiments with it"


def build_schedule(plan: CampaignPlan, models: CampaignModels) -> pd.DataFrame:
    """Write a plan as one row per customer of the audience, in its order.

    Returns
    -------
    DataFrame
        The canonical columns of `decisions`, `reason`, `words` and `candidates` as
        `models.campaign.decisions` writes them; then `send_at_local` (RFC 3339 with the customer's
        offset), `time_zone`, `time_zone_source`, `slot`, `measure`, `probability` with its 90 %
        bounds, `value` (money), `evidence`, `because` (where there is a message) and
        `offer_because`; and, where it is known when the customer will order next, `advice` and its
        numbers. Moments have the zone UTC, so that whoever reads the file back need not guess.
    """
    decisions = _record(plan, models.version)
    people, messages = plan.people, plan.messages
    sent = plan.drawn.option >= 0
    measures = {name: plan.options.scores.measure(name) for name in plan.query.channels}
    labels, because = _explain(models.predictor.explainer, people.rows, sent)
    about = pd.DataFrame(
        {
            LOCAL: _write_local(people.hours, plan.drawn.option // len(plan.query.channels), sent),
            "time_zone": [profile.time_zone for profile in people.profiles],
            "time_zone_source": [profile.time_zone_source for profile in people.profiles],
            SLOT: pd.Series(messages.slot, dtype="Int64").mask(~sent),
            MEASURE: decisions[Decisions.CHANNEL].map(measures),
            PROBABILITY: messages.probability,
            LOW: messages.low,
            HIGH: messages.high,
            VALUE: messages.value,
            EVIDENCE: labels,
            BECAUSE: because,
            OFFER: plan.worth.words,
        }
    )
    get = models.predictor.outlooks.get if models.predictor.outlooks else (lambda _: None)
    outlooks = as_columns([get(row) for row in people.rows.tolist()])
    return pd.concat([decisions, about, outlooks], axis=1)


def _record(plan: CampaignPlan, version: str) -> pd.DataFrame:
    """Write what was decided, and in words why some get nothing; moments say that they are UTC."""
    campaign = Campaign(plan.query.campaign_id, version, plan.query.decided_at)
    decisions = build_decisions(campaign, _read_choice(plan))
    words = decisions[WORDS].mask(_has_no_hour(plan), NO_HOUR)
    is_refused = plan.worth.is_refused & (decisions[REASON] == NOT_WORTH_IT).to_numpy()
    moments = {
        name: decisions[name].dt.tz_localize("UTC")
        for name in (Decisions.DECIDED_AT, Decisions.SEND_AT)
    }
    return decisions.assign(**{WORDS: words.mask(is_refused, NO_OFFER)}, **moments)


def _read_choice(plan: CampaignPlan) -> Chosen:
    """Return what was decided, as the record of decisions wants it."""
    query, people, sent = plan.query, plan.people, plan.drawn.option >= 0
    hour, channel = np.divmod(np.maximum(plan.drawn.option, 0), len(query.channels))
    promotion = np.maximum(plan.worth.place, 0)
    send_at = people.hours.send_at[people.hours.zone_codes, hour]
    return Chosen(
        customer_id=np.array(query.customers, dtype=object),
        arm=people.arm,
        promotion_id=_pick(query.promotions, promotion, sent),
        channel=_pick(query.channels, channel, sent),
        send_at=np.where(sent, send_at, np.datetime64("NaT")),
        propensity=plan.drawn.propensity,
        reason=np.where(sent, "", _find_reasons(plan)),
        candidates=np.array(plan.drawn.candidates, dtype=object),
    )


def _pick(names: tuple[str, ...], place: np.ndarray, sent: np.ndarray) -> np.ndarray:
    picked: np.ndarray = np.array(names, dtype=object)[place]
    picked[~sent] = None
    return picked


def _find_reasons(plan: CampaignPlan) -> np.ndarray:
    """Return why each customer would get no message, shape (n,)."""
    reasons = np.where(
        _has_no_hour(plan), Reason.NOTHING_PERMITTED.value, plan.people.eligibility.reasons()
    )
    return np.where(reasons == "", NOT_WORTH_IT, reasons)


def _has_no_hour(plan: CampaignPlan) -> np.ndarray:
    """Return who is eligible for something, and has no hour for it."""
    people = plan.people
    is_eligible = people.eligibility.is_eligible.any(axis=(0, 2))
    return np.asarray(is_eligible & ~people.is_possible.any(axis=(0, 2)))


def _explain(
    explainer: Explainer, rows: np.ndarray, sent: np.ndarray
) -> tuple[list[str], list[str]]:
    """Return what each customer's hours rest on in a word; and, for a message, in sentences."""
    evidence = explainer.evidence(rows)
    because = [""] * len(rows)
    places = np.flatnonzero(sent)
    told = explainer.reasons(rows[places])
    for place, reasons in zip(places.tolist(), told, strict=True):
        because[place] = join_reasons((evidence[place].words, *reasons))
    return [one.label for one in evidence], because


def _write_local(hours: CampaignHours, hour: np.ndarray, sent: np.ndarray) -> list[str | None]:
    """Write each moment to send at with the customer's offset."""
    zones = [ZoneInfo(zone) for zone in hours.zones]
    keys = hours.zone_codes * len(hours.hours) + np.maximum(hour, 0)
    distinct, copies = np.unique(keys[sent], return_inverse=True)
    written = []
    places = (part.tolist() for part in np.divmod(distinct, len(hours.hours)))
    for zone, at in zip(*places, strict=True):
        moment = pd.Timestamp(hours.send_at[zone, at], tz="UTC").to_pydatetime()
        written.append(moment.astimezone(zones[zone]).isoformat())
    texts = np.full(len(sent), None, dtype=object)
    texts[sent] = np.array(written, dtype=object)[copies]
    return list(texts)
