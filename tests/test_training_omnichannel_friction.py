"""Tests of shares, runs of days and friction: by hand, planted, and where there is nothing."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.friction import DATA, FUNNELS, SEGMENTS, TRUTH, count_false_alarms, read_shop
from features.engine import open_engine
from features.journeys.funnel_query import Funnel
from features.journeys.funnels import build_attempts, build_detours
from features.project import Workspace
from training.omnichannel.friction import find_friction
from training.omnichannel.proportions import (
    adjust_benjamini_hochberg,
    find_wilson_bounds,
    score_lower_share,
)
from training.omnichannel.scan import find_run
from training.omnichannel.stakes import OrderValue, estimate_stake, measure_order_value
from training.omnichannel.step_rows import build_step_rows, tabulate_steps

STEPS = ("view", "cart", "order")
NO_DETOURS = pd.DataFrame({"attempt": [], "step": [], "type": []})


def simulate_attempts(
    n: int, rng: np.random.Generator, *, n_days: int = 120, is_broken: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate attempts of one customer each; broken: app, days 60 to 69, half as many order."""
    day = rng.integers(0, n_days, n)
    channel = rng.choice(["web", "app"], n)
    is_hit = is_broken & (channel == "app") & (day >= 60) & (day < 70)
    to_cart = rng.random(n) < 0.5
    to_order = to_cart & (rng.random(n) < np.where(is_hit, 0.25, 0.6))
    start = pd.Timestamp("2025-01-01") + pd.to_timedelta(day, unit="D")
    attempts = pd.DataFrame(
        {
            "attempt": np.arange(n),
            "customer_id": [f"c{place}" for place in range(n)],
            "reached": 1 + to_cart + to_order,
            "value": np.where(to_order, 20.0, np.nan),
            "at_1": start,
            "at_2": pd.Series(start).where(to_cart),
            "at_3": pd.Series(start).where(to_order),
            "channel_1": channel,
            "channel_2": pd.Series(channel).where(to_cart),
            "channel_3": pd.Series(channel).where(to_order),
            "region_id": rng.choice(["north", "south"], n),
        }
    )
    met = np.flatnonzero(to_cart & ~to_order & is_hit & (rng.random(n) < 0.8))
    other = np.flatnonzero(to_cart & (rng.random(n) < 0.05))
    detours = pd.concat(
        [
            pd.DataFrame({"attempt": met, "step": 2, "type": "declined"}),
            pd.DataFrame({"attempt": other, "step": 2, "type": "help"}),
        ]
    )
    return attempts, detours


def test_wilson_bounds_are_those_of_the_textbook():
    low, high = find_wilson_bounds([0, 5, 10, 0], [10, 10, 10, 0])
    assert low[:3] == pytest.approx([0.0, 0.2366, 0.7225], abs=5e-5)
    assert high[:3] == pytest.approx([0.2775, 0.7634, 1.0], abs=5e-5)
    assert np.isnan(low[3])


def test_the_score_test_is_the_pooled_z_test_where_each_customer_has_one_row():
    success = np.array([True] * 30 + [False] * 70 + [True] * 50 + [False] * 50)
    inside = np.repeat([True, False], 100)
    z = (0.3 - 0.5) / np.sqrt(0.4 * 0.6 * (1 / 100 + 1 / 100))
    p_value = score_lower_share(success, inside, np.arange(200))
    assert p_value == pytest.approx(stats.norm.cdf(z), rel=1e-9)
    # the same rows, twice each, tell no more
    twice = score_lower_share(*(np.tile(part, 2) for part in (success, inside, np.arange(200))))
    assert twice == pytest.approx(p_value)
    assert np.isnan(score_lower_share(np.ones(4, bool), np.arange(4) < 2, np.arange(4)))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_benjamini_hochberg_rejects_what_the_step_up_rule_rejects(p_values):
    order = sorted(p_values)
    passed = [p for k, p in enumerate(order, 1) if p * len(order) / k <= 0.05]
    cut = max(passed, default=-1.0)
    rejected = adjust_benjamini_hochberg(p_values) <= 0.05
    assert rejected.tolist() == [p <= cut for p in p_values]


def test_a_run_of_bad_days_is_found_where_it_is():
    trials = np.full(90, 20)
    successes = np.full(90, 10)
    successes[40:47] = 3
    run = find_run(successes, trials, np.random.default_rng(1), is_lower=True)
    assert run is not None
    assert (run.start, run.n_days) == (40, 7)
    assert run.p_value < 1e-6
    inside, outside, whole = 21 / 140, 830 / 1660, 851 / 1800
    by_hand = sum(
        count * np.log(share / base)
        for count, share, base in [
            (21, inside, whole), (119, 1 - inside, 1 - whole), (830, outside, whole),
            (830, 1 - outside, 1 - whole),
        ]
    )  # fmt: skip
    assert run.likelihood_ratio == pytest.approx(by_hand)


