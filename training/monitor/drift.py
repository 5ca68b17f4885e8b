"""Drift of customer features: those the champion was trained on against those of now."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from features.schema import Customers
from training.monitor.checks import Check, Verdict
from training.monitor.settings import MonitorSettings
from training.monitor.stability import Stability, measure_stability

KIND, MODEL = "drift", "promotion"
AGEING = frozenset({"tenure_days"})
"""Features that grow by a day a day: they are watched, as they move when nothing changes."""
SLOTS = frozenset({"active_slots", "slot_counts"})
"""Histograms over the hours of the week; a customer's usual hour of the day stands for one."""
_WATCHED_SHARE = 0.5
"""Of the bar from which a change that chance does not explain is watched."""


def check_drift(old: pd.DataFrame, new: pd.DataFrame, settings: MonitorSettings) -> list[Check]:
    """Judge every feature, the one that drifted most first.

    Parameters
    ----------
    old : DataFrame
        The published profiles of the champion.
    new : DataFrame
        The same features of now.
    settings : MonitorSettings

    Returns
    -------
    list of Check
        An alert needs a PSI above `min_psi` and above what chance exceeds with probability
        `significance` ÷ number of features (Bonferroni).
    """
    if min(len(old), len(new)) < settings.min_rows:
        reason = (
            f"drift needs {settings.min_rows} customers on either side, "
            f"got {len(old)} published and {len(new)} now"
        )
        n = min(len(old), len(new))
        return [Check(KIND, "features", MODEL, Verdict.UNKNOWN, reason, n)]
    pairs = list(_pair_features(old, new))
    chance = settings.significance / max(len(pairs), 1)
    found = [(name, measure_stability(before, after)) for name, before, after in pairs]
    found.sort(key=lambda pair: pair[1].psi - pair[1].point(chance), reverse=True)
    return [_judge(name, stability, chance, settings) for name, stability in found]


def _judge(name: str, found: Stability, chance: float, settings: MonitorSettings) -> Check:
    point = found.point(chance)
    is_real = found.psi > point
    verdict = Verdict.OK
    if is_real and found.psi > settings.min_psi:
        verdict = Verdict.WATCH if name in AGEING else Verdict.ALERT
    elif is_real and found.psi > _WATCHED_SHARE * settings.min_psi:
        verdict = Verdict.WATCH
    return Check(
        KIND,
        name,
        MODEL,
        verdict,
        _explain(name, found, point, verdict),
        n=min(found.n_old, found.n_new),
        value=found.psi,
        baseline=found.expected,
        threshold=max(settings.min_psi, point),
    )


def _explain(name: str, found: Stability, point: float, verdict: Verdict) -> str:
    facts = f"PSI {found.psi:.3f} between {found.n_old:,} published and {found.n_new:,} customers"
    if verdict is Verdict.OK:
        return f"{name}: {facts}; chance alone reaches {point:.3f}"
    if name in AGEING:
        return f"{name} moved, {facts}, as it grows by a day a day"
    return f"{name} drifted: {facts}, chance alone reaches {point:.3f}"


def _pair_features(
    old: pd.DataFrame, new: pd.DataFrame
) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    for name in old.columns:
        if name == Customers.CUSTOMER_ID or name not in new:
            continue
        before, after = old[name], new[name]
        if _is_list(before):
            if name == "channel_slots":
                continue  # channel and slot are in other features
            before, after = _find_usual(before, name), _find_usual(after, name)
        yield str(name), before, after


def _is_list(column: pd.Series) -> bool:
    return str(column.dtype).startswith("list<")


def _find_usual(histograms: pd.Series, name: str) -> pd.Series:
    """Return the heaviest key of each customer's histogram; of slots the hour of the day."""
    usual = [_heaviest(entries) for entries in histograms.tolist()]
    if name in SLOTS:
        usual = [None if key is None else f"{int(key) % 24 // 4 * 4:02d} h" for key in usual]
    return pd.Series(usual, dtype="str")


def _heaviest(entries: object) -> str | None:
    if not isinstance(entries, list) or not entries:
        return None
    weights = [tuple(entry.values()) for entry in entries]
    return str(max(weights, key=lambda pair: (pair[1], str(pair[0])))[0])
