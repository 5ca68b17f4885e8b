"""What if the plan were another: a scenario beside the published forecast, on the same paths.

The tree members are asked again with the scenario's plan in their rows. The ratio of what they
say then to what they say of the plan moves the published mean, distribution and sample paths of
the series: members without drivers have no opinion on a price, so that the whole forecast follows
the trees. Their lags stay those of the plan, which also keeps demand from rising with price. Both
sides have the same sample paths, so that the difference has an interval of its own: the spread of
demand, not the doubt about the response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InvalidRequest
from models.demand.assortment import find_below
from models.demand.marginals import KNOTS, read_quantiles
from models.demand.plan_changes import (
    PROMOTED,
    Change,
    change_rows,
    find_steps,
    find_unplanned,
)
from models.demand.plan_ranges import Ranges, describe_outside
from models.demand.quantiles import QUANTILES, find_interval
from models.demand.sample_paths import SamplePaths, count_block
from models.demand.shocks import Paths, iterate_blocks
from models.demand.tree_rows import TreeBlock

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

FIGURES = ("mean", "lower_80", "upper_80", "lower_95", "upper_95")
SIDES = ("plan", "scenario", "difference")
COLUMNS = tuple(f"{side}_{figure}" for side in SIDES for figure in FIGURES)
N_PATHS = 200


@dataclass(frozen=True)
class ScenarioRows:
    """Some series, ready to be asked.

    Attributes
    ----------
    chosen : array of int, shape (n_series,)
        Their positions in the sample paths.
    mean : array of shape (n_series, n_steps)
        As published.
    blocks : sequence of TreeBlock
    ranges : Ranges
    """

    chosen: Places
    mean: Floats
    blocks: Sequence[TreeBlock]
    ranges: Ranges


@dataclass(frozen=True)
class WhatIf:
    """A scenario beside the plan.

    Attributes
    ----------
    by_date : DataFrame
        date and `COLUMNS`, one row per period that the scenario holds for.
    total : DataFrame
        `COLUMNS`, one row: all these periods together.
    n_series : int
        Series that the node is the sum of.
    warnings : tuple of str
    """

    by_date: pd.DataFrame
    total: pd.DataFrame
    n_series: int
    warnings: tuple[str, ...]


def find_series(paths: SamplePaths, region: str, product: str) -> Places:
    """Return the positions of the series at or below a region and a product of any level.

    Raises
    ------
    UnknownName
        If a name is no node of its tree.
    InvalidRequest
        If nothing is forecast for the two together.
    """
    is_here = find_below(paths.series["region_id"], paths.regions, region, "region")
    is_this = find_below(paths.series["product_id"], paths.products, product, "product")
    found = np.flatnonzero(is_here & is_this)
    if not len(found):
        raise InvalidRequest(
            f"product: nothing is forecast for '{product}' in '{region}': ask for a pair that is "
            "sold there"
        )
    return found


def run_scenario(paths: SamplePaths, rows: ScenarioRows, change: Change) -> WhatIf:
    """Set a scenario beside the plan.

    Parameters
    ----------
    paths : SamplePaths
        Of all series.
    rows : ScenarioRows
        Of the series below the node.
    change : Change

    Returns
    -------
    WhatIf
        Units. Equal to the plan to the last bit where the scenario changes nothing.

    Raises
    ------
    InvalidRequest
        If the change cannot be, or its dates lie outside the forecast.
    """
    change.check()
    steps = find_steps(change, paths.dates)
    usual = rows.ranges.series["usual_depth"].to_numpy(np.float64)
    changed = [change_rows(block, change, steps, paths.dates, usual) for block in rows.blocks]
    ratio = _compare(rows, changed, len(paths.dates))
    figures = _sum_figures(paths, rows, ratio, steps)
    days = paths.dates[steps].astype("datetime64[D]").tolist()
    return WhatIf(
        by_date=pd.DataFrame({"date": days} | _name(figures[:-1])),
        total=pd.DataFrame(_name(figures[-1:])),
        n_series=len(rows.chosen),
        warnings=_warn(rows, change, changed, ratio),
    )


def _compare(
    rows: ScenarioRows, changed: Sequence[npt.NDArray[np.float32]], n_steps: int
) -> Floats:
    """Return what the trees say of the scenario ÷ what they say of the plan; 1 where nothing."""
    plan = np.zeros((len(rows.chosen), n_steps))
    scenario = np.zeros_like(plan)
    for block, new in zip(rows.blocks, changed, strict=True):
        before = block.predict()
        # The same rows get the same answer: a bucket that the change does not reach is asked once.
        after = before if np.array_equal(new, block.rows, equal_nan=True) else block.predict(new)
        plan[:, block.steps] += block.weight * before
        scenario[:, block.steps] += block.weight * after
    return np.divide(scenario, plan, out=np.ones_like(plan), where=plan > 0)


def _sum_figures(
    paths: SamplePaths, rows: ScenarioRows, ratio: Floats, steps: npt.NDArray[np.bool_]
) -> Floats:
    """Return `COLUMNS` of every changed period and of them together, the last row."""
    plan, difference = _draw_both(paths, rows, ratio, steps)
    means = np.column_stack(
        [rows.mean[:, steps].sum(axis=0), (rows.mean * ratio)[:, steps].sum(axis=0)]
    )
    means = np.vstack([means, means.sum(axis=0)])
    quantiles = [np.quantile(one, QUANTILES, axis=1).T for one in (plan, plan + difference)]
    if len(rows.chosen) == 1:
        # A single series is published with the quantiles of its own distribution.
        knots = paths.knots[rows.chosen[0]][steps].astype(np.float64).reshape(-1, len(KNOTS))
        own = ratio[0, steps][:, None]
        quantiles[0][:-1], quantiles[1][:-1] = read_quantiles(knots), read_quantiles(knots * own)
    columns = []
    for place, values in enumerate(quantiles):
        kept = np.maximum(values, 0.0)
        bounds = [*find_interval(kept, 0.8), *find_interval(kept, 0.95)]
        columns += [means[:, place], *bounds]
    tails = np.quantile(difference, [0.1, 0.9, 0.025, 0.975], axis=1)
    return np.column_stack([*columns, means[:, 1] - means[:, 0], *tails])


def _draw_both(
    paths: SamplePaths, rows: ScenarioRows, ratio: Floats, steps: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the paths of the plan and of the difference, shape (n_changed + 1, n_paths)."""
    count = int(steps.sum())
    plan, difference = np.zeros((2, count + 1, N_PATHS))
    for block in iterate_blocks(len(rows.chosen), count_block(paths.n_steps, N_PATHS)):
        drawn: Paths = paths.draw(rows.chosen[block], N_PATHS)[:, steps]
        change = (ratio[block] - 1.0)[:, steps, None]
        plan[:-1] += drawn.sum(axis=0, dtype=np.float64)
        difference[:-1] += (drawn * change).sum(axis=0)
    plan[-1], difference[-1] = plan[:-1].sum(axis=0), difference[:-1].sum(axis=0)
    return plan, difference


