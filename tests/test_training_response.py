from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.progress import Silent
from features.project import load_project
from models.receptivity.histories import Histories
from models.receptivity.send_time import EmpiricalBayes
from models.response.response import MODELS, load_response
from tests.activity_tables import write_tables
from tests.response_tables import DAY, N_DAYS, START, draw_tables
from training.promotion.plan import plan_folds
from training.promotion.slices import SliceReader
from training.response.backtest import find_best
from training.response.options import ResponseOptions
from training.response.scores import (
    build_group_scores,
    build_touch_reliability,
    build_touch_scores,
    score_touch_calibration,
    score_touch_log_loss,
)
from training.response.steps import backtest_response, fit_response
from training.response.windows import TouchReader

OPTIONS = ResponseOptions(
    min_touches=300, min_answered=30, rounds=15, members=2, min_rows_in_leaf=30, fit_windows=2
)
PROJECT = '[project]\nname = "shop"\nworkspace = "space"\ntime_zone = "UTC"\nthreads = 1\n'


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def open_reader(folder, tables):
    write_tables(folder / "space", **tables)
    (folder / "almanac.toml").write_text(PROJECT, encoding="utf-8")
    return SliceReader(load_project(folder / "almanac.toml"), half_life_days=60.0)


def make_plan():
    return plan_folds(START, START + N_DAYS * DAY, label_days=21, n_folds=2)


@pytest.fixture(scope="module")
def tables():
    return draw_tables()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, tables):
    with open_reader(tmp_path_factory.mktemp("shop"), tables) as reader:
        yield reader


@pytest.fixture(scope="module")
def heard():
    return Recorder()


@pytest.fixture(scope="module")
def backtest(shop, heard):
    return backtest_response(shop, make_plan(), OPTIONS, heard)


def test_every_test_touch_is_foreseen_by_every_model(backtest, tables):
    plan, touches = make_plan(), backtest.touches
    assert plan.n_weeks == 3
    assert sorted(touches["fold"].unique()) == [1, 2]
    sent = {row["message_id"]: row for row in tables["touches"]}
    end = plan.final.test
    for number, fold in enumerate(plan.folds, start=1):
        last = min(fold.test + 21 * DAY, end - 7 * DAY)
        expected = {
            name for name, row in sent.items()
            if fold.test <= row["sent_at"] < fold.test + 21 * DAY and row["sent_at"] <= last
            and row["channel"] == "email"
        }  # fmt: skip
        assert set(touches.loc[touches["fold"] == number, "message_id"]) == expected
    for row in touches.sample(40, random_state=1).to_dict("records"):
        clicked = sent[row["message_id"]]["clicked_at"]
        assert row["engaged"] == (clicked is not None)
        assert row["propensity"] == 1 / 8
    for name in MODELS:
        chance = touches[f"p_{name}"].to_numpy()
        assert ((chance > 0) & (chance < 1)).all()
        assert backtest.blocks[name].shape == (len(touches), 8)
    assert set(backtest.blocks) == {*MODELS, "receptivity"}
    assert backtest.blocks["receptivity"].mean() == pytest.approx(1.0, abs=0.05)


def test_the_chain_beats_everybodys_hour_and_the_report_has_its_tables(backtest):
    scores = backtest.scores.set_index("model")
    assert list(scores.index) == list(MODELS)
    assert scores.loc["empirical_bayes", "log_loss"] < scores.loc["global_hour", "log_loss"] - 0.01
    assert backtest.best in ("empirical_bayes", "lightgbm")
    gain = backtest.gains.iloc[0]
    assert (gain["model"], gain["baseline"]) == ("empirical_bayes", "global_hour")
    assert gain["low"] > 0
    assert scores["calibration_error"].max() < 0.04
    tables = backtest.tables()
    assert all(name.startswith("response_") for name in tables)
    assert set(backtest.groups["group"]) == {"email", "00-06", "06-12", "12-18", "18-24"}
    assert backtest.delays.set_index(["channel", "part"]).loc[("email", "all"), "opened_1h"] > 0.02
    assert backtest.importance["gain"].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("chain", "over_hour", "over_chain", "best"),
    [
        ((0.01, 0.03), (0.01, 0.03), (0.001, 0.01), "lightgbm"),
        ((0.01, 0.03), (0.01, 0.03), (-0.001, 0.01), "empirical_bayes"),
        ((-0.01, 0.03), (-0.01, 0.03), (0.001, 0.01), "empirical_bayes"),
        ((-0.03, -0.01), (-0.01, 0.03), (0.001, 0.01), "global_hour"),
    ],
)
def test_the_chain_is_published_unless_something_is_better(chain, over_hour, over_chain, best):
    pairs = [("empirical_bayes", "global_hour"), ("lightgbm", "global_hour"),
             ("lightgbm", "empirical_bayes")]  # fmt: skip
    gains = pd.DataFrame(
        [
            {"model": model, "baseline": baseline, "low": low, "high": high}
            for (model, baseline), (low, high) in zip(
                pairs, (chain, over_hour, over_chain), strict=True
            )
        ]
    )
    assert find_best(gains) == best


