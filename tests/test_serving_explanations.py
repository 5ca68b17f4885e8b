"""Why a customer's hours are what they are: what is told is exact, and in words."""

import re

import numpy as np
import pandas as pd
import pytest

from models.receptivity.histories import Outcomes
from models.receptivity.level_reasons import explain_level
from models.receptivity.send_time import CustomerHistogram
from serving.explanations import TOLD, Explainer, join_reasons
from serving.profiles import Profiles
from tests.conftest import write_profiles


@pytest.fixture(scope="module")
def profiles(profile_files):
    return Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])


@pytest.fixture(scope="module")
def explainer(send_time_model, profiles):
    return Explainer(send_time_model, profiles)


def test_evidence_is_the_largest_weight_with_its_events_and_segment(
    explainer, send_time_model, profiles
):
    rows = np.array([0, -1, 17, 101, -1])
    found = explainer.evidence(rows)
    known = profiles.histories.take(rows[rows >= 0])
    weights, events = send_time_model.weights(known), known.own_events
    labels = np.array(["own history", "segment", "global"])[weights.argmax(axis=1)]
    told = [one for one, row in zip(found, rows, strict=True) if row >= 0]
    assert [one.label for one in told] == list(labels)
    for one, weight, count, row in zip(told, weights, events, rows[rows >= 0], strict=True):
        assert f"(weight {weight.max():.2f})" in one.words
        assert f"{count:.0f} event" in one.words or weight[0] == np.sort(weight)[0]
        assert f"region r{row % 5}" in one.words or weight[1] == np.sort(weight)[0]
    for nobody in (found[1], found[4]):
        assert nobody.label == "global"
        assert "nothing is known of this one yet" in nobody.words


def test_reasons_tell_the_habit_in_exact_counts_and_what_moves_the_level_most(
    explainer, send_time_model, profiles, customer_table
):
    rows = np.array([5, -1, 60])
    found = explainer.reasons(rows)
    assert found[1] == []
    table = explain_level(send_time_model, profiles.histories.take(rows[[0, 2]]))
    names = ["recency_days", "tenure_days", "empirical_bayes_level"]
    words = ["recency days", "tenure days", "activity expected from counts alone"]
    for place, (row, told) in enumerate(zip(rows[[0, 2]], (found[0], found[2]), strict=True)):
        habit = re.match(r"(\d+) of (\d+) events on", told[0])
        if habit:
            assert int(habit[2]) == profiles.histories.whole_counts[[row]].sum()
        assert 1 < len(told) <= 1 + TOLD
        for name, word in zip(names, words, strict=True):
            percent = 100 * np.expm1(table[name].iloc[place])
            (line,) = [line for line in told if line.startswith(word)] or [None]
            if line is not None:
                assert line.endswith(f"{percent:+.0f} % activity")
                if name in customer_table:
                    assert f"= {customer_table[name].iloc[row]:.4g}:" in line


def test_what_is_not_known_is_said_to_be_so(send_time_model, customer_table, profile_files):
    table = customer_table.iloc[:5].assign(tenure_days=np.nan)
    profiles = Profiles(write_profiles(table), profile_files["profiles.json"])
    told = [
        line for one in Explainer(send_time_model, profiles).reasons(np.arange(5)) for line in one
    ]
    assert any(line.startswith("tenure days not known: ") for line in told)
    assert not any("nan" in line for line in told)


def test_company_changes_no_reason(explainer):
    rows = np.array([9, -1, 3, 200])
    assert explainer.reasons(rows) == [explainer.reasons(rows[[at]])[0] for at in range(4)]
    assert explainer.evidence(rows) == [explainer.evidence(rows[[at]])[0] for at in range(4)]
    none = np.zeros(0, dtype=np.int64)
    assert (explainer.reasons(none), explainer.evidence(none)) == ([], [])
    assert explainer.reasons(np.array([-1, -1])) == [[], []]


def test_a_model_without_a_chain_tells_what_it_rests_on_and_no_reasons(profiles):
    histories = profiles.histories
    weeks = pd.DataFrame({"customer_id": ["c0"], "slot": [9], "weeks_active": [2]})
    outcomes = Outcomes.from_table(weeks, histories.customer_id, n_weeks=4)
    model = CustomerHistogram().fit(histories, outcomes)
    explainer = Explainer(model, profiles)
    assert explainer.reasons(np.array([0, 1])) == [[], []]
    assert len(explainer.evidence(np.array([0, -1]))) == 2


def test_reasons_are_one_cell():
    assert join_reasons(["a", "b"]) == "a; b"
    assert join_reasons([]) == ""
