# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How much each region will want
#
# How a data scientist works with demand: look at the series, at the panel as of an origin, train,
# read the backtest and what it chose, train again with another setting, compare the runs in MLflow,
# and ask a forecast for its intervals, its reasons, a scenario and the stock it calls for.
#
# **Needs** sales of the project that `ALMANAC_PROJECT` names, else of the demo (`make demo` makes
# it). **Takes** some ten minutes there, as it trains twice; the last training becomes the
# challenger, the champion stays. Open it in Jupyter through jupytext, or run it as a script.

# %%
import io
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import pandas as pd
from rich.console import Console

from features.door.tables import build_tables
from features.progress import Terminal
from features.project import load_project
from models.artifact import load_artifact
from models.demand.plan_changes import Change
from models.demand.reasons import PARTS
from models.demand.scenario import find_series, run_scenario
from models.demand.scenario_files import Scenarios
from training.config import DemandSettings
from training.datasets import tabulate_panel
from training.demand.explanations import REASONS_FILE
from training.demand.plots import (
    draw_coverage,
    draw_error_by_horizon,
    draw_error_by_level,
    draw_sales,
    draw_series,
    sort_levels,
)
from training.demand.steps import load_panel
from training.demand.stock_files import STOCK_FILE
from training.demand.what_if import describe_scenario
from training.demand.worst_series import find_worst_series
from training.findings import PUBLISHED, compare_wape, pick_series, score_regions
from training.lifecycle import read_evidence, train
from training.recipes import FORECASTS_FILE, RECIPES
from training.tracking import open_tracker

demo = "demo/almanac.toml" if Path("demo").exists() else "../demo/almanac.toml"
project = load_project(Path(os.environ.get("ALMANAC_PROJECT", demo)))
terminal = Terminal(Console())
recipe = RECIPES["demand"]
settings = project.section("demand", DemandSettings)

# %% [markdown]
# ## Look at the series
#
# The canonical tables are built once; a second run reuses them as long as the sources are the same.

# %%
tables = build_tables(project, terminal, recipe.tables(project))
fingerprints = {name: table.fingerprint for name, table in tables.items()}
sales = pd.read_parquet(project.workspace.table("sales"))
sales = sales[sales["units"].notna()]
by_series = sales.groupby(["region_id", "product_id"])["units"]
series = pd.DataFrame(
    {"units": by_series.sum(), "zero_share": by_series.agg(lambda u: (u == 0).mean())}
)
series.sort_values("units", ascending=False)

# %%
weekday = pd.to_datetime(sales["date"]).dt.day_name().str[:3]
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.2), layout="constrained")
draw_sales(left, sales.groupby("date", as_index=False)["units"].sum())
left.set(title="All regions and products", ylabel="units a period")
profile = sales.groupby(weekday, sort=False)["units"].mean()
right.bar(profile.index, profile)
right.set(title="By weekday", ylabel="mean units a series")
plt.show()

# %% [markdown]
# ## The panel as of an origin
#
# A complete grid of region × product × period with everything a forecast made at the origin may
# know: what was sold up to it, and what is planned after it.

# %%
last = pd.to_datetime(sales["date"]).max().date()
panel = load_panel(project, last - timedelta(days=settings.horizon_days))
tabulate_panel(panel).groupby(["region_id", "product_id"]).tail(1)

# %% [markdown]
# ## Train and read the backtest
#
# From every origin all models are fitted anew on what was known there. `train` does that, fits the
# final model, records a run with its folds as child runs, and registers the model as challenger.
# The champion is not touched: that is for `almanac promote`.

# %%
version = train(project, recipe, fingerprints, terminal)
evidence = read_evidence(project.workspace.runs / recipe.kind)
scores, forecasts = evidence["scores"], evidence["forecasts"]
levels = sort_levels(scores)
scores[(scores["bucket"] == "all") & (scores["level"] == levels[0])].set_index("model").T

# %%
gain = compare_wape(forecasts, np.random.default_rng(project.settings.seed))
print(
    f"WAPE {gain.wape:.3f}, that of the {gain.baseline} {gain.baseline_wape:.3f}: "
    f"gain {gain.relative:.1%}, 95 % interval {gain.low:.1%} to {gain.high:.1%}"
)
score_regions(forecasts).head(10)

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 3.8), layout="constrained")
draw_error_by_horizon(left, scores, levels[0])
draw_error_by_level(middle, scores)
draw_coverage(right, scores, levels[0], PUBLISHED)
plt.show()

# %%
picks = pick_series(forecasts)
figure, rows = plt.subplots(
    len(picks), 1, figsize=(12, 2.7 * len(picks)), layout="constrained", squeeze=False
)
for axes, pick in zip(rows[:, 0], picks, strict=True):
    draw_series(axes, pick.rows, title=f"{pick.why}: {pick.region} / {pick.product}")
