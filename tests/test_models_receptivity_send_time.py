import dataclasses
import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from features.errors import ArtifactError, MissingColumn, NotEnoughData
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.level_reasons import explain_level
from models.receptivity.send_time import (
    MODELS,
    BestGlobalHour,
    CustomerHistogram,
    EmpiricalBayes,
    LightGBMSendTime,
    load_send_time,
)
from models.receptivity.send_time_base import to_probability

EVERY_MODEL = pytest.mark.parametrize("name", list(MODELS))


def make_world(n=300, seed=1, *, weeks_before=12, n_weeks=4):
    """Customers with a favourite hour and a pace; a feature tells how the pace will change."""
    rng = np.random.default_rng(seed)
    hours = np.arange(168) % 24
    favourite = rng.integers(8, 20, n)
    pace = rng.gamma(2.0, 1.0, n)
    change = rng.choice([0.25, 1.75], n)
    near = np.exp(-0.5 * (hours[None, :] - favourite[:, None]) ** 2)
    habits = 0.2 / 168 + 0.8 * near / near.sum(axis=1, keepdims=True)
    before = rng.poisson(habits * (pace * weeks_before)[:, None]).astype(float)
    chance = -np.expm1(-habits * (pace * change)[:, None])
    after = rng.binomial(n_weeks, chance).astype(float)
    segments = rng.integers(-1, 3, n)
    histories = Histories(
        customer_id=np.array([f"c{i}" for i in range(n)], dtype=object),
        counts=sparse.csr_array(before),
        segment_names=("east", "north", "west"),
        segment_codes=segments,
        own_events=before.sum(axis=1),
        tenure_days=np.full(n, 7.0 * weeks_before),
        level_features=np.column_stack([change, rng.random(n), np.full(n, np.nan)]),
        level_names=("trend", "noise", "empty"),
    )
    return histories, Outcomes(sparse.csr_array(after), n_weeks)


WORLD = make_world()
LATER = make_world(seed=2)


@cache
def fit(name):
    """Fit once what the tests only read."""
    return MODELS[name]().fit(*WORLD).calibrate(*LATER)


def log_loss(probability, outcomes):
    rate = outcomes.weeks_active.toarray() / outcomes.n_weeks
    return -(rate * np.log(probability) + (1 - rate) * np.log1p(-probability)).mean()


def test_the_probability_of_a_poisson_week():
    # level 2 spread evenly over two slots: 1 - exp(-1) in each
    share = np.zeros((1, 168))
    share[0, :2] = 0.5
    assert to_probability(np.array([2.0]), share)[0, :3] == pytest.approx([0.6321206, 0.6321206, 0])


@EVERY_MODEL
def test_every_customer_and_slot_gets_a_probability(name):
    probability = fit(name).predict(WORLD[0])

    assert probability.shape == (300, 168)
    assert probability.dtype == np.float64
    assert ((probability > 0) & (probability < 1)).all()


@EVERY_MODEL
def test_files_make_the_same_model_bit_by_bit(name):
    model = fit(name)
    files = model.to_files()

    again = load_send_time(files)

    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.predict(LATER[0]), model.predict(LATER[0]))
    assert again.explain(LATER[0]).equals(model.explain(LATER[0]))
    assert again.to_files() == files


@EVERY_MODEL
def test_the_same_data_gives_the_same_bytes(name):
    assert MODELS[name]().fit(*WORLD).calibrate(*LATER).to_files() == fit(name).to_files()


@EVERY_MODEL
def test_a_prediction_depends_on_no_other_customer(name):
    model, histories = fit(name), LATER[0]
    order = np.random.default_rng(0).permutation(300)

    whole = model.predict(histories)
    chunks = np.vstack(list(model.predict_chunks(histories, rows=7)))

    assert np.array_equal(model.predict(histories.take(order)), whole[order])
    assert np.array_equal(chunks, whole)


@EVERY_MODEL
def test_fitting_and_predicting_leave_the_data_alone(name):
    histories, outcomes = make_world(60)
    copies = [a.copy() for a in (histories.counts.data, histories.level_features)]

    MODELS[name](**({"min_rows_in_leaf": 5} if name == "lightgbm" else {})).fit(
        histories, outcomes
    ).calibrate(histories, outcomes).predict(histories)

    assert np.array_equal(histories.counts.data, copies[0])
    assert np.array_equal(histories.level_features, copies[1], equal_nan=True)
    assert outcomes.totals.sum() == make_world(60)[1].totals.sum()


