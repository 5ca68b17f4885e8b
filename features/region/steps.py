"""What a one-step model may read: all series as one matrix, which forecasts can be written into.

The recursive forecast of step h reads the forecasts of the steps before it as if they had been
sold, so its features are made anew at each step; one function makes them for training too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.region.design_columns import build_plan_columns, read_rows
from features.region.frequency import Frequency
from features.region.panel import Panel

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StepWindows:
    """Lags and trailing windows of a one-step model, in periods; `slot` as in `Frequency`."""

    lags: tuple[int, ...]
    windows: tuple[int, ...]
    slot: int
    slots: int
    year: int
    level: int
    """Window of the mean that scaled features and targets are divided by."""


WINDOWS = {
    "day": StepWindows((1, 2, 3, 4, 5, 6, 7, 14, 21, 28), (7, 28, 91), 7, 4, 364, 28),
    "week": StepWindows((1, 2, 3, 4, 8, 13, 26, 52), (4, 13, 26), 52, 2, 52, 13),
    "month": StepWindows((1, 2, 3, 6, 11, 12, 13, 24), (3, 6, 12), 12, 3, 12, 12),
    "quarter": StepWindows((1, 2, 3, 4, 5, 8), (2, 4, 8), 4, 3, 4, 4),
}


class StepMatrix:
    """The units of all series up to an origin, and room for the horizon after it.

    Parameters
    ----------
    panel : Panel
    origin : int
        Period; units after it are not read, what is planned for later is.
    horizon : int
        Periods that can be written after the origin.

    Attributes
    ----------
    names : tuple of str
        Columns of `build`: the codes of region and product first.
    """

    def __init__(self, panel: Panel, origin: int, horizon: int) -> None:
        self.panel, self.origin = panel, origin
        self.frequency: Frequency = panel.frequency
        self.windows = WINDOWS[panel.frequency.name]
        self._first = panel.series["first_period"].to_numpy() - panel.first_period
        self._region = panel.series["region"].to_numpy()
        self._product = panel.series["product"].to_numpy()
        self._place = panel.series["place"].to_numpy()
        median = f"price_median_{panel.frequency.price_window}"
        has_median = median in panel.history_names and "price_planned" in panel.known_names
        self._median = panel.history_names.index(median) if has_median else None
        width = origin - panel.first_period + 1
        self.known = _spread(panel, width)
        self._units = np.zeros((width + horizon, len(panel.series)), np.float32)
        self._sums = np.zeros((width + horizon + 1, len(panel.series)))
        self._squares = np.zeros_like(self._sums)
        for period in range(width):
            self.write(panel.first_period + period, self.known[period])
        self.names = (
            "region",
            "product",
            *(f"units_lag_{lag}" for lag in self.windows.lags),
            *(f"units_mean_{window}" for window in self.windows.windows),
            "units_std",
            "units_slot_mean",
            "units_last_year",
            "region_mean",
            "region_trend",
            "product_mean",
            "product_trend",
            "periods_since_listing",
            *panel.calendar_names,
            *panel.known_names,
            *(panel.promotions.names if panel.promotions is not None else ()),
            *(("price_index",) if self._median is not None else ()),
        )

    def write(self, period: int, units: Floats) -> None:
        """Put the units of a period, known or forecast; a missing one is its usual value.

        Periods are written in order. A value may be NaN where there was no stock: what the
        series usually sells then stands in for it, in lags and means but never as a target.
        """
        at = period - self.panel.first_period
        listed = self._first <= at
        usual = self._slot_mean(at) if np.isnan(units[listed]).any() else units
        filled = np.where(listed, np.where(np.isfinite(units), units, usual), 0.0)
        self._units[at] = filled
        self._sums[at + 1] = self._sums[at] + filled
        self._squares[at + 1] = self._squares[at] + filled.astype(np.float64) ** 2

    def history(self, periods: int) -> Floats:
        """Return the newest units up to the origin, shape (n_periods, n_series).

        NaN before a series was listed; a missing value is the usual one.
        """
        last = self.origin - self.panel.first_period
        first = max(0, last + 1 - periods)
        listed = self._first <= np.arange(first, last + 1)[:, None]
        return np.where(listed, self._units[first : last + 1], np.float32(np.nan))

    def level(self, period: int) -> Floats:
        """Return each series' mean over the last `windows.level` periods before `period`.

        Never below a twentieth of its mean since listing, nor zero.
        """
        at = period - self.panel.first_period
        recent = self._mean(at, self.windows.level)
        floor = np.maximum(np.float32(0.05) * self._mean(at, at), np.float32(1e-3))
        return np.asarray(np.maximum(recent, floor), np.float32)

    def build(self, period: int, series: Rows) -> Floats:
        """Return the features of some series for one period, shape (n_series, n_features)."""
        at = period - self.panel.first_period
        columns: list[npt.NDArray[np.floating]] = [self._region, self._product]
        columns += [self._lag(at, lag) for lag in self.windows.lags]
        means = [self._mean(at, window) for window in self.windows.windows]
        columns += [*means, self._deviation(at), self._slot_mean(at), self._last_year(at)]
        for group in (self._region, self._product):
            columns += self._pool(group, means[0], means[1], at)
        columns.append(np.maximum(at - self._first, 0).astype(np.float32))
        head = np.column_stack([column[series] for column in columns]).astype(np.float32)
        calendar = self.panel.calendar[self._place[series], at]
        return np.hstack([head, calendar, self._plan(period, series)])

    def _plan(self, period: int, series: Rows) -> Floats:
        """Read the plan for a period as it was known the period before, or at the origin."""
        periods = np.full(len(series), period)
        moment = np.full(len(series), min(period - 1, self.origin))
        columns = build_plan_columns(self.panel, series, periods, moment)
        if self._median is not None:
            median = read_rows(self.panel, self.panel.history, series, moment)[:, self._median]
            usual = np.where(median > 0, median, np.float32(np.nan))
            columns["price_index"] = np.divide(columns["price_planned"], usual, dtype=np.float32)
        if not columns:
            return np.empty((len(series), 0), np.float32)
        return np.column_stack(list(columns.values())).astype(np.float32)

    def _lag(self, at: int, lag: int) -> Floats:
        if at - lag < 0:
            return np.full(self._units.shape[1], np.nan, np.float32)
        return np.where(self._first <= at - lag, self._units[at - lag], np.float32(np.nan))

    def _mean(self, at: int, window: int) -> Floats:
        first, count = self._window(at, window)
        total = self._sums[at] - self._sums[first]
        return _ratio(total, count)

    def _deviation(self, at: int) -> Floats:
        first, count = self._window(at, self.windows.windows[1])
        mean = _ratio(self._sums[at] - self._sums[first], count)
        square = _ratio(self._squares[at] - self._squares[first], count)
        return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)), np.float32)

    def _window(self, at: int, window: int) -> tuple[int, npt.NDArray[np.int64]]:
        """Return where a window starts, and how many of its periods each series was listed."""
        first = max(at - window, 0)
        return first, np.clip(at - np.maximum(self._first, first), 0, None)

    def _slot_mean(self, at: int) -> Floats:
        """Mean of the newest values one to `slots` slots ago, of those there are; else the mean."""
        step, count = self.windows.slot, self.windows.slots
        past = [at - step * place for place in range(1, count + 1) if at - step * place >= 0]
        total = np.zeros(self._units.shape[1])
        number = np.zeros(self._units.shape[1])
        for place in past:
            listed = self._first <= place
            total += np.where(listed, self._units[place], 0.0)
            number += listed
        mean = self._mean(at, self.windows.level)
        return np.where(number > 0, total / np.maximum(number, 1), mean).astype(np.float32)

    def _last_year(self, at: int) -> Floats:
        """Mean of the short window around the same period a year ago."""
        half = self.windows.windows[0] // 2 if self.frequency.name in ("day", "week") else 0
        last = at - self.windows.year + half
        first = last - 2 * half
        if first < 0:
            return np.full(self._units.shape[1], np.nan, np.float32)
        total = self._sums[last + 1] - self._sums[first]
        mean = (total / (last + 1 - first)).astype(np.float32)
        return np.where(self._first <= first, mean, np.float32(np.nan))

    def _pool(self, group: Rows, short: Floats, middle: Floats, at: int) -> list[Floats]:
        """Mean level and trend of the listed series of each region, or of each product."""
        listed = self._first < at
        number = np.bincount(group, weights=listed)
        level = np.bincount(group, weights=np.where(listed, middle, 0.0)) / np.maximum(number, 1)
        now = np.bincount(group, weights=np.where(listed, short, 0.0)) / np.maximum(number, 1)
        trend = now / np.maximum(level, 1e-6)
        return [level[group].astype(np.float32), trend[group].astype(np.float32)]


def _spread(panel: Panel, width: int) -> Floats:
    """Lay the units out as (n_periods, n_series), NaN where missing or not listed yet."""
    starts = panel.series["start_row"].to_numpy()
    first = panel.series["first_period"].to_numpy() - panel.first_period
    counts = np.maximum(width - first, 0)
    series = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((width, len(starts)), np.nan, np.float32)
    found[first[series] + within, series] = panel.units[starts[series] + within]
    return found


def _ratio(total: npt.NDArray[np.float64], count: npt.NDArray[np.int64]) -> Floats:
    return np.where(count > 0, total / np.maximum(count, 1), 0.0).astype(np.float32)
