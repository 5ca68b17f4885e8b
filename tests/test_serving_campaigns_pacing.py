"""The price of money at which draws make the most of a budget."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.campaigns import decide
from serving.campaigns.pacing import Yield, find_budget_price
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor
from tests.campaign_project import ask, check_schedule, make_models, make_tables, run

offers = st.lists(
    st.tuples(st.floats(0.1, 50.0), st.floats(0.1, 2.0)), min_size=1, max_size=20
)  # worth and cost of messages, each sent where worth exceeds price × cost


def send(messages, price):
    sent = [(worth, cost) for worth, cost in messages if worth > price * cost]
    return Yield(sum(worth for worth, _ in sent), sum(cost for _, cost in sent))


@given(offers, st.floats(0.0, 20.0), st.floats(0.0, 5.0))
def test_no_plan_earns_less_by_its_price_than_without(messages, budget, least):
    def draw(price):
        return send(messages, price)

    def earn(price):
        found = draw(price)
        return found.value * (min(1.0, budget / found.spent) if found.spent else 1.0)

    found = find_budget_price(draw, budget, least=least, most=500.0)
    assert least <= found <= least + 500.0 * 1.7
    assert earn(found) >= earn(least)
    if draw(least).spent <= budget:
        assert found == least


def test_the_price_is_about_that_of_the_last_message_that_can_be_paid_for():
    messages = [(float(worth), 1.0) for worth in range(1, 101)]
    found = find_budget_price(lambda price: send(messages, price), 10.0, least=0.0, most=100.0)
    assert found == pytest.approx(90, abs=6)
    sent = send(messages, found)
    assert sent.value * min(1.0, 10.0 / sent.spent) > 0.96 * sum(range(91, 101))


def test_few_prices_are_tried():
    asked = []

    def draw(price):
        asked.append(price)
        return Yield(1.0, 1e9 / (1e-6 + price))

    find_budget_price(draw, 1e3, least=0.0, most=1e7)
    assert len(asked) <= 30


@pytest.fixture(scope="module")
def models(send_time_model, profile_files, customer_table):
    profiles = Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])
    table = customer_table.drop(columns="active_slots")
    return make_models(SendTimePredictor(send_time_model, profiles), table)


def test_money_that_draws_would_run_out_of_is_not_spent_on_dear_messages(models, monkeypatch):
    costs = {"message_cost": {"email": 0.01, "sms": 0.05}, "budget": 2.0}
    query, tables = ask(holdout=0.0, random=0.0, thompson=1.0, **costs), make_tables()

    def plan_often():
        found = [run(query, models, tables, seed)[1] for seed in range(4)]
        for schedule in found:
            check_schedule(schedule, query, tables.promotions)
        sent = [schedule[schedule["send_at"].notna()] for schedule in found]
        return np.mean([len(part) for part in sent]), np.mean([x["value"].sum() for x in sent])

    reached, earned = plan_often()
    monkeypatch.setattr(decide, "find_budget_price", lambda _, budget, *, least, most: least)
    reached_before, earned_before = plan_often()
    assert reached > 1.1 * reached_before
    assert earned > 1.05 * earned_before


def test_money_that_nothing_costs_or_that_is_none_has_no_price(models):
    for settings in ({"budget": 5.0}, {"budget": 0.0, "message_cost": {"email": 0.01}}):
        query, tables = ask(holdout=0.0, **settings), make_tables()
        _, schedule = run(query, models, tables)
        check_schedule(schedule, query, tables.promotions)
        assert schedule["send_at"].notna().any()