@EVERY_MODEL
def test_unknown_customers_get_what_holds_for_everybody(name):
    model = fit(name)
    histories = Histories.unknown(["new", "newer"])

    probability, evidence = model.predict(histories), model.explain(histories)

    assert np.array_equal(probability[0], probability[1])
    assert ((probability > 0) & (probability < 1)).all()
    assert evidence["evidence"].tolist() == ["global", "global"]
    assert evidence["own_weight"].tolist() == [0.0, 0.0]


@EVERY_MODEL
def test_follows_scikit_learns_conventions(name):
    model = MODELS[name]()

    assert clone(model).get_params() == model.get_params()
    assert model.fit(*WORLD) is model
    with pytest.raises(NotFittedError):
        MODELS[name]().predict(WORLD[0])
    with pytest.raises(ValueError, match=r"shape \(300, 168\), expected \(10, 168\)"):
        MODELS[name]().fit(WORLD[0].take(slice(0, 10)), WORLD[1])


@EVERY_MODEL
def test_refuses_to_learn_from_nothing(name):
    nobody = Histories.unknown(["a"])
    with pytest.raises(NotEnoughData, match="at least one customer with activity"):
        MODELS[name]().fit(nobody, Outcomes(sparse.csr_array((1, 168)), 4))


@EVERY_MODEL
def test_learns_from_a_handful_of_customers(name):
    histories, outcomes = make_world(5)

    probability = (
        MODELS[name]().fit(histories, outcomes).calibrate(histories, outcomes).predict(histories)
    )

    assert ((probability > 0) & (probability < 1)).all()


def test_the_best_global_hour_is_counted_over_customer_weeks():
    # two customers, four weeks: slot 3 active in 3 of 8 customer-weeks
    counts = sparse.csr_array(np.eye(168)[[3, 9]])
    histories = Histories(
        np.array(["a", "b"], dtype=object),
        counts,
        (),
        np.array([-1, -1]),
        np.ones(2),
        np.full(2, 30.0),
        np.empty((2, 0)),
        (),
    )
    after = np.zeros((2, 168))
    after[0, 3], after[1, 3], after[1, 9] = 2, 1, 1

    model = BestGlobalHour().fit(histories, Outcomes(sparse.csr_array(after), 4))
    probability = model.predict(histories)

    grain = 1 / 168
    expected = [(3 + grain) / 9, (1 + grain) / 9, grain / 9]
    assert probability[0, [3, 9, 0]].tolist() == pytest.approx(expected)
    assert np.array_equal(probability[0], probability[1])
    assert probability.argmax(axis=1).tolist() == [3, 3]


def test_the_histogram_model_ranks_slots_by_own_counts():
    histories, _ = WORLD
    row = int(histories.events.argmax())

    probability = CustomerHistogram().fit(*WORLD).predict(histories)[row]
    counts = histories.counts.toarray()[row]

    for slot in range(1, 168):
        assert (probability[slot] > probability[0]) == (counts[slot] > counts[0])


def test_each_model_beats_the_simpler_ones_where_there_is_something_to_learn():
    test = make_world(seed=3)
    losses = [log_loss(fit(name).predict(test[0]), test[1]) for name in MODELS]

    best_global_hour, histogram, empirical_bayes, lightgbm = losses
    assert empirical_bayes < histogram < best_global_hour
    assert lightgbm < empirical_bayes - 1e-4


def test_the_level_follows_the_features_and_the_hours_do_not():
    model = fit("lightgbm")
    histories = LATER[0]
    fast = np.flatnonzero(histories.level_features[:, 0] > 1)
    slow = np.flatnonzero(histories.level_features[:, 0] < 1)

    added = model.predict_level(histories) / model.level_.level(histories)

    assert added[fast].mean() > 2 * added[slow].mean()
    assert model.importance()["feature"][0] == "trend"
    assert model.importance()["gain"].sum() == pytest.approx(1.0)
    best = fit("empirical_bayes").predict(histories).argmax(axis=1)
    assert np.array_equal(model.predict(histories).argmax(axis=1), best)


def test_with_too_few_customers_for_two_leaves_the_level_is_the_chains():
    histories, outcomes = make_world(79)
    model = LightGBMSendTime(min_rows_in_leaf=40).fit(histories, outcomes)

    assert model.booster_ is None
    assert list(model.to_files()) == ["send_time.json"]
    expected = EmpiricalBayes().fit(histories, outcomes).predict(histories)
    assert np.array_equal(model.predict(histories), expected)


def test_features_are_needed_under_the_names_they_were_fitted_with():
    histories, _ = LATER
    renamed = dataclasses.replace(histories, level_names=("trend", "other", "empty"))
    with pytest.raises(MissingColumn, match="noise"):
        fit("lightgbm").predict(renamed)


