"""What made a forecast and what it rests on, in words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features.region.nodes import Nodes
from features.region.panel import Panel
from models.demand.coherent import SERIES_PRIOR, Calibration, Coherent
from models.demand.members import SERIES_MEMBERS
from models.demand.newcomers import Newcomers
from models.demand.reconcile import BOTTOM_UP

Words = npt.NDArray[np.object_]


def describe_model(calibration: Calibration, nodes: Nodes, chosen: npt.NDArray[np.int64]) -> Words:
    """Say what made the forecast of each chosen node."""
    agreed = "" if calibration.method == BOTTOM_UP else f", reconciled by {calibration.method}"
    single = nodes.is_single[chosen]
    return np.where(single, f"blend{agreed}", f"sum of series{agreed}").astype(object)


def describe_evidence(
    panel: Panel, made: Coherent, newcomers: Newcomers, chosen: npt.NDArray[np.int64]
) -> Words:
    """Say in one sentence what the forecast of each chosen node rests on."""
    nodes = made.members.nodes
    first = panel.series["first_period"].to_numpy()
    period = panel.frequency.name
    blend = _describe_blend(made)
    counts = nodes.sum(made.members.is_listed.astype(np.float64))
    singles = nodes.table["series"].to_numpy(np.int64)
    found = []
    for node in chosen:
        own = int(singles[node])
        if own < 0:
            found.append(f"sum of {int(counts[node])} series")
            continue
        whose = newcomers.words.get(own)
        if own >= len(first):
            found.append(f"no own history: {whose}")
            continue
        age = int(made.members.origin - first[own] + 1)
        if whose is not None:
            share = newcomers.own_share[own]
            found.append(f"{age} {period}s of own history, {1 - share:.0%} {whose}")
        else:
            found.append(f"{age} {period}s of own history; {blend}")
    return np.array(found, dtype=object)


def _describe_blend(made: Coherent) -> str:
    """Name the members of the blend by what they weigh on average over the horizon."""
    given = [made.weights.get(str(name), SERIES_PRIOR) for name in made.members.buckets]
    mean = np.mean(given, axis=0)
    order = np.argsort(-mean, kind="stable")
    parts = [
        f"{SERIES_MEMBERS[place].replace('_', ' ')} {mean[place]:.0%}"
        for place in order
        if mean[place] >= 0.05
    ]
    return f"blend of {', '.join(parts)}"
