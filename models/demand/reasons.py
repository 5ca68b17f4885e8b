"""Why a forecast is what it is: the published mean as a sum of parts, in units.

Two members know what drives demand: the direct and the recursive LightGBM. TreeSHAP [1]_ splits
the logarithm of what each says into contributions of its features, which are summed by what the
features mean. They become units additively by the logarithmic mean [2]_: with T what the member
says, B the base and phi_k the contribution of group k to ln(T / B),

    part_k = L(T, B) * phi_k,      L(a, b) = (a - b) / ln(a / b),      T = B + sum of part_k.

The base is the mean of all the series' sales since it was listed. `trend` is what moves that to
the recent level: the level that the trees scale by, lags and means, the pools of region and
product, and whatever else they know of the series itself. The other parts compare the period
with what the trees saw on average.

The members are put together by their weights in the blend, in proportion to each other. What the
members without drivers (exponential smoothing, Theta, the intermittent methods, siblings of a
young series) and the reconciliation change of this ends in `other_models`. The parts of a node
are the sums of those of its series.

References
----------
.. [1] Lundberg et al. (2020), "From local explanations to global understanding with explainable
   AI for trees", Nature Machine Intelligence 2.
.. [2] Ang (2004), "Decomposition analysis for policymaking in energy: which is the preferred
   method?", Energy Policy 32 (the logarithmic mean Divisia index, LMDI I).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.region.frequency import Frequency
from features.region.nodes import Nodes
from features.region.panel import Panel
from models.demand.tree_rows import TreeBlock

Floats = npt.NDArray[np.float64]

BASE, TREND, SEASON, PRICE, PROMOTION, HOLIDAY, REGRESSORS, OTHER = PARTS = (
    "base", "trend", "season", "price", "promotion", "holiday", "regressors", "other_models",
)  # fmt: skip
WORDS = {
    BASE: "mean of all its sales so far",
    TREND: "where its recent sales stand against that",
    SEASON: "time of the week and of the year",
    PRICE: "the price, and how it compares with the usual one",
    PROMOTION: "promotion, discount, display, mailer",
    HOLIDAY: "holidays near",
    REGRESSORS: "columns of your own",
    OTHER: "what models without drivers and the agreement of levels add",
}

GROUPS = (
    (r"region|product|periods_since_(listing|units)", TREND),
    (r"units_(lag|mean|std|zero_share)(_\w+)?", TREND),
    (r"(region|product|whole)_(mean|trend)", TREND),
    (r"units_(last_season|last_year|slot_mean(_\d+)?)|(region|product|whole)_slot_ratio", SEASON),
    (r"month|week_of_year|day_of_month|weekday|weekend_days|days_in_(month|quarter)", SEASON),
    (r"price_(planned|index|lag_\d+|median_\d+)", PRICE),
    (r"(is_promoted|depth|display|mailer)_(planned|mean_\d+)|promotion_\w+", PROMOTION),
    (r"is_holiday|days_(to|since)_holiday|holidays_\w+", HOLIDAY),
)
"""What the features of the trees mean, by their names."""

_BLOCK_ROWS = 20_000
_FLOOR = 1e-3


def find_group(feature: str, regressors: Collection[str], frequency: Frequency) -> str:
    """Return which of `PARTS` a feature of the trees belongs to.

    Parameters
    ----------
    feature : str
    regressors : collection of str
        Columns of the user's own, from `find_regressors`.
    frequency : Frequency
        Where a slot is a single period, the mean of the newest slots is a recent mean.

    Raises
    ------
    ValueError
        If `GROUPS` says nothing of it.
    """
    for name in regressors:
        if re.fullmatch(rf"{re.escape(name)}_(planned|lag_0|mean_\d+)", feature):
            return REGRESSORS
    if frequency.slot == 1 and re.fullmatch(r"\w+_slot_(mean_\d+|ratio)", feature):
        return TREND
    for pattern, group in GROUPS:
        if re.fullmatch(pattern, feature):
            return group
    raise ValueError(f"feature '{feature}' has no group: say in GROUPS what it means")


def find_regressors(panel: Panel) -> tuple[str, ...]:
    """Return the panel's columns of the user's own."""
    newest = (name for name in panel.history_names if name.endswith("_lag_0"))
    names = (name.removesuffix("_lag_0") for name in newest)
    return tuple(name for name in names if name not in ("units", "price"))


def log_mean(a: Floats, b: Floats) -> Floats:
    """Return the logarithmic mean (a − b) / ln(a / b) of positive numbers; a where a = b.

    Examples
    --------
    >>> log_mean(np.array([np.e, 2.0]), np.array([1.0, 2.0])).round(4).tolist()
    [1.7183, 2.0]
    """
    # Near one another, the mean is all that is left of the quotient after rounding.
    near = np.abs(a - b) <= 1e-9 * np.maximum(a, b)
    ratio = np.log(np.where(near, 2.0, a / b))
    return np.asarray(np.where(near, (a + b) / 2, (a - b) / ratio))


def find_base(panel: Panel, series: npt.NDArray[np.int64] | None = None) -> Floats:
    """Return each series' mean since it was listed, as of the origin, shape (n_series,); > 0."""
    chosen = np.arange(len(panel.series)) if series is None else series
    table = panel.series.iloc[chosen]
    row = (table["start_row"] - table["first_period"]).to_numpy() + panel.origin_period
    column = panel.history_names.index("units_mean_since_listing")
    own = panel.history[np.clip(row, 0, len(panel.history) - 1), column].astype(np.float64)
    return np.asarray(np.where(np.isfinite(own), np.maximum(own, _FLOOR), _FLOOR))


