"""What a backtest measured, small enough to be published with the model and shown on a page."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from models.demand.forecast_series import FORECASTS_FILE
from models.records import EVIDENCE_FILE, FORMAT
from training.demand.calibration import ALMANAC
from training.demand.scores import EVERY
from training.gates import DEMAND_BASELINES, PROMOTION_BASELINES
from training.palette import name_of

Tables = Mapping[str, pd.DataFrame]
Row = dict[str, Any]
Record = Mapping[Any, Any]
"""A row of a table."""
Evidence = Mapping[str, Any]
"""What is published of it, as JSON holds it."""
DEMAND_MEASURES = ("wape", "bias", "mase", "rmsse", "pinball")
PROMOTION_MEASURES = ("log_loss", "brier", "calibration_error", "slot_hit", "hour_hit")
NOMINAL = (80, 95)
MAX_FEATURES, MAX_NOTES = 20, 20
_PROFILES_FILE = "profiles.json"
_Z_95 = 1.959963984540054


def add_evidence(files: Mapping[str, bytes], evidence: Evidence) -> dict[str, bytes]:
    """Return a model's files with its evidence among them; as they are if there is none."""
    if not evidence:
        return dict(files)
    text = json.dumps(dict(evidence), allow_nan=False, ensure_ascii=False, sort_keys=True)
    return {**files, EVIDENCE_FILE: text.encode()}


def tell_demand(files: Mapping[str, bytes], tables: Tables) -> Evidence:
    """Return what is shown of a demand model: scores beside baselines, coverage, importance.

    Parameters
    ----------
    files : mapping of name to bytes
        Of the model; they say until when its data reaches.
    tables : mapping of name to DataFrame
        Evidence of its training, or of its method run again.

    Returns
    -------
    dict
        As `serving.model_contract.Evidence` reads it; what is not a number is None.
    """
    return _begin(_find_origin(files), tables) | _build_demand(tables)


def tell_promotion(files: Mapping[str, bytes], tables: Tables) -> Evidence:
    """Return what is shown of a send-time model: scores, gains over baselines, calibration."""
    about = json.loads(files[_PROFILES_FILE]) if _PROFILES_FILE in files else {}
    data_until = str(about["as_of"])[:10] if "as_of" in about else None
    return _begin(data_until, tables) | _build_promotion(tables)


def _begin(data_until: str | None, tables: Tables) -> Row:
    notes = tables["notes"]["note"].tolist() if "notes" in tables else []
    return {
        "format": FORMAT,
        "data_until": data_until,
        "importance": _list_importance(tables),
        "notes": [str(note) for note in notes[:MAX_NOTES]],
    }


def _find_origin(files: Mapping[str, bytes]) -> str | None:
    if FORECASTS_FILE not in files:
        return None
    table = pq.read_table(io.BytesIO(files[FORECASTS_FILE]), columns=["origin"])
    last: date | None = max(table.column("origin").to_pylist(), default=None)
    return None if last is None else str(last)[:10]


def _build_demand(tables: Tables) -> Row:
    rows = tables["scores"].to_dict("records")
    shown = [row for row in rows if row["bucket"] == EVERY or row["model"] == ALMANAC]
    own = [row for row in rows if row["model"] == ALMANAC]
    return {
        "model": name_of(ALMANAC),
        "scores": [
            _score(row, DEMAND_MEASURES, ALMANAC, DEMAND_BASELINES, _horizon(row)) for row in shown
        ],
        "gains": [],
        "coverage": [
            {
                "level": row["level"],
                "horizon": _horizon(row),
                "nominal": percent / 100,
                "measured": _plain(row[f"coverage_{percent}"]),
                "n": int(row["n_rows"]),
            }
            for row in own
            for percent in NOMINAL
        ],
        "calibration": [],
    }


def _build_promotion(tables: Tables) -> Row:
    best = str(tables["best"]["model"].iloc[0])
    gains = [
        {
            "baseline": name_of(row["baseline"]),
            **{k: _plain(row[k]) for k in ("gain", "low", "high")},
        }
        for row in tables["gains"].to_dict("records")
        if row["model"] == best and row["baseline"] in PROMOTION_BASELINES
    ]
    return {
        "model": name_of(best),
        "scores": [
            _score(row, PROMOTION_MEASURES, best, PROMOTION_BASELINES, None)
            for row in tables["scores"].to_dict("records")
        ],
        "gains": gains,
        "coverage": [],
        "calibration": pool_reliability(tables["reliability"], best),
    }


def pool_reliability(reliability: pd.DataFrame, model: str) -> list[Row]:
    """Return predicted against observed probability by bin, over all folds.

    Parameters
    ----------
    reliability : DataFrame
        `fold, model, bin, cells, predicted, observed`.
    model : str

    Returns
    -------
    list of dict
        `predicted, observed, low, high, n`; the interval is Wilson's, of 95 %.

    Examples
    --------
    >>> table = pd.DataFrame({"fold": [1, 2], "model": "a", "bin": 0, "cells": [100, 300],
    ...                       "predicted": [0.1, 0.2], "observed": [0.2, 0.2]})
    >>> row, = pool_reliability(table, "a")
    >>> round(row["predicted"], 3), round(row["observed"], 3), row["n"]
    (0.175, 0.2, 400)
    """
    own = reliability[reliability["model"] == model]
    own = own.assign(p=own["predicted"] * own["cells"], o=own["observed"] * own["cells"])
    found = []
    for _, rows in own.groupby("bin", sort=True):
        n = float(rows["cells"].sum())
        if n <= 0:
            continue
        predicted, observed = float(rows["p"].sum()) / n, float(rows["o"].sum()) / n
        low, high = _find_wilson(observed, n)
        found.append(
            {"predicted": predicted, "observed": observed, "low": low, "high": high, "n": int(n)}
        )
    return found


def _find_wilson(share: float, n: float) -> tuple[float, float]:
    square = _Z_95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    reach = _Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _score(
    row: Record,
    names: tuple[str, ...],
    published: str,
    baselines: tuple[str, ...],
    horizon: str | None,
) -> Row:
    return {
        "model": name_of(str(row["model"])),
        "is_published": row["model"] == published,
        "is_baseline": row["model"] in baselines,
        "level": row.get("level"),
        "horizon": horizon,
        "measures": {name: _plain(row[name]) for name in names if name in row},
    }


def _horizon(row: Record) -> str | None:
    """Return which periods ahead a row is of; None for all."""
    return None if row["bucket"] == EVERY else str(row["bucket"])


def _list_importance(tables: Tables) -> list[Row]:
    if "importance" not in tables:
        return []
    table = tables["importance"]
    total = float(table["gain"].sum()) or 1.0
    ranked = table.groupby("feature", sort=False)["gain"].sum().sort_values(ascending=False)
    return [
        {"feature": str(feature), "share": float(gain) / total}
        for feature, gain in ranked.head(MAX_FEATURES).items()
    ]


def _plain(value: object) -> float | None:
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None
