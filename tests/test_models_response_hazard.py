import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.response.hazard import (
    EDGES,
    N_BINS,
    TimeToOpen,
    build_life_table,
    expected_delay,
    fit_time_to_open,
    opened_within,
)


def test_published_shares_of_opens_come_out_of_their_hazards():
    """25.9 % of opens come within an hour, 71.2 % in a day, 93.0 % in a week.

    So of those not opened after an hour 1 - .288/.741 are by the end of the day, and of the rest
    1 - .070/.288 by the end of the week.
    """
    hazards = np.zeros(N_BINS)
    hazards[0] = 0.259
    hazards[4] = 0.611336032388664
    hazards[7] = 0.756944444444444
    reached = opened_within(hazards, np.array([1.0, 8.0, 24.0, 96.0, 168.0, 999.0]))
    assert reached == pytest.approx([0.259, 0.259, 0.712, 0.712, 0.930, 0.930])


def test_the_rate_is_constant_within_a_bin():
    hazards = np.zeros(N_BINS)
    hazards[3] = 0.75  # from 4 to 8 hours: half of it in the first half's rate
    assert opened_within(hazards, np.array([6.0])) == pytest.approx([0.5])


def test_the_mean_delay_of_those_who_open():
    hazards = np.zeros(N_BINS)
    hazards[:2] = 0.5  # a half at 0.5 hours and a quarter at 1.5: (0.25 + 0.375) / 0.75
    assert expected_delay(hazards) == pytest.approx(0.625 / 0.75)


@given(
    st.lists(st.none() | st.floats(0, 167.9), min_size=1, max_size=20),
    st.floats(0, 168),
)
def test_the_life_table_against_a_plain_loop(opened_at, observed):
    hours = np.array([np.nan if h is None or h >= observed else h for h in opened_at])
    opened, at_risk = build_life_table(hours, np.full(len(hours), observed))
    for i, hour in enumerate(hours):
        for b in range(N_BINS):
            in_bin = EDGES[b] <= hour < EDGES[b + 1]
            before = hour < EDGES[b]
            is_seen = observed >= EDGES[b + 1]
            assert opened[i, b] == (in_bin and is_seen)
            assert at_risk[i, b] == (not before and is_seen)


def draw(n, rng, *, scale=6.0, share=0.5, observed=168.0):
    hours = np.where(rng.random(n) < share, rng.exponential(scale, n), np.nan)
    return np.where(hours < observed, hours, np.nan), np.full(n, observed)


def test_censored_messages_bend_nothing():
    rng = np.random.default_rng(1)
    whole, whole_seen = draw(20_000, rng)
    part, part_seen = draw(20_000, rng, observed=8.0)
    hours, seen = np.append(whole, part), np.append(whole_seen, part_seen)
    email, noon = np.full(40_000, "email", dtype=object), np.full(40_000, 12)
    model = fit_time_to_open(hours, seen, email, noon, ("email",))
    for within in (1.0, 8.0, 24.0, 168.0):
        truth = 0.5 * -np.expm1(-within / 6.0)
        assert model.opened_within(within, "email") == pytest.approx(truth, abs=0.01)
    # an eighth hour that half of the messages did not live to see is no hour without opens
    naive = np.mean(np.nan_to_num(hours, nan=999) < 24)
    assert naive < 0.5 * -np.expm1(-4.0) - 0.05


def test_a_bin_in_which_observing_ends_is_no_hour_of_many_opens():
    # ten hours are two of the sixteen from 8 to 24: who opened in them is no more than chance
    rng = np.random.default_rng(4)
    hours, seen = draw(20_000, rng, observed=10.0)
    whole, whole_seen = draw(2_000, rng)
    hours, seen = np.append(hours, whole), np.append(seen, whole_seen)
    email, noon = np.full(len(hours), "email", dtype=object), np.full(len(hours), 12)
    model = fit_time_to_open(hours, seen, email, noon, ("email",))
    truth = 0.5 * -np.expm1(-24.0 / 6.0)
    assert model.opened_within(24.0, "email") == pytest.approx(truth, abs=0.03)


def test_channels_and_parts_of_the_day_are_told_apart_and_shrunk():
    rng = np.random.default_rng(2)
    n = 4000
    morning, evening = rng.integers(6, 12, n), rng.integers(18, 24, n)
    fast, seen = draw(n, rng, scale=1.0)
    slow, _ = draw(n, rng, scale=20.0)
    one = np.array([0.5])
    hours, hour = np.concatenate([fast, slow, one]), np.concatenate([morning, evening, [3]])
    channel = np.array(["push"] * (2 * n) + ["sms"], dtype=object)
    model = fit_time_to_open(hours, np.append(np.append(seen, seen), 168), channel, hour, ("push", "sms"))  # fmt: skip  # noqa: E501
    assert model.opened_within(1, "push", 9) > 2 * model.opened_within(1, "push", 21)
    assert model.expected_delay("push", 9) < model.expected_delay("push", 21)
    # one message of sms says next to nothing, a channel never seen nothing at all
    assert model.opened_within(1, "sms", 3) < 0.5
    assert np.array_equal(model.hazards("mail", 3), model.overall)


def test_nothing_seen_leaves_a_usable_model_and_json_keeps_it():
    empty = np.array([])
    model = fit_time_to_open(empty, empty, np.array([], object), np.array([], int), ("email",))
    assert (model.overall == 0.01).all()
    again = TimeToOpen.from_json(model.to_json())
    assert again.to_json() == model.to_json()
    assert np.array_equal(again.of_part, model.of_part)
