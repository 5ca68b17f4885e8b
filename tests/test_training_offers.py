from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.errors import InvalidRequest, NotEnoughData
from models.offers.margin import NOTHING, Terms
from models.offers.offer_model import load_offers
from models.offers.trees import Trees
from models.offers.trial import make_trial
from tests.activity_tables import write_tables
from training.offers.backtest import backtest_offers, fit_offers
from training.offers.policies import value_policies
from training.offers.trials import build_offer_trials, keep_comparable, read_offer_trials

at = datetime.fromisoformat
TREES = Trees(rounds=10)
TERMS = {"ten": Terms(0.4, 0.1), "mug": Terms(0.4, 0.0, contact_cost=1.5)}


def draw_log(n=1500, seed=0, is_logged=True, offers=("ten",)):
    """Draw decisions and features: 'ten' makes fans order, 'mug' nobody."""
    rng = np.random.default_rng(seed)
    is_fan = rng.random(n) < 0.5
    offer = rng.choice([*offers, NOTHING], n)
    moved = 0.3 * ((offer == "ten") & is_fan)
    ordered = rng.random(n) < 0.1 + moved
    return pd.DataFrame(
        {
            "decision_id": [f"d{i}" for i in range(n)],
            "customer_id": [f"c{i:05d}" for i in range(n)],
            "campaign_id": "spring",
            "decided_at": at("2024-03-01"),
            "offer": offer,
            "channel": "email",
            "arm": "random",
            "propensity": 1 / (1 + len(offers)) if is_logged else np.nan,
            "visited": ordered,
            "ordered": ordered,
            "orders": ordered.astype(int),
            "spend": 40.0 * ordered,
            "is_fan": is_fan,
            "orders_365d": rng.poisson(2, n),
        }
    )


def make_trials(log, min_customers=100):
    return build_offer_trials(log, outcome="ordered", min_customers=min_customers)


def test_from_the_log_to_a_model_that_knows_whom_to_offer_what():
    log = draw_log(3000, offers=("ten", "mug"))
    trials, notes = make_trials(log)
    assert trials.design.names == ("is_fan", "orders_365d")
    assert trials.order_value == pytest.approx(40.0)
    assert trials.trials["ten"].orders_per_outcome == 1.0
    assert len(notes) == 2  # with three answers the other two's chance is not 1 − the own
    found = backtest_offers(trials, TERMS, 40.0, trees=TREES, seed=1, n_folds=3, n_resamples=100)
    assert list(found.tables()) == ["scores", "choices", "cells", "policies", "notes"]
    policies = found.policies.set_index(["offer", "policy"])
    ten = policies.loc["ten"]
    assert ten.loc["nobody", "margin"] == 0.0
    assert ten.loc["everybody", "share_offered"] == 1.0
    assert ten.loc["cell_rule", "share_offered"] == pytest.approx(0.5, abs=0.05)
    assert ten.loc["cell_rule", "low"] > 0
    # fans: 0.3 more at 16 − 0.4 orders at 4; the others give 0.1 × 4 away
    assert ten.loc["cell_rule", "margin"] == pytest.approx(0.5 * (4.8 - 1.6), abs=0.6)
    assert ten.loc["everybody", "margin"] == pytest.approx(0.5 * 3.2 - 0.5 * 0.4, abs=0.6)
    assert policies.loc[("mug", "cell_rule"), "share_offered"] < 0.05
    assert policies.loc[("mug", "everybody"), "high"] < 0
    model = load_offers(fit_offers(trials, found, trees=TREES).to_files())
    value = np.full(len(log), 40.0)
    offer = model.recommend(log, {**TERMS}, value).offer
    assert set(offer[log["is_fan"]]) == {"ten"}
    assert set(offer[~log["is_fan"]]) == {NOTHING}
    assert fit_offers(trials, trees=TREES).effects[0].ranking.name == "cell_rule"


def test_logged_chances_are_used_only_if_they_are_of_the_offer():
    used, none = make_trials(draw_log())
    assert used.trials["ten"].is_logged
    assert none == ()
    np.testing.assert_array_equal(used.trials["ten"].trial.propensity, 0.5)
    hours = draw_log().assign(propensity=0.125)  # of one of eight hours
    for log in (hours, draw_log(is_logged=False)):
        trials, notes = make_trials(log)
        assert not trials.trials["ten"].is_logged
        assert "estimated from the customers' features" in notes[0]
        assert np.abs(trials.trials["ten"].trial.propensity - 0.5).max() < 0.1


def test_an_offer_that_went_to_those_who_order_anyway_is_not_praised():
    rng = np.random.default_rng(2)
    log = draw_log(6000, is_logged=False)
    chance = np.where(log["is_fan"], 0.8, 0.2)
    offered = rng.random(6000) < chance
    ordered = rng.random(6000) < np.where(log["is_fan"], 0.4, 0.1)  # the offer adds nothing
    log = log.assign(offer=np.where(offered, "ten", NOTHING), ordered=ordered, orders=ordered * 1)
    naive = ordered[offered].mean() - ordered[~offered].mean()
    trials, _ = make_trials(log)
    model = fit_offers(trials, trees=TREES)
    mean, low, high = model.predict_uplift(log)
    assert naive > 0.15
    assert np.abs(mean).max() < 0.04
    assert ((low < 0) & (high > 0)).all()


