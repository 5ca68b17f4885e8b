from __future__ import annotations

import time
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest
from features.identity.graph import IdentityGraph
from features.identity.identifiers import Identifier, IdentityRules
from features.identity.labels import label_pairs, label_profiles

RULES = IdentityRules(limits={"user_id": 1, "email": 2}, usual_limit=2)
LOOSE = IdentityRules(limits={}, usual_limit=10_000)


def table(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["profile", "kind", "value"])


def people(links: pd.DataFrame, rules: IdentityRules, **more: int) -> set[frozenset[str]]:
    found = label_profiles(links, rules, **more)
    together = defaultdict(set)
    for profile, label in zip(found.profile, found.label, strict=True):
        together[label].add(profile)
    return {frozenset(group) for group in together.values()}


def test_records_that_share_an_identifier_are_one_person():
    links = table(
        ("web", "email", "a@b"), ("web", "device_id", "1"), ("till", "phone", "1"),
        ("app", "device_id", "1"), ("app", "email", "a@b"), ("lone", "email", None),
    )  # fmt: skip
    found = label_profiles(links, RULES)
    assert found.profile.tolist() == ["web", "till", "app", "lone"]
    assert found.label.tolist() == [0, 1, 0, 2]
    assert found.demoted.tolist() == []


def test_one_value_of_two_kinds_is_two_identifiers():
    assert len(people(table(("a", "phone", "1"), ("b", "device_id", "1")), RULES)) == 2


def test_a_shared_device_does_not_join_two_user_ids():
    links = table(
        ("a", "device_id", "tablet"), ("a", "user_id", "ann"),
        ("b", "device_id", "tablet"), ("b", "user_id", "bob"),
    )  # fmt: skip
    found = label_profiles(links, IdentityRules(limits={}))
    assert found.label.tolist() == [0, 1]
    assert found.demoted.tolist() == [2]


def test_the_weakest_link_gives_way():
    links = table(
        ("a", "email", "1@x"), ("b", "email", "1@x"), ("b", "phone", "7"), ("c", "phone", "7"),
        ("c", "email", "2@x"), ("d", "email", "2@x"), ("d", "email", "3@x"),
    )  # fmt: skip
    assert people(links, RULES) == {frozenset("ab"), frozenset("cd")}
    assert label_profiles(links, RULES).demoted.tolist() == [3]


def test_of_one_kind_the_identifier_that_more_records_share_gives_way():
    rows = [("a", "user_id", "ann"), ("b", "user_id", "bob"), ("a", "phone", "own")]
    rows += [("a2", "phone", "own"), ("a2", "phone", "hall"), ("b", "phone", "hall")]
    rows += [("b2", "phone", "hall")]
    found = people(table(*rows), RULES)
    assert frozenset({"a", "a2"}) in {group & {"a", "a2"} for group in found}
    assert not any({"a", "b"} <= group for group in found)


def test_an_identifier_that_too_many_share_says_nothing_but_a_user_id_always_does():
    phone = table(*((str(n), "phone", "hotline") for n in range(11)))
    user = table(*((str(n), "user_id", "ann") for n in range(11)))
    assert len(people(phone, RULES, most_profiles=11)) == 1
    assert len(people(phone, RULES, most_profiles=10)) == 11
    assert len(people(user, RULES, most_profiles=10)) == 1
    assert len(label_profiles(phone, RULES, most_profiles=10).demoted) == 11


def test_a_record_that_alone_breaks_a_limit_keeps_what_the_limit_allows():
    links = table(("a", "user_id", "1"), ("a", "user_id", "2"), ("b", "user_id", "2"))
    assert label_profiles(links, RULES).demoted.tolist() == [1]  # two records share it
    assert people(links, RULES) == {frozenset("a"), frozenset("b")}


def test_bad_tables_are_refused():
    with pytest.raises(InvalidRequest, match="got no value"):
        label_profiles(table(("a", "email", "b")).drop(columns="value"), RULES)
    with pytest.raises(InvalidRequest, match="a row without a profile"):
        label_profiles(table(("a", "email", "b"), (None, "email", "b")), RULES)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="expected at least 1, got 0"):
        label_profiles(table(("a", "email", "b")), RULES, most_profiles=0)


def test_an_empty_table_has_nobody_in_it():
    assert len(label_profiles(table(), RULES).label) == 0
    assert label_profiles(table(("a", "email", None)), RULES).label.tolist() == [0]


LINKS = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(["user_id", "email", "phone", "device_id"]),
        st.sampled_from("12345"),
    ),
    max_size=25,
)


@given(LINKS)
@settings(max_examples=150, deadline=None)
def test_limits_hold_and_what_is_left_connects(rows):
    links = table(*rows)
    before = links.copy()
    found = label_profiles(links, RULES)
    pd.testing.assert_frame_equal(links, before)
    label = dict(zip(found.profile, found.label, strict=True))
    kept = links.drop(index=found.demoted).drop_duplicates()
    owner = defaultdict(set)
    for profile, kind, value in kept.itertuples(index=False):
        owner[kind, value].add(label[profile])
    assert all(len(labels) == 1 for labels in owner.values())
    counts = Counter((kind, next(iter(labels))) for (kind, _), labels in owner.items())
    assert all(n <= RULES.limit(kind) for (kind, _), n in counts.items())


@given(LINKS, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_does_not_matter(rows, rng):
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert people(table(*rows), RULES) == people(table(*shuffled), RULES)


@given(LINKS)
@settings(max_examples=100, deadline=None)
def test_without_a_limit_labels_are_the_graph_s_groups(rows):
    rows = [
        (profile, "phone" if kind == "user_id" else kind, value) for profile, kind, value in rows
    ]
    graph = IdentityGraph(LOOSE)
    by_profile = defaultdict(list)
    for profile, kind, value in rows:
        by_profile[profile].append(Identifier(kind, value))
    for profile, identifiers in by_profile.items():
        graph.add(profile, identifiers)
    assert people(table(*rows), LOOSE) == {frozenset(graph.messages(g)) for g in graph.groups()}


@pytest.mark.slow
def test_a_million_profiles_are_labelled_in_seconds():
    rng = np.random.default_rng(7)
    n, edges = 1_000_000, 2_500_000
    person = rng.integers(0, 600_000, n)
    profile = np.concatenate([np.arange(n), rng.integers(0, n, edges - n)])
    kind = rng.integers(0, 3, edges)
    links = pd.DataFrame({"profile": profile, "value": person[profile] * 3 + kind})
    links["kind"] = np.array(["email", "phone", "device_id"])[kind]
    started = time.process_time()
    found = label_profiles(links, IdentityRules())
    assert time.process_time() - started < 10  # the bar is 5; shared machines are slower
    pairs = pd.DataFrame({"label": found.label, "person": person[found.profile]})
    assert (pairs.groupby("label")["person"].nunique() == 1).all()


def test_pairs_that_follow_from_others_are_one_person_too():
    every, a, b = (pd.Series(list(names)) for names in ("vwxyz", "wy", "xw"))
    assert label_pairs(every, a, b).tolist() == [0, 1, 1, 1, 2]
    assert label_pairs(every, a.iloc[:0], b.iloc[:0]).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InvalidRequest, match="expected pairs of the profiles given"):
        label_pairs(every, pd.Series(["q"]), pd.Series(["v"]))
