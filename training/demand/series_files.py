"""What a demand champion publishes of each series for people who look: past, growth, accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.project import Project
from features.region.calendars import Place, build_holidays, find_places
from features.region.frequency import count_periods
from features.region.panel import Panel
from features.schema import ALL
from models.demand.coherent import Coherent
from models.demand.path_files import Totals, unpack_totals
from models.demand.quantiles import QUANTILE_NAMES, find_interval
from models.demand.series_facts import FIGURES, NODE_COLUMNS, Calendar, pack_facts
from models.demand.series_history import digest_block, pack_history
from training.demand.past_series import Past, iterate_histories, read_past
from training.demand.steps import DemandBacktest

Floats = npt.NDArray[np.float64]

HISTORY_DAYS = 1096
"""Three years, a leap day among them."""
BASELINE = "seasonal_naive"
_INTERVAL = (0.1, 0.9)
_KEYS = ["region_id", "product_id"]


def describe_series(
    project: Project,
    panel: Panel,
    made: Coherent,
    backtest: DemandBacktest,
    files: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Return the files of `models.demand.series_facts`.

    Parameters
    ----------
    project : Project
    panel : Panel
        That `made` was forecast from.
    made : Coherent
        From `model.make(panel)`.
    backtest : DemandBacktest
        Whose scored folds tell how far off each series was.
    files : mapping of name to bytes
        With the totals of sample paths; without them growth has no interval.
    """
    first = panel.origin_period + 1 - count_periods(panel.frequency, HISTORY_DAYS)
    window = np.arange(max(first, panel.first_period), panel.last_period + 1)
    nodes = made.members.nodes
    listed = np.flatnonzero(nodes.sum(made.members.is_listed.astype(np.float64)) > 0)
    keys = nodes.table.iloc[listed][[*_KEYS, "n_series"]]
    order = keys.reset_index(drop=True).sort_values(_KEYS).index.to_numpy()
    chosen = listed[order]
    series = nodes.table.iloc[chosen][[*_KEYS, "n_series"]].reset_index(drop=True)
    series = _add_growth(series, made, chosen, unpack_totals(files))
    series = series.merge(score_series(backtest.forecasts), on=_KEYS, how="left")
    past = read_past(project, panel, nodes.series, window)
    blocks = list(_pack(past, made, chosen))
    series["history_bytes"] = [len(block) for block in blocks]
    series["history_digest"] = [digest_block(block) for block in blocks]
    tree, places = _tabulate_nodes(project, panel)
    dates = panel.date_of(window)
    calendar = Calendar(
        dates=[str(day) for day in dates.astype("datetime64[D]")],
        n_past=int((window <= panel.origin_period).sum()),
        holidays=[_name_holidays(place, dates) for place in places],
        judged=_describe_backtest(backtest.forecasts),
    )
    names = [*_KEYS, *FIGURES, "history_bytes", "history_digest"]
    return pack_facts(series[names], tree, calendar, b"".join(blocks))


