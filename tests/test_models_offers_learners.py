import numpy as np
import pytest

from features.errors import NotEnoughData
from models.offers.learners import LEARNERS, SLearner, TreatedResponse
from models.offers.propensity import estimate_propensity
from models.offers.pseudo_outcomes import build_pseudo_outcomes
from models.offers.trees import Trees, fit_trees, predict_trees
from models.offers.trial import assign_folds, make_trial

TREES = Trees(min_rows_in_leaf=40)


def draw_world(n=6000, seed=0, is_confounded=False):
    """Draw a trial: the offer moves by 0.3 x1 and, if confounded, goes to those of high x0."""
    rng = np.random.default_rng(seed)
    features = rng.random((n, 3))
    chance = 0.2 + 0.6 * features[:, 0] if is_confounded else np.full(n, 0.5)
    treated = rng.random(n) < chance
    uplift = 0.3 * features[:, 1]
    outcome = rng.random(n) < 0.05 + 0.5 * features[:, 0] + uplift * treated
    return make_trial(features, treated, outcome, chance), uplift


@pytest.mark.parametrize("kind", LEARNERS[1:], ids=lambda kind: kind.name)
def test_learners_find_who_is_moved(kind):
    trial, uplift = draw_world()
    learner = kind(TREES).fit(trial)
    fresh, truth = draw_world(2000, seed=1)
    found = learner.predict(fresh.features)
    assert np.corrcoef(found, truth)[0, 1] > 0.5
    assert found.mean() == pytest.approx(uplift.mean(), abs=0.04)
    again = kind(TREES).fit(trial)
    assert again.to_files() == learner.to_files()
    restored = kind(TREES).restore(learner.to_files())
    np.testing.assert_allclose(restored.predict(fresh.features), found, rtol=0, atol=1e-12)
    assert restored.to_files().keys() == learner.to_files().keys()
    assert learner.predict(fresh.features[:0]).shape == (0,)


def test_response_is_no_uplift():
    trial, _ = draw_world()
    fresh, truth = draw_world(2000, seed=1)
    found = TreatedResponse(TREES).fit(trial).predict(fresh.features)
    expected = 0.05 + 0.5 * fresh.features[:, 0] + truth
    assert np.corrcoef(found, expected)[0, 1] > 0.9
    assert np.corrcoef(found, truth)[0, 1] < 0.7


def test_amounts_are_regressed_and_fits_leave_the_trial_alone():
    trial, uplift = draw_world()
    money = make_trial(trial.features, trial.treated, 20.0 * trial.outcome, trial.propensity)
    before = money.features.copy()
    found = SLearner(TREES).fit(money).predict(money.features)
    assert found.mean() == pytest.approx(20.0 * uplift.mean(), abs=1.0)
    np.testing.assert_array_equal(money.features, before)


@pytest.mark.parametrize("is_known", [True, False])
def test_pseudo_outcomes_are_right_where_the_difference_of_means_is_not(is_known):
    trial, uplift = draw_world(20_000, is_confounded=True)
    naive = trial.outcome[trial.treated].mean() - trial.outcome[~trial.treated].mean()
    assert naive - uplift.mean() > 0.05
    if not is_known:
        folds = assign_folds(trial, 5, np.random.default_rng(0))
        share = np.full(len(trial), trial.treated.mean())
        chance = estimate_propensity(trial.features, trial.treated, share, folds)
        assert np.abs(chance - trial.propensity).mean() < 0.03
        trial = make_trial(trial.features, trial.treated, trial.outcome, chance)
    pseudo = build_pseudo_outcomes(trial, TREES)
    error = pseudo.effect.std() / np.sqrt(len(trial))
    assert abs(pseudo.effect.mean() - uplift.mean()) < 3 * error
    truth = 0.05 + 0.5 * trial.features[:, 0].mean()
    assert pseudo.control.mean() == pytest.approx(truth, abs=0.02)


def test_folds_hold_equal_parts_of_every_stratum():
    trial, _ = draw_world(1003)
    folds = assign_folds(trial, 5, np.random.default_rng(2))
    for arm in (True, False):
        for outcome in (0.0, 1.0):
            counts = np.bincount(folds[(trial.treated == arm) & (trial.outcome == outcome)])
            assert counts.max() - counts.min() <= 1
    few = trial.take(np.r_[np.flatnonzero(trial.treated)[:3], np.flatnonzero(~trial.treated)])
    with pytest.raises(NotEnoughData, match="at least 5 customers with and without"):
        assign_folds(few, 5, np.random.default_rng(2))


def test_one_value_is_learned_as_a_constant():
    booster = fit_trees(np.arange(40.0)[:, None], np.ones(40), Trees(rounds=5))
    np.testing.assert_allclose(predict_trees(booster, np.array([[3.0]])), 1.0)


@pytest.mark.parametrize(
    ("treated", "outcome", "propensity", "error", "words"),
    [
        ([1, 1], [0, 1], None, NotEnoughData, "got 2 of 2 with it"),
        ([1, 0], [0, np.nan], None, ValueError, "finite outcomes"),
        ([1, 0], [0, 1], 1.0, ValueError, "propensities in"),
        ([1, 0, 1], [0, 1], None, ValueError, "got shapes"),
    ],
)
def test_a_trial_that_is_none_is_refused(treated, outcome, propensity, error, words):
    with pytest.raises(error, match=words):
        make_trial(np.zeros((2, 1)), np.array(treated), np.array(outcome), propensity)
