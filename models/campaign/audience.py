"""The audience of a campaign, checked once."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from features.errors import InvalidRequest


def check_audience(customer_ids: Sequence[str]) -> None:
    """Raise unless there is somebody in an audience, and nobody twice.

    A customer who is there twice would be decided on twice, and counted twice in every arm.

    Raises
    ------
    InvalidRequest
        If it is empty, or an id is empty or there twice.
    """
    ids = pd.Series(customer_ids, dtype=object)
    if ids.empty:
        raise InvalidRequest("audience: expected one customer or more, got nobody; check the file")
    is_empty = ids.isna() | (ids == "")
    if is_empty.any():
        row = int(is_empty.to_numpy().argmax()) + 1
        raise InvalidRequest(
            f"audience: expected an id in every row, got none in row {row} of {len(ids)}; "
            "fill it in or take the row out"
        )
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise InvalidRequest(
            f"audience: expected each customer once, got {len(repeated)} rows too many, the first "
            f"of '{repeated.iloc[0]}'; keep one row for each"
        )
