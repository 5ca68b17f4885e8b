import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma

from models.receptivity.doubt import bound_probability, find_gamma_factor, multiply_doubts
from models.receptivity.histories import Histories, Outcomes
from models.receptivity.send_time import BestGlobalHour, EmpiricalBayes


def test_variances_of_a_product_are_those_of_its_parts():
    # level: gamma of 4 events, variance 1/4; share: Dirichlet of 9 events at .2, (1-.2)/(.2*10)=.4
    found = multiply_doubts(np.array([4.0]), np.array([[0.2]]), np.array([9.0]))

    assert found == pytest.approx(np.array([[1.25 * 1.4 - 1]]))


@pytest.mark.parametrize("variance", [0.02, 0.4, 1.7])
def test_factors_are_quantiles_of_a_gamma_distribution(variance):
    exact = gamma.ppf([0.05, 0.95], 1 / variance, scale=variance)

    assert find_gamma_factor(np.array([variance]), 0.05)[0] == pytest.approx(exact[0], abs=2e-3)
    assert find_gamma_factor(np.array([variance]), 0.95)[0] == pytest.approx(exact[1], rel=2e-3)


def test_an_interval_holds_its_probability_and_widens_with_doubt():
    probability = np.full(3, 0.1)
    low, high = bound_probability(probability, np.array([0.0, 0.1, 4.0]), level=0.9)

    assert (low <= probability).all()
    assert (high >= probability).all()
    assert (np.diff(high - low) > 0).all()
    assert high[0] - low[0] < 0.002


HOURS = np.arange(168) % 24
EVENING = np.exp(-(((HOURS - 19) / 4.0) ** 2)) + 0.05
KINDS = np.array(
    [np.exp(-((((HOURS - hour + 12) % 24 - 12) / 2.0) ** 2)) + 0.03 for hour in (3, 12, 20)]
)


def draw_customers(n, events, seed, *, kinds=EVENING[None, :], alike=30.0):
    """Customers of known rates by slot, each about one of some weeks; histories and truth."""
    rng = np.random.default_rng(seed)
    share = np.empty((n, 168))
    for kind, week in enumerate(kinds):
        own = np.arange(n) % len(kinds) == kind
        share[own] = rng.dirichlet(alike * week / week.sum(), own.sum())
    rate = share * rng.gamma(4.0, 0.25, n)[:, None]
    weeks = events
    past, after = rng.poisson(rate * weeks), rng.binomial(4, -np.expm1(-rate))
    table = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(n)],
            "tenure_days": 7.0 * weeks,
            "active_slots": [
                [{"slot": int(s), "weight": float(row[s])} for s in np.flatnonzero(row)]
                for row in past
            ],
        }
    )
    later = pd.DataFrame(
        [(f"c{i:04d}", s, after[i, s]) for i, s in zip(*np.nonzero(after), strict=True)],
        columns=["customer_id", "slot", "weeks_active"],
    )
    histories = Histories.from_table(table)
    outcomes = Outcomes.from_table(later, histories.customer_id, n_weeks=4)
    return histories, outcomes, -np.expm1(-rate)


def test_intervals_hold_the_true_probability_about_as_often_as_they_say():
    histories, outcomes, truth = draw_customers(1500, 12, seed=3)
    model = EmpiricalBayes(half_life_days=1e6).fit(histories, outcomes)
    slots = np.argsort(-model.predict(histories), axis=1)[:, :3]

    low, high = model.predict_interval(histories, slots, level=0.9)
    found = np.take_along_axis(truth, slots, axis=1)

    assert 0.8 < ((found >= low) & (found <= high)).mean() < 0.99


@pytest.mark.parametrize("alike", [200.0, 1000.0])
def test_intervals_hold_the_truth_where_a_few_events_tell_the_kind(alike):
    """Who is taken for a night owl after two events may be none: the interval must know it."""
    histories, outcomes, truth = draw_customers(1500, 2, 3, kinds=KINDS, alike=alike)
    model = EmpiricalBayes(half_life_days=1e6).fit(histories, outcomes)
    slots = np.argsort(-model.predict(histories), axis=1)[:, :3]

    low, high = model.predict_interval(histories, slots, level=0.9)
    found = np.take_along_axis(truth, slots, axis=1)

    assert model.shape_.rhythms is not None
    assert 0.87 < ((found >= low) & (found <= high)).mean() < 0.995
    for few in range(4):
        of_few = np.floor(histories.events) == few
        assert of_few.sum() > 100
        assert (found > high)[of_few].mean() < 0.08


def test_more_history_makes_the_interval_narrower():
    few, after, _ = draw_customers(800, 4, seed=5)
    many, _, _ = draw_customers(800, 40, seed=5)
    model = EmpiricalBayes(half_life_days=1e6).fit(few, after)
    widths = []
    for histories in (few, many):
        probability = model.predict(histories)
        slots = probability.argmax(axis=1)[:, None]
        low, high = model.predict_interval(histories, slots)
        widths.append(np.median((high - low) / np.take_along_axis(probability, slots, axis=1)))

    assert widths[1] < 0.6 * widths[0]


def test_a_model_without_a_posterior_claims_no_doubt():
    histories, outcomes, _ = draw_customers(100, 4, seed=1)
    model = BestGlobalHour().fit(histories, outcomes)
    slots = np.zeros((100, 1), dtype=np.int64)
    low, high = model.predict_interval(histories, slots)

    assert high - low == pytest.approx(np.zeros((100, 1)), abs=1e-3)


def test_hours_together_are_surer_than_each_and_hold_the_truth():
    histories, outcomes, truth = draw_customers(1500, 12, seed=3)
    model = EmpiricalBayes(half_life_days=1e6).fit(histories, outcomes)
    slots = np.tile([[42, 139]], (1500, 1))

    low, high = model.predict_interval(histories, slots, ahead=3)
    one_low, one_high = model.predict_interval(histories, slots)
    found = np.stack(
        [1 - np.prod(1 - truth[:, [s, s + 1, s + 2]], axis=1) for s in (42, 139)], axis=1
    )
    share = model.predict(histories)
    whole = np.stack(
        [1 - np.prod(1 - share[:, [s, s + 1, s + 2]], axis=1) for s in (42, 139)], axis=1
    )
    single = np.take_along_axis(share, slots, axis=1)

    assert 0.82 < ((found >= low) & (found <= high)).mean() < 0.98
    assert np.median((high - low) / whole) < 0.8 * np.median((one_high - one_low) / single)
