"""What a demand champion publishes so that its forecasts can be asked: why, and what if."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.panel import Panel
from models.demand.coherent import Coherent
from models.demand.model import DemandModel
from models.demand.path_files import MAX_ROWS
from models.demand.plan_ranges import find_ranges
from models.demand.prophet_reasons import explain_totals
from models.demand.reasons import PARTS, explain_series, find_base, tabulate_reasons
from models.demand.scenario import ScenarioRows
from models.demand.scenario_files import pack_scenarios
from models.demand.tree_rows import build_blocks

Places = npt.NDArray[np.int64]

MAX_REASON_ROWS = 60_000
"""Series x periods above which reasons are worked out when asked: a row takes a millisecond."""
REASONS_FILE, PROPHET_FILE = "reasons.parquet", "prophet_reasons.parquet"


@dataclass(frozen=True)
class Explanations:
    """Files for reasons and scenarios, and what was left out, in words."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...]


def explain_demand(
    panel: Panel, model: DemandModel, made: Coherent, *, threads: int = 1
) -> Explanations:
    """Make what `why` and `what-if` read of a published model.

    Parameters
    ----------
    panel : Panel
        That `made` was forecast from.
    model : DemandModel
    made : Coherent
        From `model.make(panel)`.
    threads : int
        Of TreeSHAP, which takes most of the time.

    Returns
    -------
    Explanations
        `reasons.parquet` up to `MAX_REASON_ROWS` series x periods, `scenario_rows.parquet` and
        `scenario.json` up to `MAX_ROWS`, and with Prophet `prophet_reasons.parquet`.
    """
    files: dict[str, bytes] = {}
    members = made.members
    dates = panel.date_of(members.periods)
    if model.fitted.prophet is not None and model.fitted.prophet.models_:
        files[PROPHET_FILE] = _write(explain_totals(model.fitted.prophet, dates))
    count = int(members.is_listed.sum())
    size = f"{count} series × {members.n_steps} periods are more than"
    notes = []
    if count * members.n_steps <= MAX_REASON_ROWS:
        files[REASONS_FILE] = _write(reason_nodes(panel, model, made, threads=threads))
    else:
        notes.append(
            f"{size} {MAX_REASON_ROWS:,}: reasons are not published; almanac why works them out"
        )
    if count * members.n_steps <= MAX_ROWS:
        files |= pack_scenarios(read_scenario_rows(panel, model, made, order_series(made)))
    else:
        notes.append(
            f"{size} {MAX_ROWS:,}: rows for scenarios are not published; almanac what-if makes them"
        )
    return Explanations(files, tuple(notes))


def reason_nodes(
    panel: Panel,
    model: DemandModel,
    made: Coherent,
    series: Places | None = None,
    *,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the reasons of every node, from `tabulate_reasons`.

    Parameters
    ----------
    panel, model, made : Panel, DemandModel, Coherent
    series : array of int, optional
        Positions of the only series that are explained: of all others the parts are zero, and so
        are those of nodes without any of them.
    threads : int
    """
    members = made.members
    everyone = np.arange(len(made.mean)) if series is None else series
    known = everyone[everyone < len(panel.series)]
    order = np.concatenate([known, everyone[everyone >= len(panel.series)]])
    blocks = build_blocks(panel, model.fitted, made.weights, members.n_steps, known)
    parts = np.zeros((*made.mean.shape, len(PARTS)))
    base = find_base(panel, known)
    parts[order] = explain_series(panel, blocks, made.mean[order], base, threads=threads)
    return tabulate_reasons(members.nodes, parts, members.is_listed, panel.date_of(members.periods))


def read_scenario_rows(
    panel: Panel, model: DemandModel, made: Coherent, series: Places, chosen: Places | None = None
) -> ScenarioRows:
    """Return what scenarios ask of some series.

    Parameters
    ----------
    panel, model, made : Panel, DemandModel, Coherent
    series : array of int, shape (n_chosen,)
        Positions in `made`.
    chosen : array of int, shape (n_chosen,), optional
        Their positions in the sample paths; 0, 1, 2, … by default.
    """
    known = np.sort(series[series < len(panel.series)])
    blocks = build_blocks(panel, model.fitted, made.weights, made.members.n_steps, known)
    place = np.searchsorted(known, series)
    place[series >= len(panel.series)] = len(known)
    return ScenarioRows(
        chosen=np.arange(len(series)) if chosen is None else chosen,
        mean=made.mean[series],
        blocks=[block.take(place) for block in blocks],
        ranges=find_ranges(panel).take(series),
    )


def order_series(made: Coherent) -> Places:
    """Return the positions in `made` of the series of its sample paths, in their order."""
    listed = made.members.nodes.series[made.members.is_listed]
    order = listed.sort_values(["region_id", "product_id"]).index
    return np.asarray(order.to_numpy(np.int64))


def _write(table: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    table.to_parquet(content, index=False, compression="zstd")
    return content.getvalue()