def _name(figures: Floats) -> dict[str, Floats]:
    return dict(zip(COLUMNS, figures.T, strict=True))


def _warn(
    rows: ScenarioRows,
    change: Change,
    changed: Sequence[npt.NDArray[np.float32]],
    ratio: Floats,
) -> tuple[str, ...]:
    features = {name for block in rows.blocks for name in block.features}
    found = [*find_unplanned(change, sorted(features))]
    found += describe_outside(rows.ranges, rows.blocks, changed)
    total = len(rows.chosen)
    is_promoting = change.is_promoted or (change.depth or 0) > 0
    never = int((~rows.ranges.series["was_promoted"].to_numpy(bool)).sum())
    if is_promoting and never and features & PROMOTED:
        who = "this series" if total == 1 else f"{never} of {total} series"
        found.append(f"{who} never had a promotion: the answer is that of others' promotions")
    known = np.zeros(total, bool)
    for block in rows.blocks:
        known |= (block.scale > 0).any(axis=1)
    if not known.all():
        who = "this series" if total == 1 else f"{int((~known).sum())} of {total} series"
        found.append(f"{who} never sold: the pattern of others stands there and does not react")
    if not found and (ratio == 1.0).all() and change != Change():
        found.append("the trees see no difference between this and the plan")
    return tuple(found)
