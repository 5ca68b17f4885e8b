import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.receptivity.empirical_bayes import ShapeChain, fit_shape
from models.receptivity.evidence import describe_evidence
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.rhythms import Rhythms, fit_rhythms

EVEN = np.full(168, 1 / 168)
NIGHTS = np.tile(np.where(np.isin(np.arange(24), [2, 3, 4]), 1 / 3, 0.0), 7) / 7
LUNCHES = np.tile(np.where(np.isin(np.arange(24), [11, 12, 13]), 1 / 3, 0.0), 7) / 7
KINDS = 0.95 * np.array([NIGHTS, LUNCHES]) + 0.05 * EVEN


def make_histories(counts, segments=None):
    n = len(counts)
    codes = np.full(n, -1) if segments is None else np.asarray(segments)
    counts = sparse.csr_array(np.asarray(counts, dtype=float))
    return Histories(
        customer_id=np.arange(n).astype(str).astype(object),
        counts=counts,
        segment_names=tuple(f"s{i}" for i in range(codes.max(initial=-1) + 1)),
        segment_codes=codes,
        own_events=np.asarray(counts.sum(axis=1)),
        tenure_days=np.full(n, np.nan),
        level_features=np.empty((n, 0)),
        level_names=(),
    )


def draw_kinds(rng, n, events=3, parts=(0.3, 0.7), later=6):
    """People of two kinds: what they did before, after, and the kind."""
    kind = rng.choice(2, n, p=parts)
    before = rng.multinomial(events, KINDS[kind])
    return before.astype(float), rng.multinomial(later, KINDS[kind]).astype(float), kind


def find_nights(rhythms):
    """Return the share of customers in rhythms that are active at night."""
    is_night = rhythms.weeks[:, NIGHTS > 0].sum(axis=1) > rhythms.weeks[:, LUNCHES > 0].sum(axis=1)
    return rhythms.parts[-1, is_night].sum()


def at(slots, n=1):
    counts = np.zeros((n, 168))
    counts[:, slots] += 1
    return sparse.csr_array(counts)


