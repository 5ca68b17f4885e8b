import numpy as np
import pandas as pd
import pytest

from features.errors import InvalidRequest, NotEnoughData
from training.proof.logged import (
    BLOCK_NAMES,
    LoggedSends,
    build_logged_sends,
    sum_block_propensity,
    to_block,
)


def make_sends(**changes):
    values = {
        "customer": np.array([0, 0, 1]),
        "action": np.array([0, 1, 2]),
        "reward": np.array([1.0, 0.0, 2.5]),
        "propensity": np.array([0.5, 1.0, np.nan]),
        "context": np.array([[0.0], [np.nan], [2.0]]),
        "allowed": np.ones((3, 3), dtype=bool),
    }
    return LoggedSends(**{**values, **changes})


def touches():
    return pd.DataFrame(
        {
            "customer_id": ["b", "a", "b"],
            "slot": [0, 24 + 11, 167],
            "engaged": [True, False, True],
            "propensity": [0.5, None, 1.0],
            "channel": ["push", "email", "push"],
        }
    )


def test_sends_say_what_they_are():
    sends = make_sends()

    assert (len(sends), sends.n_actions, sends.n_customers, sends.is_estimated) == (3, 3, 2, True)
    assert not make_sends(propensity=np.array([0.5, 1.0, 0.1])).is_estimated


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"propensity": np.array([0.0, 1.0, 0.5])}, "above 0 and at most 3, got 0 and 0 more"),
        ({"propensity": np.array([3.1, 1.0, -1.0])}, "got 3.1 and 1 more"),
        ({"reward": np.array([1.0, np.nan, 0.0])}, "outcome is not known yet"),
        ({"context": np.full((3, 1), np.inf)}, "finite"),
        ({"action": np.array([0, 1, 3])}, "actions from 0 to 2, got 0 to 3"),
        ({"action": np.array([-1, 1, 2])}, "got -1 to 2"),
        ({"reward": np.zeros(2)}, r"'reward' of shape \(3,\)"),
        ({"context": np.zeros(3)}, "'context' with 2 dimensions"),
        ({"allowed": np.ones((2, 3), dtype=bool)}, "'allowed' with 2 dimensions and 3 rows"),
        ({"allowed": np.ones((3, 1), dtype=bool)}, "at least two actions"),
        ({"per_action": np.zeros((3, 2, 1))}, "as many in 'per_action'"),
        ({"allowed": ~np.eye(3, dtype=bool)}, "got 3 sends outside, the first in row 0"),
    ],
)
def test_what_cannot_be_a_log_is_refused(changes, words):
    with pytest.raises(InvalidRequest, match=words):
        make_sends(**changes)


def test_an_empty_log_is_refused():
    empty = {"customer": [], "action": [], "reward": [], "propensity": []}
    arrays = {name: np.array(value) for name, value in empty.items()}
    with pytest.raises(NotEnoughData, match="got none"):
        make_sends(**arrays, context=np.zeros((0, 1)), allowed=np.zeros((0, 3), dtype=bool))


def test_a_block_is_three_hours_of_the_local_day():
    assert to_block(np.array([0, 2, 3, 23, 24, 167])).tolist() == [0, 0, 1, 7, 0, 7]
    assert BLOCK_NAMES[3] == "09–12"


def test_touches_are_read_as_sends():
    before = touches()
    sends = build_logged_sends(before, context=["channel"])

    assert sends.action.tolist() == [0, 3, 7]
    assert sends.reward.tolist() == [1.0, 0.0, 1.0]
    np.testing.assert_array_equal(sends.propensity, [0.5, np.nan, 1.0])
    # the weekday first, then the channel as a number
    assert sends.context.tolist() == [[0.0, 1.0], [1.0, 0.0], [6.0, 1.0]]
    assert sends.customer[0] == sends.customer[2] != sends.customer[1]
    assert sends.allowed.tolist() == 3 * [[True, False, False, True, False, False, False, True]]
    pd.testing.assert_frame_equal(before, touches())


def test_without_propensities_all_are_estimated():
    sends = build_logged_sends(touches().drop(columns="propensity"))

    assert np.isnan(sends.propensity).all()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (touches().drop(columns="slot"), "columns \\['slot'\\]"),
        (touches().assign(slot=168), "0 to 167, got 168"),
    ],
)
def test_touches_that_are_not_whole_are_refused(table, words):
    with pytest.raises(InvalidRequest, match=words):
        build_logged_sends(table)


def test_block_propensity_is_given_the_weekday():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(168), 40)
    slot = rng.integers(0, 168, 40)

    found = sum_block_propensity(probabilities, slot)

    for row in range(40):
        day = [s for s in range(168) if s // 24 == slot[row] // 24]
        block = [s for s in day if s % 24 // 3 == slot[row] % 24 // 3]
        expected = probabilities[row, block].sum() / probabilities[row, day].sum()
        assert found[row] == pytest.approx(expected)
