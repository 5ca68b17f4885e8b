"""Champion against challenger by what came of their sends, and against shadow by their scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from training.monitor.checks import Check, Verdict
from training.monitor.settings import MonitorSettings

KIND, MODEL = "roles", "promotion"


def check_roles(served: pd.DataFrame, settings: MonitorSettings) -> list[Check]:
    """Compare the roles that answered in the window; an empty list where there was only one.

    Parameters
    ----------
    served : DataFrame
        From `served.read_served`.
    settings : MonitorSettings
    """
    roles = set(served["role"])
    checks = []
    if "challenger" in roles:
        checks.append(_compare_answers(served, settings))
    if "shadow" in roles:
        checks.append(_compare_scores(served, settings))
    return checks


def _compare_answers(served: pd.DataFrame, settings: MonitorSettings) -> Check:
    sends = served[served["is_sent"] & served["is_mature"]]
    ours, theirs = (sends[sends["role"] == role] for role in ("champion", "challenger"))
    n = min(len(ours), len(theirs))
    subject = "challenger answers"
    if n < settings.min_rows:
        reason = (
            f"{len(theirs)} sends of the challenger and {len(ours)} of the champion are mature, "
            f"they are compared from {settings.min_rows} each on"
        )
        return Check(KIND, subject, MODEL, Verdict.UNKNOWN, reason, n)
    rates = [float(part["is_answered"].mean()) for part in (theirs, ours)]
    error = float(np.hypot(_rate_error(theirs), _rate_error(ours)))
    gain = rates[0] - rates[1]
    z, far = (stats.norm.ppf(1 - tail) for tail in (0.025, settings.significance / 2))
    low, high = gain - float(z) * error, gain + float(z) * error
    verdict = Verdict.OK if low <= 0.0 <= high else Verdict.WATCH
    if gain + float(far) * error < 0.0:
        verdict = Verdict.ALERT
    reason = (
        f"the challenger's sends were answered {gain:+.2%} against the champion's {rates[1]:.2%}, "
        f"95 % interval {low:+.2%} to {high:+.2%}"
    )
    return Check(KIND, subject, MODEL, verdict, reason, n, rates[0], rates[1], None, low, high)


def _rate_error(sends: pd.DataFrame) -> float:
    """Return the standard error of a rate; customers are independent, their sends are not.

    With one added answer and one added silence, so that a rate of 0 has an error too.
    """
    answered = sends["is_answered"].to_numpy(np.float64)
    n = len(answered)
    rate = (answered.sum() + 1.0) / (n + 2.0)
    sums = np.bincount(pd.factorize(sends["customer"])[0], answered - rate)
    return float(np.sqrt(max(float((sums**2).sum()), n * rate * (1 - rate))) / n)


def _compare_scores(served: pd.DataFrame, settings: MonitorSettings) -> Check:
    keys = ["request_id", "customer"]
    columns = [*keys, "probability", "start"]
    shadow = served.loc[served["role"] == "shadow", columns].drop_duplicates(keys)
    champion = served.loc[served["role"] == "champion", columns].drop_duplicates(keys)
    pairs = shadow.merge(champion, on=keys, suffixes=("_shadow", "_champion"))
    n, subject = len(pairs), "shadow scores"
    if n < settings.min_rows:
        reason = (
            f"{n} answers of the shadow stand beside the champion's, they are compared from "
            f"{settings.min_rows} on"
        )
        return Check(KIND, subject, MODEL, Verdict.UNKNOWN, reason, n)
    apart = (pairs["probability_shadow"] - pairs["probability_champion"]).to_numpy(np.float64)
    sums = np.bincount(pd.factorize(pairs["customer"])[0], apart - apart.mean())
    error = float(np.sqrt((sums**2).sum())) / n
    half = float(stats.norm.ppf(0.975)) * error
    mean = float(apart.mean())
    same = float((pairs["start_shadow"] == pairs["start_champion"]).mean())
    reason = (
        f"the shadow's probabilities are {mean:+.4f} from the champion's (95 % interval "
        f"{mean - half:+.4f} to {mean + half:+.4f}), and it chose the same hour for {same:.0%}"
    )
    return Check(
        *(KIND, subject, MODEL, Verdict.OK, reason, n, mean, 0.0, None, mean - half, mean + half)
    )
