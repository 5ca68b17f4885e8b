from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.progress import Silent
from features.project import Project
from features.region.frequency import FREQUENCIES, build_buckets
from models.demand.coherent import draw_block
from models.demand.model import COLUMNS, DemandModel
from models.demand.quantiles import QUANTILE_NAMES, QUANTILES, find_interval
from models.demand.storage import make_keys, pack
from tests.sales_tables import make_sales, write_project
from training.demand.calibration import SCORED_MODELS, learn
from training.demand.scores import score_coverage
from training.demand.steps import (
    KEPT_MODELS,
    backtest_demand,
    fit_demand,
    forecast_demand,
    load_panel,
)

SMALL = """
horizon_days = 14
origins = 4
use_prophet = false
known_ahead = ["price", "base_price"]
lightgbm = { rounds = 25, learning_rate = 0.2, leaves = 7 }
"""
TINY = SMALL.replace("origins = 4", "origins = 2").replace("rounds = 25", "rounds = 6")
REGIONS = pd.DataFrame(
    [("r0", "north", "store"), ("r1", "north", "store"), ("r2", "south", "store"),
     ("north", "all", "area"), ("south", "all", "area")],
    columns=["region_id", "parent_id", "level"],
)  # fmt: skip
MODELS = set(SCORED_MODELS) - {"prophet"}


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def small_project(folder: Path, **changes) -> Project:
    sales = make_sales(regions=3, products=2, periods=160, **changes)
    return write_project(folder, sales, SMALL, regions=REGIONS)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return small_project(tmp_path_factory.mktemp("demand"))


@pytest.fixture(scope="module")
def backtest(project):
    return backtest_demand(project, Silent())


@pytest.fixture(scope="module")
def fitted(project, backtest) -> DemandModel:
    return fit_demand(project, Silent(), backtest=backtest)


def test_every_model_is_scored_at_every_level_on_the_same_rows(backtest):
    scores = backtest.scores
    assert set(scores["model"]) == MODELS
    assert set(scores["level"]) == {
        f"{region}/{product}"
        for region in ("store", "area", "all")
        for product in ("product", "all")
    }
    assert set(scores["bucket"]) == {"1-7", "8-14", "all"}
    rows = scores.groupby(["level", "bucket"])["n_rows"]
    assert (rows.nunique() == 1).all()
    bottom = scores.query("level == 'store/product' and bucket == 'all' and model == 'almanac'")
    assert bottom["n_rows"].item() == 3 * 6 * 14  # three scored origins, six series, 14 days


def test_the_pipeline_beats_the_baselines_on_promoted_sales(backtest):
    wape = backtest.scores.query("bucket == 'all'").pivot(
        index="level", columns="model", values="wape"
    )
    assert (wape["almanac"] < wape["seasonal_naive"]).all()
    assert wape.loc["store/product", "almanac"] < wape.loc["store/product", "seasonal_mean"]


def test_forecasts_are_what_the_scores_were_made_of(backtest):
    rows = backtest.forecasts.query("model == 'almanac' and level == 'store/product'")
    assert (np.diff(rows[list(QUANTILE_NAMES)].to_numpy(), axis=1) >= 0).all()
    low, high = find_interval(rows[list(QUANTILE_NAMES)].to_numpy(), 0.8)
    coverage = score_coverage(rows["units"].to_numpy(), low, high)
    found = backtest.scores.query(
        "model == 'almanac' and level == 'store/product' and bucket == 'all'"
    )
    assert found["coverage_80"].item() == pytest.approx(coverage)
    assert (backtest.fold_scores.groupby("origin").size() > 0).sum() == 3


def test_backtest_means_are_coherent(backtest):
    # Exponential smoothing of a node is its own, so only what is summed from below is coherent.
    for model in {*KEPT_MODELS} & MODELS - {"ets"}:
        rows = backtest.forecasts[backtest.forecasts["model"] == model]
        sums = rows.groupby(["origin", "date", "level"])[["mean", "units"]].sum().unstack("level")
        for name in ("mean", "units"):
            np.testing.assert_allclose(
                sums[name], np.tile(sums[name, "all/all"].to_numpy()[:, None], (1, 6))
            )


