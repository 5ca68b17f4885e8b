import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ArtifactError, FeatureError, NotEnoughData
from models.value.counts import fit_count_shape, predict_count_interval
from models.value.curve import OrderCurve
from models.value.fitting import fit_value_model
from models.value.histories import PurchaseHistories, PurchaseOutcomes
from models.value.model import BG_NBD, LIGHTGBM
from models.value.next_purchase import TreeSettings
from models.value.storage import load_value
from tests.value_tables import cut, draw_regulars, summarise

CUSTOMERS = draw_regulars(600, n_days=300, seed=4)
FIT, CALIBRATION, TEST = (cut(CUSTOMERS, day) for day in (210, 238, 266))


@pytest.fixture(scope="module")
def models():
    return {
        name: fit_value_model(*FIT[1:], name=name).calibrate(*CALIBRATION[1:])
        for name in (BG_NBD, LIGHTGBM)
    }


def score(model):
    histories, outcomes = TEST[1:]
    rows = histories.has_bought
    p = model.predict(TEST[0])["order_probability_28d"].to_numpy()[rows]
    y = outcomes.has_bought[rows]
    return -np.mean(np.where(y, np.log(p), np.log1p(-p)))


def test_trees_see_that_customers_are_regular_and_bg_nbd_cannot(models):
    assert models[LIGHTGBM].name == LIGHTGBM
    assert score(models[LIGHTGBM]) < 0.9 * score(models[BG_NBD])


@pytest.mark.parametrize("name", [BG_NBD, LIGHTGBM])
def test_predictions_hold_together(models, name):
    found = models[name].predict(TEST[0])
    assert found["customer_id"].tolist() == TEST[0]["customer_id"].tolist()
    assert (found["expected_orders_28d_low"] <= found["expected_orders_28d_high"]).all()
    assert (found["order_probability_28d"] <= found["expected_orders_28d"] + 1e-12).all()
    assert found["churn_risk"].between(0, 1).all()
    # a longer silence is less likely than a shorter one
    assert models[name].habits.churn_days >= 28
    assert (found["churn_risk"] <= 1 - found["order_probability_28d"] + 1e-9).all()
    days = found[["days_to_next_order_low", "days_to_next_order", "days_to_next_order_high"]]
    assert ((days.diff(axis=1).iloc[:, 1:] >= 0) | days.iloc[:, 1:].isna()).all(axis=None)
    np.testing.assert_allclose(
        found["expected_value_28d"], found["expected_orders_28d"] * found["expected_order_value"]
    )
    assert np.isfinite(found["expected_order_value"]).all()


@pytest.mark.parametrize("name", [BG_NBD, LIGHTGBM])
def test_intervals_and_totals_hold_on_a_later_window(models, name):
    found, outcomes = models[name].predict(TEST[0]), TEST[2]
    low, high = found["expected_orders_28d_low"], found["expected_orders_28d_high"]
    assert ((outcomes.orders >= low) & (outcomes.orders <= high)).mean() >= 0.8
    assert found["expected_orders_28d"].sum() == pytest.approx(outcomes.orders.sum(), rel=0.05)


def test_half_of_the_customers_order_by_their_median_day(models):
    found = models[LIGHTGBM].predict(TEST[0])
    first = np.nan_to_num(TEST[2].days_to_first, nan=np.inf)
    median = found["days_to_next_order"].to_numpy()
    is_inside = median <= 28
    # an order of day 6 is there within the sixth day, so half a day is the grain
    assert (first <= median + 0.5)[is_inside].mean() == pytest.approx(0.5, abs=0.08)


def test_any_horizon_can_be_asked_for(models):
    for model in models.values():
        weeks = [model.predict(TEST[0], days=days) for days in (7, 28, 84)]
        orders = [
            frame[f"expected_orders_{d}d"].sum()
            for frame, d in zip(weeks, (7, 28, 84), strict=True)
        ]
        assert orders[0] < orders[1] < orders[2]
        assert (weeks[0]["order_probability_7d"] <= weeks[1]["order_probability_28d"] + 1e-9).all()
        assert (weeks[1]["order_probability_28d"] <= weeks[2]["order_probability_84d"] + 1e-9).all()


def test_one_order_and_none_are_answered(models):
    table = pd.DataFrame([summarise([], 266, "none"), summarise([250], 266, "one")])
    for model in models.values():
        none, one = model.predict(table).to_dict("records")
        # nobody without a purchase bought in the window: next to nothing is expected of them
        assert none["order_probability_28d"] < 0.05
        assert none["advice"] == "now"
        assert none["reason"] == "has not bought yet"
        assert 0 < one["churn_risk"] < 1
        assert one["reason"].startswith("bought once, 15 days ago")


