"""Forecasts as CSV that a spreadsheet cannot be tricked by."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from serving.forecasts import Forecast

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS_BEFORE = (
    "region_id",
    "region_level",
    "product_id",
    "product_level",
    "level",
    "date",
    "origin",
    "mean",
)
COLUMNS_AFTER = ("model", "evidence")


def write_csv(forecasts: Sequence[Forecast], quantiles: Sequence[str]) -> bytes:
    """Return a header and one line per forecast, in UTF-8 with CRLF (RFC 4180).

    Parameters
    ----------
    forecasts : sequence of Forecast
        Rows; each has the same quantiles.
    quantiles : sequence of str
        Probabilities as in the rows: '0.1' becomes the column `q10`, '0.025' `q025`.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = [quantile_column(probability) for probability in quantiles]
    parts = [f"reason_{part}" for part in (forecasts[0].reasons or {})] if forecasts else []
    bounds = [
        f"{side}_{float(share) * 100:g}"
        for share in (forecasts[0].intervals if forecasts else {})
        for side in ("lower", "upper")
    ]
    writer.writerow([*COLUMNS_BEFORE, *names, *bounds, *COLUMNS_AFTER, *parts])
    for row in forecasts:
        writer.writerow(
            [
                defuse(row.region_id),
                defuse(row.region_level),
                defuse(row.product_id),
                defuse(row.product_level),
                defuse(row.level),
                row.date,
                row.origin,
                row.mean,
                *row.quantiles.values(),
                *(bound for pair in row.intervals.values() for bound in pair),
                defuse(row.model),
                defuse(row.evidence),
                *(row.reasons or {}).values(),
            ]
        )
    return text.getvalue().encode()


def defuse(text: str) -> str:
    """Return `text` so that a spreadsheet reads it as text: a leading quote where it would compute.

    Examples
    --------
    >>> defuse("=1+1"), defuse("North")
    ("'=1+1", 'North')
    """
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def quantile_column(probability: str) -> str:
    """Return the column name of a quantile.

    Examples
    --------
    >>> quantile_column("0.1"), quantile_column("0.025")
    ('q10', 'q025')
    """
    digits = probability.removeprefix("0.")
    return f"q{digits.ljust(2, '0')}"
