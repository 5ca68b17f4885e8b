from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.customer.customers import build_customer_features, customer_features
from features.engine import open_engine
from features.errors import FeatureError, NotEnoughData
from features.messages.fatigue import build_fatigue
from features.messages.message_histories import build_message_histories
from features.messages.touch_checks import check_touches
from features.messages.touch_rows import CHANNEL_FATIGUE, FATIGUE, build_touch_rows
from features.project import Workspace
from tests.activity_tables import write_tables

at = datetime.fromisoformat
START, END = at("2024-03-04"), at("2024-04-01")
SENT = at("2024-03-06T10:00")  # a Wednesday
TOUCH = {"message_id": "m", "customer_id": "a", "channel": "email", "sent_at": SENT}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as connection:
        yield connection


def read(engine, workspace, start=START, end=END, **options):
    values = {"time_zone": "UTC", "window_hours": 24.0} | options
    return build_touch_rows(engine, workspace, start, end, **values)


def read_one(engine, root, **touch):
    return read(engine, write_tables(root, touches=[{**TOUCH, **touch}])).iloc[0]


def test_the_slot_is_the_customers_own(engine, tmp_path):
    customers = [{"customer_id": "a", "time_zone": "Asia/Kolkata"}]
    workspace = write_tables(
        tmp_path,
        touches=[TOUCH, {**TOUCH, "message_id": "n", "customer_id": "b"}],
        customers=customers,
    )
    table = read(engine, workspace, time_zone="America/New_York").set_index("message_id")
    assert table.loc["m", "slot"] == 48 + 15  # 15:30 in India
    assert table.loc["n", "slot"] == 48 + 5  # a stranger, in the project's zone


def test_the_slot_is_in_the_zone_that_activity_is_told_in(engine, tmp_path):
    """That of the device before the window or cut-off; one seen later changes nothing."""
    seen = {"customer_id": "a", "channel": "app", "type": "session"}
    india = {"event_id": "1", "occurred_at": START - DAY, "device_time_zone": "Asia/Kolkata"}
    japan = {"event_id": "2", "occurred_at": END + DAY, "device_time_zone": "Asia/Tokyo"}
    events = [{**seen, **india}, {**seen, **japan}]
    workspace = write_tables(tmp_path, touches=[TOUCH], events=events)
    options = {"time_zone": "UTC", "window_hours": 24.0}
    histories = build_message_histories(engine, workspace, END, half_life_days=10.0, **options)
    profiles = build_customer_features(
        engine, workspace, END, customer_features(90.0), time_zone="UTC"
    )
    assert profiles["time_zone"].tolist() == ["Asia/Kolkata"]
    assert read(engine, workspace)["slot"].tolist() == [48 + 15]
    assert histories["slot"].tolist() == [48 + 15]


def test_a_click_within_the_window_is_an_answer(engine, tmp_path):
    row = read_one(engine, tmp_path, clicked_at=SENT + 23.5 * HOUR)
    assert row["is_engaged"]
    assert (row["hours_to_click"], row["hours_to_open"]) == (23.5, 23.5)  # pictures were off
    late = read_one(engine, tmp_path, clicked_at=SENT + 24 * HOUR)
    assert not late["is_engaged"]
    assert late["hours_to_click"] == 24.0
    never = read_one(engine, tmp_path, clicked_at=SENT + 7 * DAY)
    assert np.isnan(never["hours_to_click"])


def test_an_open_alone_is_no_answer_and_an_order_is(engine, tmp_path):
    row = read_one(engine, tmp_path, opened_at=SENT + HOUR)
    assert not row["is_engaged"]
    assert row["hours_to_open"] == 1.0
    row = read_one(engine, tmp_path, ordered_at=SENT + 2 * HOUR)
    assert row["is_engaged"]
    assert (row["hours_to_order"], np.isnan(row["hours_to_open"])) == (2.0, True)


def test_what_a_machine_did_is_no_answer_and_names_its_rule(engine, tmp_path):
    row = read_one(
        engine, tmp_path, clicked_at=SENT + timedelta(seconds=1), opened_at=SENT + 3 * HOUR
    )
    assert not row["is_engaged"]
    assert (row["is_machine_click"], row["is_machine_open"]) == (True, False)
    assert (row["machine_rule"], row["hours_to_open"]) == ("instant_click", 3.0)
    row = read_one(
        engine,
        tmp_path,
        opened_at=SENT + HOUR,
        open_agent="Mozilla/5.0",
        clicked_at=SENT + 5 * HOUR,
    )
    assert row["is_engaged"]  # a proxy loads pictures; it does not click
    assert (row["machine_rule"], row["hours_to_open"]) == ("privacy_proxy", 5.0)


