"""What is kept of few customers never outlives what it was worked out with."""

import dataclasses

import numpy as np
import pytest

from models.receptivity.histories import FEW, Histories


@pytest.fixture
def many():
    made = Histories.unknown([str(n) for n in range(2 * FEW)])
    return dataclasses.replace(made, own_events=np.arange(2.0 * FEW))


def test_the_same_few_are_taken_once_and_others_anew(many):
    one = many.take(np.array([3]))
    assert many.take(np.array([3])) is one
    assert many.take(np.array([4])).own_events.tolist() == [4.0]
    assert many.take(np.array([3])).own_events.tolist() == [3.0]


def test_a_mask_is_not_taken_for_places(many):
    few = many.take(np.arange(8))
    assert few.take(np.array([True] + 7 * [False])).own_events.tolist() == [0.0]
    assert few.take(np.array([1, 0, 0, 0, 0, 0, 0, 0], dtype=np.int8)).own_events[0] == 1.0


def test_all_of_them_are_themselves(many):
    assert many.take(slice(0, 10**6)) is many
    assert len(many.take(slice(1, 3))) == 2


def test_values_are_made_once_for_an_owner_and_cannot_be_changed(many):
    few, made = many.take(np.arange(2)), []

    def make():
        made.append(1)
        return np.zeros(2)

    owner, other = object(), object()
    first = few.remember(owner, "level", make)
    assert few.remember(owner, "level", make) is first
    assert few.remember(owner, "share", make) is not first
    assert few.remember(other, "level", make) is not first
    assert len(made) == 3
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1.0


def test_of_many_nothing_is_kept(many):
    assert many.remember(many, "level", lambda: np.zeros(1)).flags.writeable
    assert many.remember(many, "level", lambda: np.ones(1)).tolist() == [1.0]


def test_a_changed_copy_forgets(many):
    few, owner = many.take(np.arange(2)), object()
    few.remember(owner, "level", lambda: np.zeros(2))
    copy = dataclasses.replace(few, own_events=np.zeros(2))
    assert copy.remember(owner, "level", lambda: np.ones(2)).tolist() == [1.0, 1.0]
