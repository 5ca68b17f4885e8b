"""Frequency: figures by hand, and plans drawn at random that a plain loop over messages checks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest, UnknownName
from models.campaign.frequency import MANY, FrequencyCap, FrequencyRules, count_allowance

START, END = np.datetime64("2024-06-10T00:00"), np.datetime64("2024-06-12T00:00")
HOURS = START.astype("datetime64[s]") + np.arange(48) * np.timedelta64(1, "h")
CHANNELS = ("email", "sms")


def sent(*rows):
    return pd.DataFrame(
        [(who, channel, pd.Timestamp(moment)) for who, channel, moment in rows],
        columns=["customer_id", "channel", "sent_at"],
    )


def count(ids, touches, *caps, gap=0.0):
    rules = FrequencyRules(caps, gap)
    return count_allowance(ids, touches, rules, channels=CHANNELS, start=START, end=END)


def test_a_full_cap_blocks_until_its_oldest_message_is_old_enough():
    touches = sent(
        ("ann", "email", "2024-06-03T10:00"),  # seven days old at 10:00 of the first day
        ("ann", "sms", "2024-06-09T12:00"),
        ("bob", "email", "2024-06-09T12:00"),
        ("zoe", "email", "2024-06-09T12:00"),  # not in the audience
    )
    found = count(["ann", "bob", "cleo"], touches, FrequencyCap(2, 7))
    assert found.free_from[0, 0] == np.datetime64("2024-06-10T10:00")
    assert found.left_at_all.tolist() == [1, 1, 2]
    blocked = found.blocked(HOURS, "email")
    assert blocked.sum(axis=1).tolist() == [10, 0, 0]
    assert not blocked[0, 10:].any()


def test_a_cap_of_one_channel_leaves_the_other_alone():
    touches = sent(("ann", "email", "2024-06-09T12:00"))
    found = count(["ann"], touches, FrequencyCap(1, 30, "email"))
    assert found.left.tolist() == [[0, MANY]]
    assert found.left_at_all.tolist() == [MANY]
    assert found.blocked(HOURS, "email").all()
    assert not found.blocked(HOURS, "sms").any()


def test_the_gap_counts_from_the_latest_message_over_any_channel():
    touches = sent(("ann", "sms", "2024-06-09T20:30"), ("ann", "email", "2024-06-01T00:00"))
    found = count(["ann"], touches, gap=24.0)
    # the first hour at or after 20:30 is 21:00
    assert found.blocked(HOURS, "email").sum() == 21
    assert found.left.tolist() == [[MANY, MANY]]


def test_a_cap_of_nothing_allows_nothing():
    found = count(["ann"], sent(), FrequencyCap(0, 7), FrequencyCap(5, 7, "sms"))
    assert found.left.tolist() == [[0, 0]]
    assert found.left_at_all.tolist() == [0]
    assert found.blocked(HOURS, "sms").all()


def test_without_rules_everything_is_allowed_and_later_messages_do_not_count():
    touches = sent(("ann", "email", "2024-06-10T00:00"))
    found = count(["ann"], touches)
    assert found.left.tolist() == [[MANY, MANY]]
    capped = count(["ann"], touches, FrequencyCap(1, 7))
    assert capped.left_at_all.tolist() == [1]
    assert count([], sent(), FrequencyCap(1, 7)).left.shape == (0, 2)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: FrequencyRules((FrequencyCap(-1, 7),)), InvalidRequest),
        (lambda: FrequencyRules((FrequencyCap(1, 0),)), InvalidRequest),
        (lambda: FrequencyRules((FrequencyCap(1, float("nan")),)), InvalidRequest),
        (lambda: FrequencyRules((), -1.0), InvalidRequest),
        (lambda: FrequencyRules((FrequencyCap(1, 7, "emial"),)), UnknownName),
    ],
)
def test_rules_that_cannot_be(make, error):
    with pytest.raises(error):
        make()


hours_before = st.lists(st.tuples(st.integers(1, 24 * 10), st.sampled_from(CHANNELS)), max_size=8)
caps = st.lists(
    st.builds(
        FrequencyCap,
        st.integers(0, 4),
        st.sampled_from([0.5, 1.0, 3.0, 7.0]),
        st.sampled_from([None, *CHANNELS]),
    ),
    max_size=3,
)


def breaks(messages, cap_list, gap):
    """Walk over all messages and say whether one of the new ones breaks a rule."""
    for moment, channel, is_new in messages:
        if not is_new:
            continue
        old = [m for m, _, is_later in messages if not is_later]
        if any(moment - m < gap for m in old):
            return True
        for cap in cap_list:
            if cap.channel in (None, channel):
                inside = [
                    m for m, c, _ in messages
                    if moment - 24 * cap.days < m <= moment and cap.channel in (None, c)
                ]  # fmt: skip
                if len(inside) > cap.most:
                    return True
    return False


@settings(max_examples=200, deadline=None, database=None)
@given(before=hours_before, cap_list=caps, gap=st.sampled_from([0.0, 5.0, 30.0]), data=st.data())
def test_no_plan_within_the_allowance_breaks_a_rule_and_one_outside_of_it_does(
    before, cap_list, gap, data
):
    touches = sent(
        *(("ann", channel, START - np.timedelta64(back, "h")) for back, channel in before)
    )
    found = count(["ann"], touches, *cap_list, gap=gap)
    old = [(-back, channel, False) for back, channel in before]
    plan = []
    for place, channel in enumerate(CHANNELS):
        free = np.flatnonzero(~found.blocked(HOURS, channel)[0]).tolist()
        most = min(int(found.left[0, place]), 5, len(free))
        if len(free) == 0 or most == 0:
            continue
        chosen = data.draw(st.lists(st.sampled_from(free), max_size=most))
        plan += [(hour, channel, True) for hour in chosen]
    plan = plan[: int(found.left_at_all[0])]
    # two at one moment are both within the stretch that ends there
    assert not breaks(old + plan, cap_list, gap)
    for channel in CHANNELS:
        for hour in np.flatnonzero(found.blocked(HOURS, channel)[0]).tolist():
            assert breaks([*old, (hour, channel, True)], cap_list, gap)
