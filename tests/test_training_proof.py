"""Proofs from end to end, on a small world whose truth is known."""

import os

import numpy as np
import pandas as pd
import pytest

from benchmarks import promotion_bandit
from features.errors import InvalidRequest, UnknownName
from training.palette import draw_png
from training.proof.chapter import write_proof_headline, write_proof_sections
from training.proof.estimators import DIRECT, DOUBLY_ROBUST
from training.proof.logged import LoggedSends
from training.proof.plots import make_proof_figures
from training.proof.policies import (
    BEST_GLOBAL_HOUR,
    LOGGED,
    RANDOM,
    choose_best,
    choose_randomly,
)
from training.proof.proof import prove
from training.proof.reliability import build_touch_reliability, score_touches
from training.proof.tables import build_proof_tables
from training.proof.verdict import BETTER, IMPOSSIBLE, NOT_ENOUGH, WORSE

K = 8
TARGET = "response"


class World:
    """Customers answer near a block of their own; the log favours blocks by how keen they are.

    The keener a customer, the later the log sends: block 6 looks better than it is. Activity
    counts, known before any send, tell the customer's block with noise.
    """

    def __init__(self, seed, *, customers=600, sends=10, explored=0.1):
        self.rng = rng = np.random.default_rng(seed)
        block = rng.integers(2, K, customers)
        keen = np.exp(rng.normal(0, 0.6, customers))
        away = np.abs(np.arange(K) - block[:, None])
        away = np.minimum(away, K - away)
        rate = np.minimum(0.12 * keen[:, None] * np.exp(-0.3 * away**2) + 0.03, 0.9)
        activity = rng.poisson(5 * np.exp(-0.5 * away**2) + 0.3)
        seen = keen * np.exp(rng.normal(0, 0.3, customers))
        favourite = np.where(seen > 1.2, 6, np.where(seen > 0.8, 4, 3))
        p = np.full((customers, K), explored / K)
        p[np.arange(customers), favourite] += 1 - explored
        self.customer = np.repeat(np.arange(customers), sends)
        self.rate, self.p = rate[self.customer], p[self.customer]
        self.activity = activity[self.customer]
        self.rows = np.arange(len(self.customer))
        self.action = (self.p.cumsum(axis=1) > rng.random(len(self.rows))[:, None]).argmax(axis=1)
        chance = self.rate[self.rows, self.action]
        self.reward = (rng.random(len(self.rows)) < chance).astype(float)
        self.allowed = np.ones((len(self.rows), K), dtype=bool)
        self.context = np.column_stack([seen[self.customer], self.activity])

    def log(self, *, is_logged=True):
        propensity = self.p[self.rows, self.action]
        return LoggedSends(
            self.customer, self.action, self.reward,
            propensity if is_logged else np.full(len(self.rows), np.nan),
            self.context, self.allowed, self.activity[:, :, None].astype(float),
        )  # fmt: skip

    def policies(self):
        near = self.activity + 0.5 * (np.roll(self.activity, 1, 1) + np.roll(self.activity, -1, 1))
        return {
            TARGET: choose_best(near, self.allowed),
            BEST_GLOBAL_HOUR: choose_best(np.eye(K)[4], self.allowed),
            RANDOM: choose_randomly(self.allowed),
        }

    def value(self, policy):
        return float((policy * self.rate).sum(axis=1).mean())

    def touches(self):
        rng = np.random.default_rng(0)
        hour = 3 * self.action + rng.integers(0, 3, len(self.rows))
        return pd.DataFrame(
            {
                "customer_id": [f"c{code}" for code in self.customer],
                "slot": 24 * rng.integers(0, 7, len(self.rows)) + hour,
                "engaged": self.reward,
                "propensity": self.p[self.rows, self.action],
                "channel": rng.choice(["email", "push"], len(self.rows)),
                "predicted": self.rate[self.rows, self.action],
                "keen": self.context[:, 0],
            }
        )


def prove_world(world, policies=None, *, is_logged=True, **options):
    options = {"n_folds": 2, "n_resamples": 400, **options}
    return prove(
        world.log(is_logged=is_logged), policies or world.policies(), target=TARGET, rng=world.rng,
        **options,
    )  # fmt: skip


def count_covered(worlds, **options):
    """Return how many intervals of the target's value, and of its first gain, hold the truth."""
    covered, gains, decisions = 0, 0, []
    for world in worlds:
        policies = world.policies()
        proof = prove_world(world, policies, **options)
        truth = world.value(policies[TARGET])
        own = proof.policy_values[0].value
        covered += own.low <= truth <= own.high
        gain = proof.verdicts[0].gain
        gains += gain.low <= truth - world.value(policies[BEST_GLOBAL_HOUR]) <= gain.high
        decisions.append(proof.verdicts[0].decision)
    return covered, gains, decisions