def test_a_fold_is_calibrated_from_outcomes_known_at_its_origin_only(project, backtest):
    panel = load_panel(project)
    last, earlier = backtest.folds[-1], list(backtest.folds[:-1])
    origin = last.fold.origin
    keys = make_keys(last.made.members)
    again = learn(panel, earlier, origin, seed=project.settings.seed)
    assert pack(again, keys) == pack(last.calibration, keys)
    assert backtest.folds[0].calibration.series_weights == {}
    assert backtest.folds[0].calibration.method == "bottom_up"


def replace_outcomes_after(fold, origin):
    """Return a fold whose outcomes after a period are absurd, in its trial rows too."""
    made = fold.made
    units = np.where(made.members.periods > origin, np.float32(1e6), made.members.units)
    trial = made.trial
    later = trial.periods > origin
    trial = dataclasses.replace(trial, units=np.where(later, 1e6, trial.units))
    members = dataclasses.replace(made.members, units=units)
    return dataclasses.replace(fold, made=dataclasses.replace(made, members=members, trial=trial))


def test_folds_that_overlap_read_nothing_later_either(tmp_path):
    sales = make_sales(regions=2, products=2, periods=110)
    project = write_project(
        tmp_path, sales, TINY.replace("origins = 2", "origins = 3\nstep_days = 5")
    )
    panel = load_panel(project)
    found = backtest_demand(project, Silent(), panel=panel)
    *earlier, last = found.folds
    origin = last.fold.origin
    assert earlier[-1].made.members.periods[-1] > origin
    tampered = [replace_outcomes_after(fold, origin) for fold in earlier]
    keys = make_keys(last.made.members)
    again = learn(panel, tampered, origin, seed=project.settings.seed)
    assert pack(again, keys) == pack(last.calibration, keys)


def test_quantiles_of_the_whole_are_those_of_the_summed_paths(project, fitted):
    table = forecast_demand(project, fitted)
    made, _ = fitted.make(load_panel(project))
    nodes = made.members.nodes
    every = np.arange(len(nodes.series))
    paths = draw_block(
        made, fitted.calibration.shocks, made.members.nodes.names, every, fitted.calibration.seed
    )
    assert (paths >= 0).all()
    for level, region, product in (("all/all", "all", "all"), ("area/product", "north", "p1")):
        below = np.ones(len(every), bool)
        if region != "all":
            below &= nodes.series["region_id"].isin(["r0", "r1"]).to_numpy()
            below &= (nodes.series["product_id"] == product).to_numpy()
        summed = np.quantile(paths[below].astype(float).sum(axis=0), QUANTILES, axis=1).T
        rows = table[
            (table["level"] == level)
            & (table["region_id"] == region)
            & (table["product_id"] == product)
        ]
        np.testing.assert_allclose(rows[list(QUANTILE_NAMES)], summed, rtol=1e-4)


def test_paths_have_the_published_means(project, fitted):
    made, _ = fitted.make(load_panel(project))
    every = np.arange(len(made.mean))
    paths = draw_block(
        made, fitted.calibration.shocks, made.members.nodes.names, every, fitted.calibration.seed
    )
    assert paths.mean(axis=2).sum() == pytest.approx(made.mean.sum(), rel=0.02)


def test_sales_after_the_end_of_the_backtest_do_not_move_it(tmp_path, backtest):
    longer = make_sales(regions=3, products=2, periods=160)
    extra = longer[longer["region_id"] == "r0"].copy()
    extra["date"] = [day + timedelta(days=200) for day in extra["date"]]
    extra["units"] = 900.0
    project = write_project(
        tmp_path, pd.concat([longer, extra], ignore_index=True), SMALL, regions=REGIONS
    )
    panel = load_panel(project, max(longer["date"]))
    again = backtest_demand(project, Silent(), panel=panel)
    pd.testing.assert_frame_equal(again.scores, backtest.scores)