def test_the_value_of_offering_to_everybody_is_the_difference_of_means():
    log = draw_log(4000)
    treated = (log["offer"] == "ten").to_numpy()
    features = log[["is_fan", "orders_365d"]].to_numpy(float)
    trial = make_trial(features, treated, log["ordered"].to_numpy(), 0.5)
    table = value_policies(
        "ten", trial, (), TERMS, 40.0, trees=TREES, rng=np.random.default_rng(0), n_resamples=300
    )
    everybody = table.set_index("policy").loc["everybody"]
    rates = log.groupby("offer")["ordered"].mean()
    expected = 12.0 * rates["ten"] - 16.0 * rates[NOTHING]
    assert everybody["margin"] == pytest.approx(expected, abs=0.15)
    arms = [(12.0, log["ordered"][treated]), (16.0, log["ordered"][~treated])]
    error = sum(money**2 * values.var() / len(values) for money, values in arms) ** 0.5
    width = (everybody["high"] - everybody["low"]) / 3.92
    assert 0.8 * error < width < 1.05 * error  # regression takes some of the noise away


def test_only_first_decisions_of_campaigns_with_a_control_count():
    log = draw_log(4).assign(
        customer_id=["a", "a", "b", "c"],
        offer=["ten", NOTHING, NOTHING, "ten"],
        campaign_id=["spring", "spring", "spring", "alone"],
        decided_at=[at("2024-03-02"), at("2024-03-01"), at("2024-03-01"), at("2024-03-01")],
    )
    kept = keep_comparable(log)
    assert kept[["customer_id", "offer"]].to_numpy().tolist() == [["a", NOTHING], ["b", NOTHING]]


def test_where_customers_are_held_out_they_alone_are_the_control():
    log = pd.DataFrame(
        [
            ("d1", "a", "held", at("2024-01-01"), NOTHING, "holdout"),
            ("d2", "b", "held", at("2024-01-01"), NOTHING, "optimised"),  # capped, no consent
            ("d3", "c", "held", at("2024-01-01"), "ten", "optimised"),
            ("d4", "d", "dealt", at("2024-01-01"), NOTHING, "random"),
            ("d5", "e", "dealt", at("2024-01-01"), "ten", "random"),
        ],
        columns=["decision_id", "customer_id", "campaign_id", "decided_at", "offer", "arm"],
    )
    assert set(keep_comparable(log)["customer_id"]) == {"a", "c", "d", "e"}


def test_too_few_customers_teach_nothing():
    trials, notes = make_trials(draw_log(150), min_customers=200)
    assert trials is None
    assert notes[0].endswith(" customers in the smaller arm; it needs 200")
    assert notes[-1] == "offers: no offer has enough customers with and without it"


@pytest.fixture
def engine():
    with open_engine(threads=1) as connection:
        yield connection


def write_log(root, log, **tables):
    rows = [
        {
            **{name: row[name] for name in ("decision_id", "customer_id", "campaign_id", "arm")},
            "decided_at": row["decided_at"].to_pydatetime(),
            "propensity": row["propensity"],
            "promotion_id": None if row["offer"] == NOTHING else row["offer"],
        }
        for row in log.to_dict("records")
    ]
    return write_tables(root, decisions=rows, **tables)


def test_tables_are_read_as_of_the_first_decision(engine, tmp_path):
    log = draw_log(800)
    events = [
        {
            "event_id": f"e{i}",
            "customer_id": who,
            "occurred_at": at("2024-03-04"),
            "type": "order",
            "value": 40.0,
        }
        for i, who in enumerate(log.loc[log["ordered"], "customer_id"])
    ]
    workspace = write_log(tmp_path, log, events=events)
    asked = []

    def read_features(as_of):
        asked.append(as_of)
        return log[["customer_id", "is_fan", "orders_365d"]].iloc[:700]

    end = at("2024-03-20")
    trials, notes = read_offer_trials(
        engine, workspace, read_features, as_of=end, horizon_days=7, min_customers=100
    )
    assert asked == [at("2024-03-01")]
    assert notes == ()
    one = trials.trials["ten"]
    assert one.customer_id.tolist() == sorted(log["customer_id"])
    np.testing.assert_array_equal(one.trial.outcome, log["ordered"].astype(float))
    np.testing.assert_array_equal(one.trial.treated, log["offer"] == "ten")
    assert np.isnan(one.trial.features[700:, 1]).all()  # nothing was known of the last hundred
    early, why = read_offer_trials(
        engine, workspace, read_features, as_of=end - timedelta(days=14), horizon_days=7
    )
    assert early is None
    assert why == ("offers: no complete campaign has a control group",)
    with pytest.raises(InvalidRequest, match="as the outcome, got 'spend'"):
        read_offer_trials(engine, workspace, read_features, as_of=end, outcome="spend")


def test_without_a_log_there_is_no_model_and_a_reason(engine, tmp_path):
    workspace = write_tables(tmp_path, events=[])
    found = read_offer_trials(engine, workspace, lambda _: pd.DataFrame(), as_of=at("2024-03-20"))
    assert found == (None, ("offers: there is no log of decisions, so no offer's effect is known",))


def test_customers_without_any_history_are_all_alike(engine, tmp_path):
    log = draw_log(600)
    workspace = write_log(tmp_path, log, events=[])

    def read_features(as_of):
        raise NotEnoughData("nobody did anything before")

    trials, notes = read_offer_trials(
        engine, workspace, read_features, as_of=at("2024-03-20"), horizon_days=7, min_customers=100
    )
    assert trials is None
    assert "at least one column that differs" in notes[-1]
