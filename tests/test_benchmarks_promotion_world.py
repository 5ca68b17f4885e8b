import dataclasses
import json
from functools import cache

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.promotion_world import (
    PERMITTED_SLOTS,
    describe_world,
    make_population,
    make_world,
)
from benchmarks.promotion_world_days import DRAWS, draw_days, find_situations
from benchmarks.promotion_world_inbox import respond
from benchmarks.promotion_world_log import (
    EXPLORATION,
    LOYAL,
    N_DAYS,
    OTHERS,
    PERMITTED,
    TOOL,
    choose_hours,
    explore,
    plan_hours,
)
from benchmarks.promotion_world_people import ASLEEP, PAUSE, draw_people
from benchmarks.promotion_world_policies import (
    Log,
    choose_median_hours,
    choose_slots,
    score_baselines,
    value_free,
    value_held,
)
from benchmarks.promotion_world_proof import (
    GLOBAL,
    PERSONAL,
    POOR,
    choose_blocks,
    count_false_better,
    value_truly,
)
from benchmarks.promotion_world_proof import read_log as read_sends
from benchmarks.promotion_world_run import describe, run
from benchmarks.promotion_world_tables import build_events, build_touches, write_world
from features.door.tables import build_tables
from features.progress import Silent
from features.project import load_project
from features.schema import TABLES


@cache
def population():
    return make_population(600, 3, n_weeks=16)


@cache
def world():
    return make_world(population(), 3)


PROJECT = """
[project]
name = "simulated"
time_zone = "Europe/Berlin"
workspace = "built"

""" + "\n".join(
    f'[tables.{name}]\npath = "given/tables/{name}.parquet"\nnaive_time_zone = "UTC"\n'
    for name in ("regions", "customers", "promotions", "touches", "events")
)


def test_the_tables_pass_the_door_whole(tmp_path):
    given = write_world(world(), tmp_path / "given")
    path = tmp_path / "almanac.toml"
    path.write_text(PROJECT)
    summaries = build_tables(load_project(path), Silent())
    for name in ("customers", "touches", "events"):
        assert summaries[name].rows == pq.read_metadata(given.table(name)).num_rows
        assert pq.read_schema(given.table(name)).names == [c.name for c in TABLES[name].columns]
    assert summaries["touches"].rows == 600 * 18


def test_the_truth_stays_out_of_the_tables(tmp_path):
    workspace = write_world(world(), tmp_path, has_propensity=False)
    touches = pq.read_table(workspace.table("touches")).to_pandas()
    assert touches["propensity"].isna().all()
    # what a privacy proxy opened carries the time of the proxy, not the person's
    by_proxy = touches["open_agent"].fillna("").str.contains("Proxy")
    wait = (touches["opened_at"] - touches["sent_at"]).dt.total_seconds()
    assert by_proxy.mean() > 0.2
    assert wait[by_proxy].median() < 120 < wait[~by_proxy].median()