def test_the_published_table(project, fitted):
    table = forecast_demand(project, fitted)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 14 * (3 * 2 + 3 + 2 * 2 + 2 + 2 + 1)
    keys = ["level", "region_id", "product_id", "date"]
    pd.testing.assert_frame_equal(table, table.sort_values(keys, ignore_index=True))
    assert not table.duplicated(keys).any()
    quantiles = table[list(QUANTILE_NAMES)].to_numpy()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert table["date"].min() == pd.Timestamp("2024-06-09")
    assert (table["origin"] == pd.Timestamp("2024-06-08")).all()
    root = table[table["level"] == "all/all"]
    assert (root["region_id"] == "all").all()
    assert (root["product_level"] == "all").all()
    assert not table[["model", "evidence"]].isna().any().any()


def test_published_means_sum_to_their_ancestors(project, fitted):
    table = forecast_demand(project, fitted)
    sums = table.groupby(["date", "level"])["mean"].sum().unstack()
    for level in sums:
        np.testing.assert_allclose(sums[level], sums["all/all"])
    north = table.query("region_id == 'north' and product_level == 'all'")
    stores = table.query("region_id in ['r0', 'r1'] and product_level == 'all'")
    np.testing.assert_allclose(north["mean"], stores.groupby("date")["mean"].sum())


def test_a_node_of_one_series_has_its_quantiles(project, fitted):
    table = forecast_demand(project, fitted)
    rows = {
        name: table[(table["region_id"] == name) & (table["product_id"] == "p0")]
        for name in ("south", "r2")
    }
    quantiles = [part[list(QUANTILE_NAMES)].to_numpy() for part in rows.values()]
    np.testing.assert_array_equal(*quantiles)


def test_files_forecast_the_same_bits(project, fitted):
    files = fitted.to_files()
    assert all(isinstance(content, bytes) and "/" not in name for name, content in files.items())
    again = DemandModel.from_files(files)
    pd.testing.assert_frame_equal(
        forecast_demand(project, again), forecast_demand(project, fitted), check_exact=True
    )
    assert again.to_files() == files
    assert set(again.importance()["bucket"]) == {"1-7", "8-14"}


def test_the_same_data_and_seed_give_the_same_files(project, backtest, fitted):
    again = fit_demand(project, Silent(), backtest=backtest)
    assert again.to_files() == fitted.to_files()


def test_a_shorter_horizon_is_the_start_of_the_longer(project, fitted):
    long, short = (forecast_demand(project, fitted, horizon_days=days) for days in (14, 5))
    keys = ["level", "region_id", "product_id", "date"]
    both = short.merge(long, on=keys, suffixes=("", "_long"))
    assert len(both) == len(short) == len(long) * 5 / 14
    for name in ("mean", *QUANTILE_NAMES):
        np.testing.assert_array_equal(both[name], both[f"{name}_long"])
    with pytest.raises(NotEnoughData, match="this model forecasts 1 to 14"):
        forecast_demand(project, fitted, horizon_days=15)


def test_prophet_joins_the_blend_of_region_totals(tmp_path):
    project = write_project(
        tmp_path,
        make_sales(regions=2, products=1, periods=90),
        SMALL.replace("use_prophet = false", "").replace("origins = 4", "origins = 2"),
    )
    found = backtest_demand(project, Silent())
    prophet = found.scores[found.scores["model"] == "prophet"]
    # With one product a region is a single series; Prophet forecasts their total.
    assert set(prophet["level"]) == {"all/all"}
    assert found.weights.groupby("bucket")["weight"].sum().to_numpy() == pytest.approx(1.0)
    model = fit_demand(project, Silent(), backtest=found)
    again = DemandModel.from_files(model.to_files())
    pd.testing.assert_frame_equal(
        forecast_demand(project, again), forecast_demand(project, model), check_exact=True
    )


@pytest.mark.parametrize("units", ["poisson", "constant", "rare"])
def test_sixty_days_of_one_series_are_enough(tmp_path, units):
    rng = np.random.default_rng(0)
    values = {"poisson": rng.poisson(5, 60), "constant": np.full(60, 4), "rare": np.zeros(60)}
    sales = make_sales(regions=1, products=1, periods=60)
    sales["units"] = values[units].astype(float)
    sales.loc[[5, 50], "units"] = 4.0
    project = write_project(tmp_path, sales[["region_id", "product_id", "date", "units"]])
    heard = Heard()
    model = fit_demand(project, heard)
    table = forecast_demand(project, model)
    assert len(table) == 28 * 4
    assert np.isfinite(table[["mean", *QUANTILE_NAMES]].to_numpy()).all()
    assert any("room for 2 origins only" in message for message in heard.said)
    if units == "constant":
        np.testing.assert_allclose(table["mean"], 4.0, rtol=0.02)


