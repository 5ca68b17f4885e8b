"""A planned campaign in counts: what somebody looks at before it is sent."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from features.schema import HOLDOUT, SLOTS_PER_WEEK, Decisions
from models.campaign.arms import OPTIMISED, RANDOM
from models.campaign.decisions import REASON, WORDS
from serving.campaigns.expectations import describe_plan, expect, sum_costs
from serving.campaigns.options import SUREST_FIRST
from serving.campaigns.plan import CampaignPlan
from serving.campaigns.run import PlannedCampaign
from serving.campaigns.schedule import SLOT
from serving.slot_scores import LEVEL

_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2.0)
_SHOWN = (OPTIMISED, RANDOM, HOLDOUT)


def summarise_campaign(planned: PlannedCampaign) -> dict[str, Any]:
    """Return what `serving.campaigns.contract.CampaignPlanSummary` holds."""
    plan, schedule = planned.plan, planned.schedule
    sent = schedule[Decisions.SEND_AT].notna()
    slots = schedule.loc[sent, SLOT].to_numpy(dtype=np.int64)
    return {
        "audience": len(schedule),
        "messages": int(sent.sum()),
        "arms": _count_arms(schedule, sent),
        "left_out": _count_left_out(schedule[~sent]),
        "schedule": _count_hours(schedule[sent]),
        "slots": np.bincount(slots, minlength=SLOTS_PER_WEEK).tolist(),
        "expected": _list_expected(plan),
        "cost": sum_costs(plan, sent.to_numpy()),
        "words": describe_plan(plan, schedule),
    }


def _count_arms(schedule: pd.DataFrame, sent: pd.Series) -> list[dict[str, Any]]:
    arms = schedule[Decisions.ARM]
    return [
        {
            "arm": arm,
            "customers": int((arms == arm).sum()),
            "messages": int((sent & (arms == arm)).sum()),
        }
        for arm in _SHOWN
    ]


def _count_left_out(schedule: pd.DataFrame) -> list[dict[str, Any]]:
    """Return reasons with the customers they hold for; words, as one reason may have several."""
    counts = schedule.groupby([REASON, WORDS], sort=False).size().sort_values(ascending=False)
    return _list_rows(counts.rename("customers").reset_index())


def _count_hours(schedule: pd.DataFrame) -> list[dict[str, Any]]:
    table = pd.DataFrame(
        {
            "start": schedule[Decisions.SEND_AT].dt.floor("h"),
            "channel": schedule[Decisions.CHANNEL],
            OPTIMISED: (schedule[Decisions.ARM] == OPTIMISED).astype(int),
            RANDOM: (schedule[Decisions.ARM] == RANDOM).astype(int),
        }
    )
    hours = table.groupby(["start", "channel"], as_index=False)[[OPTIMISED, RANDOM]].sum()
    starts = [moment.to_pydatetime() for moment in hours["start"]]
    return _list_rows(hours.assign(start=pd.Series(starts, index=hours.index, dtype=object)))


def _list_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {str(name): table[name].tolist() for name in table}
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _list_expected(plan: CampaignPlan) -> list[dict[str, Any]]:
    told = []
    for measure in SUREST_FIRST:
        found = expect(plan, measure)
        if found is None:
            continue
        half, base = _Z * found.spread, found.evenly or 1.0
        low, high = max(found.expected - half, 0.0), min(found.expected + half, found.messages)
        told.append(
            {
                "measure": measure,
                "messages": found.messages,
                "expected": found.expected,
                "low": low,
                "high": high,
                "widest_low": found.low,
                "widest_high": found.high,
                "evenly": found.evenly,
                "best_slot": found.best_slot,
                "best_slot_expected": found.best_slot_expected,
                "lift": found.expected / base,
                "lift_low": low / base,
                "lift_high": high / base,
            }
        )
    return told
