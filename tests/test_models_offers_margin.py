import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidRequest
from models.offers.margin import NOTHING, Effects, Terms, build_margins, choose_offers

FRACTION = st.floats(0, 1, allow_nan=False)


def make_effects(mean, control, sd=0.01, control_sd=0.0, covariance=0.0, offers=("ten",)):
    shape = (1, len(offers))
    values = (mean, sd, control, control_sd, covariance)
    return Effects(offers, *(np.broadcast_to(np.array(value, float), shape) for value in values))


def test_money_is_as_worked_out_by_hand():
    # orders of 100 at 30 % margin; 2 % would order anyway, 5 % more do; 10 % discount,
    # 0.20 to send: 0.05 * 30 = 1.50 gained, 0.07 * 10 = 0.70 given away, 0.60 left
    terms = {"ten": Terms(margin=0.3, discount=0.1, contact_cost=0.2)}
    found = build_margins(make_effects(0.05, 0.02), terms, np.array([100.0]))
    assert found.gained[0, 0] == pytest.approx(1.5)
    assert found.discount_cost[0, 0] == pytest.approx(0.7)
    assert found.mean[0, 0] == pytest.approx(0.6)
    assert found.sd[0, 0] == pytest.approx(100 * 0.2 * 0.01)  # 20 of each 100 are kept


def test_a_visit_stands_for_a_part_of_an_order():
    terms = {"ten": Terms(0.3, 0.1, 0.2, orders_per_outcome=0.5)}
    found = build_margins(make_effects(0.05, 0.02), terms, np.array([100.0]))
    assert found.mean[0, 0] == pytest.approx(0.8 / 2 - 0.2)


def test_the_interval_is_that_of_draws():
    rng = np.random.default_rng(0)
    cover = [[4e-4, -1e-4], [-1e-4, 2e-4]]
    effect, control = rng.multivariate_normal([0.05, 0.2], cover, 400_000).T
    effects = make_effects(0.05, 0.2, sd=0.02, control_sd=2e-4**0.5, covariance=-1e-4)
    found = build_margins(effects, {"ten": Terms(0.4, 0.15)}, np.array([80.0]))
    drawn = 80 * (0.4 * effect - 0.15 * (control + effect))
    assert found.mean[0, 0] == pytest.approx(drawn.mean(), rel=0.01)
    assert found.sd[0, 0] == pytest.approx(drawn.std(), rel=0.01)


@given(FRACTION, FRACTION, st.floats(-0.3, 0.3), st.floats(0.3, 0.6))
def test_a_higher_discount_never_adds_for_the_same_effect(one, other, effect, control):
    worth = [
        build_margins(make_effects(effect, control), {"ten": Terms(0.5, cut)}, np.array([10.0]))
        for cut in sorted((one, other))
    ]
    assert worth[0].mean[0, 0] >= worth[1].mean[0, 0] - 1e-12


def test_nothing_is_offered_unless_the_gain_is_sure():
    effects = make_effects([0.10, 0.06, 0.20], 0.0, sd=[0.05, 0.01, 0.01], offers=("a", "b", "c"))
    terms = {name: Terms(1.0) for name in ("a", "b", "c")}
    margins = build_margins(effects, terms, np.array([1.0]))
    choice = choose_offers(margins, quantile=1.645, level=0.9)
    assert (choice.offer.tolist(), choice.place.tolist()) == (["c"], [2])
    # without c, b: a has the larger mean but may add as little as 0.018, still above 0
    without = choose_offers(
        margins, quantile=1.645, level=0.9, permitted=np.array([[True, True, False]])
    )
    assert without.offer.tolist() == ["a"]
    strict = choose_offers(
        margins, quantile=2.5, level=0.99, permitted=np.array([[True, True, False]])
    )
    assert strict.offer.tolist() == ["b"]  # a's lower bound is now below 0
    none = choose_offers(margins, quantile=1.645, level=0.9, permitted=np.zeros((1, 3), bool))
    assert (none.offer.tolist(), none.place.tolist()) == ([NOTHING], [-1])
    np.testing.assert_allclose(choice.low, [[0.01775, 0.04355, 0.18355]])
    np.testing.assert_allclose(choice.high, [[0.18225, 0.07645, 0.21645]])


def test_exactly_zero_is_not_above_zero():
    margins = build_margins(make_effects(0.0, 0.0, sd=0.0), {"ten": Terms(0.5)}, np.array([9.0]))
    assert choose_offers(margins, quantile=1.6, level=0.9).offer.tolist() == [NOTHING]


@pytest.mark.parametrize(
    ("words", "build"),
    [
        ("margin from 0 to 1, got 1.2", lambda: Terms(1.2)),
        ("discount from 0 to 1, got -0.1", lambda: Terms(0.2, -0.1)),
        ("contact_cost", lambda: Terms(0.2, 0.1, float("nan"))),
        ("orders_per_outcome", lambda: Terms(0.2, orders_per_outcome=-1.0)),
        (
            r"got none of \['ten'\]",
            lambda: build_margins(make_effects(0.1, 0.1), {}, np.array([1.0])),
        ),
        (
            "1 negative or empty",
            lambda: build_margins(
                make_effects(0.1, 0.1), {"ten": Terms(0.1)}, np.array([float("nan")])
            ),
        ),
    ],
)
def test_terms_that_cannot_be_are_refused(words, build):
    with pytest.raises(InvalidRequest, match=words):
        build()
