"""The link from a customer's week to their week in one channel."""

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
from scipy import sparse

from features.errors import UnknownName
from features.schema import CHANNELS
from models.receptivity.channels import ChannelChain, fit_channels
from models.receptivity.empirical_bayes import ShapeChain, fit_shape
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import MODELS, EmpiricalBayes, load_send_time

WEB, STORE = CHANNELS.index("web"), CHANNELS.index("store")
HOURS = np.arange(168) % 24
EVENING, DAY = (HOURS >= 19) * 1.0, ((HOURS >= 9) & (HOURS < 18)) * 1.0


def by_channel(web, store):
    counts = np.zeros((len(web), len(CHANNELS) * 168))
    counts[:, 168 * WEB : 168 * (WEB + 1)] = web
    counts[:, 168 * STORE : 168 * (STORE + 1)] = store
    return sparse.csr_array(counts)


def make_histories(web, store, segments=None):
    web, store = np.asarray(web, dtype=float), np.asarray(store, dtype=float)
    n, every = len(web), web + store
    return Histories(
        customer_id=np.arange(n).astype(str).astype(object),
        counts=sparse.csr_array(every),
        segment_names=("s0", "s1"),
        segment_codes=np.full(n, -1) if segments is None else np.asarray(segments),
        own_events=every.sum(axis=1),
        tenure_days=np.full(n, 364.0),
        level_features=np.empty((n, 0)),
        level_names=(),
        channel_counts=by_channel(web, store),
    )


def draw_world(n=800, seed=1, before=12, after=8):
    """Who uses the web uses it in the evening; how much of it is web differs by customer."""
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, 2, n)
    part = rng.beta(np.where(segments == 0, 2.0, 6.0), 4.0)
    favourite = rng.integers(8, 21, n)
    near = 0.1 + np.exp(-0.5 * ((HOURS[None, :] - favourite[:, None]) / 3) ** 2)
    in_web, in_store = near * (EVENING + 0.2), near * (DAY + 0.05)
    in_web *= (part / in_web.sum(axis=1))[:, None]
    in_store *= ((1 - part) / in_store.sum(axis=1))[:, None]
    past = rng.poisson(before * in_web), rng.poisson(before * in_store)
    web, store = (rng.binomial(8, -np.expm1(-after / 8 * rate)) for rate in (in_web, in_store))
    either = np.minimum(web + store, 8).astype(float)
    outcomes = Outcomes(sparse.csr_array(either), 8, by_channel(web, store))
    return make_histories(*past, segments), outcomes


@cache
def fit(name="empirical_bayes"):
    return MODELS[name](half_life_days=1e6).fit(*draw_world()).calibrate(*draw_world(seed=2))


def loss_of(probability, outcomes):
    rate = outcomes.weeks_active.toarray() / outcomes.n_weeks
    return -(rate * np.log(probability) + (1 - rate) * np.log1p(-probability)).mean()


FLAT = ShapeChain(
    global_share=np.full(168, 1 / 168),
    segment_names=(),
    segment_share=np.empty((0, 168)),
    segment_weight=np.empty(0),
    segment_concentration=1.0,
    day_concentration=5.0,
    hour_concentration=5.0,
    bandwidth_hours=1e-3,
    day_sharing=0.0,
    kind_sharing=0.0,
)
RATIO = np.ones((1, 168))
RATIO[0, :4] = 3.0
CHAIN = ChannelChain(
    ("web",), ("s0", "s1"), np.array([[0.5], [0.1], [0.25]]), 4.0, RATIO, np.array([6.0])
)


def test_six_of_ten_in_the_web_against_a_prior_of_four_events():
    web, store = np.zeros((2, 168)), np.zeros((2, 168))
    web[0, 7], store[0, 9] = 6, 4

    part = CHAIN.part(make_histories(web, store, [-1, 0]), "web")

    # a quarter of everybody's activity is web; half of segment s0's, and the second has no events
    assert part.tolist() == pytest.approx([(6 + 4 * 0.25) / 14, 0.5])


def test_a_week_is_tilted_to_when_the_channel_is_used_and_weighed_against_own_events():
    web, store = np.zeros((2, 168)), np.zeros((2, 168))
    web[1, 7] = 2

    spread = CHAIN.spread(make_histories(web, store), FLAT, "web")

    # 4 slots of weight 3 and 164 of weight 1
    assert spread[0, [0, 100]].tolist() == pytest.approx([3 / 176, 1 / 176])
    # Monday has 2 of 2 events against 5 of a seventh; 07:00 has 2 of 2 against 5 of a 24th
    week = np.full(168, 5 / 49 / 24)
    week[:24] = (2 + 5 / 7) / 7 * (5 / 24) / 7
    week[7] += (2 + 5 / 7) / 7 * 2 / 7
    tilted = week * RATIO[0] / (week * RATIO[0]).sum()
    own = np.eye(168)[7] * 2
    assert spread[1].tolist() == pytest.approx(((own + 6 * tilted) / 8).tolist())
    assert spread.sum(axis=1).tolist() == pytest.approx([1.0, 1.0])