def test_a_better_policy_is_found_better():
    world = World(1, customers=2500, explored=0.5)

    proof = prove_world(world)

    assert [verdict.decision for verdict in proof.verdicts] == [BETTER] * 3
    assert [verdict.baseline for verdict in proof.verdicts] == [BEST_GLOBAL_HOUR, RANDOM, LOGGED]
    assert proof.is_better(uncounted=())


def test_a_worse_policy_is_found_worse():
    world = World(2, customers=2500, explored=0.5)
    policies = world.policies()
    swapped = {**policies, TARGET: policies[RANDOM], "other": policies[TARGET]}

    proof = prove_world(world, swapped)

    assert {v.baseline: v.decision for v in proof.verdicts}["other"] == WORSE
    assert not proof.is_better()


def test_confounding_is_undone_where_the_plain_mean_is_fooled():
    world = World(3, customers=3000)
    late = choose_best(np.eye(K)[6], world.allowed)

    proof = prove_world(world, {TARGET: late})

    plain = world.reward[world.action == 6].mean()
    own = proof.policy_values[0].value
    truth = world.value(late)
    assert own.low < truth < own.high < plain


def test_the_logged_policy_earns_what_was_logged():
    world = World(4)

    proof = prove_world(world)

    logged = [value for value in proof.policy_values if value.policy == LOGGED]
    assert {value.value.value for value in logged} == {world.reward.mean()}
    assert logged[0].effective_sends == len(world.rows)


def test_intervals_hold_the_truth_in_a_few_logs():
    covered, gains, _ = count_covered(World(seed, customers=300) for seed in range(12))

    assert covered >= 10
    assert gains >= 10


@pytest.mark.slow
@pytest.mark.parametrize("is_logged", [True, False])
def test_intervals_hold_the_truth_in_90_to_98_of_100_confounded_logs(is_logged):
    worlds = (World(1000 + seed, customers=1200) for seed in range(100))

    covered, gains, _ = count_covered(worlds, is_logged=is_logged)

    assert 90 <= covered <= 98
    assert 90 <= gains <= 98


@pytest.mark.slow
def test_a_worse_policy_is_never_called_better_in_100_logs():
    decisions = []
    for seed in range(100):
        world = World(2000 + seed, customers=1000, explored=0.5)
        blocks = [choose_best(np.eye(K)[block], world.allowed) for block in range(K)]
        order = np.argsort([world.value(block) for block in blocks])
        # the third best block is worth 3 to 9 % less than the best
        policies = {TARGET: blocks[order[-3]], BEST_GLOBAL_HOUR: blocks[order[-1]]}
        # without the rule of the effective sends, which alone would forbid most claims here
        decisions.append(prove_world(world, policies, min_effective_sends=0).verdicts[0].decision)

    assert BETTER not in decisions
    assert WORSE in decisions


@pytest.mark.parametrize("is_logged", [True, False])
def test_proofs_are_the_same_given_the_seed(is_logged):
    first, second = (prove_world(World(5, customers=100), is_logged=is_logged) for _ in range(2))

    assert repr(first) == repr(second)  # NaN is not equal to itself


def test_estimated_propensities_are_said_to_be():
    world = World(6)

    proof = prove_world(world, is_logged=False)

    assert any("was not logged for 100" in note for note in proof.notes)
    truth = world.value(world.policies()[TARGET])
    own = proof.policy_values[0].value
    assert own.low < truth < own.high


def test_what_lies_outside_of_the_log_is_said_and_nothing_is_claimed():
    # no exploration: the keener get block 6, the others 4 or 3, by a rule of the context
    world = World(7, customers=1500, explored=0.0)

    proof = prove_world(world, is_logged=False)

    assert all(verdict.decision == NOT_ENOUGH for verdict in proof.verdicts)
    assert all("the log covers only" in verdict.words for verdict in proof.verdicts)
    assert proof.policy_values[0].outside > 0.5


def test_a_log_of_certain_choices_proves_nothing():
    proof = prove_world(World(8, explored=0.0))

    assert {verdict.decision for verdict in proof.verdicts} == {IMPOSSIBLE}
    assert "the one hour that its rule chose" in proof.verdicts[0].words
    assert proof.policy_values == ()


def test_one_hour_proves_nothing():
    world = World(9)
    world.action = np.full(len(world.rows), 3)

    proof = prove_world(world, is_logged=False)

    words = {verdict.words for verdict in proof.verdicts}
    assert words == {"no evidence possible: every message was sent at one hour"}


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_rewards_that_are_all_alike_prove_nothing(reward):
    world = World(10, customers=60)
    world.reward = np.full(len(world.rows), reward)

    proof = prove_world(world)

    assert {verdict.decision for verdict in proof.verdicts} == {NOT_ENOUGH}
    assert all("nothing tells the two apart" in verdict.words for verdict in proof.verdicts)


