"""The schedule of a draft as a file: as `almanac plan-campaign` writes it, and safe to open.

A spreadsheet would compute a cell that begins like a formula; here it reads it as text.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pandas as pd

from serving.exports import defuse

DECIMALS = 6
"""Further digits are noise of four-byte numbers."""


def write_csv(schedule: pd.DataFrame) -> bytes:
    """Return a header and one line per customer, in UTF-8 with CRLF (RFC 4180).

    Parameters
    ----------
    schedule : DataFrame
        From `serving.campaigns.schedule.build_schedule`.
    """
    shown = _round(schedule)
    texts = {str(name): _defuse(shown[name]) for name in shown if not _is_plain(shown[name])}
    shown = shown.assign(**texts)
    text = io.StringIO(newline="")
    shown.to_csv(text, index=False, lineterminator="\r\n")
    return text.getvalue().encode()


def write_lines(schedule: pd.DataFrame) -> bytes:
    """Return one JSON object per customer and line; what is not known is null."""
    columns = {str(name): _list_column(column) for name, column in _round(schedule).items()}
    encoder = msgspec.json.Encoder()
    rows = (
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    )
    return encoder.encode_lines(rows)


def _defuse(column: pd.Series) -> list[Any]:
    return [defuse(value) if isinstance(value, str) else value for value in column]


def _list_column(column: pd.Series) -> list[Any]:
    is_missing = column.isna().tolist()
    values = column.astype(object).tolist()
    return [
        None if gone else value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
        for gone, value in zip(is_missing, values, strict=True)
    ]


def _round(schedule: pd.DataFrame) -> pd.DataFrame:
    floats = [name for name in schedule if pd.api.types.is_float_dtype(schedule[name])]
    return schedule.assign(**{str(name): schedule[name].round(DECIMALS) for name in floats})


def _is_plain(column: pd.Series) -> bool:
    kinds = (pd.api.types.is_numeric_dtype, pd.api.types.is_datetime64_any_dtype)
    return any(is_kind(column) for is_kind in kinds)
