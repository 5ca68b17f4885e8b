from dataclasses import replace
from functools import cache

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from features.errors import ArtifactError, MissingColumn, NotEnoughData, UnknownName
from models.receptivity.histories import Histories
from models.response.answer_reasons import PARTS
from models.response.context import ResponseContext
from models.response.forward_hours import weigh_hours
from models.response.message_counts import MessageCounts
from models.response.response import MODELS, EBResponse, load_response
from models.response.response_base import MODEL_FILE
from models.response.response_baselines import fit_hour_rates
from models.response.response_design import DesignNames
from models.response.sent_touches import SentTouches
from models.response.step_tables import tabulate_steps
from tests.response_world import POWER, make_world

EVERY_MODEL = pytest.mark.parametrize("name", list(MODELS))
WORLD = make_world(700, seed=2)
TEST = WORLD.windows[3]
SMALL = {"rounds": 20, "members": 2, "min_rows_in_leaf": 40}


def make(name):
    return MODELS[name](**(SMALL if name == "lightgbm" else {}))


@cache
def fit(name):
    """Fit once what the tests only read."""
    return make(name).fit(WORLD.windows[:2]).calibrate(WORLD.windows[2])


def true_chance(touches):
    chance = np.empty(len(touches))
    for channel, table in WORLD.truth.items():
        own = touches.channel == channel
        chance[own] = table[touches.row[own], touches.slot[own]]
    return chance


def loss(chance, truth):
    return -(truth * np.log(chance) + (1 - truth) * np.log1p(-chance)).mean()


@EVERY_MODEL
def test_every_customer_slot_and_channel_gets_a_probability(name):
    model = fit(name)
    assert model.channels == ("email", "push")
    for channel in model.channels:
        chance = model.predict(TEST.context, channel)
        assert chance.shape == (700, 168)
        assert chance.dtype == np.float64
        assert ((chance > 0) & (chance < 1)).all()


@EVERY_MODEL
def test_files_make_the_same_model_bit_by_bit(name):
    model = fit(name)
    files = model.to_files()
    again = load_response(files)
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.predict(TEST.context, "push"), model.predict(TEST.context, "push"))
    slot = np.arange(700) % 168
    explained = model.explain(TEST.context, "push", slot)
    assert again.explain(TEST.context, "push", slot).equals(explained)
    assert again.to_files() == files


@EVERY_MODEL
def test_the_same_touches_give_the_same_bytes(name):
    again = make(name).fit(WORLD.windows[:2]).calibrate(WORLD.windows[2])
    assert again.to_files() == fit(name).to_files()
    assert clone(again).get_params() == again.get_params()


@EVERY_MODEL
def test_a_prediction_depends_on_no_other_customer(name):
    model, order = fit(name), np.random.default_rng(0).permutation(700)[:50]
    whole = model.predict(TEST.context, "email")
    some = model.predict(TEST.context.take(order), "email")
    assert some == pytest.approx(whole[order], rel=1e-12)


