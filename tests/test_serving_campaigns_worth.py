"""Which offer: by experiment where one tells, and none where no gain is sure."""

import numpy as np
import pytest

from features.errors import InvalidRequest
from serving.campaigns.schedule import NO_OFFER
from serving.campaigns.worth import choose_by_experiment, choose_first
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor
from tests.campaign_project import (
    ask,
    check_schedule,
    fit_offer_model,
    list_promotions,
    make_models,
    make_tables,
    run,
)

TEN, MUG = {"promotion_id": "ten"}, {"promotion_id": "mug", "discount": np.nan}


@pytest.fixture(scope="module")
def models(send_time_model, profile_files, customer_table):
    profiles = Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])
    table = customer_table.drop(columns="active_slots")
    return make_models(SendTimePredictor(send_time_model, profiles), table, fit_offer_model())


@pytest.fixture(scope="module")
def choose(models):
    def found(promotion_ids=("ten", "mug"), promotions=(TEN, MUG), is_eligible=None):
        n = len(models.profiles)
        if is_eligible is None:
            is_eligible = np.ones((len(promotion_ids), n), dtype=bool)
        return choose_by_experiment(
            models.offers, models.profiles, promotion_ids, list_promotions(*promotions),
            models.order_value, is_eligible,
        )  # fmt: skip

    return found


def test_the_first_promotion_that_may_go_is_taken_where_nothing_tells_more():
    is_eligible = np.array([[True, False, False], [True, True, False]])
    worth = choose_first(is_eligible)
    assert worth.place.tolist() == [0, 1, -1]
    assert np.isnan(worth.money).all()
    assert not worth.is_refused.any()
    assert [bool(words) for words in worth.words] == [True, True, False]


def test_the_offer_goes_to_those_it_moves_and_to_nobody_else(models, choose):
    worth, recency = choose(), models.profiles["recency_days"].to_numpy()
    is_moved, is_not = recency < 40, recency > 50
    assert (worth.place[is_moved] == 0).all()
    assert (worth.place[is_not] == -1).all()
    assert worth.is_refused[is_not].all()
    assert not worth.is_refused[is_moved].any()
    # 0.4 more of 0.1 orders at 40: 40 × (0.4 × 0.4 − 0.1 × 0.5) a customer
    assert worth.money[is_moved].mean() == pytest.approx(4.4, abs=1.0)
    assert (worth.low[is_moved] > 0).all()
    assert np.isnan(worth.money[is_not]).all()
    assert all(words.endswith("offer ten") for words in worth.words[is_moved])
    assert all(words.endswith("offer nothing") for words in worth.words[is_not])


def test_places_are_those_of_the_question_and_what_may_not_go_is_not_taken(models, choose):
    is_moved = models.profiles["recency_days"].to_numpy() < 40
    assert set(choose(("mug", "ten")).place[is_moved]) == {1}
    is_eligible = np.ones((2, len(models.profiles)), dtype=bool)
    is_eligible[0] = False
    worth = choose(is_eligible=is_eligible)
    assert set(worth.place) == {-1}
    assert worth.is_refused.all()  # 'mug' may go, and surely earns nothing
    nobody = choose(is_eligible=np.zeros_like(is_eligible))
    assert not nobody.is_refused.any()


def test_an_offer_without_margin_is_refused_only_if_it_is_asked_for(choose):
    with pytest.raises(InvalidRequest, match=r"promotion 'ten': expected a margin.*promotions\.m"):
        choose(promotions=({**TEN, "margin": np.nan}, MUG))
    assert (choose(("ten",), promotions=(TEN, {**MUG, "margin": np.nan})).place >= -1).all()


def test_a_campaign_sends_offers_to_whom_they_move_and_tells_the_others_why(models):
    tables = make_tables(TEN, MUG)
    query = ask(promotions=("mug", "ten"), holdout=0.0, random=0.3, message_cost={"email": 0.5})
    _, schedule = run(query, models, tables)
    check_schedule(schedule, query, tables.promotions)
    known, recency = schedule.iloc[:240], models.profiles["recency_days"].to_numpy()
    sent = known["send_at"].notna().to_numpy()
    assert set(known.loc[sent, "promotion_id"]) == {"ten"}
    assert not sent[recency > 50].any()
    refused = known[(recency > 50) & (known["reason"] == "no-gain").to_numpy()]
    assert set(refused["words"]) == {NO_OFFER}
    assert refused["offer_because"].str.contains("offer nothing").all()
    # those who are not known get the first that may go, valued by their answers
    new = schedule.iloc[240:]
    assert set(new["promotion_id"].dropna()) == {"mug"}
    assert set(new["offer_because"]) == {"no experiment tells what it earns: valued by responses"}


def test_money_of_the_experiment_is_that_of_a_mean_moment(models):
    query = ask(channels=("email", "sms"), holdout=0.0, message_cost={"email": 0.5})
    plan, _ = run(query, models, make_tables(TEN))
    own = np.flatnonzero((plan.worth.place >= 0) & ~np.isnan(plan.worth.money))
    options = plan.options.make(own)
    cost = np.tile([0.5, 0.0], options.value.shape[1] // 2)
    mean = [
        (value + cost)[allowed].mean()
        for value, allowed in zip(options.value, options.permitted, strict=True)
    ]
    np.testing.assert_allclose(mean, plan.worth.money[own])
    assert ((options.value[0] + cost > 0) == (options.probability[0] > 0)).all()
