import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.receptivity.empirical_bayes import ShapeChain, build_kernel, fit_shape
from models.receptivity.histories import Histories, Outcomes

FLAT = np.full(168, 1 / 168)
SEGMENT = 0.9 * np.eye(168)[20] + 0.1 * FLAT


def make_histories(counts, segments=None):
    n = len(counts)
    codes = np.full(n, -1) if segments is None else np.asarray(segments)
    counts = sparse.csr_array(np.asarray(counts, dtype=float))
    return Histories(
        customer_id=np.array([str(i) for i in range(n)], dtype=object),
        counts=counts,
        segment_names=tuple(f"s{i}" for i in range(codes.max(initial=-1) + 1)),
        segment_codes=codes,
        own_events=np.asarray(counts.sum(axis=1)),
        tenure_days=np.full(n, np.nan),
        level_features=np.empty((n, 0)),
        level_names=(),
    )


def make_chain(**changes):
    chain = ShapeChain(
        global_share=FLAT,
        segment_names=("s0",),
        segment_share=SEGMENT[None, :],
        segment_weight=np.array([0.8]),
        segment_concentration=25.0,
        day_concentration=10.0,
        hour_concentration=10.0,
        bandwidth_hours=1e-3,
        day_sharing=0.0,
        kind_sharing=0.0,
    )
    return dataclasses.replace(chain, **changes)


def draw_world(rng, n, concentration, events, n_weeks=4):
    """Customers whose own shares scatter around a common one; what they did before and after."""
    base = rng.dirichlet(np.full(168, 0.5))
    habits = rng.dirichlet(concentration * base + 1e-9, size=n)
    before = np.array([rng.multinomial(events, habit) for habit in habits])
    after = np.array([rng.multinomial(12, habit) for habit in habits])
    outcomes = Outcomes(sparse.csr_array(np.minimum(after, n_weeks).astype(float)), n_weeks)
    return make_histories(before), outcomes, after


def test_without_spread_an_event_speaks_for_its_slot_alone():
    assert np.array_equal(build_kernel(1e-3, 0.0), np.eye(168))


def test_with_full_day_sharing_an_event_speaks_for_its_hour_on_all_days():
    row = build_kernel(1e-3, 1.0)[30]

    assert row[6::24].tolist() == pytest.approx([1 / 7] * 7)
    assert row.sum() == pytest.approx(1)


def test_neighbouring_hours_get_the_circular_normal():
    # density at 0, 1 and 2 hours for a deviation of one hour, over the sum of all distances
    near = [1.0, 0.6065306597, 0.1353352832, 0.0111089965, 0.0003354626]
    total = near[0] + 2 * sum(near[1:])

    row = build_kernel(1.0, 0.0)[0]

    assert row[:3].tolist() == pytest.approx([value / total for value in near[:3]], abs=1e-5)
    assert row[167] == pytest.approx(row[1])  # Sunday 23:00 is next to Monday 00:00


@given(st.floats(0.1, 10), st.floats(0, 1))
def test_the_kernel_spreads_all_of_an_event_evenly_both_ways(bandwidth, sharing):
    kernel = build_kernel(bandwidth, sharing)

    assert np.allclose(kernel.sum(axis=1), 1)
    assert np.allclose(kernel, kernel.T)
    assert (kernel >= 0).all()


def test_ten_events_weigh_as_much_as_a_prior_of_ten():
    counts = np.zeros((2, 168))
    counts[0, 5] = 10

    histories = make_histories(counts, [0, 0])
    share, weights = make_chain().share(histories), make_chain().weights(histories)

    # the segment: 0.9 + 0.1 / 7 = 0.914 on Mondays, and 0.985 of that at 20:00
    monday = (10 + 10 * (0.9 + 0.1 / 7)) / 20
    at_five = (10 + 10 * (0.1 / 168) / (0.9 + 0.1 / 7)) / 20
    at_eight = (10 * (0.9 + 0.1 / 168) / (0.9 + 0.1 / 7)) / 20
    assert share[0, [5, 20]].tolist() == pytest.approx([monday * at_five, monday * at_eight])
    # on Mondays half is own, on the other six days nothing is
    assert weights[0].tolist() == pytest.approx([0.5 / 7, 0.8 * 6.5 / 7, 0.2 * 6.5 / 7])
    assert share[1].tolist() == pytest.approx(SEGMENT.tolist())
    assert weights[1].tolist() == pytest.approx([0.0, 0.8, 0.2])
    assert make_chain().strength(histories).tolist() == [20.0, 10.0]