@EVERY_MODEL
def test_a_touch_gets_the_probability_of_its_slot_and_its_day(name):
    model, touches = fit(name), TEST.take(np.arange(0, 2800, 400))
    found = model.predict_sends(touches)
    for i in range(len(touches)):
        one = touches.take(np.array([i]))
        week = model.predict(one.customers(), str(touches.channel[i]))[0]
        slot = touches.slot[i]
        assert found.logged[i] == pytest.approx(week[slot], rel=1e-12)
        day = week[slot // 24 * 24 :][:24]
        assert found.blocks[i] == pytest.approx([day[3 * b : 3 * b + 3].mean() for b in range(8)])


@EVERY_MODEL
def test_contributions_sum_to_the_margin(name):
    model, slot = fit(name), np.arange(700) % 168
    table = model.explain(TEST.context, "push", slot)
    parts = ["base", "level", "fatigue", "offer", "own_activity", "own_responses"]
    assert table[parts].sum(axis=1).to_numpy() == pytest.approx(table["margin"].to_numpy())
    raw = -np.expm1(-np.exp(table["margin"])) if name != "lightgbm" else expit(table["margin"])
    calibrated = model.calibrations_["push"].predict(raw.to_numpy())
    week = model.predict(TEST.context, "push")
    assert calibrated == pytest.approx(week[np.arange(700), slot], rel=1e-9)


def test_a_sentence_counts_what_was_sent_and_answered():
    slot = np.full(700, 24 * 2 + 20)  # Wednesday, 20:00
    table = fit("empirical_bayes").explain(TEST.context, "push", slot)
    sent = np.zeros((700, 2), int)
    evening = np.zeros((700, 2), int)
    for window in WORLD.windows[:3]:
        for row, channel, at, answered in zip(
            window.row, window.channel, window.slot, window.is_engaged, strict=True
        ):
            if channel == "push":
                sent[row] += [1, answered]
                if at // 24 < 5 and at % 24 >= 18:
                    evening[row] += [1, answered]
    row = int(np.argmax(evening[:, 0]))
    assert table["sentence"][row] == (
        f"{sent[row, 1]} of {sent[row, 0]} messages answered; "
        f"{evening[row, 1]} of {evening[row, 0]} sent on weekday evenings"
    )
    assert PARTS[3] == "weekday evenings"


def test_the_chain_foresees_better_than_everybodys_hour():
    truth = true_chance(TEST)
    losses = {name: loss(fit(name).predict_sends(TEST).logged, truth) for name in MODELS}
    floor = loss(truth, truth)
    gap = losses["global_hour"] - floor
    assert losses["empirical_bayes"] - floor < 0.65 * gap
    assert losses["lightgbm"] - floor < 0.65 * gap


@pytest.mark.parametrize("name", ["empirical_bayes", "lightgbm"])
def test_the_best_hour_by_the_model_is_a_good_one_though_the_sender_was_confounded(name):
    gains = []
    for channel, truth in WORLD.truth.items():
        best = fit(name).predict(TEST.context, channel).argmax(axis=1)
        base, oracle = truth.mean(axis=0).max(), truth.max(axis=1).mean()
        gains.append((truth[np.arange(700), best].mean() - base) / (oracle - base))
    assert min(gains) > 0.4


def test_how_answers_follow_activity_is_found():
    """They are given at once, in proportion to a power of it."""
    chain = fit("empirical_bayes").chain_
    at_once = weigh_hours(chain.hazard.edges, chain.hazard.follow)
    assert at_once[:2].sum() / at_once.sum() > 0.75
    busy = np.log(168 * TEST.context.share)
    ahead = chain.strengths.activity_power * np.log(
        chain.hazard.ahead(TEST.context.share, chain.strengths.noticing)
    )
    slope = (busy * ahead).sum() / (busy**2).sum()
    assert slope == pytest.approx(POWER, abs=0.35)


@pytest.mark.parametrize("name", ["empirical_bayes", "lightgbm"])
def test_intervals_cover_the_truth(name):
    for channel, truth in WORLD.truth.items():
        low, high = fit(name).predict_interval(TEST.context, channel, 0.9)
        assert (low <= fit(name).predict(TEST.context, channel)).all()
        assert (fit(name).predict(TEST.context, channel) <= high).all()
        assert 0.84 <= ((low <= truth) & (truth <= high)).mean() <= 0.98
        narrow = fit(name).predict_interval(TEST.context, channel, 0.5)
        assert (narrow[1] - narrow[0]).mean() < 0.6 * (high - low).mean()


def test_the_doubt_about_a_level_is_that_of_drawing_both_links_of_its_chain():
    """A silent channel's level is its prior's alone, and so is all of the doubt about that."""
    chain, context = fit("empirical_bayes").chain_, TEST.context.take(slice(0, 40))
    parts = chain.parts(context, "email")
    rng, above = np.random.default_rng(1), chain.strengths.channel_level
    answered = np.array([
        sum(context.messages.of(name).answered[[row]].sum() for name in chain.channels)
        for row in range(40)
    ])  # fmt: skip
    shape = answered + chain.strengths.any_level
    drawn = parts.any_level * rng.gamma(shape, size=(200_000, 40)) / shape
    own = np.asarray(context.messages.of("email").answered.sum(axis=1))
    level = rng.gamma(own + above * drawn)
    variance = level.var(axis=0) / level.mean(axis=0) ** 2
    assert parts.level_variance == pytest.approx(variance, rel=0.05)


@EVERY_MODEL
def test_what_is_promised_comes_true_in_later_weeks(name):
    predicted, truth = fit(name).predict_sends(TEST).logged, true_chance(TEST)
    for channel in fit(name).channels:
        own = TEST.channel == channel
        # calibrated on some 1,400 touches: a standard error of .007
        assert predicted[own].mean() == pytest.approx(truth[own].mean(), abs=0.02)


def test_tables_say_what_the_booster_says():
    model = fit("lightgbm")
    # the window that the model was calibrated on, whose context its lifts were read from
    touches = WORLD.windows[2].take(WORLD.windows[2].channel == "push")
    rows, start = model.design(touches)
    expected = start + model.boosters_[0].predict(rows, raw_score=True)
    found = model.margin(touches.customers(), "push")[np.arange(len(touches)), touches.slot]
    assert np.abs(found - expected).max() < 1e-9
    used = model.boosters_[0].feature_importance()
    assert used[list(model.names_.by_slot)].any()  # there is something in the tables


def test_a_feature_of_which_zero_is_common_is_tabulated_exactly():
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.random(4000), rng.normal(size=4000), rng.random(4000)])
    rows[::2, 1] = 0.0
    label = (rng.random(4000) < expit(np.where(rows[:, 1] == 0, 1.0, rows[:, 1]))).astype(float)
    settings = {"objective": "binary", "interaction_constraints": [[0, 2], [1]], "verbosity": -1}
    booster = lgb.train(
        settings | {"num_threads": 1, "deterministic": True, "force_col_wise": True},
        lgb.Dataset(rows, label),
        num_boost_round=30,
    )
    (table,) = tabulate_steps(booster, [1])
    assert len(table.thresholds) > 5
    probes = np.concatenate([table.thresholds, rows[:500, 1], [-99.0, 99.0, 0.0]])
    swept = np.column_stack([np.full(len(probes), 0.3), probes, np.full(len(probes), 0.6)])
    at_zero = swept * [1, 0, 1]
    expected = booster.predict(swept, raw_score=True) - booster.predict(at_zero, raw_score=True)
    is_tiny = (np.abs(probes) < 1e-30) & (probes != 0)  # LightGBM reads these as 0
    assert np.abs(table.look_up(probes) - expected)[~is_tiny].max() < 1e-12
    with pytest.raises(ValueError, match="expected each of"):
        tabulate_steps(booster, [0])


