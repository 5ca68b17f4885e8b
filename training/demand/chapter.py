"""What the report says of a demand training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from training.chapters import (
    Chapter,
    Grid,
    Picture,
    Section,
    make_grid,
    write_gain,
    write_importance,
    write_percent,
)
from training.demand.choices_chapter import write_choices
from training.demand.plots import sort_buckets, sort_levels
from training.demand.scores import EVERY
from training.demand.stock_chapter import write_stock
from training.demand.worst_chapter import write_worst_series
from training.findings import (
    PUBLISHED,
    compare_wape,
    find_zero_share,
    pick_series,
    score_regions,
)
from training.palette import name_of
from training.plots import make_demand_figures

Tables = Mapping[str, pd.DataFrame]
_MOST_ROWS = 15
_MANY_ZEROS = 0.4
_LIMITS = (
    "Sales are taken as demand where there was stock; stock-outs that the data does not tell of "
    "look like low demand.",
    "The intervals of the gain resample series and weeks of the scored folds; another year may "
    "differ by more.",
)


def write_demand_chapter(tables: Tables, *, periods: str, rng: np.random.Generator) -> Chapter:
    """Write the chapter on demand from the evidence of a training.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence: scores, fold_scores, forecasts, weights, notes, importance where there is one.
    periods : str
        What the horizon counts: 'days', 'weeks' or 'months'.
    rng : numpy.random.Generator
        Draws the intervals of the gain.
    """
    figures = make_demand_figures(tables)
    scores = tables["scores"]
    sections = [
        _write_errors(scores, figures, periods, find_zero_share(tables["forecasts"])),
        _write_coverage(scores, figures, periods),
        _write_series(tables["forecasts"], figures),
        write_worst_series(tables["forecasts"], figures),
        _write_regions(tables["forecasts"], figures),
        *write_importance(
            tables.get("importance"),
            figures.get("feature_importance"),
            ("What the trees split by, and gained from; not what causes demand.",),
        ),
        *write_choices(tables, periods),
        *write_stock(tables.get("stock_policies")),
        Section("Notes and limits", (*_read_notes(tables), *_LIMITS)),
    ]
    return Chapter(
        kind="demand",
        title="Regional demand",
        question="How much of each product will each region want, and how sure is that?",
        headline=_write_headline(tables, periods, rng),
        sections=tuple(sections),
    )


def _write_headline(tables: Tables, periods: str, rng: np.random.Generator) -> str:
    gain = compare_wape(tables["forecasts"], rng)
    level = sort_levels(tables["scores"])[0]
    furthest = sort_buckets(tables["scores"])[-1].split("-")[-1]
    origins = tables["fold_scores"]["origin"].nunique()
    return (
        f"At the level {level}, up to {furthest} {periods} ahead, the forecasts missed by "
        f"{write_percent(gain.wape)} of the units sold (WAPE, {origins} rolling origins); the best "
        f"baseline, {name_of(gain.baseline)}, by {write_percent(gain.baseline_wape)}: "
        f"{write_gain(gain.relative, gain.low, gain.high, 'error')}."
    )


def _write_errors(
    scores: pd.DataFrame, figures: Mapping[str, Figure], periods: str, share_of_zeros: float
) -> Section:
    levels, buckets = sort_levels(scores), sort_buckets(scores)
    whole = scores[scores["bucket"] == EVERY].assign(name=scores["model"].map(name_of))
    order = whole["level"].map({level: place for place, level in enumerate(levels)})
    whole = whole.assign(order=order).sort_values(["order", "wape"], kind="stable")
    by_level = make_grid(
        "Scores over all horizons, by level, the best model of each level first",
        whole,
        [
            ("level", "level", None), ("name", "model", None), ("wape", "WAPE", 1),
            ("bias", "bias", 1), ("mase", "MASE", 3), ("rmsse", "RMSSE", 3),
            ("pinball", "pinball", 3), ("n_rows", "rows", 0),
        ],
        percent=("wape", "bias"),
    )  # fmt: skip
    sentences = [
        "WAPE is the sum of absolute errors over the sum of units sold; 0 is perfect. Bias above "
        "0 means that too much was forecast. Models compared at a level saw the same rows, each "
        "forecast from an origin before them; those of totals alone, such as Prophet, leave out "
        "the rows in which a series below was without stock."
    ]
    if share_of_zeros > _MANY_ZEROS:
        sentences.append(
            f"At the level {levels[0]}, {write_percent(share_of_zeros)} of the rows sold nothing, "
            "so a WAPE about 100 % is usual: forecasting nothing at all would score exactly that, "
            "with a bias of −100 %. Read WAPE together with bias."
        )
    return Section(
        "Error by horizon and level",
        tuple(sentences),
        (
            Picture(
                figures["error_by_horizon_and_level"],
                "WAPE of every model by horizon and by level",
                "Two charts of the WAPE of each model; the tables below hold the same numbers.",
            ),
        ),
        (by_level, _tabulate_horizons(scores, levels[0], buckets, periods)),
    )


def _tabulate_horizons(scores: pd.DataFrame, level: str, buckets: list[str], periods: str) -> Grid:
    rows = scores[scores["level"] == level].assign(name=scores["model"].map(name_of))
    wide = rows.pivot_table(index="name", columns="bucket", values="wape").sort_values(EVERY)
    return make_grid(
        f"WAPE at the level {level}, by horizon in {periods}",
        wide.reset_index(),
        [
            ("name", "model", None),
            *((name, name, 1) for name in buckets),
            (EVERY, "all horizons", 1),
        ],
        percent=(*buckets, EVERY),
    )


def _write_coverage(scores: pd.DataFrame, figures: Mapping[str, Figure], periods: str) -> Section:
    order = {name: place for place, name in enumerate([*sort_buckets(scores), EVERY])}
    levels = {level: place for place, level in enumerate(sort_levels(scores))}
    own = scores[scores["model"] == PUBLISHED]
    own = own.assign(first=own["level"].map(levels), second=own["bucket"].map(order))
    grid = make_grid(
        "Share of outcomes inside the intervals of the published model",
        own.sort_values(["first", "second"]),
        [
            ("level", "level", None), ("bucket", f"{periods} ahead", None),
            ("coverage_80", "80 % interval", 1), ("coverage_95", "95 % interval", 1),
            ("n_rows", "rows", 0),
        ],
        percent=("coverage_80", "coverage_95"),
    )  # fmt: skip
    return Section(
        "How far the intervals can be trusted",
        (
            "An interval of 80 % should hold 80 % of what came: less is overconfident, more is "
            "wider than needed. Where zero is at least as likely as what an interval leaves out "
            "below, it starts at zero and leaves nothing out there; where zero alone is likelier "
            "than the interval says, it has to hold more.",
        ),
        (
            Picture(
                figures["coverage_of_intervals"],
                "Measured coverage by horizon, at the finest level and for the whole",
                "Measured coverage of both intervals against the nominal one; numbers below.",
            ),
        ),
        (grid,),
    )


def _write_series(forecasts: pd.DataFrame, figures: Mapping[str, Figure]) -> Section:
    picks = pick_series(forecasts)
    names = "; ".join(f"{pick.why}: {pick.region} / {pick.product}" for pick in picks)
    return Section(
        "Series to look at",
        ("By units sold in the scored folds. The forecasts restart at every origin.",),
        (
            Picture(
                figures["series_largest_median_worst"],
                names,
                f"What was sold, forecast and within the intervals, over time, for {names}.",
            ),
        ),
    )


def _write_regions(forecasts: pd.DataFrame, figures: Mapping[str, Figure]) -> Section:
    regions = score_regions(forecasts)
    baseline = name_of(str(regions.attrs["baseline"]))
    is_worse = int((regions["relative"] < 0).sum())
    grid = make_grid(
        f"The regions with the greatest WAPE, of {len(regions)}",
        regions.head(_MOST_ROWS),
        [
            ("region", "region", None), ("units", "units sold", 0), ("wape", "WAPE", 1),
            ("bias", "bias", 1), ("baseline_wape", f"WAPE of {baseline}", 1),
            ("relative", "less error than it", 1),
        ],
        percent=("wape", "bias", "baseline_wape", "relative"),
    )  # fmt: skip
    return Section(
        "Where it is worst",
        (f"{is_worse} of {len(regions)} regions are forecast worse than by {baseline}.",),
        (
            Picture(
                figures["worst_regions"],
                f"WAPE of the worst regions, against {baseline}",
                "WAPE of the published model and of the baseline by region; numbers below.",
            ),
        ),
        (grid,),
    )


def _read_notes(tables: Tables) -> tuple[str, ...]:
    return tuple(str(note) for note in tables["notes"]["note"]) if "notes" in tables else ()