@pytest.mark.parametrize("moment", ["opened_at", "clicked_at", "ordered_at"])
def test_what_came_before_the_send_is_ignored_and_the_row_kept(engine, tmp_path, moment):
    row = read_one(engine, tmp_path, **{moment: SENT - HOUR})
    assert not row["is_engaged"]
    assert row[["hours_to_open", "hours_to_click", "hours_to_order"]].isna().all()


def test_only_what_is_known_is_read(engine, tmp_path):
    touch = {**TOUCH, "clicked_at": SENT + 5 * HOUR}
    workspace = write_tables(tmp_path, touches=[touch])
    row = read(engine, workspace, known_until=SENT + 5 * HOUR).iloc[0]
    assert not row["is_engaged"]
    assert (row["observed_hours"], row["is_mature"]) == (5.0, False)
    row = read(engine, workspace, known_until=SENT + 7 * DAY).iloc[0]
    assert row["is_engaged"]
    assert (row["observed_hours"], row["is_mature"]) == (168.0, True)
    assert len(read(engine, workspace, known_until=SENT)) == 0  # sent in the future of the cut-off


def test_fatigue_counts_what_was_sent_strictly_before(engine, tmp_path):
    ages = [
        ("o1", 0 * HOUR, "email"),
        ("o2", 2 * HOUR, "sms"),
        ("o3", DAY, "email"),
        ("o4", DAY + HOUR, "email"),
        ("o5", 7 * DAY, "sms"),
        ("o6", 31 * DAY, "email"),
    ]
    others = [
        {**TOUCH, "message_id": name, "sent_at": SENT - age, "channel": channel}
        for name, age, channel in ages
    ]
    stranger = {**TOUCH, "message_id": "x", "customer_id": "b", "sent_at": SENT - HOUR}
    workspace = write_tables(tmp_path, touches=[TOUCH, *others, stranger])
    table = read(engine, workspace).set_index("message_id")
    row = table.loc["m"]
    # o1 goes out at the same moment: it is not before
    assert row[["touches_1d", "touches_7d", "touches_30d"]].tolist() == [2, 4, 4]
    assert (row["hours_since_touch"], row["channel_touches_7d"]) == (2.0, 2.0)
    assert np.isnan(table.loc["x", "hours_since_touch"])


def test_the_discount_is_the_promotions(engine, tmp_path):
    promotions = [
        {"promotion_id": "p", "starts_at": START, "ends_at": END, "discount": 0.2},
        {"promotion_id": "q", "starts_at": START, "ends_at": END},
    ]
    touches = [
        {**TOUCH, "message_id": m, "promotion_id": p} for m, p in zip("xyz", "pq?", strict=True)
    ]
    workspace = write_tables(tmp_path, touches=touches, promotions=promotions)
    assert read(engine, workspace)["discount"].tolist() == pytest.approx(
        [0.2, np.nan, np.nan], nan_ok=True
    )


def test_a_window_that_cannot_be_is_refused(engine, tmp_path):
    workspace = write_tables(tmp_path, touches=[TOUCH])
    with pytest.raises(FeatureError, match="start before end"):
        read(engine, workspace, END, START)
    for hours in (0.0, 169.0, float("nan")):
        with pytest.raises(FeatureError, match="window_hours above 0 and up to 168"):
            read(engine, workspace, window_hours=hours)
    with pytest.raises(NotEnoughData, match="found none"):
        read(engine, Workspace(tmp_path / "empty"))


HOURS = st.integers(0, 27 * 24)
TOUCHES = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(["email", "sms"]), HOURS,
        *(st.none() | st.integers(-2, 200) for _ in range(3)),
    ),
    min_size=1,
    max_size=15,
)  # fmt: skip


def to_touches(drawn):
    later = lambda sent, hours: None if hours is None else sent + hours * HOUR  # noqa: E731
    rows = []
    for i, (customer, channel, hour, *moments) in enumerate(drawn):
        sent = START + hour * HOUR
        names = ("opened_at", "clicked_at", "ordered_at")
        rows.append(
            {"message_id": f"{i:02d}", "customer_id": customer, "channel": channel}
            | {"sent_at": sent}
            | {name: later(sent, hours) for name, hours in zip(names, moments, strict=True)}
        )
    return rows


