import numpy as np
import pytest

from models.offers.cells import CellRule
from models.offers.choice import choose_recommendation
from models.offers.learners import SLearner, TLearner, TreatedResponse
from models.offers.trees import Trees
from models.offers.trial import make_trial

TREES = Trees(rounds=40, min_rows_in_leaf=30)
MAKERS = {
    kind.name: (lambda kind=kind: kind(TREES)) for kind in (TreatedResponse, SLearner, TLearner)
}


def draw_trial(uplift, n=6000, seed=0):
    """Draw a trial with five columns and an uplift that is a function of them."""
    rng = np.random.default_rng(seed)
    features = rng.random((n, 5))
    treated = rng.random(n) < 0.5
    outcome = rng.random(n) < 0.2 + uplift(features) * treated
    return make_trial(features, treated, outcome, 0.5)


def choose(trial, seed=1):
    return choose_recommendation(
        trial, MAKERS, rng=np.random.default_rng(seed), n_folds=4, n_resamples=200
    )


def test_a_learner_ships_where_two_cuts_cannot_tell_the_story():
    # by turns of a column the offer helps and hurts: no cut in two sees it
    choice = choose(draw_trial(lambda x: np.where((4 * x[:, 2]).astype(int) % 2, 0.4, -0.1)))
    assert choice.name in ("s", "t")
    own = next(one for one in choice.comparisons if one.name == choice.name)
    assert own.low > 0
    assert not own.is_tie
    assert choice.words.endswith("better than the cell rule.")


def test_where_they_tie_the_rule_stays_and_says_so():
    choice = choose(draw_trial(lambda x: 0.3 * (x[:, 0] > 0.5)))
    assert choice.name == CellRule.name
    assert "a tie, so the rule stays" in choice.words
    rule = next(one for one in choice.comparisons if one.name == CellRule.name)
    assert (rule.gain, rule.low, rule.high) == (0.0, 0.0, 0.0)
    assert choice.comparisons[0].qini == max(one.qini for one in choice.comparisons)


def test_without_any_effect_no_learner_ships():
    names = []
    for seed in range(4):
        trial = draw_trial(lambda x: np.zeros(len(x)), n=1500, seed=seed)
        names.append(choose(trial, seed).name)
    assert names == [CellRule.name] * 4


def test_scores_are_of_customers_that_the_fit_never_saw():
    trial = draw_trial(lambda x: 0.3 * x[:, 1], n=400)
    choice = choose(trial)
    assert set(choice.scores) == {"cell_rule", *MAKERS}
    moved = make_trial(trial.features, trial.treated, 1.0 - trial.outcome, trial.propensity)
    flipped = choose(moved)
    # treatment and folds are the same; what is fitted on turned outcomes is turned
    assert np.corrcoef(choice.scores["t"], flipped.scores["t"])[0, 1] < -0.5
    again = choose(trial)
    np.testing.assert_array_equal(again.scores["t"], choice.scores["t"])
    assert again.words == choice.words


def test_amounts_cannot_be_chosen_by_qini():
    trial = draw_trial(lambda x: 0.1 * x[:, 0], n=400)
    money = make_trial(trial.features, trial.treated, 9.5 * trial.outcome, trial.propensity)
    with pytest.raises(ValueError, match="outcomes: expected 0 and 1"):
        choose(money)