def test_an_event_counts_for_the_hours_of_other_days_by_their_kind():
    counts = np.zeros((1, 168))
    counts[0, 9] = 10  # Monday 09:00
    chain = make_chain(day_sharing=0.5, kind_sharing=0.2, segment_share=FLAT[None, :])

    share = chain.share(make_histories(counts, [0])).reshape(7, 24)
    at_nine = share[:, 9] / share.sum(axis=1)

    # of 10 events Tuesday hears 5 and Saturday 1, against a prior of 10
    expected = [(own + 10 / 24) / (own + 10) for own in (10, 5, 5, 5, 5, 1, 1)]
    assert at_nine.tolist() == pytest.approx(expected)
    assert share.sum(axis=1)[:2].tolist() == pytest.approx([(10 + 10 / 7) / 20, (10 / 7) / 20])


def test_an_unknown_segment_falls_back_to_everybody():
    histories = Histories.unknown(["x", "y"], ["s0", "elsewhere"])

    share, weights = make_chain().share(histories), make_chain().weights(histories)

    assert share[0].tolist() == pytest.approx(SEGMENT.tolist())
    assert share[1].tolist() == pytest.approx(FLAT.tolist())
    assert weights[1].tolist() == [0.0, 0.0, 1.0]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_share_is_the_posterior_mean_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.05, (4, 168)) * rng.random((4, 168))
    histories = make_histories(counts, [0, 0, -1, 0])
    chain = make_chain(bandwidth_hours=0.8, day_sharing=0.4, kind_sharing=0.3)

    share = chain.share(histories)

    kernel = build_kernel(0.8, 0.0)
    for i in range(4):
        prior = SEGMENT if i != 2 else FLAT
        own = [sum(counts[i, t] * kernel[t, s] for t in range(168)) for s in range(168)]
        for slot in range(0, 168, 5):
            day, hour = divmod(slot, 24)
            of_day = sum(prior[24 * day : 24 * day + 24])
            on_day = sum(own[24 * day : 24 * day + 24])
            heard, heard_at_all = 0.0, 0.0
            for other in range(7):
                counted = 1.0 if other == day else 0.4
                if (other >= 5) != (day >= 5):
                    counted *= 0.3
                heard += counted * own[24 * other + hour]
                heard_at_all += counted * sum(own[24 * other : 24 * other + 24])
            days = (on_day + 10 * of_day) / (sum(own) + 10)
            hours = (heard + 10 * prior[slot] / of_day) / (heard_at_all + 10)
            assert share[i, slot] == pytest.approx(days * hours)
    assert np.allclose(share.sum(axis=1), 1)
    assert np.allclose(chain.weights(histories).sum(axis=1), 1)


def test_strong_habits_get_a_weak_prior_and_no_habits_a_strong_one():
    rng = np.random.default_rng(1)
    strong = fit_shape(*draw_world(rng, 300, 5.0, 20)[:2])
    none = fit_shape(*draw_world(rng, 300, 1e6, 20)[:2])

    assert max(strong.day_concentration, strong.hour_concentration) < 15
    assert min(none.day_concentration, none.hour_concentration) > 100