def test_p_values_of_runs_are_uniform_where_there_is_nothing():
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(200):
        trials = rng.poisson(15, 80).astype(np.int64)
        run = find_run(rng.binomial(trials, 0.4), trials, rng, is_lower=True, permutations=99)
        p_values.append(run.p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.10
    assert np.mean(np.array(p_values) < 0.01) < 0.035
    assert 0.4 < np.mean(p_values) < 0.6


def test_too_few_events_make_no_run():
    trials = np.full(60, 5)
    few = np.zeros(60, dtype=np.int64)
    few[3] = 4
    assert find_run(few, trials, np.random.default_rng(0), is_lower=False) is None
    assert find_run(trials, trials, np.random.default_rng(0), is_lower=True) is None


def test_the_stake_is_the_gap_times_attempts_times_value():
    inside, outside = np.arange(100) < 20, np.arange(200) < 100
    stake = estimate_stake(inside, outside, OrderValue(50.0, 0.0, is_known=True), onwards=0.5)
    assert stake["lost_orders"] == pytest.approx(15.0)  # (0.5 − 0.2) × 100 × 0.5
    assert stake["revenue"] == pytest.approx(750.0)
    middle = (stake["revenue_low"] + stake["revenue_high"]) / 2
    assert middle == pytest.approx(750.0)
    unknown = measure_order_value(pd.DataFrame({"value": [np.nan]}))
    assert (unknown.mean, unknown.is_known) == (1.0, False)


def test_steps_are_tabulated_by_hand():
    attempts, _ = simulate_attempts(400, np.random.default_rng(3))
    funnel = Funnel("f", STEPS)
    table = tabulate_steps(build_step_rows(attempts, funnel, ()), funnel)
    reached = [(attempts["reached"] >= step).sum() for step in (1, 2, 3)]
    assert table["reached"].tolist() == reached[:2]
    assert table["went_on"].tolist() == reached[1:]
    assert table["name"].tolist() == ["view → cart", "cart → order"]
    assert (table["customers_dropped"] == table["dropped"]).all()


def test_a_customer_who_went_on_in_another_attempt_is_not_lost():
    attempts, _ = simulate_attempts(2, np.random.default_rng(0))
    attempts = attempts.assign(customer_id="same", reached=[1, 2])
    table = tabulate_steps(build_step_rows(attempts, Funnel("f", STEPS), ()), Funnel("f", STEPS))
    assert table.loc[0, ["dropped", "customers_dropped"]].tolist() == [1, 0]


def test_a_planted_incident_is_first_with_its_days_and_channel():
    rng = np.random.default_rng(4)
    attempts, detours = simulate_attempts(6000, rng, is_broken=True)
    found = find_friction(attempts, detours, Funnel("f", STEPS), rng, segments=("region_id",))
    first = found.incidents.iloc[0]
    assert (first["event"], first["group"], first["step"]) == ("declined", "channel app", 2)
    assert abs((first["first_day"] - pd.Timestamp("2025-03-02")).days) <= 2
    assert abs((first["last_day"] - pd.Timestamp("2025-03-11")).days) <= 2
    assert first["conversion"] < 0.35 < 0.55 < first["conversion_elsewhere"]
    assert "fewer cart → order" in first["with"]
    assert found.order_value.mean == 20.0


def test_a_drop_needs_no_event_to_be_found():
    rng = np.random.default_rng(5)
    attempts, _ = simulate_attempts(6000, rng, is_broken=True)
    found = find_friction(attempts, NO_DETOURS, Funnel("f", STEPS), rng)
    assert found.incidents.iloc[0]["kind"] == "drop"
    assert found.incidents.iloc[0]["group"] == "channel app"


def test_an_event_that_costs_nothing_is_no_incident():
    rng = np.random.default_rng(6)
    attempts, _ = simulate_attempts(3000, rng)
    start = attempts["at_1"]
    seen = attempts[start.between("2025-02-01", "2025-02-10") & (attempts["reached"] > 1)]
    banner = pd.DataFrame({"attempt": seen["attempt"], "step": 2, "type": "banner"})
    found = find_friction(attempts, banner, Funnel("f", STEPS), rng)
    assert found.incidents.empty


def test_nothing_is_found_where_there_is_nothing():
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(10):
        attempts, detours = simulate_attempts(1200, rng)
        found = find_friction(attempts, detours, Funnel("f", STEPS), rng, segments=("region_id",))
        alarms += len(found.incidents) + len(found.standing) > 0
    assert alarms <= 2


def test_the_same_seed_finds_the_same():
    attempts, detours = simulate_attempts(2000, np.random.default_rng(8), is_broken=True)
    before = attempts.copy()
    one, two = (
        find_friction(attempts, detours, Funnel("f", STEPS), np.random.default_rng(1))
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one.incidents, two.incidents)
    pd.testing.assert_frame_equal(attempts, before)


@pytest.fixture(scope="module")
def shop():
    if not DATA.exists():
        pytest.skip("the shared data sets are not on this machine")
    with TemporaryDirectory() as folder, open_engine(threads=1) as engine:
        workspace = Workspace(Path(folder))
        workspace.tables.mkdir(parents=True)
        read_shop().to_parquet(workspace.table("events"))
        funnel = FUNNELS[0]
        attempts = build_attempts(engine, workspace, funnel, segments=SEGMENTS)
        yield attempts, build_detours(engine, workspace, funnel, attempts), funnel


@pytest.mark.slow
def test_the_planted_payment_incident_and_checkout_bug_are_first(shop):
    found = find_friction(*shop, np.random.default_rng(7), segments=SEGMENTS).incidents
    assert found["event"].tolist()[:2] == ["payment_error", "checkout_bug"]
    assert found["group"].tolist()[:2] == ["all", "channel app"]
    for row in found.head(2).to_dict("records"):
        first, last = (pd.Timestamp(day) for day in TRUTH[row["event"]])
        shared = min(last, row["last_day"]) - max(first, row["first_day"])
        assert (shared.days + 1) / ((last - first).days + 1) > 0.8


@pytest.mark.slow
def test_shuffled_there_is_nothing(shop):
    attempts, detours, funnel = shop
    assert count_false_alarms(attempts, detours, funnel, runs=8, seed=5) <= 1
