"""What `almanac monitor` finds, and what it leaves alone."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import almanac
from features.door.tables import build_tables
from features.errors import NotTrained
from features.progress import Silent
from models.artifact import Pointer, write_artifact, write_pointer
from tests.served_log import write_log
from tests.small_project import DAYS, FIRST_DAY, write_small_project
from training.monitor.arrivals import Arrived, join_arrivals
from training.monitor.calibration import check_calibration, measure_calibration
from training.monitor.checks import Check, Findings, Verdict
from training.monitor.drift import check_drift
from training.monitor.forecast_error import check_forecasts
from training.monitor.freshness import check_horizon, check_profiles
from training.monitor.promises import promise_wape
from training.monitor.ratios import estimate_ratio
from training.monitor.roles import check_roles
from training.monitor.run import monitor
from training.monitor.served import read_served
from training.monitor.settings import MonitorSettings
from training.monitor.stability import measure_stability
from training.promotion.steps import fit_promotion

BARS = MonitorSettings()
NOW = FIRST_DAY + timedelta(days=DAYS)


def draw_customers(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Features of every kind: heavy tails, many zeros, shares, gaps, words, ties."""
    return pd.DataFrame(
        {
            "customer_id": [f"c{at}" for at in range(n)],
            "spend_365d": rng.lognormal(4, 1.5, n),
            "orders_30d": rng.poisson(0.4, n).astype(float),
            "open_share_365d": np.where(rng.random(n) < 0.5, np.nan, rng.beta(2, 5, n)),
            "order_recency_days": rng.exponential(40, n),
            "basket_value_90d": rng.gamma(2, 20, n),
            "clicks_90d": rng.negative_binomial(1, 0.4, n).astype(float),
            "last_channel": pd.Series(rng.choice(["web", "store", "app"], n), dtype="str"),
            "region_id": pd.Series(rng.choice([f"r{i}" for i in range(40)], n), dtype="str"),
        }
    )


def by_hand(old: list[int], new: list[int]) -> float:
    """PSI in a plain loop, half a row added to every bin."""
    total = 0.0
    for before, after in zip(old, new, strict=True):
        p = (before + 0.5) / (sum(old) + 0.5 * len(old))
        q = (after + 0.5) / (sum(new) + 0.5 * len(new))
        total += (q - p) * math.log(q / p)
    return total


def test_the_index_is_the_sum_over_bins_that_the_definition_says():
    old = pd.Series(["a"] * 60 + ["b"] * 40, dtype="str")
    new = pd.Series(["a"] * 30 + ["b"] * 60 + [None] * 10, dtype="str")
    found = measure_stability(old, new)
    assert found.psi == pytest.approx(by_hand([60, 40, 0], [30, 60, 10]))
    assert (found.n_old, found.n_new, found.n_bins) == (100, 100, 3)
    assert found.expected == pytest.approx(2 * (1 / 100 + 1 / 100))


def test_a_gap_and_a_mass_of_zeros_are_bins_of_their_own():
    old = pd.Series([0.0] * 80 + [float(value) for value in range(1, 21)])
    new = pd.Series([0.0] * 40 + [np.nan] * 40 + [float(value) for value in range(1, 21)])
    found = measure_stability(old, new)
    assert found.psi > by_hand([80, 20, 0], [40, 20, 40]) * 0.99


@pytest.mark.parametrize("n", [500, 5000])
def test_without_drift_the_index_is_as_large_as_chance_says(n):
    rng = np.random.default_rng(1)
    found = [
        measure_stability(pd.Series(rng.normal(size=n)), pd.Series(rng.normal(size=n)))
        for _ in range(200)
    ]
    mean = np.mean([one.psi for one in found])
    assert mean == pytest.approx(9 * 2 / n, rel=0.12)  # .036 at 500, .0036 at 5,000
    beyond = np.mean([one.psi > one.point(0.05) for one in found])
    assert 0.01 < beyond < 0.11


