"""The look-up over the published forecasts, by level, region, product and dates, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise

import msgspec
import numpy as np

from features.errors import AlmanacError
from models.demand.quantiles import QUANTILES, find_interval
from serving.names import nearest
from serving.reasons import read_reasons
from serving.series import LEVEL, PRODUCT, REGION, read_series

COVERED = (0.8, 0.95)
"""Shares of what may come that the answered intervals hold."""


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
    content : bytes
        `forecasts.parquet` of a published demand model.
    reasons : bytes, optional
        Its `reasons.parquet`.

    Raises
    ------
    ArtifactError
        If it is not what the demand model publishes.
    """

    def __init__(self, content: bytes, reasons: bytes | None = None) -> None:
        self._series = read_series(content)
        self._reasons = None if reasons is None else read_reasons(reasons, self._series)
        series = self._series
        self._first = series.dates[series.starts[:-1]]
        self._last = series.dates[series.starts[1:] - 1]
        self._members = {
            name: _group(series.keys[name], len(series.text[name].names))
            for name in (LEVEL, REGION, PRODUCT)
        }
        self.quantiles: dict[str, np.ndarray] = {
            f"{probability:g}": values for probability, values in series.quantiles.items()
        }

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
        columns = self._quantile_columns(quantiles)
        if has_reasons and self._reasons is None:
            raise NotExplained(
                "the published model holds no reasons, as it has too many series or is an older "
                "one; ask `almanac why`, or train and promote again"
            )
        starts = self._series.starts
        rows: list[int] = []
        for at in self._candidates(query, from_row).tolist():
            start, stop = self._trim(int(starts[at]), int(starts[at + 1]), query)
            start = max(start, from_row)
            rows.extend(range(start, min(stop, start + limit + 1 - len(rows))))
            if len(rows) > limit:
                break
        if not rows:
            raise NotForecast(self._describe_range())
        next_row = rows[limit] if len(rows) > limit else None
        page = self._read(np.asarray(rows[:limit]), columns)
        if has_reasons:
            page = self._explain(page, np.asarray(rows[:limit]))
        return Page(page, next_row)

    @cached_property
    def levels(self) -> list[Level]:
        """What each level holds, by name."""
        series, found = self._series, []
        for code, name in enumerate(series.text[LEVEL].names):
            members = self._members[LEVEL][code]
            found.append(
                Level(
                    level=name,
                    regions=len(np.unique(series.keys[REGION][members])),
                    products=len(np.unique(series.keys[PRODUCT][members])),
                    series=len(members),
                    first_date=str(self._first[members].min()),
                    last_date=str(self._last[members].max()),
                )
            )
        return found

    def _quantile_columns(self, quantiles: tuple[float, ...]) -> dict[str, np.ndarray]:
        asked = [f"{probability:g}" for probability in quantiles]
        if any(name not in self.quantiles for name in asked):
            raise NotPublished(f"the published quantiles are {', '.join(self.quantiles)}")
        return {name: self.quantiles[name] for name in asked}

    def _candidates(self, query: ForecastQuery, from_row: int) -> np.ndarray:
        """Return the series that fit, ascending: the rarest name first, then the others checked."""
        asked = {LEVEL: query.level, REGION: query.region, PRODUCT: query.product}
        codes = {
            name: self._code(name, value) for name, value in asked.items() if value is not None
        }
        if codes:
            rarest = min(codes, key=lambda name: len(self._members[name][codes[name]]))
            found = self._members[rarest][codes[rarest]]
        else:
            found = np.arange(len(self._first))
        found = found[np.searchsorted(self._series.starts[1:][found], from_row, side="right") :]
        for name, code in codes.items():
            found = found[self._series.keys[name][found] == code]
        if query.first_date is not None:
            found = found[self._last[found] >= np.datetime64(query.first_date)]
        if query.last_date is not None:
            found = found[self._first[found] <= np.datetime64(query.last_date)]
        return found

    def _code(self, column: str, name: str) -> int:
        coded = self._series.text[column]
        code = coded.code(name)
        if code is None:
            kind = column.removesuffix("_id")
            raise NotForecast(
                f"this {kind} is not forecast; nearest: '{nearest(name, coded.names)}'"
            )
        return code

    def _trim(self, start: int, stop: int, query: ForecastQuery) -> tuple[int, int]:
        dates = self._series.dates[start:stop]
        low, high = 0, stop - start
        if query.first_date is not None:
            low = int(np.searchsorted(dates, np.datetime64(query.first_date), side="left"))
        if query.last_date is not None:
            high = int(np.searchsorted(dates, np.datetime64(query.last_date), side="right"))
        return start + low, start + high

    def _read(self, rows: np.ndarray, columns: dict[str, np.ndarray]) -> list[Forecast]:
        series = self._series

        def text(name: str) -> list[str]:
            names = series.text[name].names
            return [names[code] for code in series.text[name].codes[rows].tolist()]

        quantiles = zip(*(values[rows].tolist() for values in columns.values()), strict=True)
        return list(
            map(
                Forecast,
                text(REGION),
                text("region_level"),
                text(PRODUCT),
                text("product_level"),
                text(LEVEL),
                series.dates[rows].astype(str).tolist(),
                series.origins[rows].astype(str).tolist(),
                series.mean[rows].tolist(),
                [dict(zip(columns, values, strict=True)) for values in quantiles],
                self._find_intervals(rows),
                text("model"),
                text("evidence"),
            )
        )

    def _find_intervals(self, rows: np.ndarray) -> list[dict[str, list[float]]]:
        """Return the bounds that coverage is measured on; none where not all quantiles are."""
        if tuple(self._series.quantiles) != QUANTILES:
            return [{} for _ in rows]
        values = np.column_stack([column[rows] for column in self._series.quantiles.values()])
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
            f"{self._first.min()} to {self._last.max()}, see /v1/forecasts/levels"
        )


def _group(codes: np.ndarray, n_names: int) -> list[np.ndarray]:
    """Return, per name, the series that have its code, ascending."""
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(n_names + 1))
    return [order[low:high] for low, high in pairwise(bounds)]
