"""Whether predicted probabilities of engaging come true, by channel and by time of day."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from features.errors import InvalidRequest

CHANNEL = "channel"
HOURS = "hours"
HOUR_GROUPS = ("00–06", "06–12", "12–18", "18–24")
_N_BINS = 10
_LEAST_SENDS_A_BIN = 50
_COLUMNS = ("channel", "slot", "engaged", "predicted")


def build_touch_reliability(touches: pd.DataFrame) -> pd.DataFrame:
    """Return predicted against observed frequency of engaging, by channel and by hours of the day.

    Parameters
    ----------
    touches : DataFrame
        A row a send that no model here was fitted on: `channel`, `slot` (local, 0 to 167),
        `engaged` (0 or 1) and `predicted` (its probability).

    Returns
    -------
    DataFrame
        `kind` ('channel' or 'hours'), `group`, `bin`, `sends, predicted, observed, low, high`:
        up to ten bins of equally many sends, at least 50 in each, the lowest predictions first.
        The last two are Jeffreys' 95 % interval.

    Raises
    ------
    InvalidRequest
        If a column is missing.

    References
    ----------
    .. [1] Brown, Cai & DasGupta (2001), "Interval estimation for a binomial proportion",
       Statistical Science 16.
    """
    tables = [_bin(rows).assign(kind=kind, group=group) for kind, group, rows in _split(touches)]
    columns = ["kind", "group", "bin", "sends", "predicted", "observed", "low", "high"]
    return (
        pd.concat(tables, ignore_index=True)[columns]
        if tables
        else pd.DataFrame({name: [] for name in columns})
    )


def score_touches(touches: pd.DataFrame) -> pd.DataFrame:
    """Return how good the predicted probabilities are, by channel and by hours of the day.

    Parameters
    ----------
    touches : DataFrame
        As in `build_touch_reliability`.

    Returns
    -------
    DataFrame
        `kind, group, sends`, mean `predicted` and `observed`, `calibration_error` (over the bins
        of `build_touch_reliability`), `brier` and `log_loss` (in nats; predictions of exactly 0 or
        1 are taken as 1e-6 from it). Lower is better for the last three.
    """
    rows = []
    for kind, group, own in _split(touches):
        bins = _bin(own)
        predicted, engaged = _read(own)
        inside = np.clip(predicted, 1e-6, 1 - 1e-6)
        gap = (bins["predicted"] - bins["observed"]).abs()
        loss = -(engaged * np.log(inside) + (1 - engaged) * np.log1p(-inside))
        rows.append(
            {
                "kind": kind,
                "group": group,
                "sends": len(own),
                "predicted": float(predicted.mean()),
                "observed": float(engaged.mean()),
                "calibration_error": float(np.average(gap, weights=bins["sends"])),
                "brier": float(((predicted - engaged) ** 2).mean()),
                "log_loss": float(loss.mean()),
            }
        )
    return pd.DataFrame(rows)


def _split(touches: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return the rows of each channel, by name, and of each quarter of the day."""
    missing = [name for name in _COLUMNS if name not in touches]
    if missing:
        raise InvalidRequest(
            f"reliability of touches: expected the columns {missing}, got {list(touches.columns)}"
        )
    quarter = touches["slot"].to_numpy() % 24 // 6
    groups = [
        (CHANNEL, str(channel), rows) for channel, rows in touches.groupby("channel", sort=True)
    ]
    groups += [
        (HOURS, name, touches[quarter == place])
        for place, name in enumerate(HOUR_GROUPS)
        if (quarter == place).any()
    ]
    return groups


def _bin(rows: pd.DataFrame) -> pd.DataFrame:
    predicted, engaged = _read(rows)
    order = np.argsort(predicted, kind="stable")
    n_bins = int(np.clip(len(rows) // _LEAST_SENDS_A_BIN, 1, _N_BINS))
    bins = np.arange(len(rows)) * n_bins // len(rows)
    sends = np.bincount(bins)
    hits = np.bincount(bins, engaged[order])
    return pd.DataFrame(
        {
            "bin": np.arange(n_bins),
            "sends": sends,
            "predicted": np.bincount(bins, predicted[order]) / sends,
            "observed": hits / sends,
            "low": stats.beta.ppf(0.025, hits + 0.5, sends - hits + 0.5),
            "high": stats.beta.ppf(0.975, hits + 0.5, sends - hits + 0.5),
        }
    )


def _read(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    predicted = rows["predicted"].to_numpy(dtype=np.float64)
    return predicted, rows["engaged"].to_numpy(dtype=np.float64)