def test_finds_the_concentrations_that_drew_the_customers():
    # days and the hours of each are drawn apart, so nothing is to be learnt from other days
    rng = np.random.default_rng(2)
    base = rng.dirichlet(np.full(24, 1.0), size=7)
    days = rng.dirichlet(np.full(7, 20 / 7), size=1500)
    hours = np.array([rng.dirichlet(6.0 * of_day + 1e-9, size=1500) for of_day in base])
    habits = (days[:, :, None] * hours.transpose(1, 0, 2)).reshape(1500, 168)
    habits /= habits.sum(axis=1, keepdims=True)
    before, after = (np.array([rng.multinomial(n, habit) for habit in habits]) for n in (40, 12))

    chain = fit_shape(make_histories(before), Outcomes(sparse.csr_array(after.astype(float)), 12))

    assert chain.day_concentration == pytest.approx(20.0, rel=0.25)
    assert chain.hour_concentration == pytest.approx(6.0, rel=0.25)
    assert chain.day_sharing < 0.2
    assert chain.bandwidth_hours < 0.5


def test_one_customer_who_never_sleeps_does_not_become_the_week_of_all():
    rng = np.random.default_rng(8)
    histories, outcomes, _ = draw_world(rng, 400, 50.0, 20)
    till = histories.counts.toarray()
    till[0] = 0.0
    till[0, 3] = 10_000.0
    with_till = make_histories(till)

    before, after = (fit_shape(world, outcomes) for world in (histories, with_till))

    assert after.global_share[3] < before.global_share[3] + 0.01
    newcomer = Histories.unknown(["new"])
    assert abs(after.share(newcomer) - before.share(newcomer)).sum() < 0.02


def test_segments_that_differ_keep_their_own_week():
    rng = np.random.default_rng(3)
    early, late = np.zeros(168), np.zeros(168)
    early[8::24], late[20::24] = 1 / 7, 1 / 7
    segments = np.repeat([0, 1], 150)
    shares = np.where(segments[:, None] == 0, early, late)
    before = np.array([rng.multinomial(3, share) for share in shares])
    after = np.array([rng.multinomial(4, share) for share in shares])
    outcomes = Outcomes(sparse.csr_array(after.astype(float)), 4)

    chain = fit_shape(make_histories(before, segments), outcomes)
    newcomers = chain.share(Histories.unknown(["x", "y"], ["s0", "s1"]))

    assert newcomers[0, 8::24].sum() > 3 * newcomers[0, 20::24].sum()
    assert newcomers[1, 20::24].sum() > 3 * newcomers[1, 8::24].sum()
    assert (chain.segment_weight > 0.7).all()


def test_beats_everybody_and_the_raw_histogram_on_later_weeks():
    rng = np.random.default_rng(4)
    histories, outcomes, after = draw_world(rng, 600, 15.0, 15)

    share = fit_shape(histories, outcomes).share(histories)
    raw = histories.counts.toarray() + 1 / 168
    raw /= raw.sum(axis=1, keepdims=True)
    everybody = histories.counts.toarray().sum(axis=0) + 1e-3
    everybody = np.tile(everybody / everybody.sum(), (600, 1))

    def loss(q):
        return -(after * np.log(q)).sum() / after.sum()

    assert loss(share) < loss(raw) - 0.3
    assert loss(share) < loss(everybody) - 0.05


def test_without_any_outcome_the_strengths_stay_at_their_priors():
    counts = np.zeros((1, 168))
    counts[0, 7] = 2
    chain = fit_shape(make_histories(counts), Outcomes(sparse.csr_array((1, 168)), 4))

    assert chain.hour_concentration == pytest.approx(10.0)
    assert chain.global_share.sum() == pytest.approx(1)
    assert chain.global_share[7] == chain.global_share.max()
    assert chain.segment_share.shape == (0, 168)


def test_json_keeps_every_bit():
    rng = np.random.default_rng(5)
    histories, outcomes, _ = draw_world(rng, 40, 5.0, 10)
    histories = dataclasses.replace(
        histories, segment_names=("a", "b"), segment_codes=rng.integers(-1, 2, 40)
    )
    chain = fit_shape(histories, outcomes)

    again = ShapeChain.from_json(json.loads(json.dumps(chain.to_json())))

    assert np.array_equal(again.share(histories), chain.share(histories))
    assert np.array_equal(again.weights(histories), chain.weights(histories))
    assert dataclasses.asdict(again).keys() == dataclasses.asdict(chain).keys()
