"""The results of the demand benchmark: scores, the bars they must pass, Markdown and JSON."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.demand_bars import OVERALL, Bar
from benchmarks.demand_data import Dataset, build_grid, build_nodes, scale_errors
from benchmarks.demand_frames import NODE, QUANTILE_NAMES
from benchmarks.demand_volume import format_coverage
from training.demand.scores import score_forecasts

SHOWN = ("wape", "bias", "rmsse", "pinball", "coverage_80", "coverage_95")
LIBRARIES = (
    "statsforecast", "mlforecast", "prophet", "lightgbm", "pandas", "numpy", "scipy", "numba",
)  # fmt: skip


def build_scores(dataset: Dataset, models: list[str], cache: Path) -> pd.DataFrame:
    """Score what the cache holds of a dataset.

    Returns
    -------
    DataFrame
        dataset, model, level, the scores, rmse (mean over series), n_rows and n_missing: rows that
        the model did not forecast, which count as a forecast of nothing.
    """
    nodes = build_nodes(dataset, build_grid(dataset), known=())
    truth = pd.concat([_read_truth(dataset, nodes, at) for at in dataset.origins])
    parts = []
    for model in models:
        made = pd.read_parquet(cache / f"{dataset.name}.{model}.parquet")
        # a level that a model leaves out as a whole is not scored
        rows = truth[truth["level"].isin(made["level"].unique())]
        rows = rows.merge(made, on=["origin", *NODE, "date"], how="left")
        values = ["mean", *QUANTILE_NAMES]
        is_missing = rows["mean"].isna()
        rows = rows.assign(model=model, bucket="all", **rows[values].fillna(0.0))
        scores = score_forecasts(rows)
        scores = scores.drop_duplicates(["model", "level"]).drop(columns="bucket")
        gaps = is_missing.groupby(rows["level"]).sum()
        rmse = score_rmse(rows)
        scores = scores.assign(
            rmse=scores["level"].map(rmse.groupby("level").mean()),
            n_missing=scores["level"].map(gaps),
        )
        parts.append(scores)
        if set(made["level"]) == set(dataset.levels):
            overall = {"model": model, "level": OVERALL, "rmse": rmse.mean()}
            parts.append(pd.DataFrame([{**overall, "n_missing": int(is_missing.sum())}]))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "dataset", dataset.name)
    order = {level: place for place, level in enumerate(dataset.levels)}
    return table.sort_values(["level", "model"], key=lambda c: c.map(order) if c.name == "level"
                             else c, kind="stable", ignore_index=True)  # fmt: skip


def score_rmse(rows: pd.DataFrame) -> pd.Series:
    """Return the root mean squared error of each series, by level and node."""
    square = (rows["mean"] - rows["units"]) ** 2
    return np.sqrt(square.groupby([rows[name] for name in NODE]).mean())


def mark_best(table: pd.DataFrame, score: str = "wape") -> pd.Series:
    """Return for each row whether it has the lowest score of its dataset and level."""
    lowest = table.groupby(["dataset", "level"])[score].transform("min")
    return table[score].notna() & (table[score] == lowest)


def print_wape(table: pd.DataFrame, path: Path) -> None:
    """Write WAPE, in percent, by dataset, level and model as plain text."""
    rows = table[table["level"] != OVERALL]
    wide = rows.pivot_table(index=["dataset", "level"], columns="model", values="wape", sort=False)
    lines = [(100 * wide).round(2).to_string()]
    overall = table[table["level"] == OVERALL]
    wide = overall.pivot_table(index="dataset", columns="model", values="rmse", sort=False)
    lines += ["", "RMSE, mean over all series of all levels", wide.round(2).to_string()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def format_rows(table: pd.DataFrame) -> list[str]:
    """Return Markdown lines of the scores; the best of a level is bold, score by score."""
    rows = table[table["level"] != OVERALL].reset_index(drop=True)
    lines = [
        f"| dataset | level | model | {' | '.join(SHOWN)} | rows | not forecast |",
        "|---" * (len(SHOWN) + 5) + "|",
    ]
    closeness = rows.assign(
        bias=rows["bias"].abs(),
        coverage_80=(rows["coverage_80"] - 0.80).abs(),
        coverage_95=(rows["coverage_95"] - 0.95).abs(),
    )
    is_best = {name: mark_best(closeness, name) for name in SHOWN}
    for place, row in rows.iterrows():
        cells = [
            f"**{row[name]:.4f}**" if is_best[name][place] else f"{row[name]:.4f}" for name in SHOWN
        ]
        lines.append(
            f"| {row['dataset']} | {row['level']} | {row['model']} | {' | '.join(cells)} "
            f"| {int(row['n_rows']):,} | {int(row['n_missing']):,} |"
        )
    return lines


def write_results(
    table: pd.DataFrame,
    costs: pd.DataFrame,
    volume: pd.DataFrame,
    bars: list[Bar],
    folder: Path,
    command: str,
) -> None:
    """Write `demand.md` and `demand.json`."""
    about = {"date": datetime.now(UTC).date().isoformat(), "command": command}
    about |= {"python": platform.python_version()} | _find_versions()
    overall = table[table["level"] == OVERALL]
    lines = [
        "# Forecasts of demand beside the forecasters people use",
        "",
        *(f"- {key}: {value}" for key, value in about.items()),
        "",
        *(FOLDER_NOTES),
        "",
        "## Bars",
        "",
        "| bar | met | found, or where it is missed |",
        "|---|---|---|",
        *(f"| {bar.name} | {'yes' if bar.is_met else 'no'} | {bar.found} |" for bar in bars),
        "",
        "## Scores",
        "",
        *format_rows(table),
        "",
        *(format_coverage(volume) if len(volume) else []),
        "## RMSE, mean over all series of all levels",
        "",
        "| dataset | model | RMSE |",
        "|---|---|---|",
        *(f"| {r.dataset} | {r.model} | {r.rmse:.2f} |" for r in overall.itertuples()),
        "",
        "## Costs",
        "",
        "| dataset | model | seconds | CPU s | peak GiB |",
        "|---|---|---|---|---|",
        *(
            f"| {r.dataset} | {r.model} | {r.seconds:.1f} | {r.cpu:.1f} | {r.gib:.2f} |"
            for r in costs.itertuples()
        ),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "demand.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    saved = {
        "about": about,
        "bars": [asdict(bar) for bar in bars],
        "scores": json.loads(table.to_json(orient="records")),
        "costs": costs.to_dict(orient="records"),
        "coverage_by_volume": volume.to_dict(orient="records"),
    }
    (folder / "demand.json").write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")


def _read_truth(dataset: Dataset, nodes: pd.DataFrame, origin: pd.Timestamp) -> pd.DataFrame:
    """Return what was sold at the scored steps, of nodes with two periods before the origin."""
    start = int(dataset.dates.get_loc(origin)) + 1 + dataset.gap
    dates = dataset.dates[start : start + dataset.horizon]
    past = nodes.loc[nodes["date"] <= origin, "unique_id"].value_counts()
    rows = nodes[nodes["date"].isin(dates) & nodes["unique_id"].isin(past.index[past >= 2])]
    rows = rows.merge(scale_errors(dataset, nodes, origin), on="unique_id", how="left")
    return rows.dropna(subset="units").assign(origin=origin).drop(columns=["history", "unique_id"])


def _find_versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


FOLDER_NOTES = (
    "Every contender knows the same history and the same plan, forecasts every node of every level "
    "from the same origins and is cut at zero. ETS, Theta and the seasonal naive are fitted to "
    "every node's own series; ETS has no season for weekly data, as statsforecast takes none "
    "beyond 24 periods; ETS and Theta read the last three years of daily data. Prophet has the "
    "plan's columns as regressors and the country's holidays, and only levels of at most 150 "
    "nodes; its settings for turnover were chosen on the scored window, in its favour. "
    "mlforecast is one LightGBM of the bottom series, summed. Of the best, WAPE, RMSSE and "
    "pinball are lowest, bias nearest to zero, coverage nearest to its nominal.",
)
