"""The planted checkout bug and payment incident of a synthetic shop, and nothing in shuffled data.

    python -m benchmarks.friction

The data (`retentioneering`, 31,106 events of 600 customers) says of itself only that both were
planted, with dates. The dates are in the rows: `checkout_bug` is met on mobile alone, from 13 April
to 9 May 2024, `payment_error` on every platform from 19 May to 8 June. These two events are what
`TRUTH` holds; nothing in the search knows their names.

Within a visit the steps of this shop are out of order (payment may come before the cart), so the
funnel of five steps counts them in any order; a funnel of two steps in order is shown beside it.

What was looked at: conversion by platform and planted days was tabulated by hand before the search
was written. It showed that the bug is too small for its step alone (32 visits met it), so runs of
*events* are searched too, whatever they are called. No threshold was set on this data: the lengths
of runs, the fewest attempts and the second test are those of the first version that ran.

Shuffled: every attempt takes the customer, the day, the channel and the segment of another one,
so that neither days nor groups can matter.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd

from features.engine import open_engine
from features.journeys.funnel_query import Funnel
from features.journeys.funnels import Attempts, build_attempts, build_detours
from features.project import Workspace
from training.omnichannel.friction import Friction, find_friction

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "retentioneering.parquet"
RESULT = Path(__file__).parent / "results" / "friction.md"
STEPS = ("add_to_cart", "cart", "shipping_details", "payment_details", "order")
FUNNELS = (
    Funnel("checkout, any order", STEPS, "any"),
    Funnel("cart to order", (STEPS[0], STEPS[-1])),
    Funnel("checkout, in order", STEPS),
)
SEGMENTS = ("region_id",)
TRUTH = {
    "payment_error": ("2024-05-19", "2024-06-08"),
    "checkout_bug": ("2024-04-13", "2024-05-09"),
}
"""First and last day of each, as the rows of the data show."""
CHANNELS = {"desktop": "web", "tablet": "web", "mobile": "app"}
"""The canonical channels know no devices: mobile counts as app."""
_RUNS, _LARGE = 100, 1_500_000


def read_shop(source: Path = DATA) -> pd.DataFrame:
    """Return the shop's clickstream as canonical events; an order is worth 1."""
    shop = pd.read_parquet(source)
    events = pd.DataFrame(
        {
            "event_id": [f"e{place:06d}" for place in range(len(shop))],
            "customer_id": shop["user_id"],
            "occurred_at": pd.to_datetime(shop["timestamp"]),
            "channel": shop["platform"].map(CHANNELS),
            "type": shop["event"].replace({"purchase": "order"}),
            "region_id": shop["acquisition_channel"],
            "order_id": None,
            "currency": None,
        }
    )
    texts = ("product_id", "promotion_id", "message_id", "device_time_zone")
    value = np.where(events["type"] == "order", 1.0, np.nan)
    return events.assign(**dict.fromkeys(texts), quantity=np.nan, value=value)


