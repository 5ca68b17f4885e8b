"""Where customers are lost: standing differences and incidents, tested all together.

Three families of tests share one Benjamini–Hochberg correction:

- *standing*: a group (channel, segment, period, and channel × each) goes on from a step less often
  than everybody else who stands there;
- *drop*: within a channel, a segment or all, a run of days goes on less often than the other days;
- *surge*: a run of days in which an event that is no step, such as an error, is met more often.

A run that is significant is an incident only if customers also ordered less on its days than on
days without any run (Benjamini–Hochberg again, over the runs that were found). Runs of the same
days in nested groups are one incident. What is at stake is the orders lost, times their mean value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.journeys.funnel_query import Funnel
from features.journeys.funnels import Attempts
from training.omnichannel.groups import Group, list_groups, select_group, write_group
from training.omnichannel.incidents import confirm_incidents, scan_runs
from training.omnichannel.proportions import adjust_benjamini_hochberg, score_lower_share
from training.omnichannel.stakes import OrderValue, estimate_stake, measure_order_value
from training.omnichannel.step_rows import CHANNEL, PERIOD, STEP, build_step_rows, name_step

FEWEST_ATTEMPTS = 30
"""In a group, and outside it, before it is tested."""
_FEWEST_OUTCOMES = 5.0


@dataclass(frozen=True)
class Friction:
    """What was found, and out of how many tests.

    Attributes
    ----------
    incidents : DataFrame
        Ranked by revenue at stake: `kind` ('drop', 'surge'), `step, name, group, keys` (the
        group as pairs), `event, first_day, last_day, attempts, conversion, conversion_elsewhere`
        (shares that ordered, on these days and on days without any run), `q_value, lost_orders,
        revenue, revenue_low, revenue_high, with` (what else stood out on those days).
    standing : DataFrame
        The same for groups: `step, name, group, keys, attempts, conversion, conversion_elsewhere,
        q_value, lost_orders, revenue, revenue_low, revenue_high`.
    n_tests : int
    order_value : OrderValue
        What a lost order counts as; 1 (an order) where no value is known.
    """

    incidents: pd.DataFrame
    standing: pd.DataFrame
    n_tests: int
    order_value: OrderValue


def find_friction(
    attempts: pd.DataFrame,
    detours: pd.DataFrame,
    funnel: Funnel,
    rng: np.random.Generator,
    *,
    segments: Sequence[str] = (),
    rate: float = 0.05,
    permutations: int = 199,
) -> Friction:
    """Find where and when customers are lost.

    Parameters
    ----------
    attempts, detours : DataFrame
        Of `features.journeys.funnels`.
    funnel : Funnel
    rng : numpy.random.Generator
        For the deals of `training.omnichannel.scan`.
    segments : sequence of str
        Columns of `attempts`.
    rate : float
        Of false discoveries.
    permutations : int
    """
    rows = build_step_rows(attempts, funnel, segments)
    value = measure_order_value(attempts.loc[attempts[Attempts.REACHED] == len(funnel.steps)])
    groups = _test_groups(rows, segments)
    runs = scan_runs(rows, detours, list_groups(rows, segments), rng, permutations=permutations)
    q_values = adjust_benjamini_hochberg(
        [group.p_value for group in groups] + [run.p_value for run in runs]
    )
    standing = [
        _describe_group(rows, funnel, group, q, value)
        for group, q in zip(groups, q_values[: len(groups)], strict=True)
        if q <= rate
    ]
    found = [
        (run, float(q)) for run, q in zip(runs, q_values[len(groups) :], strict=True) if q <= rate
    ]
    incidents = confirm_incidents(rows, found, funnel, value, rate=rate)
    return Friction(_rank(incidents), _rank(pd.DataFrame(standing)), len(groups) + len(runs), value)


@dataclass(frozen=True)
class _Tested:
    step: int
    keys: Group
    p_value: float


def _test_groups(rows: pd.DataFrame, segments: Sequence[str]) -> list[_Tested]:
    """Test every group against the rest at each step."""
    singles = list(list_groups(rows, (*segments, PERIOD))[1:])
    channels = [keys for keys in singles if keys[0][0] == CHANNEL]
    others = [keys for keys in singles if keys[0][0] != CHANNEL]
    pairs = [(*channel, *other) for channel in channels for other in others]
    groups = []
    for step, here in rows.groupby(STEP):
        success = here["went_on"].to_numpy(dtype=bool)
        customer = pd.factorize(here["customer"])[0]
        for keys in singles + pairs:
            inside = select_group(here, keys)
            smallest = min(inside.sum(), (~inside).sum())
            rarest = min(success.mean(), 1 - success.mean())
            if smallest >= FEWEST_ATTEMPTS and smallest * rarest >= _FEWEST_OUTCOMES:
                p_value = score_lower_share(success, inside, customer)
                groups.append(_Tested(int(str(step)), keys, p_value))
    return groups


def _describe_group(
    rows: pd.DataFrame, funnel: Funnel, group: _Tested, q_value: float, value: OrderValue
) -> dict[str, object]:
    here = rows[rows[STEP] == group.step]
    inside = select_group(here, group.keys)
    went_on = here["went_on"].to_numpy(dtype=bool)
    onwards = float(here.loc[~inside & went_on, "ordered"].mean())
    stake = estimate_stake(went_on[inside], went_on[~inside], value, onwards=onwards)
    return {
        "step": group.step,
        "name": name_step(funnel, group.step),
        "group": write_group(group.keys),
        "keys": group.keys,
        "attempts": int(inside.sum()),
        "conversion": float(went_on[inside].mean()),
        "conversion_elsewhere": float(went_on[~inside].mean()),
        "q_value": float(q_value),
        **stake,
    }


def _rank(found: pd.DataFrame) -> pd.DataFrame:
    return (
        found if found.empty else found.sort_values("revenue", ascending=False, ignore_index=True)
    )