@pytest.mark.parametrize("n", [150, 500, 3000])
def test_no_drift_alerts_in_at_most_five_of_a_hundred_runs(n):
    def is_alerted(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        checks = check_drift(draw_customers(rng, n), draw_customers(rng, n), BARS)
        return any(check.verdict is Verdict.ALERT for check in checks)

    assert sum(is_alerted(seed) for seed in range(100)) <= 5


@pytest.mark.parametrize("n", [500, 3000])
@pytest.mark.parametrize("feature", ["spend_365d", "open_share_365d", "last_channel"])
def test_planted_drift_is_found_with_its_feature_first(n, feature):
    rng = np.random.default_rng(2)
    old, new = draw_customers(rng, n), draw_customers(rng, n)
    moved = {
        "spend_365d": new["spend_365d"] * 4,
        "open_share_365d": new["open_share_365d"].fillna(0.0),
        "last_channel": pd.Series(["social"] * (n // 2) + ["web"] * (n - n // 2), dtype="str"),
    }
    checks = check_drift(old, new.assign(**{feature: moved[feature]}), BARS)
    assert (checks[0].subject, checks[0].verdict) == (feature, Verdict.ALERT)
    assert all(check.verdict is not Verdict.ALERT for check in checks[1:])
    assert feature in checks[0].reason


def test_a_small_real_change_of_many_is_no_alert():
    rng = np.random.default_rng(3)
    old = pd.DataFrame({"spend_365d": rng.normal(0.0, 1.0, 200_000)})
    new = pd.DataFrame({"spend_365d": rng.normal(0.1, 1.0, 200_000)})
    (check,) = check_drift(old, new, BARS)
    assert check.value > measure_stability(old.iloc[:, 0], new.iloc[:, 0]).point(1e-6)
    assert check.verdict is Verdict.OK


def test_what_ages_by_itself_is_watched_and_few_customers_are_not_judged():
    rng = np.random.default_rng(4)
    old = pd.DataFrame({"tenure_days": rng.uniform(0, 300, 800)})
    (check,) = check_drift(old, old + 200.0, BARS)
    assert check.verdict is Verdict.WATCH
    (check,) = check_drift(old[:50], old, BARS)
    assert (check.verdict, check.n) == (Verdict.UNKNOWN, 50)


def test_true_probabilities_rarely_alert_and_false_ones_do():
    customer = np.array([f"c{at}" for at in range(2000)], object)

    def alerts(seed: int, factor: float) -> bool:
        rng = np.random.default_rng(seed)
        true = rng.beta(2, 18, 2000)
        sends = pd.DataFrame(
            {
                "probability": true * factor,
                "is_answered": rng.random(2000) < true,
                "customer": customer,
            }
        )
        checks, bins = check_calibration(sends, BARS, rng, is_response=True)
        assert sum(row["sends"] for row in bins) == 2000
        return checks[0].verdict is Verdict.ALERT

    assert sum(alerts(seed, 1.0) for seed in range(60)) <= 2
    assert all(alerts(seed, 1.8) for seed in range(10))


def test_the_calibration_error_is_that_of_a_plain_loop():
    rng = np.random.default_rng(5)
    predicted = rng.random(1000) * 0.4
    answered = (rng.random(1000) < predicted * 0.5).astype(float)
    found = measure_calibration(predicted, answered, np.arange(1000).astype(object), rng)
    pairs, total = sorted(zip(predicted, answered, strict=True)), 0.0
    for start in range(0, 1000, 100):
        part = pairs[start : start + 100]
        total += abs(sum(p for p, _ in part) / 100 - sum(a for _, a in part) / 100) * 0.1
    assert found.error == pytest.approx(total)
    assert found.design_effect < 1.3


def test_a_model_of_activity_is_not_held_to_its_level():
    rng = np.random.default_rng(6)
    sends = pd.DataFrame(
        {"probability": 0.9, "is_answered": rng.random(500) < 0.1, "customer": range(500)}
    )
    checks, _ = check_calibration(sends, BARS, rng, is_response=False)
    assert {check.verdict for check in checks} == {Verdict.OK}
    assert "active" in checks[0].reason


def test_a_ratio_knows_that_rows_of_a_date_go_together():
    date = np.repeat(np.arange(20), 50)
    rng = np.random.default_rng(7)
    hits = np.repeat((rng.random(20) < 0.8).astype(float), 50)  # all of a date, or nothing
    found = estimate_ratio(hits, np.ones(1000), date)
    low, high = found.share_interval()
    assert high - low > 0.3  # 20 dates, not 1,000 rows
    free = estimate_ratio((rng.random(1000) < 0.8).astype(float), np.ones(1000), date)
    low, high = free.share_interval()
    assert high - low < 0.12


def test_the_interval_of_a_share_covers_it_when_dates_miss_together():
    rng = np.random.default_rng(8)
    inside = 0
    for _ in range(300):
        rate = np.repeat(rng.beta(8, 2, 28), 30)
        hits = (rng.random(28 * 30) < rate).astype(float)
        low, high = estimate_ratio(
            hits, np.ones(840), np.repeat(np.arange(28), 30)
        ).share_interval()
        inside += low <= 0.8 <= high
    assert inside / 300 > 0.90


def forecast(origin: date, scale: float = 1.0, *, n_days: int = 14, seed: int = 9) -> Arrived:
    """Forecasts of 12 series with true quantiles, beside sales that are `scale` times as many."""
    rng = np.random.default_rng(seed)
    rows = []
    for series in range(12):
        for step in range(1, n_days + 1):
            mean = 50.0 + 10 * series
            spread = np.sqrt(mean)
            rows.append(
                {
                    "region_id": f"s{series}",
                    "product_id": "p",
                    "date": pd.Timestamp(origin + timedelta(days=step)),
                    "level": "store/sku",
                    "origin": pd.Timestamp(origin),
                    "mean": mean,
                    "q025": mean - 1.96 * spread,
                    "q10": mean - 1.2816 * spread,
                    "q90": mean + 1.2816 * spread,
                    "q975": mean + 1.96 * spread,
                    "units": max(rng.normal(mean * scale, spread), 0.0),
                    "step": step,
                }
            )
    return Arrived("3", "store/sku", pd.DataFrame(rows))


def verdicts(arrived: Arrived, promised: float | None, **more: bool) -> dict[str, Verdict]:
    more = {"is_published": True, **more}
    checks = check_forecasts(arrived, promised, BARS, **more)
    return {check.subject: check.verdict for check in checks}


def test_a_forecast_that_came_true_is_fine():
    rows = forecast(date(2026, 3, 1)).rows
    promised = float((rows["mean"] - rows["units"]).abs().sum() / rows["units"].sum())
    found = verdicts(forecast(date(2026, 3, 1)), promised)
    assert found == dict.fromkeys(
        ["v3/wape", "v3/bias", "v3/coverage_80", "v3/coverage_95"], Verdict.OK
    )


def test_true_forecasts_seldom_alert():
    alerts = 0
    for seed in range(100):
        found = verdicts(forecast(date(2026, 3, 1), seed=seed), 0.073)
        alerts += Verdict.ALERT in found.values()
    assert alerts <= 5


def test_sales_that_doubled_alert_and_say_so():
    checks = check_forecasts(forecast(date(2026, 3, 1), 2.0), 0.08, BARS, is_published=True)
    by_name = {check.subject: check for check in checks}
    assert by_name["v3/wape"].verdict is Verdict.ALERT
    assert by_name["v3/wape"].baseline == 0.08
    assert "promised 0.080" in by_name["v3/wape"].reason
    assert "too little" in by_name["v3/bias"].reason
    assert by_name["v3/coverage_80"].verdict is Verdict.ALERT
    old = verdicts(forecast(date(2026, 3, 1), 2.0), 0.08, is_published=False)
    assert set(old.values()) == {Verdict.WATCH}


def test_a_few_dates_and_no_promise_are_said():
    assert verdicts(forecast(date(2026, 3, 1), n_days=3), 0.1) == {"v3/wape": Verdict.UNKNOWN}
    (check, *_) = check_forecasts(forecast(date(2026, 3, 1)), None, BARS, is_published=True)
    assert check.verdict is Verdict.OK
    assert "no backtest" in check.reason


def test_the_promise_is_of_the_horizons_that_arrived():
    scores = pd.DataFrame(
        {
            "model": ["almanac", "almanac", "almanac", "naive"],
            "level": "store/sku",
            "bucket": ["1-7", "8-14", "all", "1-7"],
            "wape": [0.10, 0.30, 0.20, 0.9],
        }
    )
    week = forecast(date(2026, 3, 1), n_days=7)
    assert promise_wape(scores, week) == pytest.approx(0.10)
    rows = forecast(date(2026, 3, 1)).rows.assign(units=1.0)
    assert promise_wape(scores, Arrived("3", "store/sku", rows)) == pytest.approx(0.20)
    assert promise_wape(None, week) is None


def test_only_the_finest_level_and_dates_after_the_origin_are_joined():
    rows = forecast(date(2026, 3, 1), n_days=2).rows
    whole = rows.drop(columns=["units", "step"])
    total = whole[:2].assign(level="all/all", region_id="all", product_id="all")
    units = rows[["region_id", "product_id", "date", "units"]].query("region_id != 's0'")
    arrived = join_arrivals("3", pd.concat([whole, total]), units)
    assert (len(arrived.rows), arrived.level) == (22, "store/sku")
    assert arrived.rows["step"].max() == 2


def test_ages():
    origin, last = date(2026, 3, 1), date(2026, 3, 29)
    left = {day: check_horizon(origin, last, date(2026, 3, day)).verdict for day in (2, 23, 30)}
    assert list(left.values()) == [Verdict.OK, Verdict.WATCH, Verdict.ALERT]
    now = datetime(2026, 3, 31, tzinfo=UTC)
    ages = [check_profiles(now - timedelta(days=age), now, BARS).verdict for age in (10, 20, 40)]
    assert ages == [Verdict.OK, Verdict.WATCH, Verdict.ALERT]


def test_retraining_is_recommended_with_its_reasons_and_files_hold_no_nan(tmp_path):
    from training.monitor.written import describe, write_findings

    checks = (
        Check("forecast", "v1/wape", "demand", Verdict.ALERT, "WAPE is | high", 9, float("nan")),
        Check("drift", "spend", "promotion", Verdict.WATCH, "moved"),
        Check("roles", "challenger answers", "promotion", Verdict.ALERT, "is worse"),
    )
    findings = Findings(datetime(2026, 3, 1, tzinfo=UTC), checks)
    assert findings.verdict is Verdict.ALERT
    assert findings.retraining == {"demand": "WAPE is | high"}
    path, page = write_findings(findings, tmp_path)
    assert json.loads(path.read_text())["checks"][0]["value"] is None
    assert describe(findings)["checks"][0]["check"] == "forecast/v1/wape"
    assert "retraining recommended: demand — because WAPE is | high" in page.read_text()
    assert not list(tmp_path.glob(".*"))


def test_the_decision_log_is_read_with_what_came_of_it(tmp_path):
    project = write_small_project(tmp_path)
    before = NOW - timedelta(days=3)
    write_log(project.workspace.root, before, np.full(4, 0.3), np.array([1, 0, 0, 1]))
    write_log(
        *(project.workspace.root, NOW - timedelta(hours=4), np.full(3, 0.3), np.zeros(3)),
        role="challenger",
    )
    write_log(
        *(project.workspace.root, before, np.full(2, 0.5), np.zeros(2)), role="shadow", sent=False
    )
    table = read_served(project, NOW, window_days=7, response_hours=24)
    counts = table.groupby("role")[["is_sent", "is_mature", "is_answered"]].sum().astype(int)
    assert counts.to_dict("index") == {
        "champion": {"is_sent": 4, "is_mature": 4, "is_answered": 2},
        "challenger": {"is_sent": 3, "is_mature": 0, "is_answered": 0},
        "shadow": {"is_sent": 0, "is_mature": 0, "is_answered": 0},
    }
    assert table["probability"].tolist().count(0.3) == 7
    assert len(read_served(project, NOW, window_days=2, response_hours=24)) == 3
    late = read_served(project, NOW, window_days=7, response_hours=0.5)
    assert late["is_answered"].sum() == 0


def test_roles_are_compared_by_answers_and_by_scores():
    rng = np.random.default_rng(10)

    def part(role: str, rate: float, n: int = 3000) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "request_id": [f"q{at}" for at in range(n)],
                "customer": [f"c{at}" for at in range(n)],
                "role": role,
                "model_version": "1",
                "start": ["10:00", "11:00" if role == "shadow" else "10:00"] * (n // 2),
                "probability": 0.2 if role == "shadow" else 0.1,
                "is_sent": role != "shadow",
                "is_mature": role != "shadow",
                "is_answered": rng.random(n) < rate,
            }
        )

    served = pd.concat([part("champion", 0.2), part("challenger", 0.1), part("shadow", 0.0)])
    answers, scores = check_roles(served, BARS)
    assert answers.verdict is Verdict.ALERT
    assert answers.high < 0 < answers.baseline
    assert (scores.value, scores.n) == (pytest.approx(0.1), 3000)
    assert "same hour for 50%" in scores.reason
    alike = pd.concat([part("champion", 0.2), part("challenger", 0.2)])
    assert check_roles(alike, BARS)[0].verdict is not Verdict.ALERT
    assert check_roles(part("champion", 0.2), BARS) == []
    few = pd.concat([part("champion", 0.2), part("challenger", 0.2, n=10)])
    assert check_roles(few, BARS)[0].verdict is Verdict.UNKNOWN


def publish(project, kind, files, configuration=None, *, version="1"):
    folder = project.workspace.published / kind / f"v{version}-00000000"
    digest = write_artifact(folder, kind, files, configuration or {}, code_version="0")
    write_pointer(project.workspace.published, kind, Pointer(version, folder.name, digest, "run"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Champions of four weeks ago, and the sales and orders that arrived since."""
    project = write_small_project(tmp_path_factory.mktemp("monitor"))
    build_tables(project, Silent())
    then = NOW - timedelta(days=28)
    model = fit_promotion(project, then, Silent())
    publish(project, "promotion", model.to_files(), model.configuration)
    forecasts = forecast(then.date() - timedelta(days=1), n_days=28).rows.drop(columns=["units"])
    stores = [f"store <{store}>" for store in range(4)]
    forecasts["region_id"] = [stores[int(name[1:]) // 3] for name in forecasts["region_id"]]
    forecasts["product_id"] = [f"product & {at // 28 % 3}" for at in range(len(forecasts))]
    content = forecasts.drop(columns="step").to_parquet(index=False)
    publish(project, "demand", {"forecasts.parquet": content})
    rng = np.random.default_rng(11)
    probabilities = rng.random(400) * 0.2
    answers = rng.random(400) < probabilities
    write_log(project.workspace.root, NOW - timedelta(days=5), probabilities, answers)
    return project


def test_a_whole_project_is_monitored(project):
    findings = monitor(project, NOW, Silent())
    by_name = {check.name: check for check in findings.checks}
    drift = [check for check in findings.checks if check.kind == "drift"]
    assert len(drift) > 30
    assert by_name["calibration/error"].n == 400
    assert len(findings.tables["calibration"]) == 8  # of 50 sends each
    # the forecasts say 50 to 160 units a day, the stores sell 2 to 16
    assert by_name["forecast/v1/wape"].verdict is Verdict.OK  # no backtest to hold it against
    assert by_name["forecast/v1/bias"].verdict is Verdict.ALERT
    assert by_name["forecast/v1/wape"].n == 28
    assert by_name["freshness/profiles"].value == pytest.approx(28.0)
    assert "too much" in findings.retraining["demand"]


def test_features_that_did_not_move_do_not_alert(project):
    then = NOW - timedelta(days=28)
    checks = [check for check in monitor(project, then, Silent()).checks if check.kind == "drift"]
    assert {check.verdict for check in checks} == {Verdict.OK}
    assert max(check.value for check in checks) == 0.0


def test_the_command_writes_both_files_and_tells_by_its_exit_code(project, tmp_path):
    arguments = ["monitor", "--project", str(project.path), "--now", NOW.isoformat()]
    result = CliRunner().invoke(almanac.app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 3, result.output
    assert "retraining recommended: demand" in result.output
    kept = project.workspace.root / "monitor" / "monitor.json"
    found = json.loads(kept.read_text())
    assert (found["verdict"], found["format"]) == ("alert", 1)
    assert (tmp_path / "out" / "monitor.json").read_text() == kept.read_text()
    assert "| forecast/v1/bias | alert |" in (tmp_path / "out" / "monitor.md").read_text()
    refused = CliRunner().invoke(almanac.app, [*arguments[:-1], "2026-01-01"])
    assert "offset" in str(refused.exception)


def test_nothing_published_is_refused(tmp_path):
    with pytest.raises(NotTrained, match="nothing to monitor"):
        monitor(write_small_project(tmp_path), NOW, Silent())