plt.show()

# %% [markdown]
# Where it is worst among what sells, and what stands out there: a single date, a bias, a shift of
# sales between the origins, or nothing but noise.

# %%
find_worst_series(forecasts)[["region", "product", "wape", "baseline_wape", "bias", "because"]]

# %% [markdown]
# ## What the backtest chose
#
# The weights of the members by horizon, then all else: the Tweedie power, how levels are made to
# agree, which distribution a series has, and how much of their errors series have in common.

# %%
evidence["weights"].pivot_table(index="member", columns="bucket", values="weight").round(2)

# %%
evidence["choices"]

# %% [markdown]
# ## Retrain with another setting
#
# The Tweedie power says how fast the variance of sales grows with their mean: 1 is Poisson's, 2 is
# gamma's. It is chosen before the first origin unless `is_power_tuned` is false. The settings are
# those of the section `[demand]` of the project file; `use_prophet` and `horizon_days` would be
# changed the same way.

# %%
demand = project.raw.get("demand", {})
lightgbm = demand.get("lightgbm", {}) | {"tweedie_power": 1.6, "is_power_tuned": False}
other = replace(project, raw=project.raw | {"demand": demand | {"lightgbm": lightgbm}})
train(other, recipe, fingerprints, terminal)

# %% [markdown]
# ## Compare the runs in MLflow
#
# Parent runs are trainings, child runs their folds; metrics are named by score, level and horizon.

# %%
tracker = open_tracker(project)
runs = mlflow.search_runs(
    experiment_names=[tracker.experiment], filter_string="tags.kind = 'demand'"
)
trainings = runs[runs["tags.mlflow.parentRunId"].isna()]
comparison = trainings[
    [
        "start_time",
        "params.settings.lightgbm.tweedie_power",
        f"metrics.wape/{levels[0]}/all",
        f"metrics.bias/{levels[0]}/all",
        f"metrics.coverage_80/{levels[0]}/all",
        f"metrics.pinball/{levels[0]}/all",
    ]
]
comparison

# %% [markdown]
# The last training is now the challenger, whichever was better: train again with what is to stay in
# the project file before `almanac promote`.
#
# ## A forecast with its intervals
#
# Every registered model holds its forecasts of all levels, and what is asked of them. Here is that
# of the largest series, from the first training, after what was sold before.

# %%
with TemporaryDirectory() as folder:
    bundle = tracker.download_bundle(recipe.kind, version, Path(folder) / "bundle")
    files = load_artifact(bundle, recipe.kind).files  # checks every byte
published, reasons, advice = (
    pd.read_parquet(io.BytesIO(files[name])) for name in (FORECASTS_FILE, REASONS_FILE, STOCK_FILE)
)
region, product = series["units"].idxmax()
ahead = published[(published["region_id"] == region) & (published["product_id"] == product)]
print(ahead["evidence"].iloc[0])
ahead[["date", "mean", "q10", "q50", "q90"]].head()

# %%
past = sales[(sales["region_id"] == region) & (sales["product_id"] == product)]
figure, axes = plt.subplots(figsize=(12, 3.5), layout="constrained")
draw_sales(axes, past.sort_values("date").tail(4 * len(ahead)))
draw_series(axes, ahead, title=f"{region} / {product}")
plt.show()

# %% [markdown]
# ## Why
#
# The parts of that forecast in units; they sum to its mean.

# %%
parts = reasons[(reasons["region_id"] == region) & (reasons["product_id"] == product)]
parts = parts.merge(ahead[["level", "date", "mean"]]).set_index("date")[["mean", *PARTS]]
gap = np.abs(parts[list(PARTS)].sum(axis=1) - parts["mean"]).max()
print(f"largest difference between the mean and the sum of its parts: {gap:.1e} units")
parts.round(2)

# %% [markdown]
# ## What if
#
# A change of the plan on the same sample paths: here, no promotion in any period. What the trees
# cannot react to, or never saw, is said below.

# %%
scenarios = Scenarios.from_files(files)
chosen = find_series(scenarios.paths, region, product)
asked = run_scenario(scenarios.paths, scenarios.read(chosen), Change(is_promoted=False))
print(describe_scenario(asked))

# %% [markdown]
# ## What to hold
#
# From the same paths: what to order up to, so that there is stock until the next order can arrive,
# by `[stock]` of the project file. Without stock on file it gives levels, not orders.

# %%
print(advice[(advice["region_id"] == region) & (advice["product_id"] == product)].iloc[0]["reason"])
advice[["region_id", "product_id", "reorder_point", "order_up_to", "safety_stock"]].head()

# %% [markdown]
# How that rule would have done in the backtest, beside simpler ones:

# %%
evidence["stock_policies"][["policy", "total_money", "holding_money", "lost_money", "fill_rate"]]
