"""Runs of days in which something broke: found by scans, confirmed by lost orders, and joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.journeys.funnel_query import Funnel
from training.omnichannel.groups import Group, select_group, write_group
from training.omnichannel.proportions import adjust_benjamini_hochberg, score_lower_share
from training.omnichannel.scan import find_run
from training.omnichannel.stakes import OrderValue, estimate_stake
from training.omnichannel.step_rows import STEP, count_days, name_step

FEWEST_ATTEMPTS = 60
"""At a step, over all days, before its days are compared."""
_NEAR_BEST = 0.8
_CAUSES = 4


@dataclass(frozen=True)
class Candidate:
    """The run of days that stands out most, at one step of one group.

    Attributes
    ----------
    step : int
    group : tuple of (column, value)
    event : str
        The event that was met more often; empty where conversion fell.
    first, last : Timestamp
        Days, both inclusive.
    likelihood_ratio, p_value : float
    """

    step: int
    group: Group
    event: str
    first: pd.Timestamp
    last: pd.Timestamp
    likelihood_ratio: float
    p_value: float

    def overlaps(self, other: Candidate) -> bool:
        """Return whether they share a day."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class _Confirmed:
    candidate: Candidate
    q_value: float
    p_order: float
    inside: npt.NDArray[np.bool_]
    outside: npt.NDArray[np.bool_]


def scan_runs(
    rows: pd.DataFrame,
    detours: pd.DataFrame,
    groups: Sequence[Group],
    rng: np.random.Generator,
    *,
    permutations: int = 199,
) -> list[Candidate]:
    """Find the most unusual run of days of every step, group and kind of event.

    Parameters
    ----------
    rows : DataFrame
        Of `training.omnichannel.step_rows.build_step_rows`.
    detours : DataFrame
        Of `features.journeys.funnels.build_detours`.
    groups : sequence of Group
    rng : numpy.random.Generator
    permutations : int
    """
    first = rows["day"].min()
    n_days = (rows["day"].max() - first).days + 1
    found = []
    for (step, event), here, success in _list_series(rows, detours):
        for group in groups:
            inside = select_group(here, group)
            if inside.sum() < FEWEST_ATTEMPTS:
                continue
            run = find_run(
                count_days(here.loc[inside & success, "day"], first, n_days),
                count_days(here.loc[inside, "day"], first, n_days),
                rng,
                is_lower=not event,
                permutations=permutations,
            )
            if run is not None:
                start = first + pd.Timedelta(days=run.start)
                last = start + pd.Timedelta(days=run.n_days - 1)
                found.append(
                    Candidate(step, group, event, start, last, run.likelihood_ratio, run.p_value)
                )
    return found


def confirm_incidents(
    rows: pd.DataFrame,
    found: Sequence[tuple[Candidate, float]],
    funnel: Funnel,
    value: OrderValue,
    *,
    rate: float = 0.05,
) -> pd.DataFrame:
    """Keep the runs on whose days fewer ordered, and join those that are one incident.

    Parameters
    ----------
    rows : DataFrame
        Of `training.omnichannel.step_rows.build_step_rows`.
    found : sequence of (Candidate, float)
        Significant runs with their q-values.
    funnel : Funnel
    value : OrderValue
    rate : float
        Of false discoveries.

    Returns
    -------
    DataFrame
        See `training.omnichannel.friction.Friction.incidents`; unordered.
    """
    tested = [_compare_orders(rows, run, q, [other for other, _ in found]) for run, q in found]
    made = [one for one in tested if one is not None]
    q_orders = adjust_benjamini_hochberg([one.p_order for one in made])
    kept = [one for one, q in zip(made, q_orders, strict=True) if q <= rate]
    return pd.DataFrame([_describe(cluster, funnel, value) for cluster in _join(kept)])


def _list_series(
    rows: pd.DataFrame, detours: pd.DataFrame
) -> Iterator[tuple[tuple[int, str], pd.DataFrame, npt.NDArray[np.bool_]]]:
    """Yield what happens to attempts at each step: going on ('') and meeting each event."""
    for key, here in rows.groupby(STEP):
        step = int(str(key))
        yield (step, ""), here, here["went_on"].to_numpy(dtype=bool)
        met = detours[detours["step"] == step]
        for event in sorted(met["type"].unique()):
            touched = met.loc[met["type"] == event, "attempt"]
            yield (step, str(event)), here, here["attempt"].isin(touched).to_numpy(dtype=bool)


def _compare_orders(
    rows: pd.DataFrame, run: Candidate, q_value: float, others: Sequence[Candidate]
) -> _Confirmed | None:
    """Compare orders on the days of a run with days that no run touches."""
    here = rows[rows[STEP] == run.step]
    here = here[select_group(here, run.group)]
    day = here["day"]
    inside = day.between(run.first, run.last).to_numpy()
    quiet = np.ones(len(here), dtype=bool)
    for other in others:
        quiet &= ~day.between(other.first, other.last).to_numpy()
    outside = quiet & ~inside
    if not inside.any() or not outside.any():
        return None
    compared = here[inside | outside]
    ordered = compared["ordered"].to_numpy(dtype=bool)
    is_run = compared["day"].between(run.first, run.last).to_numpy()
    p_order = score_lower_share(ordered, is_run, pd.factorize(compared["customer"])[0])
    return _Confirmed(run, q_value, p_order, ordered[is_run], ordered[~is_run])


def _join(kept: Sequence[_Confirmed]) -> list[list[_Confirmed]]:
    """Join runs that share days: the strongest first, each takes what overlaps it."""
    waiting = sorted(kept, key=lambda one: -one.candidate.likelihood_ratio)
    clusters = []
    while waiting:
        head = waiting[0].candidate
        clusters.append([one for one in waiting if head.overlaps(one.candidate)])
        waiting = [one for one in waiting if not head.overlaps(one.candidate)]
    return clusters


def _describe(
    cluster: Sequence[_Confirmed], funnel: Funnel, value: OrderValue
) -> dict[str, object]:
    """Describe an incident by the narrowest group that explains nearly as much as the best one."""
    best = cluster[0].candidate.likelihood_ratio
    near = [one for one in cluster if one.candidate.likelihood_ratio >= _NEAR_BEST * best]
    chosen = min(near, key=lambda one: (len(one.inside), -one.candidate.likelihood_ratio))
    run = chosen.candidate
    beside = [_name(one.candidate, funnel) for one in cluster]
    others = [name for name in dict.fromkeys(beside) if name != _name(run, funnel)]
    return {
        "kind": "surge" if run.event else "drop",
        "step": run.step,
        "name": name_step(funnel, run.step),
        "group": write_group(run.group),
        "keys": run.group,
        "event": run.event,
        "first_day": run.first,
        "last_day": run.last,
        "attempts": len(chosen.inside),
        "conversion": float(chosen.inside.mean()),
        "conversion_elsewhere": float(chosen.outside.mean()),
        "q_value": chosen.q_value,
        "with": ", ".join(others[:_CAUSES]),
        **estimate_stake(chosen.inside, chosen.outside, value),
    }


def _name(run: Candidate, funnel: Funnel) -> str:
    return run.event or f"fewer {name_step(funnel, run.step)}"
