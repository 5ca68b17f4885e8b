import json

import numpy as np
import pandas as pd
import pytest

from features.errors import ArtifactError, InvalidRequest, MissingColumn, NotEnoughData, UnknownName
from models.offers.bands import cut_bands, measure_bands
from models.offers.design import Design, fit_design
from models.offers.margin import NOTHING, Terms
from models.offers.offer_model import OfferModel, fit_offer_effect, load_offers, make_ranking
from models.offers.propensity import estimate_propensity
from models.offers.pseudo_outcomes import PseudoOutcomes
from models.offers.reasons import explain_offers
from models.offers.trees import Trees
from models.offers.trial import make_trial

TREES = Trees(rounds=15)


def draw_customers(n, rng):
    return pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "orders": rng.poisson(2, n),
            "is_new": rng.random(n) < 0.4,
            "channel": rng.choice(["web", "app", "store"], n),
        }
    )


def draw_model(ranking="cell_rule", n=6000, seed=0, effect=0.12, offers=("ten",)):
    """Fit offers of which each adds `effect` to the 10 % of new customers who order anyway."""
    rng = np.random.default_rng(seed)
    table = draw_customers(n, rng)
    design = fit_design(table)
    effects = []
    for offer in offers:
        treated = rng.random(n) < 0.5
        outcome = rng.random(n) < 0.1 + effect * treated * table["is_new"]
        trial = make_trial(design.build(table), treated, outcome, 0.5, names=design.names)
        effects.append(fit_offer_effect(offer, trial, ranking, TREES, why="because"))
    return OfferModel(design, effects, "ordered"), table


