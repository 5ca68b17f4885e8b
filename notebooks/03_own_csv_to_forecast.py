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
# # From your own CSV to a forecast
#
# One file of sales, no project file, no code to write: what Almanac makes of it, how it says what
# is wrong with it, how good the forecast would have been, and the forecast itself as a CSV.
#
# **Needs** a CSV file that `ALMANAC_CSV` names, with a date, a store, a product and a
# quantity, under whatever headings. Without one it writes such a file from the project that
# `ALMANAC_PROJECT` names, else from the demo (`make demo` makes it): a few stores and products, as
# a till might export them. **Takes** a minute or two for a dozen series, and touches nothing
# outside a temporary folder. Open it in Jupyter through jupytext, or run it as a script.

# %%
import os
import shutil
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import pandas as pd
from rich.console import Console

from features.door.draft import write_draft
from features.door.tables import build_tables
from features.errors import TableError
from features.progress import Silent, Terminal
from features.project import load_project
from training.config import DemandSettings
from training.demand.forecasts import select_level
from training.demand.plots import (
    draw_coverage,
    draw_error_by_horizon,
    draw_error_by_level,
    draw_sales,
    draw_series,
    sort_levels,
)
from training.demand.steps import backtest_demand, fit_demand, forecast_demand, load_panel
from training.demand.worst_series import find_worst_series
from training.findings import PUBLISHED, score_regions
from training.quality.measure import measure_quality
from training.quality.plots import draw_rows
from training.written import write_result

terminal = Terminal(Console())
folder = Path(mkdtemp(prefix="my-shop-"))

# %% [markdown]
# ## The file
#
# The headings are the shop's own. Nothing has to be renamed: the project file says which is which.

# %%
csv = folder / "till.csv"
if "ALMANAC_CSV" in os.environ:
    shutil.copy(os.environ["ALMANAC_CSV"], csv)
else:
    demo = "demo/almanac.toml" if Path("demo").exists() else "../demo/almanac.toml"
    source = load_project(Path(os.environ.get("ALMANAC_PROJECT", demo)))
    build_tables(source, Silent(), ["sales"])
    sales = pd.read_parquet(source.workspace.table("sales"))
    totals = sales.groupby("region_id")["units"].sum().sort_values(ascending=False)
    kinds = sales.groupby("product_id")["units"].sum().sort_values(ascending=False)
    is_some = sales["region_id"].isin(totals.index[:3]) & sales["product_id"].isin(kinds.index[:4])
    till = sales.loc[is_some & sales["units"].notna(), ["date", "region_id", "product_id", "units"]]
    till.columns = pd.Index(["Day", "Shop", "Article", "Pieces"])
    till.to_csv(csv, index=False)
pd.read_csv(csv).head()

# %% [markdown]
# ## The project file, by looking at it
#
# `almanac init --sales till.csv` does this. It guesses the columns from their headings and their
# content, the delimiter, the encoding and how often there is a row, and comments what it chose.
# What it does not know it asks: a line `TO DO` says what was looked for and what the file has.

# %%
print(write_draft(folder / "almanac.toml", sales=csv, orders=None))
print((folder / "almanac.toml").read_text(encoding="utf-8"))

# %% [markdown]
# Here it asks which column holds the units: no word that it knows. The answer is one line. Two more
# are changed to make this notebook quick, fewer origins to judge from and no Prophet; leave those
# out for your own. With a file of yours, answer what your draft asks in the same way.

# %%
drafted = (folder / "almanac.toml").read_text(encoding="utf-8")
answered = drafted.replace("# TO DO: units = ?", 'units = "Pieces"')
quick = answered.replace("origins = 6", "origins = 4\nuse_prophet = false")
(folder / "almanac.toml").write_text(quick, encoding="utf-8")
project = load_project(folder / "almanac.toml")
settings = project.section("demand", DemandSettings)
print(f"{settings.frequency}s, {settings.horizon_days} days ahead, {settings.origins} origins")

# %% [markdown]
# ## What is wrong is refused, with its place
#
# A mistake on purpose: in a copy, one quantity becomes a word. The message names the file, the row,
# the column, what was expected, what was there and what to do; nothing half-read is left behind.

# %%
wrong = folder / "wrong"
wrong.mkdir()
broken = pd.read_csv(csv, dtype=str)
broken.loc[6, project.tables["sales"].columns["units"]] = "a dozen"
broken.to_csv(wrong / csv.name, index=False)
shutil.copy(project.path, wrong)
try:
    build_tables(load_project(wrong / "almanac.toml"), Silent())