@pytest.mark.parametrize(("customers", "sends"), [(1, 30), (1, 2), (19, 1)])
@pytest.mark.parametrize("is_logged", [True, False])
def test_a_few_customers_prove_nothing(customers, sends, is_logged):
    world = World(11, customers=customers, sends=sends)
    world.action[:2] = [0, 1]  # not one hour only

    proof = prove_world(world, is_logged=is_logged)

    assert {verdict.decision for verdict in proof.verdicts} == {NOT_ENOUGH}
    assert f"too few customers for an interval ({customers})" in proof.verdicts[0].words


def test_a_policy_that_the_log_never_followed_is_not_valued():
    world = World(17, customers=200)
    never = np.where(world.action == 0, 1, 0)
    followed = {TARGET: np.eye(K)[never], RANDOM: choose_randomly(world.allowed)}

    proof = prove_world(world, followed)

    assert all("the log covers only 0" in verdict.words for verdict in proof.verdicts)
    assert all(np.isnan(verdict.more_sends) for verdict in proof.verdicts)


def test_a_target_that_was_not_given_is_refused():
    world = World(12, customers=20, sends=1)

    with pytest.raises(UnknownName, match="policy 'response'"):
        prove_world(world, {RANDOM: choose_randomly(world.allowed)})
    with pytest.raises(InvalidRequest, match="always compared"):
        prove_world(world, {**world.policies(), LOGGED: choose_randomly(world.allowed)})


def test_tables_pictures_and_words_of_a_training():
    world = World(13, customers=800, explored=0.5)
    touches = world.touches()
    before = touches.copy()

    tables = build_proof_tables(
        touches, world.policies(), target=TARGET, rng=world.rng, context=["keen"], n_folds=2
    )

    pd.testing.assert_frame_equal(touches, before)
    assert set(tables) == {
        "policy_values", "policy_gains", "policy_notes", "touch_reliability", "touch_scores",
    }  # fmt: skip
    assert set(tables["policy_values"]["policy"]) == {TARGET, BEST_GLOBAL_HOUR, RANDOM, LOGGED}
    figures = make_proof_figures(tables)
    assert [draw_png(figure)[:4] for figure in figures.values()] == [b"\x89PNG"] * 2
    value, touched = write_proof_sections(tables)
    assert value.grids[0].rows[0][1] == tables["policy_gains"]["words"].iloc[0]
    assert len(value.grids[1].rows) == len(tables["policy_values"])
    assert any("reward model alone flatters" in sentence for sentence in value.sentences)
    assert [row[0] for row in touched.grids[0].rows][:2] == ["email", "push"]


def test_words_where_no_evidence_is_possible():
    world = World(14, customers=30, explored=0.0)
    touches = world.touches().drop(columns=["channel", "predicted"])

    tables = build_proof_tables(touches, world.policies(), target=TARGET, rng=world.rng)

    assert set(tables) == {"policy_values", "policy_gains", "policy_notes"}
    assert make_proof_figures(tables) == {}
    (section,) = write_proof_sections(tables)
    assert section.sentences[0].startswith("response before launch: no evidence possible: every")
    assert section.pictures == ()
    assert len(section.grids) == 1


def test_the_headline_names_each_baseline_once():
    gains = pd.DataFrame(
        {
            "target": "response",
            "baseline": ["best_global_hour", "logged_policy"],
            "verdict": [BETTER, NOT_ENOUGH],
            "words": ["better by 1 than the best global hour", "not enough evidence: few"],
        }
    )

    assert write_proof_headline(gains) == (
        "response before launch: better by 1 than the best global hour; "
        "against the logged policy: not enough evidence: few."
    )


def test_without_a_proof_there_is_nothing_to_write():
    assert write_proof_sections({}) == []


