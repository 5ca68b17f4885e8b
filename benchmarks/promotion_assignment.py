"""Whole-audience assignment: seconds, memory and gap as audiences grow, and whether it is right.

The values are simulated: customers of a dozen types who all like the same evening hours, each with
a habit of their own, a level, a liking for each channel, and a nuisance that makes some messages
worth less than nothing. Every hour and channel has a capacity, and there is a budget.

    python -m benchmarks.promotion_assignment --out /tmp/promotion_assignment.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.optimize import Bounds, LinearConstraint, milp

from models.campaign.assignment import Assignment, assign, assign_blocks

N_HOURS = 168
CHANNELS = ("email", "sms", "push")
COST = np.array([0.002, 0.06, 0.001])
"""Money a message."""
PER_HOUR = np.array([1 / 60, 1 / 200, 1 / 100])
"""Messages that a channel carries in one hour, per customer of the audience."""
BUDGET = 0.006
"""Money per customer of the audience."""
N_TYPES = 12
BLOCK = 10_000

GAP_BAR, GIB_BAR = 0.001, 4.0
SMALL = 200
"""Small instances held against branch and bound."""


def run(
    sizes: Sequence[int] = (10_000, 100_000), chunked: Sequence[int] = (1_000_000,), seed: int = 7
) -> dict[str, Any]:
    """Measure each size in a process of its own, and small instances here.

    Parameters
    ----------
    sizes : sequence of int
        Customers with all values in memory.
    chunked : sequence of int
        Customers whose values come in blocks, made anew at each reading.
    seed : int
        Of the simulated values.

    Returns
    -------
    dict
        JSON-able: `audiences`, `small`, `bars`.
    """
    cases = [(n, False, most) for n in sizes for most in (1, 3)] + [(n, True, 1) for n in chunked]
    audiences = [_run_apart(n, is_chunked, most, seed) for n, is_chunked, most in cases]
    small = check_small(SMALL, seed)
    return {"audiences": audiences, "small": small, "bars": _hold_to_bars(audiences, small)}


def describe(result: Mapping[str, Any]) -> str:
    """Return the results as a section in Markdown."""
    lines = [
        "## Whole-audience assignment",
        "",
        f"Simulated values, {N_HOURS} hours × {len(CHANNELS)} channels; every hour and channel has "
        "a capacity and the campaign a budget, and both bind. `pressure` is the demand for the "
        "fullest hour, were there no limits, over its capacity; `limits` counts those with a price "
        "above zero. The bound is the dual function over all options, so that no plan can be worth "
        "more. Values in blocks are made anew at each reading, which is `of it values`.",
        "",
        "| customers | values | messages each | pressure | limits | messages | LP bound | value "
        "| gap | LPs | seconds | CPU s | of it values | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["audiences"]:
        lines.append(
            f"| {row['customers']:,} | {'in blocks' if row['is_chunked'] else 'in memory'} "
            f"| ≤ {row['most']} | {row['pressure']:.1f}× | {row['limits']} | {row['messages']:,} "
            f"| {row['bound']:.3f} | {row['value']:.3f} | {row['gap']:.2e} | {row['iterations']} "
            f"| {row['seconds']:.0f} | {row['cpu']:.0f} | {row['cpu_values']:.0f} "
            f"| {row['gib']:.2f} |"
        )
    small = result["small"]
    lines += [
        "",
        f"Of {small['instances']} small instances against HiGHS' branch and bound: "
        f"{small['optimal']} reach the optimum, the furthest is {small['worst']:.1e} of it below, "
        f"the bound is below the optimum in {small['bound_below']}, and "
        f"{small['broken']} break a limit.",
        "",
        "| bar | bound | measured | passed |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {bar['bar']} | {bar['bound']:g} | {bar['measured']:.3g} "
        f"| {'yes' if bar['passed'] else 'no'} |"
        for bar in result["bars"]
    ]
    return "\n".join(lines) + "\n"


def simulate_blocks(n: int, seed: int, block: int = BLOCK) -> Iterator[np.ndarray]:
    """Yield simulated values of `n` customers, float32, shape (any, 168, 3), NaN = no consent."""
    shapes = _draw_types(np.random.default_rng(seed))
    for start in range(0, n, block):
        size = min(block, n - start)
        rng = np.random.default_rng((seed, start))
        kind = rng.choice(N_TYPES, size, p=_type_shares())
        habit = rng.standard_normal((size, N_HOURS), dtype=np.float32)
        by_hour = shapes[kind] * np.exp(np.float32(0.4) * habit)
        level = rng.lognormal(-1.0, 0.8, (size, 1)).astype(np.float32)
        liking = rng.gamma(2.0, 0.5, (size, 3)).astype(np.float32) * np.float32([1.0, 1.5, 0.8])
        nuisance = rng.gamma(1.0, 0.0004, (size, 3)).astype(np.float32)
        nuisance[rng.random((size, 3)) > np.array([0.8, 0.3, 0.5])] = np.nan
        yield (by_hour * level)[:, :, None] * liking[:, None, :] - nuisance[:, None, :]


def measure(n: int, is_chunked: bool, most: int, seed: int) -> dict[str, Any]:
    """Assign one audience in this process."""
    capacity, budget = np.floor(PER_HOUR * n) * np.ones((N_HOURS, 1)), BUDGET * n
    counts, reading = np.full(n, most), [0.0]
    limits = {"capacity": capacity, "cost": COST, "budget": budget}
    peak, done = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, done), daemon=True)
    watcher.start()
    if is_chunked:

        def blocks() -> Iterator[np.ndarray]:
            source = simulate_blocks(n, seed)
            while True:
                started = time.process_time()
                block = next(source, None)
                reading[0] += time.process_time() - started
                if block is None:
                    return
                yield block

        started, cpu = time.perf_counter(), time.process_time()
        shape = (N_HOURS, len(CHANNELS))
        found = assign_blocks(
            blocks, shape=shape, most_per_customer=counts, min_gap_hours=24, **limits
        )
    else:
        value = np.concatenate(list(simulate_blocks(n, seed)))
        started, cpu = time.perf_counter(), time.process_time()
        found = assign(value, most_per_customer=counts, min_gap_hours=24, **limits)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    done.set()
    watcher.join()
    return {
        "customers": n,
        "is_chunked": is_chunked,
        "most": most,
        "seconds": seconds,
        "cpu": cpu,
        "cpu_values": reading[0],
        "gib": peak[0],
        "pressure": _find_pressure(n, seed, capacity),
        "limits": int((found.prices > 0).sum()) + int(found.budget_price > 0),
        "messages": len(found.customer),
        "value": found.value,
        "bound": found.bound,
        "gap": found.gap,
        "iterations": found.iterations,
        "is_solved": found.is_solved,
        "broken": _count_broken(found, capacity, COST, budget, counts, 24),
    }


def check_small(count: int, seed: int) -> dict[str, Any]:
    """Hold small random instances against branch and bound over every option."""
    optimal = below = broken = 0
    worst = 0.0
    for instance in range(count):
        rng = np.random.default_rng((seed, instance))
        n, n_hours, n_channels = rng.integers((2, 2, 1), (12, 8, 4))
        value = rng.normal(0.5, 1.0, (n, n_hours, n_channels))
        value[rng.random(value.shape) < 0.1] = np.nan
        capacity = rng.choice([0, 1, 2, 3, np.inf], (n_hours, n_channels))
        cost, budget = rng.choice([0.0, 0.5, 1.0, 2.0], n_channels), float(rng.integers(0, 12))
        most, gap = rng.integers(0, 4, n), int(rng.integers(0, 4))
        found = assign(
            value,
            capacity=capacity,
            cost=cost,
            budget=budget,
            most_per_customer=most,
            min_gap_hours=gap,
        )
        best = solve_by_branching(value, capacity, cost, budget, most, gap)
        lost = (best - found.value) / best if best > 0 else 0.0
        worst, optimal = max(worst, lost), optimal + (lost < 1e-6)
        below += found.bound < best * (1 - 1e-9)
        broken += _count_broken(found, capacity, cost, budget, most, gap)
    return {
        "instances": count,
        "optimal": int(optimal),
        "worst": float(worst),
        "bound_below": int(below),
        "broken": int(broken),
    }


def solve_by_branching(
    value: np.ndarray,
    capacity: np.ndarray,
    cost: np.ndarray,
    budget: float,
    most: np.ndarray,
    gap: int,
) -> float:
    """Return the value of the best whole plan, with one variable per option."""
    n, n_hours, _ = value.shape
    place = np.arange(value.size).reshape(value.shape)
    rows, bounds = [], []
    for customer in range(n):
        rows.append(place[customer].ravel())
        bounds.append(most[customer])
        for hour in range(n_hours):
            rows.append(place[customer, hour : hour + max(gap, 1)].ravel())
            bounds.append(1)
    for hour, channel in zip(*np.nonzero(np.isfinite(capacity)), strict=True):
        rows.append(place[:, hour, channel])
        bounds.append(capacity[hour, channel])
    matrix = np.zeros((len(rows) + 1, value.size))
    for at, columns in enumerate(rows):
        matrix[at, columns] = 1.0
    matrix[-1] = np.broadcast_to(cost, value.shape).ravel()
    result = milp(
        -np.nan_to_num(value).ravel(),
        integrality=np.ones(value.size),
        bounds=Bounds(0, (~np.isnan(value)).ravel().astype(float)),
        constraints=LinearConstraint(matrix, ub=np.append(bounds, budget)),
        options={"mip_rel_gap": 0.0},
    )
    return -float(result.fun)


def _draw_types(rng: np.random.Generator) -> np.ndarray:
    """Return how each type likes each hour of the week: evenings above all, mornings for some."""
    hour, day = np.arange(N_HOURS) % 24, np.arange(N_HOURS) // 24
    shapes = []
    for _ in range(N_TYPES):
        evening = np.exp(-0.5 * ((hour - rng.normal(19.5, 0.8)) / 1.6) ** 2)
        morning = np.exp(-0.5 * ((hour - rng.normal(8.0, 1.0)) / 1.2) ** 2)
        weekend = 1 + rng.uniform(0, 0.6) * (day >= 5)
        shapes.append(0.002 * (0.05 + evening + rng.uniform(0, 0.5) * morning) * weekend)
    return np.array(shapes, dtype=np.float32)


def _type_shares() -> np.ndarray:
    shares = 1 / np.arange(1, N_TYPES + 1)
    return np.asarray(shares / shares.sum())


def _find_pressure(n: int, seed: int, capacity: np.ndarray) -> float:
    """Return demand over capacity of the fullest hour, if everyone had their best hour."""
    demand = np.zeros(capacity.size)
    for block in simulate_blocks(n, seed):
        flat = np.nan_to_num(block.reshape(len(block), -1), nan=-np.inf)
        demand += np.bincount(flat.argmax(axis=1), flat.max(axis=1) > 0, minlength=capacity.size)
    return float((demand / capacity.ravel()).max())


def _count_broken(
    found: Assignment,
    capacity: np.ndarray,
    cost: np.ndarray,
    budget: float,
    most: np.ndarray,
    gap: int,
) -> int:
    """Count the limits that the messages break."""
    load = np.zeros(capacity.shape)
    np.add.at(load, (found.hour, found.channel), 1)
    spent = float(load.sum(axis=0) @ cost)
    each = np.bincount(found.customer, minlength=len(most))
    is_same = np.diff(found.customer) == 0
    near = np.diff(found.hour)[is_same] < max(gap, 1)
    over = int((load > capacity).sum() + (each > most).sum() + near.sum())
    return over + (spent > budget * (1 + 1e-9))


def _hold_to_bars(audiences: Sequence[dict[str, Any]], small: dict[str, Any]) -> list[dict]:
    bars = []
    for row in audiences:
        words = f"{row['customers']:,} customers, ≤ {row['most']} messages each"
        bars.append(_make_bar(f"{words}: gap", GAP_BAR, row["gap"]))
        bars.append(_make_bar(f"{words}: peak memory, GiB", GIB_BAR, row["gib"]))
        bars.append(_make_bar(f"{words}: limits broken", 0, row["broken"]))
    bars.append(_make_bar("small instances: limits broken", 0, small["broken"]))
    bars.append(_make_bar("small instances: bound below the optimum", 0, small["bound_below"]))
    return bars


def _make_bar(words: str, bound: float, measured: float) -> dict[str, Any]:
    return {"bar": words, "bound": bound, "measured": measured, "passed": measured <= bound}


def _watch(peak: list[float], done: threading.Event) -> None:
    process = psutil.Process()
    while not done.wait(0.05):
        peak[0] = max(peak[0], process.memory_info().rss / 2**30)


def _run_apart(n: int, is_chunked: bool, most: int, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.promotion_assignment", "--one", str(n)]
    command += ["--most", str(most), "--seed", str(seed)] + ["--chunked"] * is_chunked
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure all sizes, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", type=int)
    parser.add_argument("--most", type=int, default=1)
    parser.add_argument("--chunked", action="store_true")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.chunked, given.most, given.seed)))
        return
    result = run(seed=given.seed)
    print(describe(result))
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