def test_order_of_rows_and_the_callers_table_do_not_matter(models):
    table = TEST[0].copy()
    found = models[LIGHTGBM].predict(table)
    pd.testing.assert_frame_equal(table, TEST[0])
    turned = models[LIGHTGBM].predict(table.iloc[::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(turned.iloc[::-1].reset_index(drop=True), found)


@pytest.mark.parametrize("name", [BG_NBD, LIGHTGBM])
def test_files_give_the_same_model_and_damage_is_refused(models, name):
    files = models[name].to_files()
    again = load_value(files)
    pd.testing.assert_frame_equal(again.predict(TEST[0]), models[name].predict(TEST[0]))
    assert again.to_files() == files
    document = json.loads(files["value.json"])
    for wrong in ({"format": 9}, {"bg_nbd": {}}, {"calibration": {"x": [1], "y": [0]}}):
        damaged = {**files, "value.json": json.dumps({**document, **wrong}).encode()}
        with pytest.raises(ArtifactError, match="train again"):
            load_value(damaged)
    with pytest.raises(ArtifactError, match="not a model of customer value"):
        load_value({})


def test_the_same_seed_gives_the_same_bytes(models):
    again = fit_value_model(*FIT[1:]).calibrate(*CALIBRATION[1:])
    assert again.to_files() == models[LIGHTGBM].to_files()


def test_reasons_multiply_to_what_trees_make_of_bg_nbd(models):
    model, table = models[LIGHTGBM], TEST[0]
    every = model.explain(table, top=99)
    histories = TEST[1].take(TEST[1].has_bought)
    base = np.exp(model.trees.explain_orders(histories, model.bg)[:, -1])
    made = every.groupby("customer_id")["factor"].prod().to_numpy() * base
    bg = model.bg.predict_orders(*histories.statistics, 4.0)
    np.testing.assert_allclose(
        made * bg, model.trees.predict_orders(histories, model.bg), rtol=1e-6
    )
    first = model.explain(table, top=1)
    assert len(first) == len(histories)
    strongest = every.assign(size=np.abs(np.log(every["factor"]))).groupby("customer_id")["size"]
    np.testing.assert_allclose(np.abs(np.log(first["factor"])), strongest.max().to_numpy())
    assert models[BG_NBD].explain(table).empty


def test_too_few_repeat_customers_are_an_error_and_too_few_for_trees_leave_bg_nbd():
    histories, outcomes = FIT[1:]
    repeats = np.flatnonzero(histories.column("frequency") > 0)
    few = repeats[:19]
    with pytest.raises(NotEnoughData, match="found 19"):
        fit_value_model(histories.take(few), outcomes.take(few))
    some = repeats[:50]
    model = fit_value_model(
        histories.take(some), outcomes.take(some), trees=TreeSettings(min_rows_in_leaf=26)
    )
    assert model.name == BG_NBD


def test_without_values_no_value_is_promised():
    table = FIT[0].assign(valued_days=0, mean_value=np.nan)
    histories = PurchaseHistories.from_table(table)
    found = fit_value_model(histories, FIT[2], name=BG_NBD).predict(table)
    assert found["expected_order_value"].isna().all()
    assert found["expected_value_28d"].isna().all()
    assert found["expected_orders_28d"].notna().all()


def test_a_missing_column_is_named():
    with pytest.raises(FeatureError, match="mean_gap_days"):
        PurchaseHistories.from_table(FIT[0].drop(columns="mean_gap_days"))


def test_outcomes_follow_the_order_of_the_customers():
    table = pd.DataFrame(
        {"customer_id": ["a", "c"], "purchase_days": [2, 1], "spend": [9.0, np.nan]}
        | {"days_to_first": [3, 7]}
    )
    found = PurchaseOutcomes.from_table(table, np.array(["c", "b", "a"]), n_days=28)
    assert found.orders.tolist() == [1, 0, 2]
    np.testing.assert_array_equal(found.spend, [np.nan, 0, 9])
    np.testing.assert_array_equal(found.days_to_first, [7, np.nan, 3])


def test_calibration_makes_totals_right_on_its_own_window(models):
    bare = replace(models[BG_NBD], scale=1.0)
    histories, outcomes = CALIBRATION[1:]
    rows = histories.has_bought
    doubled = replace(outcomes, orders=2 * outcomes.orders)
    twice = bare.calibrate(histories, doubled)
    total = twice.predict_orders(histories.take(rows), 28).sum()
    assert total == pytest.approx(doubled.orders[rows].sum())


def test_the_curve_worked_out_by_hand():
    curve = OrderCurve(np.array([2.0, 4.0]), np.array([[0.5, 0.75], [0.0, 0.0]]))
    assert curve.at(3.0)[0] == pytest.approx(1 - 0.5**1.5)  # an even hazard of ln 2 in two days
    np.testing.assert_allclose(curve.quantile(0.75), [4.0, np.nan])
    assert curve.quantile(1 - 0.5**0.5)[0] == pytest.approx(1.0)
    np.testing.assert_array_equal(curve.quantile(0.8), [np.nan, np.nan])
    # 0.5 → 0.75 by day 2 doubles the hazard: 1 − 0.25² by day 4
    assert curve.calibrate(2.0, np.array([0.75, 0.1])).probability[0, 1] == pytest.approx(0.9375)


@given(st.lists(st.floats(0.0, 0.5), min_size=3, max_size=3), st.floats(0.01, 0.99))
def test_quantiles_invert_the_curve(steps, level):
    survived = np.cumprod(1 - np.array(steps))
    curve = OrderCurve(np.array([1.0, 5.0, 9.0]), 1 - survived[None, :])
    day = curve.quantile(level)[0]
    if np.isnan(day):
        assert curve.at(9.0)[0] < level + 1e-12
    else:
        assert curve.at(day)[0] == pytest.approx(level, abs=1e-9)


def test_count_intervals_cover_what_they_say():
    rng = np.random.default_rng(2)
    mean = rng.uniform(0.2, 12, 20_000)
    orders = rng.poisson(mean * rng.gamma(2.0, 0.5, len(mean)))  # variance mean + mean² / 2
    shape = fit_count_shape(mean, orders)
    assert shape == pytest.approx(2.0, rel=0.05)
    low, high = predict_count_interval(mean, shape, 0.8)
    assert 0.8 <= ((orders >= low) & (orders <= high)).mean() <= 0.92
    assert (orders < low).mean() <= 0.1
    assert (orders > high).mean() <= 0.105
