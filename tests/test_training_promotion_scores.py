import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from features.errors import NotEnoughData
from models.receptivity.histories import Outcomes
from training.promotion.scores import (
    GROUPS,
    build_reliability,
    build_scores,
    compare_losses,
    score_brier,
    score_calibration_error,
    score_customer_log_loss,
    score_share_loss,
    score_top_hit,
)

LN2 = float(np.log(2))


def make_outcomes(weeks, n_weeks=4):
    return Outcomes(sparse.csr_array(np.asarray(weeks, dtype=float)), n_weeks)


def one_customer(**weeks_by_slot):
    weeks = np.zeros((1, 168))
    for slot, value in weeks_by_slot.items():
        weeks[0, int(slot[1:])] = value
    return make_outcomes(weeks)


def test_half_everywhere_costs_one_bit_a_cell():
    probability = np.full((2, 168), 0.5)

    loss = score_customer_log_loss(probability, make_outcomes(np.eye(168)[:2] * 3))

    assert loss.tolist() == pytest.approx([LN2, LN2])
    assert score_brier(probability, make_outcomes(np.eye(168)[:2] * 3)) == pytest.approx(0.25)


def test_scores_count_weeks():
    # one slot active in 1 of 4 weeks at 0.25: entropy of 0.25; the rest at 0.5: one bit each
    probability = np.full((1, 168), 0.5)
    probability[0, 7] = 0.25
    outcomes = one_customer(s7=1)
    entropy = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)

    loss = score_customer_log_loss(probability, outcomes)

    assert loss[0] == pytest.approx((entropy + 167 * LN2) / 168)
    assert score_brier(probability, outcomes) == pytest.approx((0.1875 + 167 * 0.25) / 168)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_scores_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0.01, 0.9, (2, 168))
    weeks = rng.binomial(3, 0.1, (2, 168))
    weeks[:, 5] = 1
    outcomes = make_outcomes(weeks, 3)
    loss, brier = np.zeros(2), 0.0
    for i in range(2):
        for s in range(168):
            for week in range(3):
                happened = week < weeks[i, s]
                p = probability[i, s]
                loss[i] -= np.log(p if happened else 1 - p) / (168 * 3)
                brier += (happened - p) ** 2 / (2 * 168 * 3)
    hit = share_loss = 0.0
    for i in range(2):
        share = [0.0] * 8
        active = [0.0] * 8
        for s in range(168):
            share[(s % 24) // 3] += -np.log(1 - probability[i, s])
            active[(s % 24) // 3] += weeks[i, s]
        hit += active[int(np.argmax(share))]
        share_loss -= sum(a * np.log(q / sum(share)) for a, q in zip(active, share, strict=True))

    assert score_customer_log_loss(probability, outcomes) == pytest.approx(loss)
    assert score_brier(probability, outcomes) == pytest.approx(brier)
    assert score_top_hit(probability, outcomes, "block") == pytest.approx(hit / weeks.sum())
    assert score_share_loss(probability, outcomes, "block") == pytest.approx(
        share_loss / weeks.sum()
    )


def test_groups_are_the_clocks_they_are_called():
    sunday_morning = 6 * 24 + 10

    assert {name: int(group[sunday_morning]) for name, group in GROUPS.items()} == {
        "slot": 154,
        "hour": 10,
        "block": 3,
        "weekday": 6,
    }


def test_hits_are_shares_of_the_activity_that_followed():
    # Tuesday 10:00 is called best; activity: twice Tuesday 10, once Monday 10, once Tuesday 11
    probability = np.full((1, 168), 0.01)
    probability[0, 34] = 0.2
    outcomes = one_customer(s34=2, s10=1, s35=1)

    hits = {group: score_top_hit(probability, outcomes, group) for group in GROUPS}

    assert hits == {"slot": 0.5, "hour": 0.75, "block": 1.0, "weekday": 0.75}


def test_an_even_week_costs_the_logarithm_of_the_number_of_groups():
    probability = np.full((1, 168), 0.3)
    outcomes = one_customer(s3=1, s77=4)

    losses = [score_share_loss(probability, outcomes, group) for group in GROUPS]

    assert losses == pytest.approx(np.log([168, 24, 8, 7]).tolist())


def test_the_share_loss_does_not_know_how_active_a_customer_is():
    rng = np.random.default_rng(1)
    rate = rng.random((3, 168))
    outcomes = make_outcomes(rng.binomial(4, 0.1, (3, 168)))

    losses = [score_share_loss(-np.expm1(-level * rate), outcomes, "hour") for level in (0.01, 1.0)]

    assert losses[0] == pytest.approx(losses[1])


def test_calibration_error_is_the_mean_gap_over_equal_bins():
    # 84 cells at 0.1, never active; 84 at 0.5, active in 1 of 4 weeks: gaps 0.1 and 0.25
    probability = np.repeat([[0.1, 0.5]], [84, 84], axis=1)
    weeks = np.repeat([[0, 1]], [84, 84], axis=1)

    error = score_calibration_error(probability, make_outcomes(weeks), n_bins=2)

    assert error == pytest.approx(0.5 * 0.1 + 0.5 * 0.25)
    assert score_calibration_error(
        np.full((1, 168), 0.25), make_outcomes(np.ones((1, 168))), n_bins=20
    ) == pytest.approx(0.0)


def test_reliability_bins_expect_equally_many_and_hold_the_truth():
    rng = np.random.default_rng(2)
    probability = rng.beta(1, 8, (200, 168))
    outcomes = make_outcomes(rng.binomial(4, probability))

    table = build_reliability(probability, outcomes, n_bins=10)

    expected = table["cells"] * table["predicted"]
    assert table["cells"].sum() == probability.size
    assert (expected / expected.sum()).to_numpy() == pytest.approx(np.full(10, 0.1), abs=1e-3)
    assert table["predicted"].is_monotonic_increasing
    inside = (table["observed_low"] < table["predicted"]) & (
        table["predicted"] < table["observed_high"]
    )
    assert inside.sum() >= 8


def test_wilsons_interval_is_the_published_one():
    # 10 of 100: Wilson's 95 % interval is 0.0552 to 0.1744 (Newcombe 1998 has the method)
    weeks = np.zeros((1, 168))
    probability = np.full((1, 168), 1e-9)
    weeks[0, :10] = 1
    outcomes = Outcomes(sparse.csr_array(weeks[:, :100]), 1)

    row = build_reliability(probability[:, :100], outcomes, n_bins=1).iloc[0]

    assert row["observed"] == pytest.approx(0.1)
    assert row["observed_low"] == pytest.approx(0.0552, abs=5e-5)
    assert row["observed_high"] == pytest.approx(0.1744, abs=5e-5)


def test_a_gain_is_the_mean_difference_and_its_interval_that_of_customers():
    # independent customers: the interval of a mean is ± 1.96 deviations / sqrt(n)
    rng = np.random.default_rng(3)
    difference = rng.normal(0.2, 1.0, 4000)
    loss = np.full(4000, 2.0)

    found = compare_losses(loss, loss + difference, np.arange(4000), np.random.default_rng(0))

    half = 1.96 * difference.std() / np.sqrt(4000)
    assert found.gain == pytest.approx(difference.mean())
    assert found.low == pytest.approx(difference.mean() - half, abs=0.006)
    assert found.high == pytest.approx(difference.mean() + half, abs=0.006)
    assert found.relative == pytest.approx(found.gain / (2.0 + difference.mean()))
    assert found.customers == 4000


def test_a_customer_of_many_folds_counts_once():
    # the same 400 customers in 9 folds with the same difference: no more is known than from one
    rng = np.random.default_rng(4)
    difference = rng.normal(0.0, 1.0, 400)
    once = compare_losses(np.zeros(400), difference + 5, np.arange(400), np.random.default_rng(0))
    often = compare_losses(
        np.zeros(3600),
        np.tile(difference + 5, 9),
        np.tile(np.arange(400), 9),
        np.random.default_rng(0),
    )

    assert often.gain == pytest.approx(once.gain)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=1e-9)
    assert often.customers == 400


def test_the_same_seed_gives_the_same_interval_and_no_rows_none():
    rng = np.random.default_rng(5)
    rows = (rng.random(50), rng.random(50), rng.integers(0, 20, 50))

    first = compare_losses(*rows, np.random.default_rng(1))

    assert first == compare_losses(*rows, np.random.default_rng(1))
    with pytest.raises(NotEnoughData, match="at least one customer"):
        compare_losses(np.array([]), np.array([]), np.array([]), rng)


def test_all_scores_are_there_and_silence_is_not_hidden():
    probability = np.full((2, 168), 0.01)

    scores = build_scores(probability, make_outcomes(np.zeros((2, 168))))

    assert scores["customers"] == 2
    assert scores["base_rate"] == 0
    assert np.isnan(scores["slot_hit"])
    assert np.isnan(scores["block_loss"])
    assert np.isnan(scores["calibration_error_relative"])
    assert scores["log_loss"] == pytest.approx(-np.log(0.99))
    assert scores["calibration_error"] == pytest.approx(0.01)
