"""Whole campaigns on a small published model, checked message by message."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.errors import InvalidRequest, UnknownName
from models.campaign.arms import assign_arms
from serving.campaigns.expectations import describe_plan
from serving.campaigns.schedule import NO_HOUR
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor
from tests.campaign_project import (
    AUDIENCE,
    KNOWN,
    MONDAY,
    NOW,
    ask,
    check_schedule,
    make_models,
    make_tables,
    run,
)

LIMITS = {
    "hourly_capacity": {"email": 2, "sms": 1},
    "message_cost": {"email": 0.01, "sms": 0.05},
    "budget": 4.0,
}


@pytest.fixture(scope="module")
def models(send_time_model, profile_files, customer_table):
    profiles = Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])
    predictor = SendTimePredictor(send_time_model, profiles)
    return make_models(predictor, customer_table.drop(columns="active_slots"))


def plan(models, tables=None, **changes):
    tables = tables or make_tables()
    query = ask(**changes)
    made, schedule = run(query, models, tables)
    check_schedule(schedule, query, tables.promotions)
    return made, schedule


def reasons(schedule) -> dict[str, int]:
    return schedule["reason"].value_counts().to_dict()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        LIMITS,
        {**LIMITS, "exploration": 0.0, "thompson": 0.0},
        {**LIMITS, "exploration": 1.0, "thompson": 1.0},
        {"hourly_capacity": {"email": 0, "sms": 3}},
        {"message_cost": {"email": 0.01}, "budget": 0.0},
        {"random": 0.5, "holdout": 0.3, **LIMITS},
        {"quiet_hours": "", "days": 1.0},
        {"start": MONDAY + timedelta(minutes=40), "days": 2.5},
        {"channels": ("email", "store", "push"), "hourly_capacity": {"store": 1}},
        {"start": MONDAY - timedelta(days=2), "now": NOW - timedelta(days=3), "days": 3.0},
    ],
    ids=lambda changes: " ".join(changes) or "usual",
)
def test_every_rule_is_kept(models, changes):
    made, schedule = plan(models, **changes)
    sent = schedule["send_at"].notna()
    expected = assign_arms(
        AUDIENCE, salt="test", holdout=changes.get("holdout", 0.05),
        random=changes.get("random", 0.1),
    )  # fmt: skip
    assert list(schedule["arm"]) == list(expected)
    assert sent.any()
    stated = (np.arange(240) // 4) % 4
    agreed = {1: {"email"}, 2: {"sms", "push"}, 3: set()}
    for place, channel in schedule.loc[sent[:240] & sent, "channel"].items():
        if place < 240 and stated[place]:
            assert channel in agreed[stated[place]]
    assert schedule.loc[240:, "evidence"].eq("global").all()
    assert schedule.loc[240:, "time_zone"].eq("America/Chicago").all()
    assert schedule.loc[sent, "because"].ne("").all()
    assert describe_plan(made, schedule)


def test_the_same_inputs_give_the_same_schedule_and_the_arms_outlive_the_seed(models):
    query, tables = ask(**LIMITS), make_tables()
    one, same = (run(query, models, tables)[1] for _ in range(2))
    pd.testing.assert_frame_equal(one, same)
    other = run(query, models, tables, seed=2)[1]
    assert list(one["arm"]) == list(other["arm"])
    assert (one["send_at"] != other["send_at"]).mean() > 0.3


def test_probabilities_and_bounds_are_those_of_the_service(models):
    _, schedule = plan(models)
    sent = schedule[schedule["send_at"].notna()].iloc[::7]
    rows = models.predictor.profiles.find_rows(list(sent["customer_id"]))
    slots = sent["slot"].to_numpy(dtype=np.int64)
    for channel in ("email", "sms"):
        own = (sent["channel"] == channel).to_numpy()
        scores = models.predictor.scorer.score(rows[own], channel, discount=0.1).probability
        low, high = models.predictor.scorer.bound(rows[own], channel, slots[own, None])
        expected = scores[np.arange(own.sum()), slots[own]]
        np.testing.assert_allclose(sent.loc[own, "probability"], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(sent.loc[own, "probability_low"], low[:, 0], atol=1e-12)
        np.testing.assert_allclose(sent.loc[own, "probability_high"], high[:, 0], atol=1e-12)
    assert set(sent["measure"]) == {"reach"}


def test_without_exploration_each_gets_the_best_permitted_hour(models):
    settings = {"exploration": 0.0, "thompson": 0.0, "random": 0.0, "holdout": 0.0}
    made, schedule = plan(models, channels=("email",), **settings)
    assert made.assignment is None
    assert (schedule["propensity"] == 1.0).all()
    everybody = np.arange(len(AUDIENCE))
    options = made.options.make(everybody)
    best = np.where(options.permitted, options.probability, -1.0).max(axis=1)
    sent = schedule["send_at"].notna().to_numpy()
    np.testing.assert_allclose(schedule.loc[sent, "probability"], best[sent])
    assert reasons(schedule) == {"no-consent": 120}


def test_exploration_of_one_is_an_even_draw_over_hours_and_no_message(models):
    made, schedule = plan(models, exploration=1.0, random=0.0, holdout=0.0)
    count = made.options.permit(np.arange(len(AUDIENCE))).sum(axis=(1, 2))
    asked = count > 0
    np.testing.assert_allclose(schedule.loc[asked, "propensity"], 1 / (count[asked] + 1))


def test_the_random_arm_is_even_and_everybody_may_be_in_it_or_in_none(models):
    made, schedule = plan(models, random=1.0, holdout=0.0)
    sent = schedule["send_at"].notna()
    count = made.options.permit(np.arange(len(AUDIENCE))).sum(axis=(1, 2))
    np.testing.assert_allclose(schedule.loc[sent, "propensity"], 1 / count[sent])
    assert made.assignment is None
    assert reasons(schedule) == {"no-consent": 60}
    made, schedule = plan(models, random=0.0, holdout=1.0)
    assert reasons(schedule) == {"holdout": len(AUDIENCE)}
    assert describe_plan(made, schedule)[0].endswith("0 random, 0 optimised; 250 held out")


def test_scarce_money_is_shared_between_the_arms(models):
    costs = {"message_cost": {"email": 1.0, "sms": 1.0}, "budget": 30.0, "response_value": 100.0}
    _, schedule = plan(models, random=0.3, holdout=0.0, **costs)
    sent = schedule[schedule["send_at"].notna()]
    assert len(sent) == 30
    possible = schedule[schedule["reason"] != "no-consent"]
    share = (possible["arm"] == "random").mean()
    assert (sent["arm"] == "random").sum() == pytest.approx(30 * share, abs=1.0)


def test_a_message_that_costs_more_than_it_is_worth_is_not_sent(models):
    settings = {"exploration": 0.0, "thompson": 0.0, "random": 0.0, "holdout": 0.0}
    cost = {"message_cost": {"email": 0.2}, "response_value": 2.0}
    made, schedule = plan(models, channels=("email",), **settings, **cost)
    options = made.options.make(np.arange(len(AUDIENCE)))
    worth = np.where(options.permitted, 2.0 * options.probability - 0.2, -1.0).max(axis=1)
    np.testing.assert_array_equal(schedule["send_at"].notna(), worth > 0)
    sent = schedule["send_at"].notna().to_numpy()
    np.testing.assert_allclose(schedule.loc[sent, "value"], worth[sent])
    assert 0 < reasons(schedule)["no-gain"] < 120


def test_promotions_hold_at_absolute_times(models):
    until = MONDAY + timedelta(hours=15)  # 15:00 UTC: 20:30 in Kolkata, 10:00 in New York
    tables = make_tables({"ends_at": until.replace(tzinfo=None)})
    _, schedule = plan(models, tables, holdout=0.0)
    sent = schedule[schedule["send_at"].notna()]
    assert sent["send_at"].max() < until
    local = sent.groupby("time_zone")["send_at_local"].max().str[:16]
    assert local["Asia/Kolkata"] <= "2026-11-02T20:00"
    assert local["America/New_York"] <= "2026-11-02T09:00"


def test_a_promotion_that_holds_in_quiet_hours_alone_says_so_and_the_next_one_is_taken(models):
    night = {"starts_at": MONDAY.replace(tzinfo=None), "ends_at": "2026-11-02T03:00"}
    tables = make_tables({"promotion_id": "night", **night}, {"promotion_id": "ten"})
    _, alone = plan(models, tables, promotions=("night",), holdout=0.0)
    # to 22:00 in New York, 21:00 in Chicago, 04:00 in Berlin, and from 05:30 to 08:30 in Kolkata
    awake = alone["time_zone"] != "Europe/Berlin"
    assert not alone.loc[~awake, "send_at"].notna().any()
    nobody = alone[~awake & (alone["reason"] != "no-consent")]
    assert set(nobody["reason"]) == {"nothing-permitted"}
    assert set(nobody["words"]) == {NO_HOUR}
    _, both = plan(models, tables, promotions=("night", "ten"), holdout=0.0)
    taken = both[both["send_at"].notna()].groupby("time_zone")["promotion_id"].unique()
    assert set(taken["Europe/Berlin"]) == {"ten"}
    assert set(taken["America/New_York"]) == {"night"}


def test_half_hour_zones_get_whole_local_hours_and_share_the_capacity_of_the_hour(models):
    _, schedule = plan(models, hourly_capacity={"email": 1, "sms": 1}, days=2.0)
    kolkata = schedule[schedule["send_at"].notna() & (schedule["time_zone"] == "Asia/Kolkata")]
    assert (kolkata["send_at"].dt.minute == 30).all()
    assert kolkata["send_at_local"].str.contains(":00:00+05:30", regex=False).all()


def test_the_hour_that_the_clock_repeats_is_two_hours(models):
    start = datetime(2026, 11, 1, 5, tzinfo=UTC)  # 01:00 in New York, twice
    now, window = {"now": start - timedelta(days=1)}, {"start": start, "days": 2 / 24}
    made, schedule = plan(
        models, customers=KNOWN[::4], random=1.0, holdout=0.0, quiet_hours="", **window, **now
    )
    local = set(schedule["send_at_local"].dropna())
    assert local == {"2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"}
    assert set(schedule["slot"].dropna()) == {6 * 24 + 1}
    assert made.options.scores.slots.tolist() == [145]


@pytest.mark.parametrize(
    ("promotion", "expected"),
    [
        ({"ends_at": "2026-10-01"}, {"ended": 250}),
        ({"starts_at": "2026-12-01"}, {"not-started": 250}),
        ({"channels": "push"}, {"other-channel": 250}),
        ({"promotion_id": "other"}, {"unknown-promotion": 250}),
        ({"regions": "r0, r1"}, {"other-region": 144, "unknown-region": 10}),
    ],
    ids=lambda value: str(value),
)
def test_what_speaks_against_a_promotion_is_told(models, promotion, expected):
    made, schedule = plan(models, make_tables(promotion), holdout=0.0)
    found = reasons(schedule)
    assert expected.items() <= found.items()
    assert schedule.loc[schedule["reason"].notna(), "words"].notna().all()
    assert describe_plan(made, schedule)


def test_out_of_stock_is_told_as_of_now_in_utc(models):
    # 23:30 in New York on 1 November is 04:30 on the 2nd in UTC, when the shelf was empty.
    eastern = datetime.fromisoformat("2026-11-01T23:30:00-05:00")
    rows = [("r0", 5.0, "2026-11-01T00:00"), ("r0", 0.0, "2026-11-02T04:00")]
    stock = pd.DataFrame(
        [{"location_id": place, "product_id": "tea", "on_hand": left, "as_of": pd.Timestamp(at)}
         for place, left, at in rows]
    )  # fmt: skip
    tables = make_tables({"products": "tea"}, stock=stock)
    window = {"start": MONDAY + timedelta(hours=6), "now": eastern}
    _, schedule = plan(models, tables, holdout=0.0, **window)
    assert reasons(schedule)["out-of-stock"] >= 48


def test_quiet_hours_that_cover_the_window_exclude_a_zone_or_are_refused(models):
    noon = MONDAY + timedelta(hours=12)  # 07:00 in New York, 13:00 in Berlin, 17:30 in Kolkata
    _, schedule = plan(models, start=noon, days=1 / 24, holdout=0.0)
    by_zone = schedule.groupby("time_zone")["reason"].agg(lambda found: set(found.dropna()))
    assert "nothing-permitted" in by_zone["America/New_York"]
    assert by_zone["Europe/Berlin"] <= {"no-consent", "no-gain"}
    with pytest.raises(InvalidRequest, match="outside quiet hours"):
        plan(models, customers=KNOWN[::4], start=noon, days=1 / 24)
    with pytest.raises(InvalidRequest, match="expected one hour to"):
        plan(models, days=0.5 / 24)


def test_caps_and_gaps_look_back_far_enough(models):
    sent = (
        ("c0", "email", MONDAY - timedelta(hours=2)),  # free a day later
        ("c1", "email", MONDAY - timedelta(days=2)),
        ("c1", "sms", MONDAY - timedelta(days=1, hours=1)),
        ("c1", "sms", MONDAY - timedelta(days=1, hours=2)),  # three in a week: free on the 7th
        ("c2", "sms", MONDAY - timedelta(days=9)),
    )
    tables = make_tables(touches=sent)
    _, schedule = plan(models, tables, holdout=0.0, random=1.0, cap_messages=3)
    free = schedule.set_index("customer_id")["send_at"]
    assert free["c0"] >= pd.Timestamp("2026-11-02T22:00Z")
    assert free["c1"] >= pd.Timestamp("2026-11-07T00:00Z")
    _, capped = plan(models, tables, holdout=0.0, cap_messages=3, days=4.0)
    assert capped.set_index("customer_id").loc["c1", "reason"] == "frequency-cap"
    assert ask(min_gap_hours=240.0, cap_days=7).look_back_days == 10.0
    assert ask(min_gap_hours=24.0, cap_days=7).look_back_days == 7.0


def test_channels_that_measure_other_things_are_put_on_one_level(models):
    made, schedule = plan(models, channels=("email", "store"), holdout=0.0)
    asked = np.flatnonzero(made.options.promotion >= 0)
    options, n = made.options.make(asked), len(asked)
    value, chance = options.value.reshape(n, -1, 2), options.probability.reshape(n, -1, 2)
    hours = made.people.hours.permitted[made.people.hours.zone_codes[asked]]
    mean = [np.where(hours, part, 0).sum(axis=1) for part in (value[..., 0], value[..., 1])]
    np.testing.assert_allclose(mean[0], mean[1])
    assert (chance[..., 1] < chance[..., 0]).all()  # activity in one hour, in any of three
    assert set(schedule["measure"].dropna()) == {"reach", "activity"}
    assert any(line.startswith("store: no answers") for line in describe_plan(made, schedule))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"customers": ()}, InvalidRequest, "got nobody"),
        ({"customers": ("a", "b", "a")}, InvalidRequest, "'a'"),
        ({"customers": ("a", "")}, InvalidRequest, "none in row 2"),
        ({"promotions": ()}, InvalidRequest, "promotion or more"),
        ({"promotions": ("ten", "ten")}, InvalidRequest, "each once"),
        ({"channels": ()}, InvalidRequest, "channel or more"),
        ({"channels": ("pigeon",)}, UnknownName, "pigeon"),
        ({"start": NOW - timedelta(hours=1)}, InvalidRequest, "nothing can be sent in the past"),
        ({"start": datetime.fromisoformat("2026-11-02")}, InvalidRequest, "with its offset"),
        ({"now": datetime.fromisoformat("2026-11-01")}, InvalidRequest, "with its offset"),
        ({"name": "../spring"}, InvalidRequest, "expected a name"),
        ({"name": ".."}, InvalidRequest, "expected a name"),
        ({"name": ""}, InvalidRequest, "expected a name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_asked_is_refused_with_words(changes, error, said):
    with pytest.raises(error, match=said):
        ask(**changes)


def test_the_sentences_are_true(models):
    made, schedule = plan(models, channels=("email",), **LIMITS)
    lines = describe_plan(made, schedule)
    sent = schedule[schedule["send_at"].notna()]
    own = sent[sent["arm"] == "optimised"]
    assert lines[0].startswith(f"spring: {len(sent)} messages to an audience of 250")
    assert f"{len(own)} optimised" in lines[0]
    assert f"cost {0.01 * len(sent):.2f} of a budget of 4.00" in lines[2]
    scores = models.predictor.scorer.score(
        models.predictor.profiles.find_rows(list(own["customer_id"])), "email"
    ).probability
    in_time = np.unique(made.people.hours.slot[made.people.hours.permitted])
    best = in_time[scores[:, in_time].sum(axis=0).argmax()]
    options = made.options.make(own.index.to_numpy())
    even = [
        chance[allowed].mean()
        for chance, allowed in zip(options.probability, options.permitted, strict=True)
    ]
    day = ("Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun")[best // 24]
    expected = (
        f"{own['probability'].sum():,.1f} of {len(own)} messages; the same messages at hours drawn "
        f"evenly: {sum(even):,.1f}; all at the best single hour, {day}day {best % 24:02}:00 local "
        f"time, had it room for them: {scores[:, best].sum():,.1f}"
    )
    assert expected in lines[3]
    assert "three hours" in lines[3]
    assert "shared limits" in lines[4]
