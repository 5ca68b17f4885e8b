"""Send-time policies on the simulated world: what everybody would try, and what Almanac would do.

Each is a score of the 168 slots of every customer's week, made from the tables alone. Where a rule
names an hour of the day and no weekday, its weekday is the one that the log says is best for all:
no rule is beaten by something it does not claim to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from benchmarks.promotion_world import CUT_OFF, PERMITTED_SLOTS, World
from benchmarks.promotion_world_log import PERMITTED
from features.messages.fatigue import build_fatigue
from features.messages.message_histories import build_message_histories
from features.progress import Silent
from features.project import Project
from models.receptivity.histories import Histories
from models.receptivity.reach import find_reach
from models.receptivity.send_time import EmpiricalBayes
from models.response.customer_context import build_context
from models.response.message_counts import MessageCounts
from models.response.response import EBResponse, LightGBMResponse
from training.promotion.plan import Plan, plan_folds
from training.promotion.slices import Slice, SliceReader
from training.response.options import ResponseOptions
from training.response.steps import backtest_response, fit_response

CHANNEL = "email"
HALF_LIFE_DAYS = 120.0
_AS_OF: datetime = CUT_OFF.to_pydatetime()
_PRIOR_SENDS = 20.0
_MAUTIC_LEAST, _MAUTIC_HOURS = 5, (9, 10, 11, 12)
EB_GLOBAL, EB_SEGMENT = "receptivity, everybody → customer", "receptivity, region → customer"
EARLIER = "receptivity, an hour earlier"
REACH = "receptivity, within reach of the send"
ALMANAC = "Almanac, chosen by its backtest"


@dataclass(frozen=True)
class Log:
    """Responses by customer and slot, as the retailer can count them without a machine's.

    Attributes
    ----------
    sent, clicked, opened : array of shape (n, 168)
        Messages by the slot of sending, and those that a person clicked or opened.
    open_at : array of shape (n, 24)
        Opens by the hour of opening, machine opens among them.
    orders : array of shape (n, 168)
    """

    sent: np.ndarray
    clicked: np.ndarray
    opened: np.ndarray
    open_at: np.ndarray
    orders: np.ndarray


def read_log(world: World) -> Log:
    """Count the log of a world by customer."""
    sends, n = world.sends, len(world.population.people)

    def count(customer: np.ndarray, slot: np.ndarray, n_slots: int = 168) -> np.ndarray:
        flat = customer * n_slots + slot.astype(np.int64) % n_slots
        return np.bincount(flat, minlength=n * n_slots).reshape(n, n_slots).astype(np.float64)

    by_person = ~np.isnan(sends.opened) & np.isnan(sends.machine_opened)
    seen = np.fmin(sends.opened, sends.machine_opened)
    is_seen = ~np.isnan(seen)
    organic = world.organic
    return Log(
        sent=count(sends.customer, sends.slot),
        clicked=count(sends.customer[sends.engaged], sends.slot[sends.engaged]),
        opened=count(sends.customer[by_person], sends.slot[by_person]),
        open_at=count(sends.customer[is_seen], seen[is_seen], 24),
        orders=count(organic.customer, organic.at),
    )


def score_baselines(log: Log) -> dict[str, np.ndarray]:
    """Return the scores of the rules that others use, (n, 168) each; ties go to what is best."""
    n = len(log.sent)
    everybody = rate_globally(log)
    weekday = np.repeat(everybody.reshape(7, 24).max(axis=1), 24)
    hour_of_day = everybody.reshape(7, 24).mean(axis=0)
    tie = 1e-6 * np.tile(hour_of_day / hour_of_day.max(), 7) + 1e-7 * weekday / weekday.max()

    def by_hour(hours: np.ndarray) -> np.ndarray:
        return np.asarray(np.tile(hours, 7) + tie)

    opens = log.opened.reshape(n, 7, 24).sum(axis=1)
    sent = log.sent.reshape(n, 7, 24).sum(axis=1)
    usual = opens.sum() / sent.sum()
    return {
        "best hour for all, learned": np.tile(everybody, (n, 1)),
        "open-hour histogram": by_hour(log.open_at),
        "own open rate by hour": by_hour((opens + usual) / (sent + 1)),
        "activity histogram, hour of day": by_hour(log.orders.reshape(n, 7, 24).sum(axis=1)),
        "activity histogram, hour of week": log.orders + tie,
        "median hour (Mautic's rule)": by_hour(choose_median_hours(log)),
    }


def rate_globally(log: Log) -> np.ndarray:
    """Return everybody's clicks a message by slot, exposure-normalised, shape (168,).

    The rate of the hour times that of the weekday, each shrunk: single slots hold too few sends.
    """
    sent, clicked = (table.sum(axis=0).reshape(7, 24) for table in (log.sent, log.clicked))
    rate = clicked.sum() / sent.sum()
    hour = (clicked.sum(axis=0) + _PRIOR_SENDS * rate) / (sent.sum(axis=0) + _PRIOR_SENDS)
    day = (clicked.sum(axis=1) + _PRIOR_SENDS * rate) / (sent.sum(axis=1) + _PRIOR_SENDS)
    hour[np.setdiff1d(np.arange(24), PERMITTED)] = 0.0
    return np.asarray((day[:, None] * hour / rate).ravel())


def choose_median_hours(log: Log) -> np.ndarray:
    """Return 1 at the median hour of each customer's opens and orders, shape (n, 24).

    With fewer than five, the rule sends from 9 to 12.
    """
    hours = log.open_at + log.orders.reshape(len(log.orders), 7, 24).sum(axis=1)
    total = hours.sum(axis=1)
    median = (np.cumsum(hours, axis=1) * 2 < total[:, None]).sum(axis=1)
    median = np.clip(median, PERMITTED[0], PERMITTED[-1])
    chosen = np.zeros((len(hours), 24))
    known = total >= _MAUTIC_LEAST
    chosen[np.flatnonzero(known), median[known]] = 1.0
    chosen[np.ix_(~known, list(_MAUTIC_HOURS))] = 1.0
    return chosen


def score_almanac(project: Project, customer_id: np.ndarray) -> dict[str, np.ndarray]:
    """Fit the product's models to the tables of a project, and score the given customers.

    Returns
    -------
    dict of str to array of shape (n, 168)
        Receptivity without and with the region, and every response model that was fitted; those
        are P(engage), calibrated, of a message at the end of the log.
    """
    with SliceReader(project, half_life_days=HALF_LIFE_DAYS) as reader:
        plan = plan_folds(
            reader.read_span()[0].replace(hour=0, minute=0, second=0, microsecond=0),
            _AS_OF,
            label_days=28,
            n_folds=2,
        )
        profiles = reader.read_profiles(_AS_OF).set_index("customer_id")
        rows = profiles.reindex(pd.Index(customer_id, name="customer_id")).reset_index()
        histories = Histories.from_table(rows)
        fit, later = (
            reader.read_slice(when, plan.n_weeks)
            for when in (plan.final.fit, plan.final.calibration)
        )
        receptivity = EmpiricalBayes(half_life_days=HALF_LIFE_DAYS).fit(*fit).calibrate(*later)
        found = {
            EB_GLOBAL: _score_without_regions(fit, histories),
            EB_SEGMENT: receptivity.predict(histories),
        }
        found[EARLIER] = np.roll(found[EB_SEGMENT], -1, axis=1)
        found[REACH] = find_reach(found[EB_SEGMENT])
        return found | _score_responses(reader, plan, histories, receptivity)


def _score_without_regions(fit: Slice, histories: Histories) -> np.ndarray:
    model = EmpiricalBayes(half_life_days=HALF_LIFE_DAYS)
    return model.fit(_forget_regions(fit[0]), fit[1]).predict(_forget_regions(histories))


def _forget_regions(histories: Histories) -> Histories:
    return Histories(
        customer_id=histories.customer_id,
        counts=histories.counts,
        segment_names=(),
        segment_codes=np.full(len(histories), -1),
        own_events=histories.own_events,
        tenure_days=histories.tenure_days,
        level_features=histories.level_features,
        level_names=histories.level_names,
    )


def _score_responses(
    reader: SliceReader, plan: Plan, histories: Histories, receptivity: EmpiricalBayes
) -> dict[str, np.ndarray]:
    options = ResponseOptions(window_hours=24.0, half_life_days=HALF_LIFE_DAYS)
    workspace, zone = reader.project.workspace, reader.project.settings.time_zone
    messages = build_message_histories(
        reader.engine,
        workspace,
        _AS_OF,
        time_zone=zone,
        window_hours=options.window_hours,
        half_life_days=options.half_life_days,
    )
    context = build_context(
        histories,
        receptivity,
        MessageCounts.from_table(messages, histories.customer_id, (CHANNEL,)),
        fatigue=build_fatigue(reader.engine, workspace, _AS_OF),
    )
    scores = {}
    for name in (EBResponse.name, LightGBMResponse.name):
        fitted = fit_response(reader, plan, options, Silent(), model=name)
        if fitted is not None:
            scores[name_response(name)] = fitted.model.predict(context, CHANNEL)
    tested = backtest_response(reader, plan, options, Silent())
    best = name_response(tested.best) if tested else ""
    # as in the product: without a response model that its backtest prefers, activity decides
    chosen = scores.get(best)
    scores[ALMANAC] = find_reach(receptivity.predict(histories)) if chosen is None else chosen
    return scores


def name_response(name: str) -> str:
    """Return what a response model is called in the results."""
    return f"response, {name}"


def choose_slots(score: np.ndarray) -> np.ndarray:
    """Return the permitted slot of the week that scores highest, shape (n,)."""
    return np.asarray(PERMITTED_SLOTS[score[:, PERMITTED_SLOTS].argmax(axis=1)])


def value_free(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the mean truth of the slots that score highest, the weekday free."""
    return float(truth[np.arange(len(truth)), choose_slots(score)].mean())


def value_held(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the same where the weekday is given, each as often, and only the hour is chosen."""
    shape = (len(truth), 7, len(PERMITTED))
    allowed = score[:, PERMITTED_SLOTS].reshape(shape)
    found = truth[:, PERMITTED_SLOTS].reshape(shape)
    chosen = allowed.argmax(axis=2)[:, :, None]
    return float(np.take_along_axis(found, chosen, axis=2).mean())
