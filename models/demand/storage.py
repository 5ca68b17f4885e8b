"""A calibration as plain files: JSON for what is small, NumPy's own format for arrays."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.panel import Panel
from models.demand.coherent import Calibration
from models.demand.marginals import Marginals, Pools
from models.demand.members import Members
from models.demand.reconcile import ErrorModel
from models.demand.shocks import Shocks

Floats = npt.NDArray[np.float64]

_JSON, _ARRAYS, _KEYS = "calibration.json", "calibration.npz", "calibration_keys.json"


@dataclass(frozen=True)
class CalibrationKeys:
    """What the rows of a calibration's arrays stand for.

    Attributes
    ----------
    series : DataFrame
        region_id, product_id.
    nodes : DataFrame
        level, region_id, product_id.
    """

    series: pd.DataFrame
    nodes: pd.DataFrame


def make_keys(members: Members) -> CalibrationKeys:
    """Return the keys of the series and nodes of a forecast."""
    nodes = members.nodes
    return CalibrationKeys(nodes.series, nodes.table[["level", "region_id", "product_id"]])


def align_calibration(
    calibration: Calibration, keys: CalibrationKeys, panel: Panel, members: Members
) -> Calibration:
    """Bring a calibration into the order of another panel's series and nodes.

    A series or node that it does not know has the median relation of error to spread, or to size,
    of those that it does.
    """
    own = make_keys(members)
    if keys.series.equals(own.series) and keys.nodes.equals(own.nodes):
        return calibration
    if not len(calibration.typical) or calibration.errors is None:
        return calibration
    typical = _reindex(calibration.typical, keys.series, panel.series[["region_id", "product_id"]])
    spread = members.spread.astype(np.float64)
    relation = np.nanmedian(typical / spread) if np.isfinite(typical).any() else 1.0
    variance = _reindex(calibration.errors.variance, keys.nodes, own.nodes)
    size = np.asarray(members.nodes.table["n_series"], np.float64)
    per_series = np.nanmedian(variance / size)
    errors = np.column_stack(
        [_reindex(column, keys.nodes, own.nodes) for column in calibration.errors.errors.T]
    )
    return replace(
        calibration,
        typical=np.where(np.isfinite(typical), typical, relation * spread),
        errors=ErrorModel(
            np.where(np.isfinite(variance), variance, per_series * size), np.nan_to_num(errors)
        ),
    )


def pack(calibration: Calibration, keys: CalibrationKeys) -> dict[str, bytes]:
    """Return the calibration as files."""
    pools = calibration.marginals.pools
    state = {
        "series_weights": _lists(calibration.series_weights),
        "node_weights": _lists(calibration.node_weights),
        "method": calibration.method,
        "reason": calibration.reason,
        "losses": calibration.losses,
        "seed": calibration.seed,
        "marginals": {
            "weights": calibration.marginals.weights.tolist(),
            "recalibration": _lists(calibration.marginals.recalibration),
            "smallest_sale": calibration.marginals.smallest_sale,
            "pools": None
            if pools is None
            else {
                "ratio_edges": list(pools.ratio_edges),
                "class_edges": list(pools.class_edges),
                "ratio": _lists(pools.ratio),
                "residual": _lists(pools.residual),
            },
        },
        "shocks": {
            "levels": list(calibration.shocks.levels),
            "passing": calibration.shocks.passing.tolist(),
            "lasting": calibration.shocks.lasting.tolist(),
        },
    }
    arrays = {"typical": calibration.typical}
    if calibration.errors is not None:
        arrays["variance"] = calibration.errors.variance
        arrays["errors"] = calibration.errors.errors.astype(np.float32)
    return {
        _JSON: json.dumps(state, sort_keys=True).encode(),
        _KEYS: json.dumps(
            {name: getattr(keys, name).to_dict("list") for name in ("series", "nodes")}
        ).encode(),
        _ARRAYS: _save(arrays),
    }


def unpack(files: Mapping[str, bytes]) -> tuple[Calibration, CalibrationKeys]:
    """Remake a calibration and its keys from `pack`."""
    state = json.loads(files[_JSON])
    with np.load(io.BytesIO(files[_ARRAYS]), allow_pickle=False) as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    errors = None
    if "variance" in arrays:
        errors = ErrorModel(arrays["variance"], arrays["errors"].astype(np.float64))
    marginals, shocks = state["marginals"], state["shocks"]
    pools = marginals["pools"]
    calibration = Calibration(
        series_weights=_arrays(state["series_weights"]),
        node_weights=_arrays(state["node_weights"]),
        method=state["method"],
        reason=state["reason"],
        losses=state["losses"],
        errors=errors,
        typical=arrays["typical"],
        marginals=Marginals(
            None
            if pools is None
            else Pools(
                tuple(pools["ratio_edges"]),
                tuple(pools["class_edges"]),
                _arrays(pools["ratio"]),
                _arrays(pools["residual"]),
            ),
            np.array(marginals["weights"]),
            _arrays(marginals["recalibration"]),
            marginals["smallest_sale"],
        ),
        shocks=Shocks(
            tuple(shocks["levels"]), np.array(shocks["passing"]), np.array(shocks["lasting"])
        ),
        seed=state["seed"],
    )
    keys = json.loads(files[_KEYS])
    frames = [pd.DataFrame(keys[name], dtype="str") for name in ("series", "nodes")]
    return calibration, CalibrationKeys(*frames)


def _save(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _lists(arrays: Mapping[str, Floats]) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in arrays.items()}


def _arrays(lists: Mapping[str, list[float]]) -> dict[str, Floats]:
    return {name: np.array(values) for name, values in lists.items()}


def _reindex(values: Floats, known: pd.DataFrame, wanted: pd.DataFrame) -> Floats:
    """Return values in the order of other keys; NaN for keys that are not known."""
    series = pd.Series(values, index=pd.MultiIndex.from_frame(known))
    return np.asarray(series.reindex(pd.MultiIndex.from_frame(wanted)).to_numpy(np.float64))
