"""How old what is published is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from training.monitor.checks import Check, Verdict
from training.monitor.settings import MonitorSettings

KIND = "freshness"
_RUNNING_OUT = 0.25
"""Share of the horizon that is left when forecasts are watched."""


def check_profiles(as_of: datetime, now: datetime, settings: MonitorSettings) -> Check:
    """Judge the age of the published profiles; live profiles are as fresh as their events."""
    return _judge_age(
        "profiles",
        "promotion",
        "published profiles",
        _days(now - as_of.astimezone(UTC)),
        settings.max_profile_age_days,
    )


def check_model(model: str, knows_until: datetime, now: datetime, bar_days: float) -> Check:
    """Judge the age of what a model was fitted on."""
    words = f"what the {model} model learned from"
    return _judge_age(model, model, words, _days(now - knows_until.astimezone(UTC)), bar_days)


def check_horizon(origin: date, last: date, today: date) -> Check:
    """Judge how many days of the published forecasts still lie ahead."""
    left, horizon = (last - today).days, (last - origin).days
    bar = _RUNNING_OUT * horizon
    verdict = Verdict.OK if left > bar else Verdict.WATCH if left > 0 else Verdict.ALERT
    if left > 0:
        reason = f"forecasts reach {left} of {horizon} days ahead, to {last}"
    else:
        reason = f"forecasts ended {last}, {-left} days ago"
    return Check(
        *(KIND, "forecasts", "demand", verdict, reason, 1, float(left), float(horizon), bar)
    )


def _judge_age(subject: str, model: str, words: str, days: float, bar: float) -> Check:
    verdict = Verdict.OK if days <= bar / 2 else Verdict.WATCH if days <= bar else Verdict.ALERT
    reason = f"{words} is {days:.1f} days old, {bar:g} are allowed".replace(
        "profiles is", "profiles are"
    )
    return Check(KIND, subject, model, verdict, reason, 1, days, None, bar)


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)
