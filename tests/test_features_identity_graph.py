from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from features.errors import InvalidRequest
from features.identity.graph import IdentityGraph
from features.identity.identifiers import Identifier, IdentityRules
from features.identity.resolution import is_within
from features.identity.trail import ATTACHED, CREATED, DEMOTED, ERASED, MERGED, SPLIT, Entry

RULES = IdentityRules(usual_limit=2)
LOOSE = IdentityRules(limits={"user_id": 1}, usual_limit=10_000)
ANN, BOB = Identifier("user_id", "ann"), Identifier("user_id", "bob")
MAIL, PHONE = Identifier("email", "a@b"), Identifier("phone", "1")
DEVICE, TILL = Identifier("device_id", "d"), Identifier("device_id", "t")
POOL = [ANN, BOB, MAIL, PHONE, DEVICE, TILL, Identifier("email", "c@d"), Identifier("phone", "2")]


def describe(graph: IdentityGraph) -> dict:
    """All that a person can tell of a graph, but for its trail."""
    return {
        group: (graph.nodes(group), graph.identifiers(group), graph.messages(group))
        for group in sorted(graph.groups())
    }


def partition(graph: IdentityGraph) -> set[frozenset[Identifier]]:
    return {frozenset(graph.identifiers(group)) for group in graph.groups()}


def test_history_follows_a_merge_and_no_message_counts_twice():
    graph = IdentityGraph(RULES)
    graph.add("web 1", [DEVICE])
    graph.add("web 2", [DEVICE])
    graph.add("till", [ANN])
    graph.add("login", [ANN, DEVICE])
    graph.add("login", [ANN, DEVICE])
    assert graph.groups() == (2,)
    assert sorted(graph.messages(2)) == ["login", "till", "web 1", "web 2"]
    assert graph.group(DEVICE) == graph.group(ANN) == 2


def test_the_trail_says_what_happened_and_why():
    graph = IdentityGraph(RULES)
    graph.add("m1", [DEVICE])
    graph.add("m2", [ANN])
    graph.add("m3", [ANN, DEVICE])
    graph.add("m4", [BOB, DEVICE])
    graph.split(ANN, DEVICE, "a borrowed tablet")
    assert graph.trail == [
        Entry(CREATED, (1,), "m1"),
        Entry(ATTACHED, (1,), "m1", (DEVICE,)),
        Entry(CREATED, (2,), "m2"),
        Entry(ATTACHED, (2,), "m2", (ANN,)),
        Entry(MERGED, (2, 1), "m3"),
        Entry(CREATED, (3,), "m4"),
        Entry(ATTACHED, (3,), "m4", (BOB,)),
        Entry(DEMOTED, (3,), "m4", (DEVICE,)),
        Entry(SPLIT, (2, 1), "a borrowed tablet"),
    ]


def test_a_demoted_identifier_that_nobody_has_stays_nobody_s():
    graph = IdentityGraph(RULES)
    graph.add("m1", [MAIL, ANN])
    graph.add("m2", [MAIL, BOB, TILL])
    assert graph.identifiers(graph.group(BOB)) == (BOB,)
    with pytest.raises(InvalidRequest, match="nobody has this device_id"):
        graph.group(TILL)


def test_what_came_after_a_merge_stays_with_the_node_of_its_weightiest_match():
    graph = IdentityGraph(RULES)
    graph.add("m1", [MAIL])
    graph.add("m2", [PHONE])
    graph.add("m3", [MAIL, PHONE])
    graph.add("m4", [MAIL, DEVICE])
    graph.add("m5", [PHONE, TILL])
    graph.split(MAIL, PHONE, "mother and son")
    assert graph.identifiers(graph.group(MAIL)) == (MAIL, DEVICE)
    assert graph.messages(graph.group(MAIL)) == ("m1", "m3", "m4")
    assert graph.identifiers(graph.group(PHONE)) == (PHONE, TILL)
    assert graph.messages(graph.group(PHONE)) == ("m2", "m5")


def test_people_set_apart_are_joined_again_only_by_a_steward():
    graph = IdentityGraph(RULES)
    for message, identifiers in (("m1", [MAIL]), ("m2", [PHONE]), ("m3", [MAIL, PHONE])):
        graph.add(message, identifiers)
    graph.split(MAIL, PHONE, "mother and son")
    graph.add("m4", [MAIL, PHONE])
    graph.add("m5", [DEVICE, PHONE])
    graph.add("m6", [MAIL, DEVICE])
    assert graph.group(MAIL) != graph.group(PHONE)
    assert graph.trail[-1] == Entry(DEMOTED, (1,), "m6", (DEVICE,))
    assert graph.merge(MAIL, PHONE, "one after all") is not None
    assert graph.group(MAIL) == graph.group(PHONE)
    assert graph.apart == set()