def test_equal_seeds_give_equal_worlds_and_others_do_not():
    people = make_population(40, 5, n_weeks=8)
    assert np.array_equal(people.halves, make_population(40, 5, n_weeks=8).halves)
    first, again, other = (make_world(people, seed, n_sends=3) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(build_touches(first), build_touches(again))
    pd.testing.assert_frame_equal(build_events(first), build_events(again))
    assert not np.array_equal(first.sends.sent, other.sends.sent)


def test_the_truth_is_a_probability_and_differs_between_people():
    truth = world().truth
    assert truth.shape == (600, 168)
    assert (truth >= 0).all()
    assert (truth <= 1).all()
    gone = world().senders.left_on < N_DAYS
    assert (truth[gone] == 0).all()
    assert (truth[~gone].max(axis=1) > 0).all()
    told = describe_world(world())
    assert told["true_oracle"] > told["true_best_hour"] > 0.05


def test_the_two_halves_of_the_truth_agree_within_their_error():
    # what a policy is worth is an average over people: its error is far below what hours differ by
    halves = population().halves[:, :, PERMITTED_SLOTS].mean(axis=1)
    by_slot = halves.mean(axis=0)
    assert np.abs(halves[0] - halves[1]).max() / 2 < 0.1 * (by_slot.max() - by_slot.min())


def test_the_log_comes_out_as_the_truth_says():
    sends = world().sends
    slot = (sends.sent // 1 % 168).astype(int)
    truth = population().halves.mean(axis=0)
    expected = truth[sends.customer, slot] * sends.factor
    stays = world().senders.left_on[sends.customer] >= N_DAYS
    error = np.sqrt(expected[stays].sum())
    assert abs(sends.engaged[stays].sum() - expected[stays].sum()) < 4 * error
    assert not sends.engaged[sends.sent // 24 > world().senders.left_on[sends.customer]].any()


def test_a_message_is_found_at_the_first_look_by_whoever_acts_on_all_they_see():
    people = draw_people(1, np.random.default_rng(1)).take(np.zeros(2000, dtype=int))
    situations = np.full((2000, 192), ASLEEP)
    situations[:, 60:64] = PAUSE  # from 15:00 to 16:00
    looks = np.zeros_like(people.looks)
    looks[:, PAUSE] = 1.0
    eager = dataclasses.replace(
        people, looks=looks, mood=np.ones_like(people.mood), interest=np.full(2000, 0.9),
        mail=np.zeros(2000),
    )  # fmt: skip
    sent = np.full(2000, 12.1)
    seen, is_clicked, is_opened = respond(
        eager, situations, sent, np.full(2000, 9.0), np.random.default_rng(2)
    )
    in_window = seen <= 36.1
    assert ((seen[in_window] >= 15) & (seen[in_window] < 16)).all()
    # four steps at ages 2.875 to 3.625 hours, each seen 1 / (1 + age / 1.5) as often as at once
    ages = (np.arange(60, 64) - 48 - 0.5) * 0.25
    expected = 1 - np.exp(-0.25 * sum(1 / (1 + age / 1.5) for age in ages))
    assert in_window.mean() == pytest.approx(expected, abs=0.035)
    assert is_clicked[in_window].mean() == pytest.approx(0.95, abs=0.02)
    assert is_opened[is_clicked].all()


def test_a_night_shift_sleeps_by_day_and_others_by_night():
    people = draw_people(3000, np.random.default_rng(4))
    uniforms = np.random.default_rng(5).random((2, DRAWS, 3000))
    before, today = (draw_days(people, day, one) for day, one in enumerate(uniforms))
    asleep = find_situations(today, before) == ASLEEP
    at_night, at_ten = asleep[:, 12], asleep[:, 41]
    is_night = people.kind == 3
    assert at_night[~is_night].mean() > 0.8
    assert at_ten[~is_night].mean() < 0.2
    assert at_ten[is_night & people.works_on[:, 0]].mean() > 0.7


def test_one_send_in_ten_is_drawn_by_lot_over_the_permitted_hours():
    sends = world().sends
    assert sends.is_explored.mean() == pytest.approx(EXPLORATION, abs=0.012)
    hours = np.bincount(sends.hour[sends.is_explored], minlength=24)
    assert hours[: PERMITTED[0]].sum() == hours[PERMITTED[-1] + 1 :].sum() == 0
    mean = hours[PERMITTED].mean()
    assert (np.abs(hours[PERMITTED] - mean) < 4.5 * np.sqrt(mean)).all()
    assert np.isin(sends.hour, PERMITTED).all()


@pytest.mark.parametrize("segment", [LOYAL, OTHERS, TOOL])
def test_logged_propensities_are_the_frequencies_of_the_hours(segment):
    n = 40_000
    opens = np.zeros((n, 24))
    opens[:, 14], opens[:, 3] = 2, 9  # nights are not permitted, so the tool copies 14:00
    planned = plan_hours(np.full(n, segment), opens)
    hour, _ = choose_hours(planned, np.random.default_rng(6))
    propensity = explore(planned)[np.arange(n), hour]
    table = pd.DataFrame({"hour": hour, "propensity": propensity}).groupby("hour")["propensity"]
    assert (table.nunique() == 1).all()
    np.testing.assert_allclose(table.size() / n, table.first(), atol=0.008)
    assert table.first().sum() == pytest.approx(1)
    if segment == TOOL:
        assert table.first()[14] == pytest.approx(0.9 + 0.1 / 13)


def test_the_naive_rate_by_hour_flatters_the_evening():
    sends, truth = world().sends, population().halves.mean(axis=0)
    by_hour = truth.reshape(600, 7, 24).mean(axis=(0, 1))
    naive = {hour: sends.engaged[sends.hour == hour].mean() for hour in (10, 19)}
    assert naive[19] / naive[10] > 1.6 > 1.35 > by_hour[19] / by_hour[10]


def test_orders_are_as_many_as_asked_for_and_no_message_precedes_its_answer():
    organic = world().organic
    stays = (world().senders.left_on >= N_DAYS)[organic.customer]
    n_staying = (world().senders.left_on >= N_DAYS).sum()
    assert stays.sum() / n_staying == pytest.approx(25, rel=0.15)
    touches = build_touches(world())
    for column in ("opened_at", "clicked_at", "ordered_at"):
        waits = (touches[column] - touches["sent_at"]).dropna()
        assert (waits > pd.Timedelta(0)).all()
        assert (waits <= pd.Timedelta(days=8)).all()
    few = make_world(population(), 4, n_sends=2, events_per_customer=2)
    assert len(few.sends.sent) == 1200
    assert len(few.organic.at) < len(organic.at) / 8


def test_a_policy_is_worth_the_truth_of_the_slot_it_names():
    truth, score = np.full((2, 168), 0.1), np.zeros((2, 168))
    truth[0, 24 + 9], truth[1, 19] = 0.5, 0.3
    score[:, 24 + 9] = 1.0  # Tuesday at 9 for both; at 3 in the morning nothing may be sent
    score[:, 3] = 2.0
    assert value_free(truth, score) == pytest.approx((0.5 + 0.1) / 2)
    # six days of the week are sent at 8 o'clock, where nothing scores, Tuesday at 9
    assert value_held(truth, score) == pytest.approx((6 * 0.2 + 0.5 + 0.1) / 14)


def test_the_rules_of_others_name_the_hours_they_should():
    empty = np.zeros((3, 168))
    sent, orders = empty.copy(), empty.copy()
    sent[:, 10] = 1
    orders[0, [9, 33, 57, 14, 38]] = 1  # at 9, 9, 9, 14 and 14 o'clock
    orders[1, [20, 44, 68, 17, 41]] = 1
    log = Log(sent, 0.1 * sent, empty, np.zeros((3, 24)), orders)
    median = choose_median_hours(log)
    assert median[0].argmax() == 9
    assert median[1].argmax() == 20
    assert np.flatnonzero(median[2]).tolist() == [9, 10, 11, 12]
    scores = score_baselines(log)
    assert choose_slots(scores["activity histogram, hour of day"])[1] % 24 == 20


def test_a_trial_values_fixed_policies_by_what_the_log_could_have_earned():
    trial_world = make_world(population(), 11, n_sends=6)
    policies = choose_blocks(population())
    logged = read_sends(trial_world)
    worth = {name: value_truly(trial_world, policy) for name, policy in policies.items()}
    assert worth[PERSONAL] > worth[GLOBAL] > worth[POOR]
    assert all(np.allclose(policy.sum(axis=1), 1) for policy in policies.values())
    # what was sent in fact earned what the log's own policy is truly worth
    expected = value_truly(trial_world, None)
    error = np.sqrt(expected / len(logged))
    assert abs(logged.reward.mean() - expected) < 4 * error
    # weighting by the logged propensities gives the value of a policy without bias
    weight = policies[PERSONAL][logged.customer, logged.action] / logged.propensity
    spread = (weight * logged.reward).std() / np.sqrt(len(logged))
    assert abs((weight * logged.reward).mean() - worth[PERSONAL]) < 4 * spread


def test_worse_is_never_counted_as_falsely_better():
    decisions = [
        {"target": "a", "baseline": "b", "true_gain": 0.01, "verdicts": {"better": 9}},
        {"target": "c", "baseline": "b", "true_gain": -0.01, "verdicts": {"better": 2, "worse": 7}},
    ]
    assert count_false_better({"decisions": decisions}) == 2


@pytest.mark.slow
def test_a_whole_measurement_is_json_and_is_judged_by_its_bars():
    result = run(400, (1,), n_trials=2)
    assert json.loads(json.dumps(result))["customers"] == 400
    assert len(result["bars"]) == 4
    for setting, policies in result["policies"].items():
        assert policies["oracle"]["share"] == pytest.approx(1)
        assert policies["best hour for all, truly"]["share"] == pytest.approx(0)
        assert all(row["value"] <= policies["oracle"]["value"] for row in policies.values())
        assert f"**{setting.split()[0]} messages" in describe(result)
    assert "Simulated" in describe(result)