def test_more_activity_and_more_answers_never_make_an_hour_worse():
    model = fit("lightgbm")
    rows, _ = model.design(TEST.take(slice(0, 50)))
    for place, is_rising in enumerate(model.names_.rising):
        if is_rising:
            steps = np.linspace(-3, 3, 61)
            for row in rows[:10]:
                swept = np.tile(row, (61, 1))
                swept[:, place] = steps
                assert (np.diff(model.boosters_[0].predict(swept, raw_score=True)) >= -1e-12).all()


def test_the_design_parts_what_depends_on_the_slot():
    names = DesignNames(("pace",))
    assert names.columns[-2:] == ("pace", "activity")
    assert names.groups[1:] == [[p] for p in names.by_slot]
    assert sorted(place for group in names.groups for place in group) == list(
        range(len(names.columns))
    )
    positions = [p for group in ("level", "fatigue", "offer", "own_activity", "own_responses")
                 for p in names.positions(group)]  # fmt: skip
    assert sorted(positions) == list(range(len(names.columns)))


def test_the_factors_of_the_chain_against_a_plain_loop():
    """Levels and lifts of some customers, by the definition: answers over expected answers."""
    chain, context = fit("empirical_bayes").chain_, TEST.context
    s, kernel = chain.strengths, fit("empirical_bayes").chain_.kernel
    busy = np.log(chain.hazard.ahead(context.share, s.noticing))
    for customer in (3, 250, 666):
        cells, totals = {}, np.zeros(2)
        for code, channel in enumerate(chain.channels):
            counts = context.messages.of(channel)
            sent = counts.sent[[customer]].toarray()[0]
            answered = counts.answered[[customer]].toarray()[0]
            foreseen = [
                sent[t] * chain.rate[code] * chain.lift[code, t]
                * np.exp(s.activity_power * busy[customer, t]) for t in range(168)
            ]  # fmt: skip
            cells[channel] = answered, np.array(foreseen)
            totals += [answered.sum(), sum(foreseen)]
        overall = (totals[0] + s.any_level) / (totals[1] + s.any_level)
        for code, channel in enumerate(chain.channels):
            answered, foreseen = cells[channel]
            level = (answered.sum() + s.channel_level * overall) / (
                foreseen.sum() + s.channel_level
            )
            of_segment = chain.segment_lift[code, context.segment_codes[customer]]
            own = [
                (answered @ kernel[:, t] + s.customer_lift)
                / ((foreseen * level * of_segment) @ kernel[:, t] + s.customer_lift)
                for t in range(168)
            ]
            rate = chain.rate[code] * level * np.exp(s.activity_power * busy[customer])
            rate = rate * chain.lift[code] * of_segment * own
            parts = chain.parts(context.take(np.array([customer])), channel)
            assert chain.rates(parts, channel)[0] == pytest.approx(rate)


