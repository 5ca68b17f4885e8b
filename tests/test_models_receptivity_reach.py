import numpy as np
import pytest

from models.receptivity.reach import REACH_HOURS, find_reach


def test_reach_is_the_chance_of_any_of_the_hours_ahead():
    probability = np.zeros((1, 168))
    probability[0, [9, 10]] = 0.5, 0.2

    found = find_reach(probability)[0]

    assert REACH_HOURS == 3
    assert found[7:12] == pytest.approx([0.5, 1 - 0.5 * 0.8, 1 - 0.5 * 0.8, 0.2, 0.0])


def test_the_week_is_a_circle():
    probability = np.zeros((1, 168))
    probability[0, 0] = 0.3

    assert np.flatnonzero(find_reach(probability)[0] > 1e-12).tolist() == [0, 166, 167]


def test_a_loop_over_hours_agrees():
    probability = np.random.default_rng(3).uniform(0, 0.4, (4, 168))
    slots = np.array([[0, 12], [100, 165], [166, 167], [3, 4]])

    looped = [
        [1 - np.prod([1 - row[(slot + h) % 168] for h in range(REACH_HOURS)]) for slot in own]
        for row, own in zip(probability, slots, strict=True)
    ]

    assert np.take_along_axis(find_reach(probability), slots, axis=1) == pytest.approx(
        np.array(looped)
    )
