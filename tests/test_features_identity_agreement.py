from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidRequest
from features.identity.agreement import Agreement, score_pairs, score_people
from features.identity.identifiers import IdentityRules
from features.identity.labels import label_profiles

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LABELS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abcd")), max_size=14)


def test_figures_worked_out_by_hand():
    label, truth = np.array([0, 0, 0, 1, 1, 2]), np.array(list("aabbbc"))
    pairs = score_pairs(label, truth)  # claimed 3 + 1, true 1 + 3, both 1 + 1
    assert pairs == Agreement(claimed=4, true=4, both=2)
    assert (pairs.precision, pairs.recall, pairs.f1) == (0.5, 0.5, 0.5)
    people = score_people(label, truth)
    assert people == Agreement(claimed=3, true=3, both=1)
    assert people.f1 == pytest.approx(1 / 3)


def test_nothing_claimed_is_precise_and_nothing_to_find_is_found():
    assert score_pairs(np.arange(3), np.zeros(3)) == Agreement(0, 3, 0)
    assert Agreement(0, 3, 0).precision == 1.0
    assert Agreement(3, 0, 0).recall == 1.0
    assert Agreement(0, 3, 0).f1 == 0.0
    assert score_pairs(np.array([]), np.array([])).f1 == 1.0
    assert score_people(np.array([]), np.array([])).f1 == 1.0


def test_other_lengths_are_refused():
    with pytest.raises(InvalidRequest, match="got 2 labels and 3 true ones"):
        score_pairs(np.zeros(2), np.zeros(3))


@given(LABELS)
def test_both_scores_equal_a_plain_loop(rows):
    label = np.array([one for one, _ in rows], dtype=int)
    truth = np.array([other for _, other in rows], dtype=object)
    said = {p for p in combinations(range(len(rows)), 2) if label[p[0]] == label[p[1]]}
    real = {p for p in combinations(range(len(rows)), 2) if truth[p[0]] == truth[p[1]]}
    assert score_pairs(label, truth) == Agreement(len(said), len(real), len(said & real))

    def sets(values: np.ndarray) -> set[frozenset[int]]:
        return {frozenset(np.flatnonzero(values == value).tolist()) for value in set(values)}

    one, other = sets(label), sets(truth)
    assert score_people(label, truth) == Agreement(len(one), len(other), len(one & other))


@pytest.mark.skipif(not (DATA / "fake_1000.parquet").exists(), reason="the set is not there")
def test_exact_keys_on_fake_1000_have_the_known_f1():
    people = pd.read_parquet(DATA / "fake_1000.parquet")
    name = people[["first_name", "surname", "dob"]].dropna().agg("|".join, axis=1)
    kinds = {"email": people["email"], "name_and_birth_date": name.reindex(people.index)}
    links = [
        pd.DataFrame({"profile": people.index, "kind": k, "value": v}) for k, v in kinds.items()
    ]
    found = label_profiles(pd.concat(links), IdentityRules(usual_limit=100))
    order = np.argsort(found.profile)
    score = score_pairs(found.label[order], people["cluster"].to_numpy())
    assert round(score.f1, 3) == 0.577
    assert score.precision == 1.0
