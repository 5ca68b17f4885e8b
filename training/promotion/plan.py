"""Which weeks a send-time model is fitted, calibrated and tested on.

Time is cut into label windows of whole weeks, counted back from the end of the data. A model is
fitted on one window, calibrated on the next and tested on the one after: what it knows of a
customer always ends where the window begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from features.errors import NotEnoughData

WINDOWS_BEFORE_TEST = 3
"""Label windows before the first test: one of history, one to fit on, one to calibrate on."""


@dataclass(frozen=True)
class Fold:
    """Cut-offs of one model, in UTC, each the start of a label window.

    Attributes
    ----------
    fit, calibration, test : datetime
        Histories are as of the cut-off; outcomes are of the window that starts there.
    """

    fit: datetime
    calibration: datetime
    test: datetime


@dataclass(frozen=True)
class Plan:
    """Label windows, and what had to be reduced because the history is short.

    Attributes
    ----------
    n_weeks : int
        Length of every label window.
    folds : tuple of Fold
        For the backtest, oldest first.
    final : Fold
        For the model that is published: `test` is its cut-off, which no outcome follows.
    notes : tuple of str
        What differs from the settings, and why.
    """

    n_weeks: int
    folds: tuple[Fold, ...]
    final: Fold
    notes: tuple[str, ...]


def plan_folds(first: datetime, end: datetime, *, label_days: int, n_folds: int) -> Plan:
    """Lay label windows over the history.

    Folds are given up first, then the length of the windows, down to a week.

    Parameters
    ----------
    first, end : datetime
        Start and (exclusive) end of the history, in UTC.
    label_days : int
        Wanted length of a label window; rounded down to whole weeks.
    n_folds : int
        Wanted number of test windows.

    Returns
    -------
    Plan
        With at least one fold.

    Raises
    ------
    NotEnoughData
        If the history does not hold four windows of a week.

    Examples
    --------
    >>> plan = plan_folds(datetime(2024, 1, 1), datetime(2024, 3, 1), label_days=28, n_folds=4)
    >>> plan.n_weeks, len(plan.folds), plan.folds[0].test.isoformat()
    (2, 1, '2024-02-16T00:00:00')
    """
    wanted = label_days // 7
    for n_weeks in range(wanted, 0, -1):
        found = min(n_folds, (end - first) // timedelta(weeks=n_weeks) - WINDOWS_BEFORE_TEST)
        if found >= 1:
            length = timedelta(weeks=n_weeks)
            folds = tuple(_fold(end - k * length, length) for k in range(found, 0, -1))
            notes = _write_notes(end - first, wanted, n_weeks, n_folds, found)
            return Plan(n_weeks, folds, _fold(end, length), notes)
    raise NotEnoughData(
        f"send times: expected at least {7 * (WINDOWS_BEFORE_TEST + 1)} days of activity (a week "
        f"each of history, fitting, calibration and test), got {(end - first).days} days, "
        f"{first:%Y-%m-%d} to {end:%Y-%m-%d}; give a longer history"
    )


def _fold(test: datetime, length: timedelta) -> Fold:
    return Fold(test - 2 * length, test - length, test)


def _write_notes(
    span: timedelta, wanted: int, n_weeks: int, n_folds: int, found: int
) -> tuple[str, ...]:
    notes = []
    if n_weeks < wanted:
        notes.append(f"label windows of {7 * n_weeks} instead of {7 * wanted} days")
    if found < n_folds:
        notes.append(f"{found} instead of {n_folds} folds")
    return tuple(f"{note}, as there are {span.days} days of activity" for note in notes)
