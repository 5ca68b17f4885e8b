from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotEnoughData
from training.folds import make_folds


def test_origins_run_backwards_from_the_end_and_the_first_third_calibrates():
    made = make_folds(1, 365, horizon=28, count=6, step=28, min_history=14)
    assert [fold.origin for fold in made.folds] == [197, 225, 253, 281, 309, 337]
    assert [fold.is_scored for fold in made.folds] == [False, False, True, True, True, True]
    assert made.note == ""


def test_a_short_history_has_fewer_origins_and_says_so():
    made = make_folds(1, 100, horizon=28, count=6, step=28, min_history=14)
    assert [fold.origin for fold in made.folds] == [16, 44, 72]
    assert made.note == "the history has room for 3 origins only, not 6"


def test_sixty_days_have_two_origins_closer_together():
    made = make_folds(1, 60, horizon=28, count=6, step=28, min_history=14)
    assert [fold.origin for fold in made.folds] == [14, 32]
    assert made.note == "the history has room for 2 origins only, 18 periods apart"


def test_less_than_that_is_refused_with_what_is_needed():
    with pytest.raises(NotEnoughData, match="at least 43 periods of history, got 42"):
        make_folds(1, 42, horizon=28, count=6, step=28, min_history=14)


@given(
    st.integers(1, 400), st.integers(1, 60), st.integers(2, 9), st.integers(1, 40),
    st.integers(1, 40),
)  # fmt: skip
def test_every_fold_has_history_before_and_outcomes_after(last, horizon, count, step, history):
    try:
        made = make_folds(1, last, horizon=horizon, count=count, step=step, min_history=history)
    except NotEnoughData:
        assert last < history + horizon + 1
        return
    origins = [fold.origin for fold in made.folds]
    assert 2 <= len(origins) <= count
    assert origins == sorted(set(origins))
    assert origins[0] >= history
    assert origins[-1] + horizon == last
    assert not made.folds[0].is_scored
    assert made.folds[-1].is_scored