def test_both_channels_are_found_and_only_those():
    assert fit().channels == ("web", "store")
    of_s0, of_s1, of_all = fit().channels_.share[:, 0]
    assert (of_s0, of_s1) == (pytest.approx(2 / 6, abs=0.04), pytest.approx(0.6, abs=0.04))
    assert of_s0 < of_all < of_s1


def test_later_weeks_of_a_channel_are_told_better_than_by_any_channel():
    histories, outcomes = draw_world(seed=3)
    model = fit()
    for channel in ("web", "store"):
        followed = outcomes.of_channel(channel)
        own = loss_of(model.predict_channel(histories, channel), followed)
        part = followed.totals.sum() / outcomes.totals.sum()
        every = model.predict(histories)
        assert own < 0.97 * loss_of(every, followed)
        assert own < 0.97 * loss_of(-np.expm1(np.log1p(-every) * part), followed)


def test_a_channel_comes_true_as_often_as_it_was_said():
    histories, outcomes = draw_world(seed=4)
    for channel in ("web", "store"):
        followed = outcomes.of_channel(channel)
        said = fit().predict_channel(histories, channel)
        assert said.mean() * 8 * 168 * len(histories) == pytest.approx(
            followed.totals.sum(), rel=0.05
        )


def test_without_a_single_event_the_segment_speaks_for_the_channel():
    nobody = Histories.unknown(["a", "b"], ["s0", "s1"])

    web, store = (fit().predict_channel(nobody, name) for name in ("web", "store"))

    assert ((web > 0) & (web < 1) & (store > 0) & (store < 1)).all()
    assert web[:, 19:24].mean() > 1.4 * web[:, 9:14].mean()
    assert store[:, 9:14].mean() > 2 * store[:, 19:24].mean()
    assert web[1].sum() > 1.2 * web[0].sum()  # s1 is the segment of the web


def test_the_first_event_in_a_channel_counts():
    web, store = np.zeros((2, 168)), np.zeros((2, 168))
    web[1, 5] = store[0, 5] = 1

    probability = fit().predict_channel(make_histories(web, store), "web")

    assert probability[1, 5] > 1.05 * probability[0, 5]


@pytest.mark.parametrize("channel", ["email", "sms", "push", "mail"])
def test_where_nobody_acts_by_themselves_the_answer_is_that_of_any_channel(channel):
    histories, _ = draw_world(40, seed=5)
    assert np.array_equal(fit().predict_channel(histories, channel), fit().predict(histories))


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_answers_by_channel_in_chunks(name):
    histories, _ = draw_world(50, seed=5)
    model = MODELS[name]().fit(*draw_world())
    whole = model.predict_channel(histories, "web")
    assert whole.shape == (50, 168)
    chunks = list(model.predict_chunks(histories, channel="web", rows=7))
    assert np.array_equal(np.vstack(chunks), whole)


@pytest.mark.parametrize("name", ["empirical_bayes", "lightgbm"])
def test_files_keep_every_bit_of_the_channels(name):
    model, (histories, _) = fit(name), draw_world(50, seed=6)
    again = load_send_time(model.to_files())
    for channel in model.channels:
        assert np.array_equal(
            again.predict_channel(histories, channel), model.predict_channel(histories, channel)
        )
    chain = model.channels_
    read = ChannelChain.from_json(json.loads(json.dumps(chain.to_json())))
    assert np.array_equal(read.part(histories, "web"), chain.part(histories, "web"))


def test_a_channel_that_is_all_there_is_has_no_week_of_its_own():
    histories, outcomes = draw_world(200)
    store = histories.of_channel("store").toarray()
    alone = make_histories(0 * store, store, histories.segment_codes)
    followed = outcomes.of_channel("store")
    after = Outcomes(
        followed.weeks_active, 8, by_channel(0 * store, followed.weeks_active.toarray())
    )

    chain = fit_channels(alone, after, fit_shape(alone, after))

    assert chain.names == ()
    assert chain.share.shape == (3, 0)


def test_where_channels_are_not_known_there_are_none():
    histories, outcomes = draw_world(100)
    plain = dataclasses.replace(histories, channel_counts=None)
    model = EmpiricalBayes().fit(plain, Outcomes(outcomes.weeks_active, 8))
    assert model.channels == ()
    assert np.array_equal(model.predict_channel(plain, "web"), model.predict(plain))


def test_a_channel_that_does_not_exist_is_refused():
    with pytest.raises(UnknownName, match="'webb' is not known; nearest: 'web'"):
        fit().predict_channel(Histories.unknown(["a"]), "webb")
