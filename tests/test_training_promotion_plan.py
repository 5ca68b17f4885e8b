from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotEnoughData
from training.promotion.plan import plan_folds


def day(text):
    return datetime.fromisoformat(text)


def test_a_year_has_room_for_four_folds_of_four_weeks():
    plan = plan_folds(day("2024-01-01"), day("2024-12-30"), label_days=28, n_folds=4)

    assert plan.n_weeks == 4
    assert plan.notes == ()
    assert [fold.test.date().isoformat() for fold in plan.folds] == [
        "2024-09-09",
        "2024-10-07",
        "2024-11-04",
        "2024-12-02",
    ]
    last = plan.folds[-1]
    assert (last.fit, last.calibration) == (day("2024-10-07"), day("2024-11-04"))
    assert plan.final.fit == last.calibration
    assert plan.final.calibration == last.test
    assert plan.final.test == day("2024-12-30")


def test_folds_are_given_up_before_the_length_of_windows():
    plan = plan_folds(day("2024-01-01"), day("2024-05-20"), label_days=28, n_folds=4)  # 20 weeks

    assert (plan.n_weeks, len(plan.folds)) == (4, 2)
    assert plan.notes == ("2 instead of 4 folds, as there are 140 days of activity",)


def test_windows_shrink_when_there_is_no_room_for_one_fold():
    plan = plan_folds(day("2024-01-01"), day("2024-03-11"), label_days=28, n_folds=4)  # 10 weeks

    assert (plan.n_weeks, len(plan.folds)) == (2, 2)
    assert plan.notes[0].startswith("label windows of 14 instead of 28 days")
    assert plan.notes[1].startswith("2 instead of 4 folds")


def test_label_days_are_rounded_down_to_whole_weeks():
    plan = plan_folds(day("2024-01-01"), day("2025-01-01"), label_days=20, n_folds=2)

    assert plan.n_weeks == 2
    assert plan.notes == ()


def test_less_than_four_weeks_are_refused():
    with pytest.raises(NotEnoughData, match=r"at least 28 days of activity .* got 27 days"):
        plan_folds(day("2024-01-01"), day("2024-01-28"), label_days=28, n_folds=4)


@given(st.integers(28, 900), st.integers(7, 60), st.integers(1, 8))
def test_windows_never_overlap_within_a_fold_and_stay_in_the_history(days, label_days, n_folds):
    first = day("2024-01-01")
    end = first + timedelta(days=days)

    plan = plan_folds(first, end, label_days=label_days, n_folds=n_folds)

    length = timedelta(weeks=plan.n_weeks)
    assert 1 <= len(plan.folds) <= n_folds
    assert 7 * plan.n_weeks <= label_days
    for fold in plan.folds:
        assert first + length <= fold.fit
        assert fold.fit + length == fold.calibration
        assert fold.calibration + length == fold.test
        assert fold.test + length <= end
    assert plan.folds[-1].test + length == end
    assert len({fold.test for fold in plan.folds}) == len(plan.folds)