def test_an_hour_is_not_good_because_much_was_sent_in_it():
    """Sends are doubled in one hour, and so are the answers there: the lifts stay near 1."""
    rng = np.random.default_rng(5)
    world = make_world(700, seed=6)
    first = world.windows[0]
    flat = rng.random(len(first)) < 0.1
    slot = np.where(
        rng.random(len(first)) < 0.7, 24 * rng.integers(0, 5, len(first)) + 3, first.slot
    )
    even = replace(first.context, share=np.full((700, 168), 1 / 168))
    counts = pd.DataFrame(
        {
            "customer_id": even.customer_id[first.row],
            "channel": first.channel,
            "slot": slot,
            "sent": 1.0,
            "answered": flat.astype(float),
        }
    )
    counts = counts.groupby(["customer_id", "channel", "slot"], as_index=False).sum()
    counts = counts.assign(n_sent=counts["sent"], n_answered=counts["answered"])
    messages = MessageCounts.from_table(counts, even.customer_id, ("email", "push"))
    context = replace(even, messages=messages)
    later = replace(first, context=context, slot=slot, is_engaged=flat)
    chain = EBResponse().fit([later]).chain_
    night = chain.lift[:, 3::24].mean()
    assert night == pytest.approx(1.0, abs=0.2)


def test_touches_of_channels_not_learned_get_nothing():
    model = EBResponse().fit(WORLD.windows[:1], channels=("push",))
    assert model.channels == ("push",)
    found = model.predict_sends(TEST)
    assert np.isnan(found.logged[TEST.channel == "email"]).all()
    assert not np.isnan(found.blocks[TEST.channel == "push"]).any()
    with pytest.raises(UnknownName, match="channel with learned answers 'email' is not known"):
        model.predict(TEST.context, "email")


def test_a_customer_of_whom_nothing_is_known_gets_everybodys_answers():
    histories = Histories.unknown(["new"])
    context = ResponseContext.build(histories, np.full((1, 168), 1 / 168), MessageCounts((), (), 1))
    context = replace(context, level_features=np.full((1, 2), np.nan),
                      level_names=("active_count", "empty"))  # fmt: skip
    for name in MODELS:
        week = fit(name).predict(context, "push")[0]
        assert 0.01 < week.mean() < 0.3
        low, high = fit(name).predict_interval(context, "push")
        assert (low < high).all()


def test_no_answers_teach_nothing():
    silent = replace(WORLD.windows[0], is_engaged=np.zeros(2800, bool))
    for name in MODELS:
        with pytest.raises(NotEnoughData, match="expected answered touches, got none among 2,800"):
            make(name).fit([silent])
        with pytest.raises(NotFittedError):
            make(name).predict(TEST.context, "push")


def test_a_damaged_model_is_refused():
    files = fit("lightgbm").to_files()
    for name in files:
        left = {key: value for key, value in files.items() if key != name}
        with pytest.raises(ArtifactError, match="not a response model"):
            load_response(left)
    with pytest.raises(ArtifactError, match="not a response model"):
        load_response({**files, MODEL_FILE: b"{}"})
    for name, content in (("lifts.npy", b""), ("response_1.txt", b"no tree"), (MODEL_FILE, b"[]")):
        with pytest.raises(ArtifactError, match="not a response model"):
            load_response({**files, name: content})
    with pytest.raises(ArtifactError, match="lifts of shape"):
        load_response({**files, "lifts.npy": files["segment_lifts.npy"]})


