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
# # When to write to whom
#
# How a data scientist works with send times: look at the data, build features as of a date, train,
# compare the models, train again with another setting, compare the runs in MLflow, and look at what
# an answer for one customer rests on.
#
# **Needs** events of the project that `ALMANAC_PROJECT` names, else of the demo (`make demo` makes
# it). **Takes** some five minutes there, as it trains twice; the last training becomes the
# challenger, the champion stays. Open it in Jupyter through jupytext, or run it as a script.

# %%
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import mlflow
import pandas as pd
from rich.console import Console

from features.door.tables import build_tables
from features.progress import Terminal
from features.project import load_project
from models.artifact import load_artifact
from models.receptivity.histories import Histories
from training.config import PromotionSettings
from training.lifecycle import read_evidence, train
from training.plots import draw_importance
from training.promotion.plots import draw_gains, draw_losses, draw_reliability, draw_week
from training.promotion.steps import PromotionModel, SliceReader
from training.recipes import RECIPES
from training.tracking import open_tracker

demo = "demo/almanac.toml" if Path("demo").exists() else "../demo/almanac.toml"
project = load_project(Path(os.environ.get("ALMANAC_PROJECT", demo)))
terminal = Terminal(Console())
recipe = RECIPES["promotion"]
settings = project.section("promotion", PromotionSettings)

# %% [markdown]
# ## Look at the data
#
# The canonical tables are built once; a second run reuses them as long as the sources are the same.
# Their fingerprints are what a training is recorded with.

# %%
tables = build_tables(project, terminal, recipe.tables(project))
fingerprints = {name: table.fingerprint for name, table in tables.items()}
pd.DataFrame({name: {"rows": table.rows} for name, table in tables.items()}).T

# %%
events = pd.read_parquet(project.workspace.table("events"))
print(events["type"].value_counts().to_string())
events.head()

# %% [markdown]
# ## Features as of a date
#
# One row per customer who did anything before the cut-off; nothing after it can change a row. The
# histogram `active_slots` counts what a customer did in each hour of their local week, and halves
# the weight of it every `half_life_days`; the reader's usual one, until training has chosen.

# %%
with SliceReader(project, half_life_days=settings.half_life_days) as reader:
    first, last = reader.read_span()
    as_of = first + 0.75 * (last - first)
    profiles = reader.read_profiles(as_of)
print(f"{len(profiles):,} customers as of {as_of:%Y-%m-%d %H:%M} UTC")
profiles.select_dtypes("number").describe().T

# %%
everyone = Histories.from_table(profiles)
figure, axes = plt.subplots(figsize=(10, 3), layout="constrained")
draw_week(
    axes,
    everyone.counts.sum(axis=0),
    title=f"When customers were active, decayed to {as_of:%Y-%m-%d}",
    unit="events, decayed",
)
plt.show()

# %% [markdown]
# ## Train and compare the models
#
# Every model sees the same customers and windows: fitted on one, calibrated on the next, tested on
# the one after. `train` does all of it, records a run with its folds as child runs, and registers
# the model as challenger. The champion is not touched: that is for `almanac promote`.

# %%
version = train(project, recipe, fingerprints, terminal)
evidence = read_evidence(project.workspace.runs / recipe.kind)
best = evidence["best"]["model"].iloc[0]
evidence["scores"].set_index("model").T

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.5), layout="constrained")
draw_losses(left, evidence["folds"])
draw_gains(right, evidence["gains"])
plt.show()

# %% [markdown]
# A probability is worth its name if what gets 1 % happens in 1 of 100 weeks. Both axes are
# logarithmic, as most hours of most customers are quiet.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
draw_reliability(left, evidence["reliability"], model=best)
draw_importance(right, evidence["importance"], title="What tells how active a customer will be")
plt.show()

# %% [markdown]
# ## Retrain with another setting
#
# Do habits fade faster? How fast is chosen by backtest where the section `[promotion]` of the
# project file says nothing; here the same project is trained with a third of what was chosen.

# %%
tried = evidence["half_life"]
half_life_days = float(tried.loc[tried["is_chosen"], "half_life_days"].iloc[0])
print(tried.to_string(index=False))
promotion = project.raw.get("promotion", {}) | {"half_life_days": half_life_days / 3}
faster = replace(project, raw=project.raw | {"promotion": promotion})
train(faster, recipe, fingerprints, terminal)

# %% [markdown]
# ## Compare the runs in MLflow
#
# Parent runs are trainings, child runs their folds. The same table is on MLflow's page, with the
# tables and plots of every run below `evidence/`. The fourth notebook goes on from here.

# %%
tracker = open_tracker(project)
runs = mlflow.search_runs(
    experiment_names=[tracker.experiment], filter_string="tags.kind = 'promotion'"
)
trainings = runs[runs["tags.mlflow.parentRunId"].isna()]
comparison = trainings[
    [
        "start_time",
        "params.settings.half_life_days",
        "metrics.log_loss",
        "metrics.calibration_error",
        "metrics.block_hit",
    ]
]
comparison

# %% [markdown]
# The last training is now the challenger, whichever was better: train again with what is to stay in
# the project file before `almanac promote`.
#
# ## What an answer rests on
#
# The registered model of the first training, for the customer with most activity and the one with
# least: the fewer events of their own, the more their week is that of their region and of everyone.

# %%
with TemporaryDirectory() as folder:
    bundle = tracker.download_bundle(recipe.kind, version, Path(folder) / "bundle")
    model = PromotionModel.from_files(load_artifact(bundle, recipe.kind).files)
known = Histories.from_table(model.profiles)
pair = known.take([known.own_events.argmax(), known.own_events.argmin()])
reasons = model.model.explain(pair)
for reason in reasons.to_dict("records"):
    print(f"{reason['customer_id']}: {reason['sentence']}")

# %%
figure, rows = plt.subplots(2, 1, figsize=(10, 5.5), layout="constrained")
for axes, customer, week in zip(rows, pair.customer_id, model.model.predict(pair), strict=True):
    draw_week(axes, week, title=f"Customer {customer}", unit="probability of activity")
plt.show()
