from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.demand_data import DATA
from benchmarks.demand_scale_data import HORIZON, N_DAYS, write_project
from benchmarks.demand_scale_table import write_results


def measured(series: int, cpu: float, gib: float) -> dict:
    cost = {"seconds": 2 * cpu, "cpu": cpu, "gib": gib}
    stages = dict.fromkeys(("panel", "fit", "forecast"), cost)
    whole = {"seconds": 6 * cpu, "cpu": 3 * cpu, "gib": gib}
    known = {"series": series, "origins": 0, "threads": 1, "rows": 9, "nodes": 3}
    return {**known, "stages": stages, "in_one_go": whole}


def test_what_was_not_measured_is_in_proportion_and_says_so(tmp_path):
    write_results([measured(1_000, 20, 1.0)], tmp_path, "first")
    write_results([measured(10_000, 110, 2.8)], tmp_path, "second")
    text = (tmp_path / "demand_scale.md").read_text()
    assert "50,000 series were not measured" in text
    assert "| fit | 550 | 14.0 |" in text  # five times as many as 10,000
    kept = json.loads((tmp_path / "demand_scale.json").read_text())["results"]
    assert [row["about"]["command"] for row in kept] == ["first", "second"]
    assert (tmp_path / "demand_scale.png").stat().st_size < 60_000
    write_results([measured(50_000, 400, 9.0)], tmp_path, "third")
    assert "not measured" not in (tmp_path / "demand_scale.md").read_text()


@pytest.mark.skipif(not (DATA / "m5").exists(), reason="the M5 subset is not there")
def test_simulated_sales_are_daily_for_three_years_and_planned_after_them(tmp_path: Path):
    write_project(tmp_path, 100, threads=1, origins=2)
    sales = pd.read_parquet(tmp_path / "sales.parquet")
    counts = sales.groupby("product_id")["date"].agg(["size", "nunique", "max"])
    assert len(counts) == 100
    assert (counts["size"] == counts["nunique"]).all()
    assert counts["size"].max() == N_DAYS + HORIZON
    plan = sales[sales["units"].isna()]
    assert (plan.groupby("product_id").size() == HORIZON).all()
    assert np.isfinite(sales["price"]).all()
    with pytest.raises(ValueError, match="multiple of 100"):
        write_project(tmp_path, 150, threads=1, origins=2)
