"""Whether published forecasts came true: error, bias and coverage on the sales that arrived."""

from __future__ import annotations

import numpy as np

from training.monitor.arrivals import Arrived
from training.monitor.checks import Check, Verdict
from training.monitor.ratios import Ratio, estimate_ratio
from training.monitor.settings import MonitorSettings

KIND, MODEL = "forecast", "demand"
INTERVALS = {80: ("q10", "q90"), 95: ("q025", "q975")}


def check_forecasts(
    arrived: Arrived, promised: float | None, settings: MonitorSettings, *, is_published: bool
) -> list[Check]:
    """Judge one version on what arrived since its origin.

    Parameters
    ----------
    arrived : Arrived
    promised : float or None
        WAPE of the backtest on the horizons that arrived.
    settings : MonitorSettings
    is_published : bool
        Whether it answers now; older versions are watched at most, as they no longer matter.

    Returns
    -------
    list of Check
        `vN/wape`, `vN/bias`, `vN/coverage_80` and `vN/coverage_95`, or one that says what misses.
    """
    rows = arrived.rows
    n_dates = int(rows["date"].nunique())
    if n_dates < settings.min_dates or rows["units"].sum() <= 0:
        reason = (
            f"version {arrived.version}: sales of {n_dates} dates have arrived since its origin, "
            f"it is judged from {settings.min_dates} on"
        )
        subject = f"v{arrived.version}/wape"
        return [Check(KIND, subject, MODEL, Verdict.UNKNOWN, reason, n_dates, baseline=promised)]
    date = rows["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    units, mean = rows["units"].to_numpy(np.float64), rows["mean"].to_numpy(np.float64)
    checks = [
        _judge_wape(arrived, estimate_ratio(np.abs(mean - units), units, date), promised, settings),
        _judge_bias(arrived, estimate_ratio(mean - units, units, date), settings),
    ]
    for nominal, (low, high) in INTERVALS.items():
        inside = (units >= rows[low].to_numpy()) & (units <= rows[high].to_numpy())
        found = estimate_ratio(inside.astype(np.float64), np.ones(len(rows)), date)
        checks.append(_judge_coverage(arrived, found, nominal, settings))
    return checks if is_published else [_soften(check) for check in checks]


def _judge_wape(
    arrived: Arrived, found: Ratio, promised: float | None, settings: MonitorSettings
) -> Check:
    low, high = found.interval()
    words = f"version {arrived.version}: WAPE {found.value:.3f} on {found.n_dates} arrived dates"
    verdict, bar = Verdict.OK, None
    if promised is None:
        words += ", and no backtest of it is kept to hold it against"
    else:
        bar = settings.max_wape_ratio * promised
        words += f", the backtest promised {promised:.3f}"
        if found.value > bar and found.interval(1 - settings.significance)[0] > promised:
            verdict = Verdict.ALERT
        elif low > promised:
            verdict = Verdict.WATCH
    return _make(arrived, "wape", verdict, words, found, promised, bar, (low, high))


def _judge_bias(arrived: Arrived, found: Ratio, settings: MonitorSettings) -> Check:
    low, high = found.interval()
    side = "too much" if found.value > 0 else "too little"
    words = (
        f"version {arrived.version}: forecasts were {abs(found.value):.1%} {side} in all, "
        f"95 % interval {low:+.1%} to {high:+.1%}"
    )
    bar = settings.max_coverage_error
    far = found.interval(1 - settings.significance)
    is_off = not low <= 0.0 <= high
    verdict = Verdict.WATCH if is_off and abs(found.value) > bar else Verdict.OK
    if abs(found.value) > 2 * bar and not far[0] <= 0.0 <= far[1]:
        verdict = Verdict.ALERT
    return _make(arrived, "bias", verdict, words, found, 0.0, 2 * bar, (low, high))


def _judge_coverage(
    arrived: Arrived, found: Ratio, nominal: int, settings: MonitorSettings
) -> Check:
    share = nominal / 100
    low, high = found.share_interval()
    bar = share - settings.max_coverage_error
    words = (
        f"version {arrived.version}: {nominal} % intervals held {found.value:.1%} of "
        f"what was sold, 95 % interval {low:.1%} to {high:.1%}"
    )
    verdict = Verdict.OK
    if found.share_interval(1 - settings.significance)[1] < share and found.value < bar:
        verdict = Verdict.ALERT
    elif high < share:
        verdict = Verdict.WATCH
    return _make(arrived, f"coverage_{nominal}", verdict, words, found, share, bar, (low, high))


def _make(
    arrived: Arrived,
    score: str,
    verdict: Verdict,
    reason: str,
    found: Ratio,
    baseline: float | None,
    threshold: float | None,
    interval: tuple[float, float],
) -> Check:
    return Check(
        KIND,
        f"v{arrived.version}/{score}",
        MODEL,
        verdict,
        reason,
        n=found.n_dates,
        value=found.value,
        baseline=baseline,
        threshold=threshold,
        low=interval[0],
        high=interval[1],
    )


def _soften(check: Check) -> Check:
    if check.verdict is not Verdict.ALERT:
        return check
    reason = f"{check.reason}; it answers no longer"
    return Check(**{**vars(check), "verdict": Verdict.WATCH, "reason": reason})
