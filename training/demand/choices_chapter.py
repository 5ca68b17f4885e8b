"""What the report says of the choices that a demand backtest made, and of empty shelves."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from training.chapters import Section, make_grid, write_percent
from training.demand.plots import sort_buckets
from training.palette import name_of

Tables = Mapping[str, pd.DataFrame]
_MOST_ROWS = 10


def write_choices(tables: Tables, periods: str) -> tuple[Section, ...]:
    """Write the sections on what was chosen by backtest, and on demand that was not served.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence: weights; choices and latent_demand where there are any.
    periods : str
        What the horizon counts: 'days', 'weeks'…
    """
    sections = [_write_weights(tables["weights"], periods)]
    if "choices" in tables:
        sections.append(_write_others(tables["choices"]))
    latent = tables.get("latent_demand")
    if latent is not None and len(latent):
        sections.append(_write_latent(latent))
    return tuple(sections)


def _write_weights(weights: pd.DataFrame, periods: str) -> Section:
    members = list(dict.fromkeys(weights["member"]))
    # A file of single steps has numbers where others have '1-7'.
    named = weights.assign(bucket=weights["bucket"].astype(str))
    wide = named.pivot_table(index="bucket", columns="member", values="weight")
    wide = wide.reindex(sort_buckets(named))
    grid = make_grid(
        "Weight of each member in the forecast of a series",
        wide.reset_index(),
        [
            ("bucket", f"{periods} ahead", None),
            *((name, name_of(str(name)), 0) for name in members),
        ],
        percent=members,
    )
    return Section(
        "What the series are blended from",
        (
            "The weights are those that would have forecast the series of the backtest best "
            "(least squares, none negative, together one, leaning on a prior that counts as two "
            "origins). A weight of 0 says that the member added nothing to the others.",
        ),
        grids=(grid,),
    )


def _write_others(choices: pd.DataFrame) -> Section:
    grid = make_grid(
        "Everything else that earlier origins decided",
        choices,
        [
            ("choice", "what", None), ("where", "where", None), ("value", "chosen", None),
            ("reason", "why", None),
        ],
    )  # fmt: skip
    return Section(
        "What the backtest chose",
        (
            "Levels are made to agree by one method, as the forecasts of all levels have to be "
            "sums of the same series; the method that would have been best at each level alone is "
            "listed beside it: bottom_up adds the series up, wls_struct and wls_error weigh totals "
            "by their number of series or their past errors, mint_shrink also by what errors have "
            "in common. Errors in common say how much of a series' uncertainty it shares "
            "with the others of its region or product: passing from one period to the next, or "
            "lasting over the horizon.",
        ),
        grids=(grid,),
    )


def _write_latent(latent: pd.DataFrame) -> Section:
    lost = latent.assign(lost=latent["latent_demand"] - latent["sold"])
    by_region = (
        lost.groupby("region_id", sort=True)[["sold", "latent_demand", "lost"]]
        .sum()
        .assign(periods=lost.groupby("region_id").size())
        .reset_index()
        .sort_values("lost", ascending=False)
    )
    total, wanted = float(lost["lost"].sum()), float(lost["latent_demand"].sum())
    share = total / wanted if wanted > 0 else 0.0
    grid = make_grid(
        f"Regions that missed most, of {len(by_region)}",
        by_region.head(_MOST_ROWS),
        [
            ("region_id", "region", None), ("periods", "periods without stock", 0),
            ("sold", "units sold in them", 0), ("latent_demand", "units wanted, estimated", 0),
            ("lost", "units missed, estimated", 0),
        ],
    )  # fmt: skip
    return Section(
        "Demand that met an empty shelf",
        (
            f"In {len(latent):,} periods without stock, {wanted:,.0f} units would have been "
            f"wanted, so {total:,.0f} were missed ({write_percent(share)}). This is an estimate of "
            "models that saw these periods as missing, never as zero, and it has no test: what "
            "was not sold was not seen.",
        ),
        grids=(grid,),
    )
