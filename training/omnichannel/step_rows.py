"""Attempts seen step by step: who stood at a step, where and when, and who went on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.journeys.funnel_query import Funnel
from features.journeys.funnels import Attempts
from training.omnichannel.proportions import find_wilson_bounds

STEP, CHANNEL, PERIOD = "step", "channel", "period"
_UNKNOWN = "unknown"


def build_step_rows(
    attempts: pd.DataFrame, funnel: Funnel, segments: Sequence[str]
) -> pd.DataFrame:
    """Return one row per attempt and step that it reached, the last step left out.

    Parameters
    ----------
    attempts : DataFrame
        Of `features.journeys.funnels.build_attempts`.
    funnel : Funnel
    segments : sequence of str
        Columns of `attempts`.

    Returns
    -------
    DataFrame
        `attempt, customer` (codes), `step` (1 to n − 1), `channel` at that step, `day` (UTC),
        `period` (its month), `went_on`, `ordered` (whether the last step was reached),
        `minutes` to the next step (NaN where there is none), and the segments as text.
    """
    n_steps, parts = len(funnel.steps), []
    codes = pd.factorize(attempts[Attempts.CUSTOMER_ID])[0]
    for step in range(1, n_steps):
        reached = attempts[Attempts.REACHED] >= step
        rows, here, there = attempts[reached], Attempts.at(step), Attempts.at(step + 1)
        moment = rows[here]
        parts.append(
            pd.DataFrame(
                {
                    "attempt": rows[Attempts.ATTEMPT],
                    "customer": codes[reached],
                    STEP: step,
                    CHANNEL: rows[Attempts.channel(step)].fillna(_UNKNOWN).astype(str),
                    "day": moment.dt.floor("D"),
                    PERIOD: moment.dt.strftime("%Y-%m"),
                    "went_on": rows[Attempts.REACHED] > step,
                    "ordered": rows[Attempts.REACHED] == n_steps,
                    "minutes": (rows[there] - moment).dt.total_seconds() / 60.0,
                    **{name: rows[name].fillna(_UNKNOWN).astype(str) for name in segments},
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def tabulate_steps(rows: pd.DataFrame, funnel: Funnel, by: Sequence[str] = ()) -> pd.DataFrame:
    """Tabulate conversion from each step to the next, with Wilson's 95 % interval.

    Parameters
    ----------
    rows : DataFrame
        Of `build_step_rows`.
    funnel : Funnel
    by : sequence of str
        `channel`, `period`, segments: one line a step and combination of their values.

    Returns
    -------
    DataFrame
        `step, name` ('cart → order'), the columns `by`, `reached, went_on, dropped`,
        `customers_dropped` (who never went on from there), `conversion, low, high`,
        `median_minutes` between the steps.
    """
    keys = [STEP, *by]
    table = rows.groupby(keys, as_index=False).agg(
        reached=("went_on", "size"),
        went_on=("went_on", "sum"),
        median_minutes=("minutes", "median"),
    )
    lost = rows.groupby([*keys, "customer"])["went_on"].any().rsub(1).astype(int)
    dropped = lost.groupby(level=keys).sum().rename("customers_dropped").reset_index()
    table = table.merge(dropped, on=keys)
    low, high = find_wilson_bounds(table["went_on"], table["reached"])
    return table.assign(
        name=[name_step(funnel, step) for step in table[STEP]],
        dropped=table["reached"] - table["went_on"],
        conversion=table["went_on"] / table["reached"],
        low=low,
        high=high,
    )


def name_step(funnel: Funnel, step: int) -> str:
    """Return the name of the way from step 1, 2, … to the next."""
    if funnel.order == "any":
        return f"{step} → {step + 1} of {len(funnel.steps)} steps"
    return f"{funnel.steps[step - 1]} → {funnel.steps[step]}"


def count_days(days: pd.Series, first: pd.Timestamp, n_days: int) -> np.ndarray:
    """Return how many rows fall on each of `n_days` days, shape (n_days,)."""
    places = (days - first).dt.days.to_numpy()
    return np.asarray(np.bincount(places, minlength=n_days), dtype=np.int64)