except TableError as error:
    print(f"refused: {error}")

# %% [markdown]
# ## What is allowed, and yet worth a look
#
# The right file is read, checked, and written as a table of our words. Then what it holds and lacks
# is counted: gaps that look like no demand, series that fell silent, days that were cut short.

# %%
tables = build_tables(project, terminal)
quality = measure_quality(project, ["sales"])
found = quality["quality_findings"]
print(f"{len(found)} of the things that are looked for were found")
for row in found.to_dict("records"):
    print(f"{row['weight']}: {row['count']} of {row['of']} {row['words']}. {row['meaning']}")
quality["quality_columns"].query("filled > 0")

# %%
sold = pd.read_parquet(project.workspace.table("sales"))
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3), layout="constrained")
draw_rows(left, quality["quality_days"], title="Rows by day: did every day arrive?")
draw_sales(right, sold.groupby("date", as_index=False)["units"].sum())
right.set(title="Units of all series", ylabel="units a period")
plt.show()

# %% [markdown]
# ## How good would it have been?
#
# From past dates, knowing nothing later, every model forecasts what came next; simple baselines do
# the same on the same rows. A forecast that does not beat them is not worth its trouble.

# %%
panel = load_panel(project)
backtest = backtest_demand(project, terminal, panel=panel)
for note in backtest.notes:
    print(note)
levels = sort_levels(backtest.scores)
whole = backtest.scores["bucket"] == "all"
at_finest = backtest.scores[whole & (backtest.scores["level"] == levels[0])]
comparison = at_finest[["model", "wape", "bias", "pinball", "coverage_80", "n_rows"]]
comparison.sort_values("wape").round(3)

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 3.8), layout="constrained")
draw_error_by_horizon(left, backtest.scores, levels[0])
draw_error_by_level(middle, backtest.scores)
draw_coverage(right, backtest.scores, levels[0], PUBLISHED)
plt.show()

# %% [markdown]
# Read it in three steps. **Error**: is the solid blue line below the grey ones? **Bias**: is it
# near 0? **Coverage**: are the points near the dashed lines? If an 80 % interval holds 60 %, plan
# with more reserve than it says. Where it is worst, and why:

# %%
print(score_regions(backtest.forecasts)[["region", "units", "wape", "bias"]].round(2).to_string())
find_worst_series(backtest.forecasts, most=5)[["region", "product", "wape", "bias", "because"]]

# %% [markdown]
# ## The forecast
#
# The final model is fitted on everything and forecasts every level at once; levels agree with each
# other, so that the stores sum to the whole.

# %%
model = fit_demand(project, terminal, backtest=backtest, panel=panel)
ahead = forecast_demand(project, model)
finest = select_level(ahead)
region, product = sold.groupby(["region_id", "product_id"])["units"].sum().idxmax()
one = finest[(finest["region_id"] == region) & (finest["product_id"] == product)]
past = sold[(sold["region_id"] == region) & (sold["product_id"] == product)].sort_values("date")
figure, axes = plt.subplots(figsize=(12, 3.5), layout="constrained")
draw_sales(axes, past.tail(4 * len(one)))
draw_series(axes, one, title="The largest series: what was sold, and what is to come")
plt.show()

# %%
total = ahead[(ahead["region_id"] == "all") & (ahead["product_id"] == "all")]
gap = abs(finest["mean"].sum() - total["mean"].sum())
print(f"the series sum to the whole within {gap:.1e} units of {total['mean'].sum():,.0f}")
last = pd.to_datetime(ahead["date"]).max()
print(f"from {last - timedelta(days=settings.horizon_days - 1):%Y-%m-%d} to {last:%Y-%m-%d}")

# %% [markdown]
# ## Out of the notebook
#
# The file a merchandiser opens; and the same from the command line, in the folder of your CSV:
#
# ```
# almanac init --sales till.csv
# almanac check
# almanac backtest demand --out backtest/
# almanac train demand && almanac promote demand
# almanac forecast --out forecast.csv
# almanac report --out report/
# almanac serve
# ```

# %%
columns = ["region_id", "product_id", "date", "mean", "q10", "q50", "q90"]
write_result(finest[columns], folder / "forecast.csv")
print(f"wrote {len(finest):,} rows to {folder / 'forecast.csv'}")
finest[columns].head()
