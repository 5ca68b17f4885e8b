"""Rolling origins: what is learned up to each of them is tried on the periods after it."""

from __future__ import annotations

from dataclasses import dataclass

from features.errors import NotEnoughData

CALIBRATION_SHARE = 3
"""One fold in three, the earliest ones, only calibrates."""


@dataclass(frozen=True)
class Fold:
    """One origin of a backtest.

    Attributes
    ----------
    origin : int
        Last period the fold may know.
    is_scored : bool
        False for the early folds, which only calibrate the later ones.
    """

    origin: int
    is_scored: bool


@dataclass(frozen=True)
class Folds:
    """The folds, earliest first, and what had to be given up to make them ('' for nothing)."""

    folds: tuple[Fold, ...]
    note: str


def make_folds(
    first: int, last: int, *, horizon: int, count: int, step: int, min_history: int
) -> Folds:
    """Place origins from the end of the data backwards; every fold is refitted on all before it.

    Parameters
    ----------
    first, last : int
        First and last period with data.
    horizon : int
        Periods that each fold forecasts.
    count, step : int
        Wanted origins and the periods between two of them.
    min_history : int
        Periods that the earliest origin must have, itself included.

    Returns
    -------
    Folds
        `count` of them, or as many as the history allows, at least two; for two, `step` is
        shortened if need be.

    Raises
    ------
    NotEnoughData
        If there is no room for two.

    Examples
    --------
    >>> [fold.origin for fold in make_folds(1, 100, horizon=10, count=3, step=10,
    ...                                     min_history=20).folds]
    [70, 80, 90]
    """
    latest, earliest = last - horizon, first + min_history - 1
    room = latest - earliest
    if room < 1:
        raise NotEnoughData(
            f"sales: a backtest of two origins with a horizon of {horizon} periods needs at least "
            f"{min_history + horizon + 1} periods of history, got {last - first + 1}. "
            "Add history or shorten [demand] horizon_days."
        )
    kept = min(count, room // step + 1)
    note = ""
    if kept < 2:
        kept, step = 2, room
        note = f"the history has room for 2 origins only, {step} periods apart"
    elif kept < count:
        note = f"the history has room for {kept} origins only, not {count}"
    calibrating = max(1, kept // CALIBRATION_SHARE)
    origins = [latest - step * place for place in reversed(range(kept))]
    folds = tuple(Fold(origin, place >= calibrating) for place, origin in enumerate(origins))
    return Folds(folds, note)
