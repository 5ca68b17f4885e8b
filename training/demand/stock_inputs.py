"""What is in stock, and what stock is decided by, in periods of the forecast."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.engine import open_engine
from features.project import Project
from features.region.frequency import FREQUENCIES, count_periods
from models.stock.lead_times import sample_lead_times
from models.stock.scores import Costs
from training.config import StockSettings

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

DAYS_PER_PERIOD = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "quarter": 365.25 / 4}
DEFAULT_SERVICE_LEVEL = 0.95
STOCK_TABLE, SALES_COLUMN, NOTHING = "table stock", "sales.on_hand", "no stock is known"
_KEYS = ["region_id", "product_id"]


@dataclass(frozen=True)
class Rules:
    """The settings in periods.

    Attributes
    ----------
    days : float
        Days per period.
    review_periods, outlook_periods : int
    service_level, lost_margin, holding_cost : float or None
        Holding cost by period; either a service level or a margin.
    settings : StockSettings
        What was set, in days.
    """

    days: float
    review_periods: int
    outlook_periods: int
    service_level: float | None
    lost_margin: float | None
    holding_cost: float | None
    settings: StockSettings

    def draw_lead_times(self, days: Floats, n_draws: int, seed: int) -> Whole:
        """Draw lead times in periods, shape (n_items, n_draws).

        Items of the same mean have the same draws, whichever are asked for together.
        """
        drawn = np.empty((len(days), n_draws), np.int64)
        for mean in np.unique(days):
            rng = np.random.default_rng([seed, round(float(mean) * 1000)])
            drawn[days == mean] = sample_lead_times(
                mean / self.days,
                self.settings.lead_time_sd_days / self.days,
                n_items=1,
                shape=(n_draws,),
                rng=rng,
            )
        return drawn

    def price(self) -> tuple[Costs, str]:
        """Return the costs that policies are compared by, and in words what they are of.

        Where no margin is set, it is the one whose critical ratio is the service level; without a
        holding cost either, money is counted in units held for a day.
        """
        holding = self.days if self.holding_cost is None else self.holding_cost
        order = self.settings.order_cost
        if self.lost_margin is not None:
            return Costs(self.lost_margin, holding, order), "that of the costs of [stock]"
        level = DEFAULT_SERVICE_LEVEL if self.service_level is None else self.service_level
        margin = holding * self.review_periods * level / (1.0 - level)
        unit = "money of [stock]" if self.holding_cost else "units held for a day"
        words = f"{unit}; a lost unit costs {margin:g}, which makes {level:g} the critical ratio"
        return Costs(margin, holding, order), words


@dataclass(frozen=True)
class KnownStock:
    """What is in stock, one entry per series; `on_hand` is NaN where nobody knows.

    Attributes
    ----------
    on_hand, reserved, incoming : array of shape (n_series,)
        Units.
    expected_on, as_of : array of datetime64[D]
        When what is incoming arrives, and what day the stock is of; NaT where not known.
    lead_time_days : array
        From the table, else from the settings.
    source : array of str
    """

    on_hand: Floats
    reserved: Floats
    incoming: Floats
    expected_on: npt.NDArray[np.datetime64]
    as_of: npt.NDArray[np.datetime64]
    lead_time_days: Floats
    source: npt.NDArray[np.object_]

    def take(self, rows: Whole) -> KnownStock:
        """Return some entries."""
        return KnownStock(
            self.on_hand[rows],
            self.reserved[rows],
            self.incoming[rows],
            self.expected_on[rows],
            self.as_of[rows],
            self.lead_time_days[rows],
            self.source[rows],
        )


def make_rules(settings: StockSettings, frequency: str, n_steps: int) -> Rules:
    """Turn settings in days into periods of a frequency.

    Parameters
    ----------
    settings : StockSettings
    frequency : str
        'day', 'week', 'month' or 'quarter'.
    n_steps : int
        Periods that are forecast: the outlook reaches no further.
    """
    known, days = FREQUENCIES[frequency], DAYS_PER_PERIOD[frequency]
    outlook = n_steps
    if settings.horizon_days is not None:
        outlook = min(n_steps, count_periods(known, settings.horizon_days))
    level = settings.service_level
    if level is None and settings.lost_margin is None:
        level = DEFAULT_SERVICE_LEVEL
    holding = settings.holding_cost
    return Rules(
        days=days,
        review_periods=count_periods(known, math.ceil(settings.review_days)),
        outlook_periods=outlook,
        service_level=level,
        lost_margin=settings.lost_margin,
        holding_cost=None if holding is None else holding * days,
        settings=settings,
    )


def read_stock(
    project: Project, series: pd.DataFrame, origin: np.datetime64, settings: StockSettings
) -> KnownStock:
    """Read the newest stock of each series: of the table `stock`, else of `sales.on_hand`.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    series : DataFrame
        region_id and product_id; a location is a region.
    origin : datetime64[D]
        Stock on hand in `sales` counts up to it; the table `stock` counts as it is now.
    settings : StockSettings
        Lead time where the table has none.
    """
    found = _read_sales(project, origin)
    if "stock" in project.tables:
        found = pd.concat([_read_table(project), found]).drop_duplicates(_KEYS)
    rows = series[_KEYS].merge(found, on=_KEYS, how="left")
    lead = rows["lead_time_days"].fillna(settings.lead_time_days)
    return KnownStock(
        on_hand=rows["on_hand"].to_numpy(np.float64),
        reserved=rows["reserved"].fillna(0.0).to_numpy(np.float64),
        incoming=rows["incoming"].fillna(0.0).to_numpy(np.float64),
        expected_on=rows["expected_on"].to_numpy("datetime64[D]"),
        as_of=rows["as_of"].to_numpy("datetime64[D]"),
        lead_time_days=lead.to_numpy(np.float64),
        source=rows["source"].fillna(NOTHING).to_numpy(object),
    )


def _read_table(project: Project) -> pd.DataFrame:
    stock = pd.read_parquet(project.workspace.table("stock"))
    newest = stock.sort_values("as_of").drop_duplicates(["location_id", "product_id"], keep="last")
    known = newest[newest["on_hand"].notna()]
    return pd.DataFrame(
        {
            "region_id": known["location_id"],
            "product_id": known["product_id"],
            "on_hand": known["on_hand"].astype(np.float64),
            "reserved": known["reserved"].astype(np.float64),
            "incoming": known["incoming"].astype(np.float64),
            "expected_on": _read_days(known["expected_at"]),
            "as_of": _read_days(known["as_of"]),
            "lead_time_days": known["lead_time_days"].astype(np.float64),
            "source": STOCK_TABLE,
        }
    )


def _read_sales(project: Project, origin: np.datetime64) -> pd.DataFrame:
    settings = project.settings
    with open_engine(settings.threads, settings.memory_limit) as engine:
        newest: pd.DataFrame = engine.execute(
            "SELECT region_id, product_id, arg_max(on_hand, date) AS on_hand, max(date) AS as_of "
            "FROM read_parquet(?) WHERE on_hand IS NOT NULL AND date <= ?::DATE "
            "GROUP BY region_id, product_id ORDER BY region_id, product_id",
            [str(project.workspace.table("sales")), str(origin)],
        ).df()
    return newest.assign(
        on_hand=newest["on_hand"].astype(np.float64),
        as_of=_read_days(newest["as_of"]),
        reserved=np.nan,
        incoming=np.nan,
        expected_on=np.datetime64("NaT", "s"),
        lead_time_days=np.nan,
        source=SALES_COLUMN,
    )


def _read_days(moments: pd.Series) -> pd.Series:
    read = pd.to_datetime(moments, utc=True)
    return read.dt.tz_localize(None).dt.floor("D").astype("datetime64[s]")