def test_what_is_reduced_is_said(backtest, heard):
    assert backtest.channels == ("email",)
    assert any("sms: the effect of the hour cannot be learned" in note for note in backtest.notes)
    assert any("propensities logged for 100%" in note for note in backtest.notes)
    assert [note.removeprefix("responses: ") for note in heard.said] == list(backtest.notes)


def test_the_published_model_is_the_one_that_was_asked_for(shop):
    fitted = fit_response(shop, make_plan(), OPTIONS, Silent(), model="empirical_bayes")
    assert fitted.model.name == "empirical_bayes"
    assert fitted.model.channels == ("email",)
    assert fitted.configuration["model"] == "empirical_bayes"
    assert load_response(fitted.model.to_files()).to_files() == fitted.model.to_files()


def test_customers_to_send_to_are_scored_by_what_is_known_then(shop, tables):
    plan = make_plan()
    fitted = fit_response(shop, plan, OPTIONS, Silent(), model="global_hour")
    histories, outcomes = shop.read_slice(plan.final.calibration, plan.n_weeks)
    receptivity = EmpiricalBayes(half_life_days=60.0).fit(histories, outcomes)
    everybody = Histories.from_table(shop.read_profiles(plan.final.test))
    context = TouchReader(shop, OPTIONS).read_context(
        everybody, plan.final.test, receptivity, fitted.model.channels, discount=0.1
    )
    assert fitted.model.predict(context, "email").shape == (len(everybody), 168)
    last = plan.final.test
    row = 7
    own = [t for t in tables["touches"] if t["customer_id"] == context.customer_id[row]]
    assert context.fatigue[row, 2] == sum(t["sent_at"] >= last - 30 * DAY for t in own)
    email = [t for t in own if t["channel"] == "email"]
    assert context.channel_fatigue[row, 0] == sum(t["sent_at"] >= last - 7 * DAY for t in email)
    ripe = [t for t in email if t["sent_at"] <= last - 7 * DAY]
    assert context.messages.of("email").n_sent[[row]].sum() == len(ripe)
    assert (context.discount == 0.1).all()
    assert context.level_names[-1] == "receptivity_level"


def test_nothing_after_the_test_cut_off_moves_a_model(tmp_path, tables, backtest):
    """The first fold is foreseen the same without all that came after its own window."""
    fold = make_plan().folds[0]
    end = fold.test + 21 * DAY
    cut = {
        **tables,
        "events": [row for row in tables["events"] if row["occurred_at"] < fold.test],
        "touches": [
            {k: None if k in ("clicked_at", "opened_at") and row["sent_at"] >= fold.test else v
             for k, v in row.items()}
            for row in tables["touches"] if row["sent_at"] < end
        ],
    }  # fmt: skip
    with open_reader(tmp_path, cut) as reader:
        plan = make_plan()
        again = backtest_response(reader, replace(plan, folds=plan.folds[:1]), OPTIONS, Silent())
    before = backtest.touches[backtest.touches["fold"] == 1].set_index("message_id")
    after = again.touches[again.touches["fold"] == 1].set_index("message_id")
    assert list(after.index) == list(before.index)
    for name in MODELS:
        assert after[f"p_{name}"].to_numpy() == pytest.approx(before[f"p_{name}"].to_numpy())


def test_without_touches_there_is_nothing_to_learn_and_that_is_said(tmp_path, tables):
    heard = Recorder()
    with open_reader(tmp_path, {"events": tables["events"]}) as reader:
        assert backtest_response(reader, make_plan(), OPTIONS, heard) is None
        assert fit_response(reader, make_plan(), OPTIONS, heard) is None
    assert (
        heard.said
        == ["responses: there is no table of touches: send times rest on receptivity alone"] * 2
    )