def test_reliability_counts_by_channel_and_quarter_of_the_day():
    touches = pd.DataFrame(
        {
            "channel": ["email"] * 100 + ["push"] * 60,
            "slot": [24 + 13] * 100 + [3] * 60,
            "engaged": [0] * 40 + [1] * 10 + [0] * 20 + [1] * 30 + [0] * 60,
            "predicted": [0.3] * 50 + [0.6] * 50 + [0.05] * 60,
        }
    )

    bins = build_touch_reliability(touches)
    scores = score_touches(touches).set_index(["kind", "group"])

    assert bins[["kind", "group", "bin", "sends"]].to_numpy().tolist() == [
        ["channel", "email", 0, 50], ["channel", "email", 1, 50], ["channel", "push", 0, 60],
        ["hours", "00–06", 0, 60], ["hours", "12–18", 0, 50], ["hours", "12–18", 1, 50],
    ]  # fmt: skip
    assert bins["predicted"].tolist() == pytest.approx([0.3, 0.6, 0.05, 0.05, 0.3, 0.6])
    assert bins["observed"].tolist() == pytest.approx([0.2, 0.6, 0.0, 0.0, 0.2, 0.6])
    assert ((bins["low"] <= bins["observed"] + 1e-4) & (bins["observed"] < bins["high"])).all()
    email = scores.loc[("channel", "email")]
    assert email["calibration_error"] == pytest.approx(0.05)
    brier = (40 * 0.09 + 10 * 0.49 + 20 * 0.36 + 30 * 0.16) / 100
    assert email["brier"] == pytest.approx(brier)
    losses = 40 * np.log(0.7) + 10 * np.log(0.3) + 20 * np.log(0.4) + 30 * np.log(0.6)
    assert email["log_loss"] == pytest.approx(-losses / 100)
    assert scores.loc[("hours", "00–06"), "observed"] == 0.0
    with pytest.raises(InvalidRequest, match="channel"):
        score_touches(touches.drop(columns="channel"))


def test_the_direct_method_is_shown_but_never_judged():
    world = World(15, customers=200)
    proof = prove_world(world)

    shown = {(value.policy, value.estimator) for value in proof.policy_values}
    assert (TARGET, DIRECT) in shown
    robust = {v.policy: v.value.value for v in proof.policy_values if v.estimator == DOUBLY_ROBUST}
    assert proof.verdicts[0].gain.value == pytest.approx(robust[TARGET] - robust[BEST_GLOBAL_HOUR])


@pytest.mark.slow
def test_open_bandit_is_too_small_to_rank_two_policies():
    if not os.path.exists(promotion_bandit.DATA):
        pytest.skip(f"{promotion_bandit.DATA.name} is not here")

    result = promotion_bandit.run()

    assert [row["verdict"] for row in result["rows"]] == [NOT_ENOUGH] * 6
    assert all(bar["passed"] for bar in result["bars"])
    assert "6 (passed)" in promotion_bandit.describe(result)


def test_without_intervals_there_still_is_a_picture():
    world = World(16, customers=5)

    tables = build_proof_tables(
        world.touches().drop(columns="predicted"), world.policies(), target=TARGET, rng=world.rng
    )

    assert tables["policy_values"]["low"].isna().all()
    (figure,) = make_proof_figures(tables).values()
    assert draw_png(figure)[:4] == b"\x89PNG"
    assert "too few customers for an interval (5)" in write_proof_sections(tables)[0].sentences[0]


def make_bandit_logs(folder, n=400):
    rng = np.random.default_rng(0)
    logs = []
    for campaign in promotion_bandit.CAMPAIGNS:
        for policy, p in (("random", np.full(4, 0.25)), ("bts", np.array([0.4, 0.3, 0.2, 0.1]))):
            item = rng.choice(4, n, p=p)
            users = {f"user_feature_{j}": rng.choice(["x", "y"], n) for j in range(4)}
            logs.append(
                pd.DataFrame(
                    {
                        "timestamp": pd.date_range("2019-11-24", periods=n, freq="min", tz="UTC"),
                        "item_id": item, "position": rng.integers(1, 4, n),
                        "click": (rng.random(n) < 0.05).astype(int), "propensity_score": p[item],
                        **users, "policy": policy, "campaign": campaign,
                    }
                )
            )  # fmt: skip
    pd.concat(logs).to_parquet(folder / "logs.parquet")
    return folder / "logs.parquet"


def test_open_bandit_values_each_policy_from_the_others_log(tmp_path):
    path = make_bandit_logs(tmp_path)

    result = promotion_bandit.run(path=path, n_folds=2)

    assert [(row["campaign"], row["target"], row["log"]) for row in result["rows"]][:2] == [
        ("all", "random", "bts"), ("all", "bts", "random"),
    ]  # fmt: skip
    clicks = pd.read_parquet(path).query("campaign == 'all' and policy == 'random'")["click"]
    assert result["rows"][0]["truth"][0] == pytest.approx(clicks.mean())
    # the weights of BTS from the random log: Kish's share is 1 ÷ (4 × sum of its squares)
    assert result["rows"][1]["ess"] == pytest.approx(400 / (4 * 0.30), rel=0.15)
    text = promotion_bandit.describe(result)
    assert text.count("\n| ") == 1 + 6
    assert f"of 6: {result['bars'][0]['measured']}" in text