def forget(touch, cutoff):
    """Return a touch as it was known at a cut-off."""
    names = ("opened_at", "clicked_at", "ordered_at")
    return {k: None if k in names and v and v >= cutoff else v for k, v in touch.items()}


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(TOUCHES, HOURS)
def test_the_future_changes_nothing(engine, tmp_path, drawn, cut):
    touches, cutoff = to_touches(drawn), START + cut * HOUR
    then = [forget(touch, cutoff) for touch in touches if touch["sent_at"] < cutoff]
    now = write_tables(tmp_path / "now", touches=touches)
    past = write_tables(tmp_path / "past", touches=then)
    options = {"time_zone": "UTC", "window_hours": 48.0}
    for build in (
        lambda workspace: read(engine, workspace, known_until=cutoff),
        lambda workspace: build_fatigue(engine, workspace, cutoff),
        lambda workspace: build_message_histories(
            engine, workspace, cutoff, half_life_days=28.0, **options
        ),
        lambda workspace: check_touches(engine, workspace, cutoff, time_zone="UTC").channels,
    ):
        pd.testing.assert_frame_equal(build(now), build(past))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(TOUCHES)
def test_rows_and_histories_against_a_plain_loop(engine, tmp_path, drawn):
    touches = to_touches(drawn)
    workspace = write_tables(tmp_path, touches=touches)
    table = read(engine, workspace).set_index("message_id")
    histories = {}
    for touch in touches:
        row, sent = table.loc[touch["message_id"]], touch["sent_at"]
        earlier = [
            other for other in touches
            if other["customer_id"] == touch["customer_id"] and other["sent_at"] < sent
        ]  # fmt: skip
        week = [other for other in earlier if other["sent_at"] >= sent - 7 * DAY]
        assert row["touches_7d"] == len(week)
        same = [other for other in week if other["channel"] == touch["channel"]]
        assert row[CHANNEL_FATIGUE] == len(same)
        ages = [(sent - other["sent_at"]) / HOUR for other in earlier]
        assert row["hours_since_touch"] == pytest.approx(min(ages, default=np.nan), nan_ok=True)
        gaps = [(touch[name] - sent) / HOUR for name in ("clicked_at", "ordered_at") if touch[name]]
        quick = timedelta(seconds=2) / HOUR
        is_person = [not (i == 0 and touch["clicked_at"] and 0 <= gap < quick)
                     for i, gap in enumerate(gaps)]  # fmt: skip
        engaged = any(ok and 0 <= gap < 24 for ok, gap in zip(is_person, gaps, strict=True))
        # what is known ends with March
        is_known = sent + 24 * HOUR <= END
        assert row["is_engaged"] == engaged or not is_known
        if sent <= END - 7 * DAY:
            slot = sent.replace(tzinfo=ZoneInfo("UTC"))
            key = (touch["customer_id"], touch["channel"], 24 * slot.weekday() + slot.hour)
            weight = 0.5 ** ((END - sent) / DAY / 10)
            sums = histories.setdefault(key, np.zeros(4))
            sums += [weight, weight * engaged, 1, engaged]
    found = build_message_histories(
        engine, workspace, END, time_zone="UTC", window_hours=24.0, half_life_days=10.0
    )
    assert len(found) == len(histories)
    for customer, channel, slot, *sums in found.itertuples(index=False):
        assert sums == pytest.approx(histories[customer, channel, slot].tolist())


def test_fatigue_at_a_cut_off_is_that_of_a_message_sent_then(engine, tmp_path):
    ages = [(2 * HOUR, "email"), (DAY, "sms"), (DAY + HOUR, "email"), (8 * DAY, "sms")]
    touches = [
        {**TOUCH, "message_id": str(i), "sent_at": SENT - age, "channel": channel}
        for i, (age, channel) in enumerate(ages)
    ]
    workspace = write_tables(tmp_path, touches=[*touches, TOUCH])
    sent = read(engine, workspace).set_index("message_id").loc["m"]
    table = build_fatigue(engine, workspace, SENT).set_index("channel")
    assert list(table.index) == ["email", "sms"]
    for channel in table.index:
        assert table.loc[channel, list(FATIGUE)].tolist() == sent[list(FATIGUE)].tolist()
    assert table.loc["email", CHANNEL_FATIGUE] == sent[CHANNEL_FATIGUE] == 2
    assert table.loc["sms", CHANNEL_FATIGUE] == 1


