"""The look-up over the published forecasts, by level, region, product and dates, in pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

import msgspec
import numpy as np

from features.errors import AlmanacError
from models.demand.forecast_records import DATE, LEVEL, MEAN, ORIGIN, PRODUCT, REGION
from models.demand.forecast_records import QUANTILES as OWN_QUANTILES
from models.demand.forecast_series import Series, read_series
from models.demand.quantiles import QUANTILES, find_interval
from serving.names import nearest
from serving.reasons import read_reasons

COVERED = (0.8, 0.95)
"""Shares of what may come that the answered intervals hold."""
CANDIDATES = 4096
"""Series that are checked at a time: a page is often full of the first ones."""
_EPOCH = date(1970, 1, 1).toordinal()


class NotForecast(AlmanacError):
    """Nothing is forecast for what was asked; the message says what is."""


class NotPublished(AlmanacError):
    """The quantile asked for was not published; the message says which were."""


@dataclass(frozen=True)
class ForecastQuery:
    """What to look up; None means any."""

    region: str | None = None
    product: str | None = None
    level: str | None = None
    first_date: date | None = None
    last_date: date | None = None


class NotExplained(AlmanacError):
    """The published model holds no reasons; the message says what to do."""


class Forecast(msgspec.Struct, frozen=True, omit_defaults=True):
    """Units of one product in one region and period; quantiles by probability, as text.

    A Struct, as thousands are made in a second: a frozen dataclass costs ten times as much.
    """

    region_id: str
    region_level: str
    product_id: str
    product_level: str
    level: str
    date: str
    origin: str
    mean: float
    quantiles: dict[str, float]
    intervals: dict[str, list[float]]
    model: str
    evidence: str
    reasons: dict[str, float] | None = None


@dataclass(frozen=True)
class Page:
    """Forecasts by level, region, product and date; `next_row` is None on the last page."""

    forecasts: list[Forecast]
    next_row: int | None


@dataclass(frozen=True)
class Level:
    """What one level of the hierarchies holds."""

    level: str
    regions: int
    products: int
    series: int
    first_date: str
    last_date: str


class ForecastTable:
    """Published forecasts, ready to be looked up.

    Parameters
    ----------
    content : bytes or Series
        `forecasts.parquet` of a published demand model, or what was read of it.
    reasons : bytes, optional
        Its `reasons.parquet`.

    Raises
    ------
    ArtifactError
        If it is not what the demand model publishes.
    """

    def __init__(self, content: bytes | Series, reasons: bytes | None = None) -> None:
        self._series = content if isinstance(content, Series) else read_series(content)
        self._reasons = None if reasons is None else read_reasons(reasons, self._series)
        self._members = self._series.members()
        self.quantiles = {
            f"{probability:g}": place for place, probability in enumerate(self._series.quantiles)
        }
        """Place of each published quantile in a record, by its name."""

    def __len__(self) -> int:
        return len(self._series)

    def find(
        self,
        query: ForecastQuery,
        quantiles: tuple[float, ...],
        *,
        limit: int,
        from_row: int = 0,
        has_reasons: bool = False,
    ) -> Page:
        """Look up one page.

        Parameters
        ----------
        query : ForecastQuery
            What to look up.
        quantiles : tuple of float
            Which of the published quantiles to answer with.
        limit : int
            Most rows in the page; >= 1.
        from_row : int
            `next_row` of the page before.
        has_reasons : bool
            Whether to say what each mean is made of.

        Raises
        ------
        NotExplained
            If reasons are asked for and were not published.
        NotForecast
            If a name is not known, or no row fits.
        NotPublished
            If one of `quantiles` was not published.
        """
        places = self._quantile_places(quantiles)
        if has_reasons and self._reasons is None:
            raise NotExplained(
                "the published model holds no reasons, as it has too many series or is an older "
                "one; ask `almanac why`, or train and promote again"
            )
        rows = self._find_rows(query, limit + 1, from_row)
        if not rows:
            raise NotForecast(self._describe_range())
        next_row = rows[limit] if len(rows) > limit else None
        page = self._read(np.asarray(rows[:limit]), places)
        if has_reasons:
            page = self._explain(page, np.asarray(rows[:limit]))
        return Page(page, next_row)

    @cached_property
    def levels(self) -> list[Level]:
        """What each level holds, by name."""
        series, found = self._series, []
        for code, name in enumerate(series.names[LEVEL]):
            members = self._members[LEVEL][code]
            found.append(
                Level(
                    level=name,
                    regions=_count_different(series.keys[REGION][members]),
                    products=_count_different(series.keys[PRODUCT][members]),
                    series=len(members),
                    first_date=_as_text(series.first[members].min()),
                    last_date=_as_text(series.last[members].max()),
                )
            )
        return found

    def _quantile_places(self, quantiles: tuple[float, ...]) -> dict[str, int]:
        asked = [f"{probability:g}" for probability in quantiles]
        if any(name not in self.quantiles for name in asked):
            raise NotPublished(f"the published quantiles are {', '.join(self.quantiles)}")
        return {name: self.quantiles[name] for name in asked}

    def _find_rows(self, query: ForecastQuery, most: int, from_row: int) -> list[int]:
        """Return the rows that fit, ascending, up to `most`."""
        rows: list[int] = []
        for candidates in self._candidates(query, from_row):
            for at in candidates.tolist():
                start, stop = self._trim(at, query)
                start = max(start, from_row)
                rows.extend(range(start, min(stop, start + most - len(rows))))
                if len(rows) >= most:
                    return rows
        return rows

    def _candidates(self, query: ForecastQuery, from_row: int) -> Iterator[np.ndarray]:
        """Yield the series that fit, ascending, some at a time.

        Those of the rarest name first, then the others checked.
        """
        asked = {LEVEL: query.level, REGION: query.region, PRODUCT: query.product}
        codes = {
            name: self._code(name, value) for name, value in asked.items() if value is not None
        }
        series = self._series
        at = int(np.searchsorted(series.starts, from_row, side="right")) - 1
        found: Sequence[int] | np.ndarray = range(at, len(series.first))
        if codes:
            rarest = min(codes, key=lambda name: len(self._members[name][codes[name]]))
            members = self._members[rarest][codes[rarest]]
            found = members[np.searchsorted(members, at) :]
        for low in range(0, len(found), CANDIDATES):
            some = np.asarray(found[low : low + CANDIDATES])
            for name, code in codes.items():
                some = some[series.keys[name][some] == code]
            if query.first_date is not None:
                some = some[series.last[some] >= _as_days(query.first_date)]
            if query.last_date is not None:
                some = some[series.first[some] <= _as_days(query.last_date)]
            yield some

    def _code(self, column: str, name: str) -> int:
        code = self._series.code(column, name)
        if code is None:
            kind = column.removesuffix("_id")
            known = self._series.names[column]
            raise NotForecast(f"this {kind} is not forecast; nearest: '{nearest(name, known)}'")
        return code

    def _trim(self, at: int, query: ForecastQuery) -> tuple[int, int]:
        """Return the first row of a series within the dates, and the one after the last."""
        series = self._series
        start, stop = int(series.starts[at]), int(series.starts[at + 1])
        first = None if query.first_date is None else _as_days(query.first_date)
        last = None if query.last_date is None else _as_days(query.last_date)
        is_early = first is not None and series.first[at] < first
        is_late = last is not None and series.last[at] > last
        if not (is_early or is_late):
            return start, stop
        if series.last[at] - series.first[at] == stop - start - 1:
            dates = np.arange(series.first[at], series.last[at] + 1)  # a row for every day
        else:
            dates = series.records.take(np.arange(start, stop))[DATE]
        low, high = 0, stop - start
        if first is not None:
            low = int(np.searchsorted(dates, first, side="left"))
        if last is not None:
            high = int(np.searchsorted(dates, last, side="right"))
        return start + low, start + high

    def _read(self, rows: np.ndarray, places: dict[str, int]) -> list[Forecast]:
        series = self._series
        records = series.records.take(rows)
        own = np.searchsorted(series.starts, rows, side="right") - 1
        numbers = records[OWN_QUANTILES].astype(np.float64, copy=False)

        def key(name: str) -> list[str]:
            names = series.names[name]
            return [names[code] for code in series.keys[name][own].tolist()]

        def text(name: str) -> list[str]:
            names = series.names[name]
            return [names[code] for code in records[name].tolist()]

        asked = numbers[:, list(places.values())].tolist()
        return list(
            map(
                Forecast,
                key(REGION),
                text("region_level"),
                key(PRODUCT),
                text("product_level"),
                key(LEVEL),
                _as_texts(records[DATE]),
                _as_texts(records[ORIGIN]),
                records[MEAN].tolist(),
                [dict(zip(places, values, strict=True)) for values in asked],
                self._find_intervals(numbers),
                text("model"),
                text("evidence"),
            )
        )

    def _find_intervals(self, values: np.ndarray) -> list[dict[str, list[float]]]:
        """Return the bounds that coverage is measured on; none where not all quantiles are."""
        if self._series.quantiles != QUANTILES:
            return [{} for _ in values]
        bounds = {f"{share:g}": np.column_stack(find_interval(values, share)) for share in COVERED}
        return [
            dict(zip(bounds, pair, strict=True))
            for pair in zip(*(each.tolist() for each in bounds.values()), strict=True)
        ]

    def _explain(self, page: list[Forecast], rows: np.ndarray) -> list[Forecast]:
        reasons = self._reasons or {}
        parts = zip(*(values[rows].tolist() for values in reasons.values()), strict=True)
        return [
            msgspec.structs.replace(one, reasons=dict(zip(reasons, values, strict=True)))
            for one, values in zip(page, parts, strict=True)
        ]

    def _describe_range(self) -> str:
        return (
            "no forecast fits all of these; forecasts run from "
            f"{_as_text(self._series.first.min())} to {_as_text(self._series.last.max())}, "
            "see /v1/forecasts/levels"
        )


def _count_different(codes: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(codes)))


def _as_days(day: date) -> int:
    """Return days since 1970."""
    return day.toordinal() - _EPOCH


@lru_cache(maxsize=4096)
def _as_text(days: int | np.integer) -> str:
    return date.fromordinal(int(days) + _EPOCH).isoformat()


def _as_texts(days: np.ndarray) -> list[str]:
    return [_as_text(day) for day in days.tolist()]