def explain_series(
    panel: Panel,
    blocks: Sequence[TreeBlock],
    mean: Floats,
    base: Floats,
    *,
    threads: int = 1,
) -> Floats:
    """Split the published mean of series into `PARTS`.

    Parameters
    ----------
    panel : Panel
        Names the user's own columns.
    blocks : sequence of TreeBlock
        Of the first series of `mean`; those after them, which the trees do not know, are
        `other_models` altogether.
    mean : array of shape (n_series, n_steps)
        As published.
    base : array of shape (n_known,)
        From `find_base`.
    threads : int
        Of TreeSHAP.

    Returns
    -------
    array of shape (n_series, n_steps, n_parts)
        Units; sums to `mean` over the last axis.
    """
    parts = np.zeros((*mean.shape, len(PARTS)))
    regressors = find_regressors(panel)
    for block in blocks:
        groups = [find_group(name, regressors, panel.frequency) for name in block.features]
        made = split_block(block, groups, base, threads=threads)
        parts[: len(made), block.steps] += block.weight * made
    parts[..., PARTS.index(OTHER)] = mean - parts.sum(axis=-1)
    return parts


def split_block(
    block: TreeBlock, groups: Sequence[str], base: Floats, *, threads: int = 1
) -> Floats:
    """Return the parts of what one member says, shape (n_series, n_block_steps, n_parts)."""
    found = np.zeros((*block.scale.shape, len(PARTS)))
    there = block.scale > 0
    if block.booster is None or not there.any():
        return found
    places = np.array([PARTS.index(group) for group in groups])
    rows, scale = block.rows[there], block.scale[there]
    start = np.broadcast_to(base[:, None], there.shape)[there]
    made = np.zeros((len(rows), len(PARTS)))
    for first in range(0, len(rows), _BLOCK_ROWS):
        some = slice(first, first + _BLOCK_ROWS)
        shap = np.asarray(block.booster.predict(rows[some], pred_contrib=True, num_threads=threads))
        total = scale[some] * np.exp(shap.sum(axis=1))
        for place in np.unique(places):
            made[some, place] = shap[:, :-1][:, places == place].sum(axis=1)
        trend = PARTS.index(TREND)
        made[some, trend] = 0.0
        made[some, trend] = np.log(total / start[some]) - made[some].sum(axis=1)
        made[some] *= log_mean(total, start[some])[:, None]
    made[:, PARTS.index(BASE)] = start
    found[there] = made
    return found


def tabulate_reasons(
    nodes: Nodes,
    parts: Floats,
    is_listed: npt.NDArray[np.bool_],
    dates: npt.NDArray[np.datetime64],
) -> pd.DataFrame:
    """Sum the parts of the series at every node and lay them out as forecasts are published.

    Returns
    -------
    DataFrame
        level, region_id, product_id, date and `PARTS`, sorted by the first four.
    """
    chosen = np.flatnonzero(nodes.sum(is_listed.astype(np.float64)) > 0)
    keys = ["level", "region_id", "product_id"]
    table = nodes.table.iloc[np.repeat(chosen, len(dates))][keys].reset_index(drop=True)
    table = table.assign(date=np.tile(dates, len(chosen)))
    table[list(PARTS)] = nodes.sum(parts)[chosen].reshape(len(table), len(PARTS))
    return table.sort_values([*keys, "date"], ignore_index=True)
