"""What a backtest promised is read from the registry, and a real forecast is held against it."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from features.door.tables import build_tables
from features.progress import Silent
from tests.small_project import DAYS, FIRST_DAY, write_small_project
from tests.test_training_lifecycle import FINGERPRINTS, load_tiny, make_recipe
from training.demand.steps import backtest_demand, fit_demand, forecast_demand, load_panel
from training.lifecycle import train
from training.monitor.arrivals import Arrived, join_arrivals, tabulate_units
from training.monitor.checks import Verdict
from training.monitor.forecast_error import check_forecasts
from training.monitor.promises import promise_wape, read_promise
from training.monitor.settings import MonitorSettings
from training.tracking import open_tracker

ORIGIN = (FIRST_DAY + timedelta(days=DAYS - 15)).date()


@pytest.mark.slow
def test_a_promise_is_read_by_version_and_its_absence_is_no_failure(tmp_path):
    project = load_tiny(tmp_path)
    assert read_promise(project, "1") is None
    assert not project.workspace.tracking.exists()  # looking makes no registry
    version = train(project, make_recipe(0.3), FINGERPRINTS, Silent())
    scores = read_promise(project, version.number)
    assert scores is not None
    assert scores["wape"].tolist() == [0.3]
    assert read_promise(project, "99") is None
    assert open_tracker(project).find_run("demand", version.number) == version.run_id


@pytest.mark.slow
def test_a_real_forecast_keeps_its_promise_and_doubled_sales_break_it(tmp_path):
    project = write_small_project(tmp_path)
    build_tables(project, Silent())
    scores = backtest_demand(project, Silent(), panel=load_panel(project, ORIGIN)).scores
    model = fit_demand(project, Silent(), origin=ORIGIN)
    forecasts = forecast_demand(project, model, origin=ORIGIN)
    units = tabulate_units(load_panel(project))
    assert units["date"].max() == pd.Timestamp(ORIGIN + timedelta(days=14))

    def judge(arrived: Arrived) -> dict[str, Verdict]:
        promised = promise_wape(scores, arrived)
        assert promised is not None
        checks = check_forecasts(arrived, promised, MonitorSettings(), is_published=True)
        return {check.subject: check.verdict for check in checks}

    kept = judge(join_arrivals("1", forecasts, units))
    assert len(kept) == 4
    assert Verdict.ALERT not in kept.values()
    doubled = judge(join_arrivals("1", forecasts, units.assign(units=2 * units["units"])))
    assert doubled["v1/wape"] is doubled["v1/bias"] is Verdict.ALERT