def test_calibration_brings_a_model_in_line_with_later_weeks():
    histories, outcomes = make_world(2000, seed=5)
    halved = Outcomes(sparse.csr_array((outcomes.weeks_active > 1).astype(float)), 4)
    model = EmpiricalBayes().fit(histories, outcomes)
    before = model.predict(histories).mean()

    after = model.calibrate(histories, halved).predict(histories).mean()

    assert after == pytest.approx(halved.totals.sum() / 4 / 2000 / 168, rel=0.05)
    assert before > 2 * after


def test_evidence_tells_the_exact_weights():
    model = fit("empirical_bayes")
    evidence = model.explain(WORLD[0], segment_word="store")
    weights = model.shape_.weights(WORLD[0])

    assert np.array_equal(evidence[["own_weight", "segment_weight", "global_weight"]], weights)
    labels = np.array(["own history", "segment", "global"])[weights.argmax(axis=1)]
    assert evidence["evidence"].tolist() == labels.tolist()
    row = int(WORLD[0].events.argmax())
    events = int(WORLD[0].events[row])
    start = f"based on {events} events of their own (weight {weights[row, 0]:.2f}), then on "
    assert evidence["sentence"][row].startswith(start)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 167))
def test_one_more_event_never_makes_its_slot_less_likely_among_the_slots(seed, slot):
    histories, _ = make_world(5, seed=seed % 1000)
    model = fit("empirical_bayes")
    more = histories.counts.toarray()
    more[:, slot] += 1
    with_event = dataclasses.replace(histories, counts=sparse.csr_array(more))

    before, after = model.shape_.share(histories), model.shape_.share(with_event)

    assert (after[:, slot] >= before[:, slot] - 1e-12).all()


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"send_time.json": b"{"},
        {"send_time.json": b'{"model": "astrology", "parameters": {}}'},
        {"send_time.json": json.dumps({"model": "lightgbm", "parameters": {"x": 1}}).encode()},
    ],
)
def test_refuses_files_that_are_not_a_model(files):
    with pytest.raises(ArtifactError, match="not a send-time model"):
        load_send_time(files)


def test_refuses_a_damaged_booster():
    files = fit("lightgbm").to_files()
    with pytest.raises(ArtifactError):
        load_send_time({**files, "level.txt": b"tree"})


def test_contributions_add_up_to_the_level():
    model, histories = fit("lightgbm"), LATER[0]

    told = explain_level(model, histories)

    level = np.log(model.predict_level(histories))
    assert told["level"].to_numpy() == pytest.approx(level, abs=1e-9)
    parts = told.drop(columns=["customer_id", "level"])
    assert parts.sum(axis=1).to_numpy() == pytest.approx(level, abs=1e-9)
    assert list(parts) == ["chain", "base", "trend", "noise", "empty", "empirical_bayes_level"]
    fast = histories.level_features[:, 0] > 1
    some = histories.events > 0
    assert told["trend"][fast & some].min() > 0 > told["trend"][~fast & some].max()


def test_where_the_trees_have_no_say_the_chain_is_all():
    nobody = Histories.unknown(["new"])
    told = explain_level(fit("lightgbm"), nobody)
    assert told["chain"][0] == told["level"][0]
    assert (told[["base", "trend", "noise"]] == 0).all(axis=None)


def test_a_robot_and_a_till_neither_bend_the_others_nor_get_certainty():
    histories, outcomes = make_world()
    counts = histories.counts.toarray()
    counts[0] = 0.0
    counts[0, 24:48] = 1.0  # 10,000 events of one Tuesday, as histories take them
    counts[1] = 50.0  # a till that rings in every hour of the week
    tenure = histories.tenure_days.copy()
    tenure[:2] = 364.0
    bent = dataclasses.replace(histories, counts=sparse.csr_array(counts), tenure_days=tenure)

    model, plain = EmpiricalBayes().fit(bent, outcomes), fit_plain()

    others = slice(2, None)
    before, after = (m.predict(histories.take(others)) for m in (plain, model))
    assert np.abs(after - before).mean() < 0.1 * before.mean()
    robot = model.predict(bent.take(np.array([0])))[0]
    assert robot.max() < 0.3
    assert robot[24:48].mean() > robot[:24].mean()


@cache
def fit_plain():
    return EmpiricalBayes().fit(*WORLD)


def test_trees_on_a_fitted_chain_are_those_of_a_whole_fit():
    histories, outcomes = make_world()[:2]
    whole = LightGBMSendTime(rounds=5).fit(histories, outcomes)
    chain = EmpiricalBayes().fit(histories, outcomes)
    on_chain = LightGBMSendTime(rounds=5).fit_on(chain, histories, outcomes)

    assert on_chain.to_files() == whole.to_files()