@pytest.mark.parametrize("ranking", ["cell_rule", "bagged_s", "x", "s_and_x"])
def test_effects_are_told_and_plain_files_tell_them_again(ranking):
    model, _ = draw_model(ranking)
    fresh = draw_customers(500, np.random.default_rng(5))
    mean, low, high = model.predict_uplift(fresh)
    assert mean.shape == low.shape == high.shape == (500, 1)
    is_new = fresh["is_new"].to_numpy()
    assert mean[is_new].mean() == pytest.approx(0.12, abs=0.035)
    assert mean[~is_new].mean() == pytest.approx(0.0, abs=0.03)
    assert ((low < mean) & (mean < high)).all()
    assert (model.predict_uplift(fresh, level=0.5)[1] > low).all()
    files = model.to_files()
    assert all(isinstance(content, bytes) for content in files.values())
    again = load_offers(files)
    for one, other in zip(model.predict_uplift(fresh), again.predict_uplift(fresh), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (again.outcome, again.offers, again.effects[0].why) == ("ordered", ("ten",), "because")


def test_intervals_hold_the_true_mean_effect():
    held = []
    for seed in range(25):
        model, table = draw_model(n=1500, seed=seed)
        _, low, high = model.predict_uplift(table)
        band = model.effects[0].place(model.design.build(table))
        truth = 0.12 * table["is_new"]
        for number in np.unique(band):
            some = band == number
            mean = truth[some].mean()
            held.append(low[some][0, 0] <= mean <= high[some][0, 0])
    # 90 % intervals; the cells were chosen on the same customers
    assert 0.82 <= np.mean(held) <= 0.99


def test_where_an_offer_does_nothing_nothing_is_offered():
    wrong = 0
    for seed in range(12):
        model, table = draw_model(n=1500, seed=seed, effect=0.0)
        found = model.recommend(table, {"ten": Terms(0.5)}, np.full(1500, 50.0))
        wrong += (found.offer != NOTHING).any()
    # even a free offer: one bound of a 90 % interval is wrong for one in twenty
    assert wrong <= 2


def test_the_better_offer_goes_to_those_it_moves_and_reasons_say_why():
    model, table = draw_model(offers=("ten", "twenty"))
    terms = {"ten": Terms(0.4, 0.1, 0.05), "twenty": Terms(0.4, 0.2, 0.05)}
    value = np.full(len(table), 50.0)
    found = model.recommend(table, terms, value)
    is_new = table["is_new"].to_numpy()
    assert set(found.offer[is_new]) == {"ten"}
    assert set(found.offer[~is_new]) == {NOTHING}
    rows = [int(np.flatnonzero(is_new)[0]), int(np.flatnonzero(~is_new)[0])]
    offered, not_offered = explain_offers(model, table, found, rows)
    margins, row = found.margins, rows[0]
    assert offered.startswith("ten: +1")
    assert f"{is_new.sum():,} customers alike in the experiment: is_new)" in offered
    assert f"margin {margins.gained[row, 0]:.2f} - discount cost" in offered
    assert offered.endswith("offer ten")
    assert "more likely to order" in not_offered
    assert not_offered.endswith("offer nothing")
    barred = np.zeros((len(table), 2), dtype=bool)
    none = model.recommend(table, terms, value, permitted=barred)
    assert set(none.offer) == {NOTHING}
    reason = explain_offers(model, table, none, rows[:1], permitted=barred)
    assert reason == ("no offer is permitted: offer nothing",)
    twenty = model.recommend(table, terms, value, permitted=np.array([[False, True]]))
    assert set(twenty.offer) <= {"twenty", NOTHING}


def test_bands_are_measured_by_hand():
    pseudo = PseudoOutcomes(treated=np.array([1.0, 3, 5, 7]), control=np.array([0.0, 2, 1, 1]))
    bands = measure_bands(pseudo, np.array([0, 0, 1, 1]), 3, np.array([0.5, 0.9]))
    np.testing.assert_allclose(bands.control[:2], [1.0, 1.0])
    assert bands.customers.tolist() == [2, 2, 0]
    # effects 1, 1 and 4, 6: each mean is drawn towards the other
    assert 1.0 < bands.effect[0] < bands.effect[2] < bands.effect[1] < 5.0
    assert bands.effect_sd[2] > bands.effect_sd[:2].max()  # nobody was in the third
    assert bands.place(np.array([0.4, 0.5, 2.0])).tolist() == [0, 1, 2]


def test_few_customers_have_few_bands_and_none_is_empty():
    treated = np.arange(1000) % 2 == 0
    assert len(cut_bands(np.arange(1000.0), treated)) == 0
    many = np.arange(10_000) % 2 == 0
    np.testing.assert_allclose(cut_bands(np.arange(10_000.0), many) / 9999, [0.2, 0.4, 0.6, 0.8])
    assert len(cut_bands(np.zeros(10_000), many)) == 0


def test_designs_read_any_table_of_the_same_columns():
    table = draw_customers(200, np.random.default_rng(0))
    design = fit_design(table)
    assert design.names == ("orders", "is_new", "channel=app", "channel=store", "channel=web")
    odd = pd.DataFrame({"channel": [None, "fax"], "is_new": [None, True], "orders": [np.nan, 2]})
    np.testing.assert_array_equal(design.build(odd), [[np.nan, np.nan, 0, 0, 0], [2, 1, 0, 0, 0]])
    assert Design.from_json(json.loads(json.dumps(design.to_json()))) == design
    with pytest.raises(MissingColumn, match="column 'orders'"):
        design.build(odd.drop(columns="orders"))
    with pytest.raises(NotEnoughData, match="at least one column that differs"):
        fit_design(pd.DataFrame({"customer_id": ["a", "b"], "orders": [1, 1]}))


@pytest.mark.parametrize("empty", [[np.nan] * 3, pd.array([None] * 3, dtype="Float64")])
def test_a_column_without_a_value_is_none_that_varies(empty):
    table = pd.DataFrame({"orders": [1, 2, 3], "empty": empty})
    assert fit_design(table).names == ("orders",)


def test_chances_are_estimated_beside_columns_without_a_value():
    rng = np.random.default_rng(5)
    is_loyal = rng.random(2000) < 0.5
    treated = rng.random(2000) < np.where(is_loyal, 0.8, 0.3)
    features = np.column_stack([np.where(is_loyal, 1.0, 0.0), np.full(2000, np.nan)])
    chance = estimate_propensity(features, treated, np.full(2000, 0.5), np.arange(2000) % 5)
    assert chance[is_loyal].mean() == pytest.approx(0.8, abs=0.03)
    assert chance[~is_loyal].mean() == pytest.approx(0.3, abs=0.03)


def test_damage_and_nonsense_are_told():
    trees, _ = draw_model("bagged_s", n=600)
    with pytest.raises(ArtifactError, match="train again"):
        load_offers(trees.to_files() | {"offer_0.both_3.txt": b"tree\nno tree"})
    model, table = draw_model(n=600)
    files = model.to_files()
    with pytest.raises(ArtifactError, match="train again"):
        load_offers({name: content for name, content in files.items() if "learner" not in name})
    with pytest.raises(ArtifactError):
        load_offers(files | {"offers.json": b"{}"})
    with pytest.raises(UnknownName, match="nearest: 'cell_rule'"):
        make_ranking("cell_rules", TREES)
    with pytest.raises(InvalidRequest, match=r"level within \(0, 1\), got 90"):
        model.predict_uplift(table, level=90)