def test_a_context_without_the_models_features_is_refused():
    bare = replace(TEST.context, level_features=np.empty((700, 0)), level_names=())
    with pytest.raises(MissingColumn, match="active_count"):
        fit("lightgbm").predict(bare, "push")


def test_contexts_line_up_what_belongs_to_a_customer():
    histories = Histories.unknown(["a", "b"], ["north", ""])
    fatigue = pd.DataFrame(
        {
            "customer_id": ["b", "b", "z"],
            "channel": ["email", "fax", "email"],
            "touches_1d": [1.0, 1, 9],
            "touches_7d": [2.0, 2, 9],
            "touches_30d": [3.0, 3, 9],
            "hours_since_touch": [4.0, 4, 9],
            "channel_touches_7d": [5.0, 6, 9],
        }
    )
    counts = pd.DataFrame(
        {
            "customer_id": ["b", "z"], "channel": ["email", "email"], "slot": [7, 7],
            "sent": [0.5, 9.0], "answered": [0.25, 9.0], "n_sent": [1.0, 9.0],
            "n_answered": [1.0, 9.0],
        }
    )  # fmt: skip
    messages = MessageCounts.from_table(counts, histories.customer_id, ("email", "sms"))
    context = ResponseContext.build(
        histories, np.full((2, 168), 1 / 168), messages, fatigue=fatigue, discount=0.1,
        receptivity_level=np.array([1.0, 2.0]),
    )  # fmt: skip
    assert context.fatigue[1].tolist() == [1, 2, 3, 4]
    assert context.fatigue[0].tolist() == pytest.approx([0, 0, 0, np.nan], nan_ok=True)
    assert context.channel_fatigue.tolist() == [[0, 0], [5, 0]]
    assert context.messages.of("email").sent.toarray()[1, 7] == 0.5
    assert context.messages.of("fax").sent.nnz == 0
    assert context.level_names == ("receptivity_level",)
    assert context.codes_in(("south", "north")).tolist() == [1, -1]
    with pytest.raises(ValueError, match="expected shares of shape"):
        ResponseContext.build(histories, np.ones((1, 168)), messages)
    with pytest.raises(MissingColumn, match="n_sent"):
        MessageCounts.from_table(counts.drop(columns="n_sent"), histories.customer_id, ())


def test_touches_of_strangers_are_refused():
    rows = pd.DataFrame({"message_id": ["m"], "customer_id": ["stranger"], "slot": [1]})
    with pytest.raises(MissingColumn, match="is_engaged"):
        SentTouches.from_rows(rows, TEST.context)
    rows = rows.assign(is_engaged=False, touches_1d=0.0, touches_7d=0.0, touches_30d=0.0,
                       hours_since_touch=1.0)  # fmt: skip
    with pytest.raises(ValueError, match="1 of 1 are to customers"):
        SentTouches.from_rows(rows, TEST.context)


def test_everybodys_hour_is_not_good_because_good_customers_were_sent_to_in_it():
    rng = np.random.default_rng(3)
    level = rng.choice([0.4, 1.6], 20_000)
    slot = 24 * rng.integers(0, 7, 20_000) + np.where(level > 1, 19, 9)
    engaged = (rng.random(20_000) < 0.05 * level).astype(float)
    even = np.ones(20_000)
    raw = fit_hour_rates(slot, engaged, even, even)
    assert raw.hour[19] > 1.3 * raw.hour[9]
    fair = fit_hour_rates(slot, engaged, level, even)
    assert fair.hour[19] == pytest.approx(fair.hour[9], abs=0.12)
    assert fair.rate == pytest.approx(0.05, abs=0.005)
    assert fair.hour[3] == 1.0
    # an hour that is truly better is found, and doubled weights say no more than plain ones
    better = np.where((slot % 24 == 19) & (rng.random(20_000) < 0.05), 1.0, engaged)
    found = fit_hour_rates(slot, better, level, even)
    assert found.hour[19] > 1.2 * found.hour[9]
    assert fit_hour_rates(slot, better, level, 2 * even).hour == pytest.approx(found.hour, rel=0.01)


def test_a_model_that_takes_over_what_a_like_one_fitted_is_the_same_model():
    chain = EBResponse().fit(WORLD.windows[:2])
    shared = make("lightgbm").fit(WORLD.windows[:2], like=chain).calibrate(WORLD.windows[2])
    assert shared.to_files() == fit("lightgbm").to_files()
