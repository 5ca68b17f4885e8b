"""The numbers of the page on channels as JSON, for `GET /v1/insight/omnichannel` of the service.

They are sums over customers: nobody is in them by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.project import Workspace
from training.omnichannel.friction import Friction
from training.omnichannel.groups import has_several
from training.omnichannel.insight import FunnelFound, Insight, ValueFound
from training.omnichannel.journey_chapter import add_shares
from training.omnichannel.lift import Lift
from training.omnichannel.step_rows import CHANNEL, STEP, tabulate_steps

_MOST_STANDING = 20
_STEPS = (
    "step", "name", "reached", "went_on", "conversion", "low", "high", "dropped",
    "customers_dropped", "median_minutes",
)  # fmt: skip
_STAKES = (
    "step", "name", "keys", "attempts", "conversion", "conversion_elsewhere", "q_value",
    "lost_orders", "revenue", "revenue_low", "revenue_high",
)  # fmt: skip


def write_numbers(insight: Insight, workspace: Workspace) -> Path:
    """Write `insight/omnichannel.json` below the workspace, whole or not at all.

    Parameters
    ----------
    insight : Insight
    workspace : Workspace
    """
    path = workspace.omnichannel
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(tell_insight(insight), ensure_ascii=False, allow_nan=False, indent=1)
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)


def tell_insight(insight: Insight) -> dict[str, Any]:
    """Return what was found as JSON holds it: no NaN, times as text."""
    span = insight.span
    return {
        "first": _tell_moment(span.first),
        "last": _tell_moment(span.last),
        "events": span.events,
        "customers": span.customers,
        "currency": span.currency,
        "value": _tell_value(insight.value),
        "visit_gap_minutes": insight.settings.visit_gap_minutes,
        "visits": _tell_journeys(insight.transitions, "from_channel", "to_channel", "visits"),
        "orders": _tell_journeys(
            insight.first_to_order, "first_channel", "order_channel", "orders"
        ),
        "false_discovery_rate": insight.settings.false_discovery_rate,
        "funnels": [_tell_funnel(one) for one in insight.funnels],
    }


def _tell_value(found: ValueFound) -> dict[str, Any]:
    by_mix = found.mixes.groupby("mix", as_index=False).agg(
        customers=("mix", "size"), baseline_orders=("baseline_orders", "mean"),
        orders=("orders", "mean"), spend=("spend", "mean"),
    )  # fmt: skip
    by_mix["order_value"] = by_mix["spend"] / by_mix["orders"].where(by_mix["orders"] > 0)
    return {
        "baseline_from": f"{found.start:%Y-%m-%d}",
        "baseline_days": found.baseline_days,
        "outcome_days": found.outcome_days,
        "mixes": _tell_rows(by_mix.sort_values("customers", ascending=False), tuple(by_mix)),
        "lift": None if found.lift is None else _tell_lift(found.lift),
        "missing": found.missing or None,
    }


def _tell_lift(lift: Lift) -> dict[str, Any]:
    return {
        "effects": _tell_rows(lift.effects, tuple(lift.effects)),
        "compared": len(lift.is_kept),
        "left_out": int((~lift.is_kept).sum()),
        "effective_several": _tell(lift.effective[0]),
        "effective_one": _tell(lift.effective[1]),
        "worst_balance": _tell(float(lift.balance["after"].abs().max())),
    }


def _tell_journeys(table: pd.DataFrame, source: str, target: str, count: str) -> list[Any]:
    if table.empty:
        return []
    named = add_shares(table, source, count).rename(
        columns={source: "from_channel", target: "to_channel", count: "count"}
    )
    columns = ("from_channel", "to_channel", "count", "customers", "share", "low", "high",
               "median_hours")  # fmt: skip
    return _tell_rows(named, columns)


def _tell_funnel(found: FunnelFound) -> dict[str, Any]:
    funnel, rows, friction = found.funnel, found.rows, found.friction
    told: dict[str, Any] = {
        "name": funnel.name,
        "steps": list(funnel.steps),
        "order": funnel.order,
        "window_hours": funnel.window_hours,
        "missing": found.missing or None,
    }
    if friction is None:
        return {**told, "begun": 0, "ordered": 0, "conversions": [], "friction": None}
    first = rows[rows[STEP] == 1]
    steps = _tell_rows(tabulate_steps(rows, funnel).assign(channel=None), ("channel", *_STEPS))
    if has_several(rows[CHANNEL]):
        by_channel = tabulate_steps(rows, funnel, (CHANNEL,))
        steps += _tell_rows(by_channel, ("channel", *_STEPS))
    return {
        **told,
        "begun": len(first),
        "ordered": int(first["ordered"].sum()),
        "conversions": steps,
        "friction": _tell_friction(friction),
    }


def _tell_friction(found: Friction) -> dict[str, Any]:
    incidents = found.incidents
    if not incidents.empty:
        incidents = incidents.assign(
            first_day=incidents["first_day"].dt.strftime("%Y-%m-%d"),
            last_day=incidents["last_day"].dt.strftime("%Y-%m-%d"),
            event=incidents["event"].replace("", None),
            beside=incidents["with"].replace("", None),
        )
    days = ("kind", "event", "first_day", "last_day", "beside")
    return {
        "tests": found.n_tests,
        "order_value": found.order_value.mean if found.order_value.is_known else None,
        "incidents": _tell_rows(incidents, (*days, *_STAKES)),
        "groups": _tell_rows(found.standing.head(_MOST_STANDING), _STAKES),
    }


def _tell_rows(table: pd.DataFrame, columns: Iterable[Hashable]) -> list[dict[str, Any]]:
    if table.empty:
        return []
    return [_tell_row(row) for row in table[list(columns)].to_dict("records")]


def _tell_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    told = {str(name): _tell(value) for name, value in row.items() if name != "keys"}
    if "keys" in row:
        told["group"] = [{"column": column, "value": value} for column, value in row["keys"]]
    return told


def _tell(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _tell_moment(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='seconds')}Z"