def test_merges_in_a_loop_are_harmless():
    graph = IdentityGraph(RULES)
    for n, identifier in enumerate((MAIL, PHONE, DEVICE)):
        graph.add(f"m{n}", [identifier])
    assert graph.merge(MAIL, PHONE, "x") is not None
    assert graph.merge(PHONE, DEVICE, "x") is not None
    assert graph.merge(DEVICE, MAIL, "x") is None
    assert graph.merge(MAIL, MAIL, "x") is None
    for n in range(6):
        graph.alias(f"a{n}", *((MAIL, PHONE), (PHONE, DEVICE), (DEVICE, MAIL))[n % 3])
    assert len(graph.groups()) == 1
    assert [entry.happened for entry in graph.trail].count(MERGED) == 2


def test_an_alias_joins_a_device_but_never_two_user_ids():
    graph = IdentityGraph(RULES)
    graph.add("m1", [DEVICE])
    graph.alias("m2", DEVICE, ANN)
    assert graph.group(DEVICE) == graph.group(ANN)
    graph.alias("m3", ANN, BOB)
    with pytest.raises(InvalidRequest):
        graph.group(BOB)
    graph.add("m4", [BOB])
    with pytest.raises(InvalidRequest, match="expected identifiers within the limits"):
        graph.merge(ANN, BOB, "one person")


def test_of_a_path_the_latest_edge_is_taken_away():
    graph = IdentityGraph(LOOSE)
    a, b, c, d = (Identifier("phone", str(n)) for n in range(4))
    for n, identifier in enumerate((a, b, c, d)):
        graph.add(f"m{n}", [identifier])
    graph.merge(a, b, "first")
    graph.merge(c, d, "second")
    graph.merge(b, c, "third")
    assert graph.split(a, d, "x").cause == "third"
    assert graph.split(a, b, "x").cause == "first"
    assert partition(graph) == {frozenset({a}), frozenset({b}), frozenset({c, d})}
    with pytest.raises(InvalidRequest, match="cannot be split"):
        graph.split(a, d, "x")


def test_an_erased_person_leaves_nothing_behind():
    graph = IdentityGraph(RULES)
    graph.add("m1", [ANN, MAIL])
    graph.add("m2", [DEVICE])
    graph.add("m3", [ANN, DEVICE])
    graph.add("m4", [BOB, MAIL])
    messages = graph.erase(graph.group(ANN), "article 17")
    assert sorted(messages) == ["m1", "m2", "m3"]
    assert partition(graph) == {frozenset({BOB})}
    assert graph.trail == [
        Entry(CREATED, (3,), "m4"),
        Entry(ATTACHED, (3,), "m4", (BOB,)),
        Entry(DEMOTED, (3,), "m4", ()),
        Entry(ERASED, (1, 2), "article 17"),
    ]
    for identifier in (ANN, MAIL, DEVICE):
        with pytest.raises(InvalidRequest):
            graph.group(identifier)
    with pytest.raises(InvalidRequest, match="group 1 is nobody"):
        graph.erase(1, "twice")
    assert graph.group_of(graph.add("m5", [MAIL])) == 4


@pytest.mark.parametrize(("kind", "joined"), [("user_id", 1), ("email", 5)])
def test_the_phone_of_a_call_centre_joins_no_more_people_than_the_limit(kind, joined):
    graph = IdentityGraph(IdentityRules())
    for n in range(10_000):
        graph.add(f"m{n}", [Identifier(kind, str(n)), PHONE])
    assert len(graph.groups()) == 10_000 - joined + 1
    assert len(graph.identifiers(graph.group(PHONE))) == joined + 1
    assert max(len(graph.identifiers(group)) for group in graph.groups()) == joined + 1


MESSAGES = st.lists(
    st.lists(st.sampled_from(POOL), min_size=1, max_size=3, unique=True), max_size=12
)


@given(MESSAGES, st.randoms(use_true_random=False))
def test_the_order_of_messages_does_not_matter_where_no_limit_is_hit(messages, rng: random.Random):
    messages = [[i for i in message if i != BOB] or [MAIL] for message in messages]
    shuffled = list(enumerate(messages))
    rng.shuffle(shuffled)
    one, other = IdentityGraph(LOOSE), IdentityGraph(LOOSE)
    for n, message in enumerate(messages):
        one.add(str(n), message)
    for n, message in shuffled:
        other.add(str(n), message[::-1])
    assert partition(one) == partition(other)
    assert {frozenset(one.messages(g)) for g in one.groups()} == {
        frozenset(other.messages(g)) for g in other.groups()
    }
    assert partition(one) == naive_partition(messages)