def test_touches_that_all_went_out_at_one_hour_teach_none(tmp_path, tables):
    at_nine = [{**row, "sent_at": row["sent_at"].replace(hour=9)} for row in tables["touches"]]
    heard = Recorder()
    with open_reader(tmp_path, {**tables, "touches": at_nine}) as reader:
        assert backtest_response(reader, make_plan(), OPTIONS, heard) is None
        found = TouchReader(reader, OPTIONS).find_channels(START + N_DAYS * DAY)
    assert found.channels == ()
    assert all("cannot be learned" in note for note in heard.said if "email" in note)
    assert any("email" in note for note in heard.said)


def test_too_few_touches_before_the_tests_are_said(tmp_path, tables):
    """Everything was sent in the last weeks: there is nothing to fit on before them."""
    late = [row for row in tables["touches"] if row["sent_at"] >= START + 95 * DAY]
    heard = Recorder()
    with open_reader(tmp_path, {**tables, "touches": late}) as reader:
        assert backtest_response(reader, make_plan(), OPTIONS, heard) is None
    assert heard.said[-1].endswith("nothing was tested")


def test_more_touches_than_wanted_are_thinned_by_customer(shop):
    few = TouchReader(shop, ResponseOptions(max_touches=200, min_touches=300))
    fold = make_plan().folds[0]
    window = few.read_window(fold.fit, fold.calibration, fold.test, ("email",))
    whole = TouchReader(shop, OPTIONS).read_window(
        fold.fit, fold.calibration, fold.test, ("email",)
    )
    assert 100 < len(window.rows) <= 300 < len(whole.rows)
    chosen = set(window.rows["customer_id"])
    of_chosen = whole.rows[whole.rows["customer_id"].isin(chosen)]
    assert set(of_chosen["message_id"]) == set(window.rows["message_id"])


def test_who_is_not_known_when_a_window_begins_has_been_silent_for_no_time(tmp_path, tables):
    fold = make_plan().folds[0]
    stranger = [
        {**row, "message_id": f"s-{row['message_id']}", "customer_id": "stranger"}
        for row in tables["touches"]
        if row["customer_id"] == "c001" and row["sent_at"] >= fold.fit
    ]
    late = {"customer_id": "stranger", "event_id": "late", "type": "order", "channel": "web",
            "occurred_at": fold.calibration + DAY}  # fmt: skip
    more = {"events": [*tables["events"], late], "touches": [*tables["touches"], *stranger]}
    with open_reader(tmp_path, {**tables, **more}) as reader:
        window = TouchReader(reader, OPTIONS).read_window(
            fold.fit, fold.calibration, fold.test, ("email",)
        )
    place = window.histories.customer_id.tolist().index("stranger")
    assert window.histories.events[place] == 0
    assert window.histories.tenure_days[place] == 0
    assert np.isfinite(window.histories.tenure_days).all()


def test_scores_by_hand():
    chance, engaged = np.array([0.2, 0.4, 0.5, 0.9]), np.array([False, True, False, True])
    expected = [-np.log(0.8), -np.log(0.4), -np.log(0.5), -np.log(0.9)]
    assert score_touch_log_loss(chance, engaged) == pytest.approx(expected)
    # two bins of two: |0.3 - 0.5| and |0.7 - 0.5|, each with half of the weight
    assert score_touch_calibration(chance, engaged, n_bins=2) == pytest.approx(0.2)
    scores = build_touch_scores(chance, engaged)
    assert scores["brier"] == pytest.approx((0.04 + 0.36 + 0.25 + 0.01) / 4)
    assert (scores["touches"], scores["base_rate"], scores["predicted"]) == (4, 0.5, 0.5)
    assert np.isnan(build_touch_scores(chance[:0], engaged[:0])["log_loss"])
    bins = build_touch_reliability(chance, engaged, n_bins=2)
    assert bins["observed"].tolist() == [0.5, 0.5]
    assert bins["predicted"].tolist() == pytest.approx([0.3, 0.7])
    # Wilson, one of two: (.5 + 3.8415/4) / (1 + 3.8415/2) -+ ...
    assert bins["observed_low"][0] == pytest.approx(0.0945, abs=1e-4)
    assert bins["observed_high"][0] == pytest.approx(0.9055, abs=1e-4)


def test_scores_by_channel_and_hours():
    touches = pd.DataFrame(
        {"channel": ["email", "sms", "email"], "slot": [5, 24 + 6, 24 * 6 + 23],
         "engaged": [True, False, False], "p_m": [0.5, 0.2, 0.1]}
    )  # fmt: skip
    table = build_group_scores(touches, "m").set_index("group")
    assert list(table.index) == ["email", "sms", "00-06", "06-12", "18-24"]
    assert table.loc["email", "touches"] == 2
    assert table.loc["18-24", "log_loss"] == pytest.approx(-np.log(0.9))