def test_two_events_tell_the_rhythm_by_bayes_rule():
    weeks = np.array([EVEN, EVEN])
    weeks[0, [2, 3]], weeks[1, [2, 3]] = [0.008, 0.004], [0.002, 0.002]
    rhythms = Rhythms(weeks, np.array([[0.2, 0.8], [0.5, 0.5]]), most_events=np.inf)

    found = rhythms.posterior(sparse.vstack([at([2, 3]), at([2, 3])]).tocsr(), np.array([0, -1]))

    # likelihoods .000032 and .000004: 8 to 1, against priors of 1 to 4 and of 1 to 1
    assert found[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found[1].tolist() == pytest.approx([8 / 9, 1 / 9])


def test_only_so_many_events_are_listened_to():
    weeks = np.array([EVEN, EVEN])
    weeks[0, 2], weeks[1, 2] = 0.004, 0.002
    rhythms = Rhythms(weeks, np.array([[0.5, 0.5]]), most_events=2.0)

    found = rhythms.posterior(sparse.csr_array(6 * at([2]).toarray()), np.array([-1]))

    # six events, of which at most two: 6 / (1 + 6 / 2) = 1.5
    assert found[0, 0] / found[0, 1] == pytest.approx(2**1.5)


def test_a_rhythm_tilts_what_the_segment_expects():
    half = np.repeat([1.0, 0.0], 84)
    weeks = np.array([1.5 * half + 0.5 * (1 - half), 0.5 * half + 1.5 * (1 - half)]) / 168
    rhythms = Rhythms(weeks, np.array([[0.5, 0.5]]), most_events=np.inf)
    closed = np.where(np.arange(168) >= 160, 0.0, 1 / 160)

    tilted = rhythms.tilt(closed[None, :], at([5]), np.array([-1]))[0]

    # 3 to 1 for the first rhythm: .75 x 1.5 + .25 x .5 = 1.25 in its half, .75 in the other
    total = 84 * 1.25 + 76 * 0.75
    assert tilted[[0, 100]].tolist() == pytest.approx([1.25 / total, 0.75 / total])
    assert (tilted[160:] == 0).all()  # where the segment is closed, no rhythm opens it


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_without_events_the_segment_is_left_as_it_is(seed):
    rng = np.random.default_rng(seed)
    rhythms = Rhythms(rng.dirichlet(np.full(168, 0.5), 4) + 1e-6, rng.dirichlet(np.ones(4), 3))
    share = rng.dirichlet(np.ones(168), 3)
    nobody = sparse.csr_array((3, 168))

    assert np.allclose(rhythms.tilt(share, nobody, np.array([0, 1, -1])), share)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_tilts_as_a_plain_loop_does_and_alike_in_any_order(seed):
    rng = np.random.default_rng(seed)
    weeks, parts = rng.dirichlet(np.full(168, 2.0), 3), rng.dirichlet(np.ones(3), 2)
    rhythms = Rhythms(weeks, parts, most_events=4.0)
    counts = rng.poisson(0.03, (5, 168)) * rng.random((5, 168))
    segments, share = np.array([0, -1, 0, 0, -1]), rng.dirichlet(np.ones(168), 5)

    tilted = rhythms.tilt(share, sparse.csr_array(counts), segments)

    for i in range(5):
        n = counts[i].sum()
        weights = [
            parts[segments[i], k] * np.prod(weeks[k] ** (counts[i] / (1 + n / 4))) for k in range(3)
        ]
        expected = sum(w * weeks[k] for k, w in enumerate(weights)) / sum(weights)
        usual = sum(parts[segments[i], k] * weeks[k] for k in range(3))
        wanted = share[i] * expected / usual
        assert np.allclose(tilted[i], wanted / wanted.sum())
    order = rng.permutation(5)
    again = rhythms.tilt(share[order], sparse.csr_array(counts[order]), segments[order])
    assert np.array_equal(again, tilted[order])


def test_em_finds_the_kinds_and_how_common_they_are():
    rng = np.random.default_rng(1)
    before, _, kind = draw_kinds(rng, 3000)

    found = fit_rhythms(
        sparse.csr_array(before), np.full(3000, -1), 0, np.random.default_rng(2), n_rhythms=2
    )

    assert found.parts[-1].sum() == pytest.approx(1)
    assert find_nights(found) == pytest.approx(0.3, abs=0.04)
    night = int(found.weeks[:, 3].argmax())
    belongs = found.posterior(sparse.csr_array(before), np.full(3000, -1))[:, night] > 0.5
    assert (belongs == (kind == 0)).mean() > 0.97
    # .95 of a night owl's events fall into three hours, one of 24 hours spills over each edge
    assert found.weeks[night, NIGHTS > 0].sum() > 0.7


def test_kinds_are_counted_by_segment():
    rng = np.random.default_rng(3)
    owls, others = (draw_kinds(rng, 800, parts=parts)[0] for parts in ((0.8, 0.2), (0.1, 0.9)))
    segments = np.repeat([0, 1], 800)

    found = fit_rhythms(
        sparse.csr_array(np.vstack([owls, others])),
        segments,
        2,
        np.random.default_rng(4),
        n_rhythms=2,
    )

    night = int(found.weeks[:, 3].argmax())
    assert found.parts[:, night].tolist() == pytest.approx([0.8, 0.1, 0.45], abs=0.05)


def test_equal_seeds_find_equal_rhythms_and_few_customers_none():
    before = sparse.csr_array(draw_kinds(np.random.default_rng(5), 400)[0])
    nowhere = np.full(400, -1)

    one, two = (fit_rhythms(before, nowhere, 0, np.random.default_rng(6)) for _ in range(2))

    assert len(one.weeks) == 8  # one for every 50
    assert np.array_equal(one.weeks, two.weeks)
    assert np.array_equal(one.parts, two.parts)
    assert fit_rhythms(before[:99], nowhere[:99], 0, np.random.default_rng(6)) is None
    assert fit_rhythms(sparse.csr_array((400, 168)), nowhere, 0, np.random.default_rng(6)) is None


def test_json_keeps_every_bit():
    before = sparse.csr_array(draw_kinds(np.random.default_rng(7), 300)[0])
    found = fit_rhythms(before, np.full(300, -1), 0, np.random.default_rng(8))

    again = Rhythms.from_json(json.loads(json.dumps(found.to_json())))

    nowhere, even = np.full(300, -1), np.tile(EVEN, (300, 1))
    assert np.array_equal(again.tilt(even, before, nowhere), found.tilt(even, before, nowhere))


def test_two_events_of_a_night_owl_say_that_noon_is_empty():
    before, after, _ = draw_kinds(np.random.default_rng(9), 800, events=2)
    histories = make_histories(before)
    outcomes = Outcomes(sparse.csr_array(after), 6)

    chain = fit_shape(histories, outcomes)
    without = fit_without(histories, outcomes)

    fresh, later, kind = draw_kinds(np.random.default_rng(10), 1000, events=2)
    share, plain = (model.share(make_histories(fresh)) for model in (chain, without))
    at_noon = [s[kind == 0][:, LUNCHES > 0].sum(axis=1).mean() for s in (share, plain)]
    assert at_noon[0] < 0.5 * at_noon[1]
    gained = (later * (np.log(share) - np.log(plain))).sum() / later.sum()
    assert gained > 0.1
    assert chain.likeness(make_histories(fresh)).mean() > 0.2
    assert chain.likeness(Histories.unknown(["new"])) == pytest.approx([0.0], abs=1e-9)


def test_where_nobody_has_habits_rhythms_change_nothing():
    rng = np.random.default_rng(11)
    usual = rng.dirichlet(np.full(168, 2.0))
    before, after, later = rng.multinomial(10, usual, (3, 600)).astype(float)
    histories = make_histories(before)

    outcomes = Outcomes(sparse.csr_array(after), 10)

    chain, without = fit_shape(histories, outcomes), fit_without(histories, outcomes)

    assert chain.rhythms is not None
    gained = later * (np.log(chain.share(histories)) - np.log(without.share(histories)))
    assert gained.sum() / later.sum() > -0.001
    assert chain.likeness(histories).mean() < 0.05


def test_evidence_says_who_is_expected_to_do_as_customers_with_a_like_week():
    histories = make_histories(at([5, 6], n=3).toarray(), [0, 0, -1])
    weights = np.array([[0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.4, 0.0, 0.6]])

    told = describe_evidence(histories, weights, np.array([0.3, 0.01, 0.3]))

    own = "2 events of their own"
    assert told["sentence"].tolist() == [
        f"based on {own} (weight 0.50), then on region s0 and customers with a like week",
        f"based on {own} (weight 0.50), then on region s0",
        f"based on all customers, most of all those with a like week (weight 0.60), then on {own}",
    ]
    assert told["likeness"].tolist() == [0.3, 0.01, 0.3]


def test_the_chain_with_rhythms_survives_json_and_an_older_chain_has_none():
    before, after, _ = draw_kinds(np.random.default_rng(12), 400)
    histories = make_histories(before, np.arange(400) % 2)
    chain = fit_shape(histories, Outcomes(sparse.csr_array(after), 6))
    values = json.loads(json.dumps(chain.to_json()))

    again = ShapeChain.from_json(values)
    older = ShapeChain.from_json({name: values[name] for name in values if name != "rhythms"})

    assert np.array_equal(again.share(histories), chain.share(histories))
    assert older.rhythms is None
    assert np.array_equal(older.expected(histories), chain.prior(histories))
    assert (older.likeness(histories) == 0).all()


def test_the_weeks_that_followed_choose_how_much_is_listened_to():
    """Customers who change their kind every time must not be held to what they did before."""
    rng = np.random.default_rng(13)
    before, steady, _ = draw_kinds(rng, 600)
    fickle = rng.permutation(steady)
    histories = make_histories(before)

    held, free = (
        fit_shape(histories, Outcomes(sparse.csr_array(after), 6)) for after in (steady, fickle)
    )

    assert free.rhythms.most_events < 0.5 < held.rhythms.most_events
    assert free.likeness(histories).mean() < 0.1 < held.likeness(histories).mean()


def fit_without(histories, outcomes):
    """The chain as it is with too few customers for rhythms, its strengths fitted all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.receptivity.empirical_bayes.fit_rhythms", lambda *_: None)
        chain = fit_shape(histories, outcomes)
    return dataclasses.replace(chain, rhythms=None)