def naive_partition(messages: list[list[Identifier]]) -> set[frozenset[Identifier]]:
    people: list[set[Identifier]] = []
    for message in messages:
        touched = [person for person in people if person & set(message)]
        people = [person for person in people if person not in touched]
        people.append(set(message).union(*touched))
    return {frozenset(person) for person in people}


@given(MESSAGES)
@settings(max_examples=200)
def test_a_split_reverses_a_steward_s_merge_exactly(messages):
    graph = IdentityGraph(RULES)
    for n, message in enumerate(messages):
        graph.add(str(n), message)
    before = describe(graph)
    known = [i for i in POOL if any(i in identifiers for _, identifiers, _ in before.values())]
    for a in known:
        for b in known:
            if graph.group(a) == graph.group(b):
                continue
            both = graph.identifiers(graph.group(a)) + graph.identifiers(graph.group(b))
            if is_within(both, RULES):
                graph.merge(a, b, "a guess")
                assert graph.split(a, b, "it was wrong").cause == "a guess"
                assert describe(graph) == before


@given(MESSAGES, st.lists(st.sampled_from(POOL), min_size=2, max_size=2, unique=True))
@settings(max_examples=200)
def test_a_split_reverses_the_merge_of_a_message_exactly(messages, pair):
    graph = IdentityGraph(RULES)
    for n, message in enumerate(messages):
        graph.add(str(n), message)
    a, b = sorted(pair, key=lambda i: RULES.rank(i.kind))
    before = describe(graph)
    node = graph.add("joins", [a, b])
    merged = graph.trail[-1].happened == MERGED and graph.trail[-1].cause == "joins"
    if merged:
        graph.split(a, b, "it was wrong")
        after = describe(graph)
        group = graph.group_of(node)
        nodes, identifiers, held = after[group]
        assert held.count("joins") == 1
        after[group] = (nodes, identifiers, tuple(m for m in held if m != "joins"))
        assert after == before


class AnyOrder(RuleBasedStateMachine):
    """Messages, merges, splits and erasures in any order."""

    @initialize()
    def start(self) -> None:
        self.graph = IdentityGraph(RULES)
        self.added: set[str] = set()
        self.n = 0

    def known(self) -> list[Identifier]:
        return [i for group in self.graph.groups() for i in self.graph.identifiers(group)]

    @rule(identifiers=st.lists(st.sampled_from(POOL), min_size=1, max_size=4))
    def add(self, identifiers: list[Identifier]) -> None:
        self.n += 1
        node = self.graph.add(str(self.n), identifiers)
        self.added.add(str(self.n))
        assert str(self.n) in self.graph.messages(self.graph.group_of(node))

    @precondition(lambda self: self.added)
    @rule(data=st.data())
    def add_again(self, data: st.DataObject) -> None:
        before = describe(self.graph), list(self.graph.trail)
        self.graph.add(data.draw(st.sampled_from(sorted(self.added))), [ANN, MAIL])
        assert (describe(self.graph), self.graph.trail) == before

    @precondition(lambda self: self.known())
    @rule(data=st.data(), how=st.sampled_from(["merge", "split"]))
    def decide(self, data: st.DataObject, how: str) -> None:
        a, b = (data.draw(st.sampled_from(self.known())) for _ in range(2))
        before = describe(self.graph)
        try:
            getattr(self.graph, how)(a, b, "steward")
        except InvalidRequest:
            assert describe(self.graph) == before
        else:
            assert (self.graph.group(a) == self.graph.group(b)) == (how == "merge")

    @precondition(lambda self: self.known())
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        group = self.graph.group(data.draw(st.sampled_from(self.known())))
        gone = set(self.graph.identifiers(group))
        messages = set(self.graph.messages(group))
        assert set(self.graph.erase(group, "asked")) == messages
        self.added -= messages
        assert not gone & {i for entry in self.graph.trail for i in entry.identifiers}
        assert not messages & {entry.cause for entry in self.graph.trail}

    @invariant()
    def each_message_and_identifier_is_one_person_s(self) -> None:
        messages = [m for group in self.graph.groups() for m in self.graph.messages(group)]
        assert sorted(messages) == sorted(self.added)
        assert len(self.known()) == len(set(self.known()))

    @invariant()
    def limits_hold_and_those_set_apart_are_apart(self) -> None:
        for group in self.graph.groups():
            assert is_within(self.graph.identifiers(group), RULES)
        for one, other in self.graph.apart:
            assert self.graph.group_of(one) != self.graph.group_of(other)


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAnyOrder = AnyOrder.TestCase