def shuffle_attempts(attempts: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the attempts with customers, days, channels and segments of one another."""
    taken = rng.permutation(len(attempts))
    day = attempts[Attempts.at(1)].dt.floor("D")
    moved = pd.Series(day.to_numpy()[taken] - day.to_numpy(), index=attempts.index)
    channel = attempts[Attempts.channel(1)].to_numpy()[taken]
    shuffled = attempts.copy()
    for name in (Attempts.CUSTOMER_ID, *SEGMENTS):
        shuffled[name] = attempts[name].to_numpy()[taken]
    step = 1
    while Attempts.at(step) in attempts:
        is_reached = attempts[Attempts.at(step)].notna()
        shuffled[Attempts.at(step)] = attempts[Attempts.at(step)] + moved
        shuffled[Attempts.channel(step)] = pd.Series(channel, index=attempts.index).where(
            is_reached
        )
        step += 1
    return shuffled


def count_false_alarms(
    attempts: pd.DataFrame, detours: pd.DataFrame, funnel: Funnel, *, runs: int, seed: int = 0
) -> int:
    """Return in how many shuffled runs anything is reported, of either kind."""
    alarms = 0
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        shuffled = shuffle_attempts(attempts, rng)
        found = find_friction(shuffled, detours, funnel, rng, segments=SEGMENTS)
        alarms += bool(len(found.incidents) + len(found.standing))
    return alarms


def time_funnel(events: pd.DataFrame, engine: duckdb.DuckDBPyConnection, folder: Path) -> float:
    """Return the seconds of one funnel over 1.5 million events: the shop, copied."""
    copies = -(-_LARGE // len(events))
    workspace = _store(
        pd.concat(
            [
                events.assign(
                    customer_id=f"{copy}-" + events["customer_id"],
                    event_id=f"{copy}-" + events["event_id"],
                )
                for copy in range(copies)
            ]
        ),
        folder,
    )
    started = time.perf_counter()
    build_attempts(engine, workspace, FUNNELS[2], segments=SEGMENTS)
    return time.perf_counter() - started


def write_results(runs: int = _RUNS) -> str:
    """Measure everything and return the page."""
    events = read_shop()
    with TemporaryDirectory() as folder, open_engine() as engine:
        workspace, parts = _store(events, Path(folder) / "shop"), [__doc__.split("\n\n", 2)[2]]
        for funnel in FUNNELS:
            attempts = build_attempts(engine, workspace, funnel, segments=SEGMENTS)
            detours = build_detours(engine, workspace, funnel, attempts)
            rng = np.random.default_rng(7)
            found = find_friction(attempts, detours, funnel, rng, segments=SEGMENTS)
            alarms = count_false_alarms(attempts, detours, funnel, runs=runs)
            parts.append(_write_funnel(funnel, found, len(attempts), alarms, runs))
        seconds = time_funnel(events, engine, Path(folder) / "large")
    parts.append(
        f"One ordered funnel of {len(STEPS)} steps over {_LARGE / 1e6:.1f} million events takes "
        f"{seconds:.1f} s on 2 threads."
    )
    return "# Friction: known answers\n\n" + "\n\n".join(part.strip() for part in parts) + "\n"


def _store(events: pd.DataFrame, root: Path) -> Workspace:
    workspace = Workspace(root)
    workspace.tables.mkdir(parents=True)
    events.to_parquet(workspace.table("events"))
    return workspace


def _write_funnel(funnel: Funnel, found: Friction, n_attempts: int, alarms: int, runs: int) -> str:
    lines = [
        f"## {funnel.name}: {' → '.join(funnel.steps)}",
        "",
        f"{n_attempts:,} attempts, {found.n_tests} tests. Shuffled: something was reported in "
        f"{alarms} of {runs} runs (bar: at most 5 of 100, "
        f"{'met' if alarms <= 0.05 * runs else 'missed'}).",
        "",
        "| rank | incident | group | days found | days planted | attempts | ordered | else | "
        "orders lost (95 %) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rank, row in enumerate(found.incidents.to_dict("records"), start=1):
        what = row["event"] or f"fewer {row['name']}"
        planted = " to ".join(TRUTH.get(row["event"], ("–",)))
        lines.append(
            f"| {rank} | {what} | {row['group']} | {row['first_day']:%Y-%m-%d} to "
            f"{row['last_day']:%Y-%m-%d} | {planted} | {row['attempts']} | "
            f"{row['conversion']:.1%} | {row['conversion_elsewhere']:.1%} | "
            f"{row['revenue']:.1f} ({row['revenue_low']:.1f} to {row['revenue_high']:.1f}) |"
        )
    missed = sorted(set(TRUTH) - set(found.incidents.get("event", [])))
    lines += ["", f"Planted and not found by name: {', '.join(missed) or 'none'}.", ""]
    if len(found.standing):
        groups = "; ".join(
            f"{row['name']} in {row['group']} ({row['lost_orders']:.1f} orders)"
            for row in found.standing.to_dict("records")
        )
        lines.append(f"Groups below the rest, in their own list: {groups}.")
    return "\n".join(lines)


if __name__ == "__main__":
    RESULT.write_text(write_results(), encoding="utf-8")
