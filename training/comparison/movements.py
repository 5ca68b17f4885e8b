"""How far answers moved from one model to the next: forecasts in units, best hours in hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from features.door.csv_files import quote_text
from features.engine import open_engine
from features.project import Project
from features.schema import ALL
from models.artifact import load_artifact
from models.receptivity.histories import Histories
from training.promotion.model import PromotionModel

FORECASTS_FILE = "forecasts.parquet"
_MOST_SERIES = 20
_MOST_PATHS = 4
_MOST_CUSTOMERS = 2000
_JOIN = """
CREATE TEMP TABLE series AS
SELECT level, region_id, product_id, count(*) AS dates, sum(b.mean) AS before,
  sum(a.mean) AS after, sum(abs(a.mean - b.mean)) AS moved,
  avg((a.mean NOT BETWEEN b.q10 AND b.q90)::INT) AS outside
FROM {old} b JOIN {new} a USING (level, region_id, product_id, date) GROUP BY ALL
"""
_LEVELS = """
WITH o AS (SELECT DISTINCT level, region_id, product_id FROM {old}),
n AS (SELECT DISTINCT level, region_id, product_id FROM {new}),
more AS (SELECT level, count(*) AS added FROM n ANTI JOIN o USING (level, region_id, product_id)
  GROUP BY level),
less AS (SELECT level, count(*) AS gone FROM o ANTI JOIN n USING (level, region_id, product_id)
  GROUP BY level)
SELECT level, count(*) AS series, max(dates) AS dates, sum(before) AS before, sum(after) AS after,
  sum(moved) AS moved, avg(outside) AS outside, coalesce(any_value(added), 0) AS added,
  coalesce(any_value(gone), 0) AS gone
FROM series LEFT JOIN more USING (level) LEFT JOIN less USING (level)
GROUP BY level ORDER BY series DESC, level
"""
_MOVED = f"""
CREATE TEMP TABLE moved AS
SELECT level, region_id AS region, product_id AS product, before, after, moved
FROM series WHERE level = ? ORDER BY moved DESC, region, product LIMIT {_MOST_SERIES}
"""
_PATHS = f"""
SELECT m.region, m.product, b.date, b.mean AS before, b.q10 AS low, b.q90 AS high, a.mean AS after
FROM (SELECT * FROM moved ORDER BY moved DESC, region, product LIMIT {_MOST_PATHS}) m
JOIN {{old}} b ON b.level = m.level AND b.region_id = m.region AND b.product_id = m.product
JOIN {{new}} a ON a.level = b.level AND a.region_id = b.region_id
  AND a.product_id = b.product_id AND a.date = b.date
ORDER BY m.moved DESC, m.region, m.product, b.date
"""
_BINS = ((0, 0, "same hour"), (1, 1, "1 hour"), (2, 3, "2–3 hours"), (4, 12, "4 hours or more"))
"""How far the best hour of the day moved: from, to, in words."""


def compare_forecasts(project: Project, before: Path, after: Path) -> dict[str, pd.DataFrame]:
    """Compare the forecasts of two bundles on the dates that both foresee.

    Parameters
    ----------
    project : Project
        Whose threads and memory are used; forecasts are never read whole.
    before, after : Path
        Folders of two bundles of demand.

    Returns
    -------
    dict of name to DataFrame
        `change_levels`: level, series, dates, before, after, moved (sum of |after − before|, in
        units), outside (share of new means outside the old 80 % interval), added and gone series.
        `change_forecasts`: level, region, product, before, after, moved of the finest level, the
        greatest movement first. `change_paths`: region, product, date, before, low, high, after of
        the first of them. Empty tables where no date is in both.
    """
    options = project.settings
    old, new = (
        f"read_parquet({quote_text(str(folder / FORECASTS_FILE))})" for folder in (before, after)
    )
    with open_engine(options.threads, options.memory_limit) as engine:
        engine.execute(_JOIN.format(old=old, new=new))
        levels = engine.sql(_LEVELS.format(old=old, new=new)).to_arrow_table().to_pandas()
        engine.execute(_MOVED, [_find_finest(levels)])
        moved = engine.sql("SELECT * FROM moved").to_arrow_table().to_pandas()
        paths = engine.sql(_PATHS.format(old=old, new=new)).to_arrow_table().to_pandas()
    return {"change_levels": levels, "change_forecasts": moved, "change_paths": paths}


def compare_hours(before: Path, after: Path) -> pd.DataFrame:
    """Compare the best hour of the day that two bundles of promotion name for the same customers.

    Parameters
    ----------
    before, after : Path
        Folders of two bundles.

    Returns
    -------
    DataFrame
        moved ('same hour', '1 hour'…), customers, share; of at most 2,000 customers that both
        know, evenly picked. Empty where they share none.
    """
    models = [
        PromotionModel.from_files(load_artifact(path, "promotion").files)
        for path in (before, after)
    ]
    known = [set(model.profiles["customer_id"]) for model in models]
    both = sorted(known[0] & known[1])
    some = both[:: max(1, -(-len(both) // _MOST_CUSTOMERS))]
    best = [_find_best_hours(model, some) for model in models]
    apart = np.abs(best[1] - best[0])
    moved = np.minimum(apart, 24 - apart)
    rows = [
        {"moved": words, "customers": int(((moved >= low) & (moved <= high)).sum())}
        for low, high, words in _BINS
    ]
    table = pd.DataFrame(rows)
    if not len(some):
        return table.head(0).assign(share=pd.Series(dtype="float64"))
    return table.assign(share=table["customers"] / len(some))


def _find_finest(levels: pd.DataFrame) -> str:
    if levels.empty:
        return ""
    names = [str(name) for name in levels.loc[levels["series"] == levels["series"].max(), "level"]]
    return min(names, key=lambda name: (name.split("/").count(ALL), name))


def _find_best_hours(model: PromotionModel, customers: list[str]) -> np.ndarray:
    """Return the hour of the day that is best over the week, in the order of `customers`."""
    rows = model.profiles.set_index("customer_id").loc[customers].reset_index()
    week = model.model.predict(Histories.from_table(rows))
    return np.asarray(week.reshape(len(customers), -1, 24).sum(axis=1).argmax(axis=1))