def test_too_little_history_is_refused(tmp_path):
    project = write_project(tmp_path, make_sales(periods=20))
    with pytest.raises(NotEnoughData, match="at least 43 periods of history, got 20"):
        backtest_demand(project, Silent())


def test_dead_and_one_point_series_among_others(tmp_path):
    sales = make_sales(regions=2, products=2, periods=100)
    dead = (sales["region_id"] == "r0") & (sales["product_id"] == "p0")
    sales.loc[dead, "units"] = 0.0
    point = sales.iloc[-1:].assign(product_id="new", units=3.0)
    project = write_project(tmp_path, pd.concat([sales, point], ignore_index=True), SMALL)
    heard = Heard()
    model = fit_demand(project, heard)
    assert any("1 series is not forecast, such as r0 / p0: no sale" in said for said in heard.said)
    table = forecast_demand(project, model)
    new = table.query("product_id == 'new' and region_level == 'region'")
    assert len(new) == 14
    assert new["evidence"].str.startswith("1 days of own history").all()
    assert table.query("region_id == 'r0' and product_id == 'p0'").empty


def test_stock_outs_are_neither_learned_nor_scored(tmp_path):
    sales = make_sales(regions=1, products=2, periods=120)
    out = np.random.default_rng(2).random(len(sales)) < 0.2
    sales["is_stock_out"] = out
    sales.loc[out, "units"] = 0.0
    project = write_project(tmp_path, sales, SMALL)
    found = backtest_demand(project, Silent())
    bottom = found.forecasts.query("model == 'almanac' and level == 'region/product'")
    assert len(bottom) < 2 * 14 * 3
    assert bottom["units"].notna().all()
    scores = found.scores.query("model == 'almanac' and bucket == 'all'").set_index("level")
    assert abs(scores.loc["region/product", "bias"]) < 0.1
    assert scores.loc["all/all", "bias"] == pytest.approx(scores.loc["region/product", "bias"])


@pytest.mark.parametrize(
    ("frequency", "freq", "periods", "days"),
    [("week", "W-WED", 60, 14), ("month", "MS", 40, 60), ("quarter", "QS", 20, 180)],
)
def test_other_frequencies(tmp_path, frequency, freq, periods, days):
    sales = make_sales(regions=2, products=2, periods=periods, freq=freq)
    settings = TINY.replace("horizon_days = 14", f"horizon_days = {days}")
    project = write_project(tmp_path, sales, f'{settings}frequency = "{frequency}"\n')
    found = backtest_demand(project, Silent())
    buckets = {bucket.name for bucket in build_buckets(FREQUENCIES[frequency], 2)}
    assert set(found.scores["bucket"]) == {*buckets, "all"}
    table = forecast_demand(project, fit_demand(project, Silent(), backtest=found))
    assert table["date"].nunique() == 2
    assert np.isfinite(table[["mean", *QUANTILE_NAMES]].to_numpy()).all()
    sums = table.groupby(["date", "level"])["mean"].sum().unstack()
    for level in sums:
        np.testing.assert_allclose(sums[level], sums["all/all"])
    if frequency == "week":
        assert set(table["date"].dt.day_of_week) == {2}
    else:
        assert set(table["date"].dt.day) == {1}


def test_choices_of_the_backtest_are_reported_with_their_reasons(backtest):
    choices = backtest.choices
    assert {
        "reconciliation",
        "blend of nodes",
        "distribution of series",
        "errors in common",
    } <= set(choices["choice"])
    assert not choices.isna().any().any()
    weights = backtest.weights.groupby("bucket")["weight"]
    assert weights.sum().to_numpy() == pytest.approx(1.0)
    assert (backtest.weights["weight"] >= 0).all()
