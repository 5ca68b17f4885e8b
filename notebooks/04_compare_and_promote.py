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
# # Comparing runs, and promoting a champion
#
# A model goes one way: trained, registered as challenger, judged by written gates, made champion,
# published to the service. Here two trainings go it side by side, one refused and one promoted, and
# you see what each step writes down, how runs are compared, and what a refusal looks like.
#
# **Needs** the sales of the project that `ALMANAC_PROJECT` names, else of the demo (`make demo`
# makes it). **Takes** about a minute on a dozen series and some ten on the demo. It works in a
# workspace of its own below a temporary folder: no champion of yours is touched. Open it in Jupyter
# through jupytext, or run it as a script.

# %%
import os
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import pandas as pd
from rich.console import Console

from features.door.tables import build_tables
from features.errors import GateRefused
from features.progress import Terminal
from features.project import load_project
from models.artifact import read_pointer
from training.comparison.chapter import describe_change
from training.comparison.plots import draw_moved, draw_score_changes
from training.comparison.runs import list_runs
from training.comparison.trainings import compare_versions
from training.config import DemandSettings
from training.gates import judge_demand
from training.history import read_history
from training.lifecycle import promote, read_evidence, train
from training.plots import draw_importance
from training.recipes import RECIPES
from training.rollback import roll_back

demo = "demo/almanac.toml" if Path("demo").exists() else "../demo/almanac.toml"
source = load_project(Path(os.environ.get("ALMANAC_PROJECT", demo)))
space = Path(mkdtemp(prefix="compare-runs-"))
own = source.settings.model_copy(update={"workspace": space})
demand = source.raw.get("demand", {}) | {"use_prophet": False, "origins": 3}
project = replace(source, settings=own, raw=source.raw | {"demand": demand})
terminal = Terminal(Console())
recipe = RECIPES["demand"]
tables = build_tables(project, terminal, recipe.tables(project))
fingerprints = {name: table.fingerprint for name, table in tables.items()}

# %% [markdown]
# ## The first training, and the gates
#
# Training registers a challenger and changes nothing else. The gates are numbers of the project
# file, `[demand.gates]`: better than the best baseline, little bias, intervals that hold what they
# say. What they say of the first training can be asked before anything is promoted.

# %%
train(project, recipe, fingerprints, terminal)
gates = project.section("demand", DemandSettings).gates
first = read_evidence(project.workspace.runs / "demand")
verdict = judge_demand(gates, first["scores"], None)
pd.DataFrame([(check.is_passed, check.words) for check in verdict.checks])

# %% [markdown]
# A gate that does not pass refuses the promotion in a sentence. Where that happens here, it is
# forced with a reason: the reason stands in MLflow and in the report for good, so that nobody has
# to remember why.

# %%
try:
    promote(project, recipe, terminal)
except GateRefused as refusal:
    print(f"refused: {refusal}")
    promote(project, recipe, terminal, forced_because="the first model: there is no other yet")
read_pointer(project.workspace.published, "demand")

# %% [markdown]
# ## A worse challenger is refused
#
# Trees of two leaves, and only five of them: too little to learn from. On the same data it is also
# set against the champion: one more gate.

# %%
poor_trees = {"rounds": 5, "leaves": 2, "tweedie_power": 1.9, "is_power_tuned": False}
poor_demand = demand | {"lightgbm": demand.get("lightgbm", {}) | poor_trees}
poor_demand = poor_demand | {"gates": {"max_relative_wape": 0.5}}
poor = replace(project, raw=project.raw | {"demand": poor_demand})
train(poor, recipe, fingerprints, terminal)
try:
    promote(poor, recipe, terminal)
except GateRefused as refusal:
    print(f"refused: {refusal}")
print(f"published is still version {read_pointer(project.workspace.published, 'demand').version}")

# %% [markdown]
# (Its gate for the error was tightened to half of the baseline's, so that the refusal can be seen
# on any data; the gates belong to the project file, not to the model.)
#
# ## The runs as a table
#
# What `almanac runs demand` prints. Read `wape` beside `baseline_score`: a model is as good as its
# distance to the best baseline on the same rows.

# %%
runs = list_runs(project, "demand")
comparison = runs[["version", "aliases", "verdict", "wape", "baseline", "baseline_score", "bias"]]
comparison

# %% [markdown]
# ## Two of them side by side
#
# What `almanac compare demand` prints: first in words, then the scores, what differs in the
# settings, what the trees look at, and the forecasts that moved most.

# %%
change = compare_versions(project, "demand", new="challenger", old="champion")
for sentence in describe_change(change):
    print(sentence)
change["change_settings"]

# %%
errors = change["change_scores"].query("score == 'wape'")
figure, axes = plt.subplots(figsize=(10, 1.3 + 0.3 * len(errors)), layout="constrained")
draw_score_changes(axes, errors)
plt.show()
errors

# %% [markdown]
# Where the two look: the poor one has little to go by.

# %%
poor_evidence = read_evidence(project.workspace.runs / "demand")
figure, (left, right) = plt.subplots(1, 2, figsize=(13, 3.6), layout="constrained")
draw_importance(left, first["importance"], title="The champion looks at")
draw_importance(right, poor_evidence["importance"], title="The challenger looks at")
plt.show()
change["change_features"].head(8)

# %% [markdown]
# And what would change for those who order by it: the series that move most, on the same dates.

# %%
paths = [rows for _, rows in change["change_paths"].groupby(["region", "product"], sort=False)]
figure, panels = plt.subplots(
    len(paths), 1, figsize=(12, 2.4 * len(paths)), layout="constrained", squeeze=False
)
for axes, rows in zip(panels[:, 0], paths, strict=True):
    draw_moved(axes, rows)
plt.show()
change["change_forecasts"].head()

# %% [markdown]
# ## A challenger that is promoted, and the way back
#
# The same settings as the champion make the same bytes, so that the gate against the champion is
# not asked: a retraining that changes nothing is no risk. The history says what was published, when
# and why, and any version in it can be published again in seconds.

# %%
train(project, recipe, fingerprints, terminal)
promote(project, recipe, terminal, forced_because="the settings we keep")
history = read_history(project.workspace.published, "demand")
pd.DataFrame([(line.at, line.action, line.version, line.reason) for line in history])

# %%
now = pd.Timestamp.now(tz="UTC").to_pydatetime()
roll_back(project, "demand", terminal, now=now, reason="to see that it works")
pointer = read_pointer(project.workspace.published, "demand")
print(f"published is version {pointer.version}")
list_runs(project, "demand")[["version", "aliases", "verdict"]]

# %% [markdown]
# ## Where to look next
#
# - `almanac report --out report/` has the section *What changed since the last champion*.
# - `mlflow server --backend-store-uri sqlite:///…/mlflow.db` shows every run with these tables and
#   pictures below `evidence/`, and each promotion below `verdicts/`.
# - `almanac challenge promotion` tries a send-time challenger on a part of the traffic first.

# %%
print(f"mlflow server --backend-store-uri sqlite:///{project.workspace.tracking / 'mlflow.db'}")