def test_histories_are_the_same_to_the_last_bit_in_any_order_of_touches(tmp_path):
    rng = np.random.default_rng(1)
    touches = [
        {**TOUCH, "message_id": f"{i:04d}", "sent_at": START + days * 7 * DAY + i * HOUR / 2000}
        for i, days in enumerate(rng.integers(0, 3, 3000).tolist())
    ]
    found = []
    for threads, rows in ((1, touches), (2, touches[::-1])):
        workspace = write_tables(tmp_path / str(threads), touches=rows)
        with open_engine(threads=threads) as connection:
            found.append(
                build_message_histories(
                    connection, workspace, END, time_zone="UTC", window_hours=24.0,
                    half_life_days=9.0,
                )
            )  # fmt: skip
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_histories_want_a_half_life(engine, tmp_path):
    workspace = write_tables(tmp_path, touches=[TOUCH])
    with pytest.raises(FeatureError, match="half-life above 0 days, got 0"):
        build_message_histories(
            engine, workspace, END, time_zone="UTC", window_hours=24.0, half_life_days=0.0
        )


BAD = [
    ({"sent_at": END}, "sent_in_future"),
    ({"opened_at": SENT - HOUR}, "opened_before_sent"),
    ({"opened_at": SENT, "clicked_at": SENT - HOUR}, "clicked_before_sent"),
    ({"ordered_at": SENT - HOUR}, "ordered_before_sent"),
    ({"clicked_at": SENT + HOUR}, "clicked_without_open"),
    ({"customer_id": "stranger"}, "unknown_customer"),
]


@pytest.mark.parametrize(("change", "check"), BAD)
def test_each_kind_of_bad_touch_is_counted_and_told(engine, tmp_path, change, check):
    touches = [TOUCH, {**TOUCH, "message_id": "n", **change}]
    workspace = write_tables(tmp_path, touches=touches, customers=[{"customer_id": "a"}])
    checks = check_touches(engine, workspace, END, time_zone="UTC")
    counts = checks.counts.set_index("check")["touches"]
    assert counts[counts > 0].to_dict() == {check: 1}
    assert checks.notes[0].startswith("1 touches ")


def make_sends(hours, n, answered):
    sends = []
    for i in range(n):
        sent = START + (i % 14) * DAY + hours[i % len(hours)] * HOUR
        clicked = sent + HOUR if i < answered else None
        sends.append({**TOUCH, "message_id": f"{i}", "sent_at": sent, "clicked_at": clicked})
    return sends


def judge(engine, root, sends):
    workspace = write_tables(root, touches=sends)
    limits = {"min_touches": 40, "min_answered": 10}
    return check_touches(engine, workspace, END, time_zone="UTC", **limits)


def test_all_sends_at_one_hour_teach_no_hour(engine, tmp_path):
    checks = judge(engine, tmp_path, make_sends([9], 60, 60))
    row = checks.channels.iloc[0]
    assert (row["effective_hours"], row["has_hours"]) == (1.0, False)
    assert "email: the effect of the hour cannot be learned" in checks.notes[-1]
    assert "rest on receptivity alone" in checks.notes[-1]


def test_the_effective_number_of_hours(engine, tmp_path):
    # three in four at 9, one in four at 18: 1 / (9/16 + 1/16) = 1.6
    row = judge(engine, tmp_path, make_sends([9, 9, 9, 18], 60, 60)).channels.iloc[0]
    assert row["effective_hours"] == pytest.approx(1.6)
    assert not row["has_hours"]
    row = judge(engine, tmp_path, make_sends([9, 12, 15, 18], 60, 60)).channels.iloc[0]
    assert row["effective_hours"] == pytest.approx(4.0)
    assert row["has_hours"]
    assert row["reason"] == ""


def test_too_few_touches_or_answers_teach_no_hour(engine, tmp_path):
    few = judge(engine, tmp_path / "few", make_sends([9, 12, 15, 18], 36, 36))
    assert "there are 36 touches (at least 40 are needed)" in few.notes[-1]
    silent = judge(engine, tmp_path / "silent", make_sends([9, 12, 15, 18], 60, 3))
    assert "3 touches were answered (at least 10 are needed)" in silent.notes[-1]
