"""What is kept of few customers never outlives what it was worked out with."""

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from models.receptivity.counts import sum_rows, take_rows
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


def test_a_number_of_each_customer_is_worked_out_once_and_anew_for_another_owner(many):
    asked = []

    def count(some):
        asked.append(some.own_events.tolist())
        return some.own_events + 0.5

    owner, other = object(), object()
    assert many.take(np.array([3, 5])).keep(owner, "level", count).tolist() == [3.5, 5.5]
    part = many.take(slice(2, 8, 3)).take(np.array([True, True]))  # 2 and 5
    assert part.keep(owner, "level", count).tolist() == [2.5, 5.5]
    assert asked == [[3.0, 5.0], [2.0]]
    assert many.keep(owner, "level", count).tolist() == (np.arange(2 * FEW) + 0.5).tolist()
    assert len(asked[-1]) == 2 * FEW - 3
    asked.clear()
    assert part.keep(other, "level", lambda some: some.own_events).tolist() == [2.0, 5.0]
    part.keep(owner, "level", count)
    assert asked == [[2.0, 5.0]]


def test_what_is_kept_is_not_found_in_histories_that_were_changed(many):
    owner, part = object(), many.take(np.array([1, 2]))
    part.keep(owner, "level", lambda some: some.own_events)
    changed = dataclasses.replace(part, own_events=np.array([7.0, 8.0]))
    assert changed.keep(owner, "level", lambda some: some.own_events).tolist() == [7.0, 8.0]


@pytest.mark.parametrize("rows", [[0], [4, 4, 1], [-1, 2], [True, False, True, False, False]])
def test_a_few_rows_of_counts_are_those_of_scipy(rows):
    counts = sparse.random_array((5, 9), density=0.4, rng=np.random.default_rng(1)).tocsr()
    places = np.array(rows)
    taken = take_rows(counts, places)
    assert (taken != counts[places]).nnz == 0
    assert sum_rows(taken).tolist() == np.asarray(taken.sum(axis=1)).tolist()
    assert sum_rows(counts).tolist() == np.asarray(counts.sum(axis=1)).tolist()