def score_series(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Score the backtest of each series by itself.

    Parameters
    ----------
    forecasts : DataFrame
        `training.demand.steps.FORECAST_COLUMNS`, of the published model and the seasonal naive.

    Returns
    -------
    DataFrame
        region_id, product_id, judged_units, judged_rows, wape, bias, coverage_80, coverage_95,
        naive_wape; shares are NaN where nothing was sold.
    """
    known = forecasts[forecasts["units"].notna()]
    own = _sum_errors(known[known["model"] == "almanac"], has_intervals=True)
    naive = _sum_errors(known[known["model"] == BASELINE], has_intervals=False)
    table = own.join(naive["absolute"].rename("absolute_naive"))
    sold = table["units"].where(table["units"] > 0)
    found = pd.DataFrame(
        {
            "judged_units": table["units"],
            "judged_rows": table["rows"],
            "wape": table["absolute"] / sold,
            "bias": table["error"] / sold,
            "coverage_80": table["inside_80"] / table["rows"],
            "coverage_95": table["inside_95"] / table["rows"],
            "naive_wape": table["absolute_naive"] / sold,
        }
    )
    return found.reset_index().rename(columns={"region": "region_id", "product": "product_id"})


def _sum_errors(rows: pd.DataFrame, *, has_intervals: bool) -> pd.DataFrame:
    units = rows["units"].to_numpy(np.float64)
    error = rows["mean"].to_numpy(np.float64) - units
    parts = {"units": units, "error": error, "absolute": np.abs(error), "rows": np.ones(len(rows))}
    if has_intervals:
        quantiles = rows[list(QUANTILE_NAMES)].to_numpy(np.float64)
        for name, share in (("inside_80", 0.8), ("inside_95", 0.95)):
            lower, upper = find_interval(quantiles, share)
            parts[name] = ((lower <= units) & (units <= upper)).astype(np.float64)
    table = rows[["region", "product"]].assign(**parts)
    return table.groupby(["region", "product"], observed=True).sum()


def _add_growth(
    series: pd.DataFrame,
    made: Coherent,
    chosen: npt.NDArray[np.int64],
    totals: Totals | None,
) -> pd.DataFrame:
    """Add units of the horizon with their interval, and what was sold before."""
    nodes = made.members.nodes
    units = nodes.sum(made.mean.sum(axis=1))[chosen]
    unknown = np.full(len(series), np.nan)
    found = dict.fromkeys(FIGURES[2:6], unknown) | {"units": units}
    if totals is not None:
        place = pd.MultiIndex.from_frame(nodes.series[_KEYS]).get_indexer(
            pd.MultiIndex.from_frame(totals.series[_KEYS])
        )
        below = nodes.summing[chosen][:, place]
        drawn = np.asarray(below @ totals.units.astype(np.float32))
        lower, upper = np.quantile(drawn, _INTERVAL, axis=1)
        found |= {"units_lower": lower, "units_upper": upper}
        size = np.asarray(below.sum(axis=1)).ravel()
        for name in ("last_year_units", "recent_units"):
            before = totals.series[name].to_numpy(np.float64)
            count = below @ np.isfinite(before).astype(np.float64)
            summed = below @ np.nan_to_num(before)
            # A year that lacks a series would make the others seem to grow.
            is_known = count == size if name == "last_year_units" else count > 0
            found[name] = np.where(is_known, summed, np.nan)
    return series.assign(**found)


def _pack(past: Past, made: Coherent, chosen: npt.NDArray[np.int64]) -> Iterator[bytes]:
    for history in iterate_histories(past, made.members.nodes.summing[chosen]):
        yield pack_history(history)


def _tabulate_nodes(project: Project, panel: Panel) -> tuple[pd.DataFrame, list[Place]]:
    """Return every node of both trees, and the places whose holidays count."""
    regions = pd.read_parquet(project.workspace.table("regions"))
    products = pd.read_parquet(project.workspace.table("products"))
    fallback = Place(project.settings.country, project.settings.subdivision)
    ids = [*panel.regions.paths.index, ALL]
    found = find_places(regions, ids, fallback)
    places = sorted(set(found))
    place = {name: places.index(where) for name, where in zip(ids, found, strict=True)}
    whole = pd.DataFrame([{"id": ALL, "parent_id": None, "level": ALL, "name": ALL}])
    parts = []
    for kind, table in (("region", regions), ("product", products)):
        own = pd.concat([whole, table.rename(columns={f"{kind}_id": "id"})], ignore_index=True)
        own = own.reindex(columns=list(NODE_COLUMNS)).assign(kind=kind)
        own["place"] = own["id"].map(place).fillna(0).astype(int) if kind == "region" else 0
        parts.append(own)
    nodes = pd.concat(parts, ignore_index=True)
    for name in ("id", "parent_id", "level", "name"):
        nodes[name] = nodes[name].astype("str")
    for name in ("latitude", "longitude"):
        nodes[name] = pd.to_numeric(nodes[name])
    return nodes, places


def _name_holidays(place: Place, dates: npt.NDArray[np.datetime64]) -> dict[str, str]:
    first, last = (day.astype("datetime64[D]").astype(date) for day in (dates[0], dates[-1]))
    found = build_holidays(place, first, last)
    return {f"{day:%Y-%m-%d}": str(name) for day, name in found.items()}


def _describe_backtest(forecasts: pd.DataFrame) -> dict[str, object]:
    if forecasts.empty:
        return {}
    dates = pd.to_datetime(forecasts["date"])
    return {
        "first": f"{dates.min():%Y-%m-%d}",
        "last": f"{dates.max():%Y-%m-%d}",
        "origins": int(forecasts["origin"].nunique()),
        "baseline": "seasonal naive",
    }
