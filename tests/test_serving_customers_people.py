"""Whom messages join: limits, priorities, splits, and what a message never does twice."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest
from features.identity.graph import IdentityGraph
from features.identity.identifiers import Identifier
from features.segment.messages import Message
from serving.customers.store import CustomerStore, UnknownCustomer
from tests.customer_messages import (
    START,
    open_live,
    receive,
    tell_order,
    view,
    write_project,
)


@pytest.fixture
def store(tmp_path):
    store = CustomerStore.open(write_project(tmp_path))
    yield store
    store.close()


def list_users(store: CustomerStore) -> dict[int, list[str]]:
    """The user ids of every person."""
    users: dict[int, list[str]] = {}
    for root, value in store.session.rows(
        "SELECT root, value FROM identifiers i JOIN nodes n ON n.node = i.node "
        "WHERE kind = 'user_id'"
    ):
        users.setdefault(root, []).append(value)
    return users


def count_events(store: CustomerStore, name: str) -> int:
    live = open_live(store)
    row = live.find([name])[name]
    nodes = [node for node, _ in row.nodes]
    places = ", ".join("?" * len(nodes))
    sql = f"SELECT COUNT(*) FROM event_rows WHERE is_hidden = 0 AND node IN ({places})"
    return store.session.rows(sql, nodes)[0][0]


def test_logging_in_joins_what_was_done_before(store):
    store.apply(receive(view("m1", ("anonymous_id", "x")), view("m2", ("email", "a@b.co"))))
    assert store.find("x") != store.find("a@b.co")

    store.apply(receive(view("m3", ("user_id", "ann"), ("email", "a@b.co"), ("anonymous_id", "x"))))

    assert store.find("x") == store.find("a@b.co") == store.find("ann")
    assert count_events(store, "ann") == 3
    # what is done on the device from now on is hers, too
    store.apply(receive(view("m4", ("anonymous_id", "x"))))
    assert count_events(store, "email:a@b.co") == 4


def test_two_users_of_one_device_stay_two(store):
    store.apply(receive(view("m1", ("user_id", "ann"), ("anonymous_id", "tablet"))))
    store.apply(receive(view("m2", ("user_id", "bob"), ("anonymous_id", "tablet"))))
    store.apply(receive(view("m3", ("user_id", "bob"), ("anonymous_id", "tablet"))))

    assert store.find("ann") != store.find("bob")
    assert [count_events(store, name) for name in ("ann", "bob", "tablet")] == [1, 2, 1]
    assert all(len(users) == 1 for users in list_users(store).values())


def test_a_call_centre_does_not_collapse_its_callers(store):
    callers = [
        view(f"m{i}", ("email", f"caller{i}@example.com"), ("phone", "+49301234567"))
        for i in range(1000)
    ]
    store.apply(receive(*callers))
    sizes = dict(store.session.rows("SELECT root, COUNT(*) FROM identifiers i JOIN nodes n "
                                    "ON n.node = i.node GROUP BY root"))  # fmt: skip
    # five addresses and the number itself
    assert max(sizes.values()) == 6
    assert len(sizes) == 1 + 995


def test_a_split_puts_everything_back_and_stays(store):
    ann, bob = ("email", "ann@b.co"), ("anonymous_id", "x")
    traits = {"city": "Bonn"}
    store.apply(receive(view("m1", ann), view("m2", bob), view("m3", bob)))
    store.apply(receive(Message("m4", "identify", START, True, (Identifier(*bob),), traits=traits)))
    before = {name: store.find(name) for name in ("ann@b.co", "x")}
    store.apply(receive(view("m5", ann, bob)))
    assert store.find("ann@b.co") == store.find("x")
    ((edge, cause),) = store.session.rows("SELECT edge, cause FROM edges")
    assert cause == "m5"

    store.split(edge, START, "steward: two people")

    assert {name: store.find(name) for name in ("ann@b.co", "x")} == before
    # m5 is of whom its weightiest identifier names
    assert [count_events(store, name) for name in ("ann@b.co", "x")] == [2, 2]
    # the same two identifiers together do not join them again
    store.apply(receive(view("m6", ann, bob)))
    assert store.find("ann@b.co") != store.find("x")
    assert count_events(store, "ann@b.co") == 3
    with pytest.raises(InvalidRequest, match=f"merge {edge}: there is no such merge"):
        store.split(edge, START, "again")
    actions = [row[0] for row in store.session.rows("SELECT action FROM audit ORDER BY entry")]
    assert actions == ["merged", "split", "demoted"]


def test_a_split_in_the_middle_leaves_the_rest_joined(store):
    a, b, c = (("anonymous_id", name) for name in "abc")
    store.apply(receive(view("m1", a), view("m2", b), view("m3", c)))
    store.apply(receive(view("m4", a, b), view("m5", b, c)))
    edges = store.session.rows("SELECT edge, cause FROM edges ORDER BY edge")
    assert [cause for _, cause in edges] == ["m4", "m5"]

    store.split(edges[0][0], START, "steward")

    assert store.find("a") != store.find("b")
    assert store.find("b") == store.find("c")


def test_merges_in_a_loop_are_harmless(store):
    names = [("anonymous_id", f"a{i}") for i in range(4)]
    for again in range(3):
        for i in range(4):
            store.apply(receive(view(f"m{again}-{i}", names[i], names[(i + 1) % 4])))
    assert len({store.find(name) for _, name in names}) == 1
    assert count_events(store, "a0") == 12


def test_an_alias_carries_over_but_never_makes_one_of_two_users(store):
    store.apply(receive(view("m1", ("anonymous_id", "x")), view("m2", ("user_id", "bob"))))
    ann = (Identifier("user_id", "ann"),)

    def alias(message_id: str, previous: str) -> str:
        told = Identifier("anonymous_id", previous)
        message = Message(message_id, "alias", START, True, ann, previous=told)
        (outcome,) = store.apply(receive(message))
        return outcome.rejected.reason if outcome.rejected else outcome.status

    assert alias("m3", "x") == "accepted"
    assert store.find("x") == store.find("ann")
    assert alias("m4", "bob") == "two-user-ids"
    assert store.find("bob") != store.find("ann")


def test_a_message_id_is_taken_once_for_ever(store):
    first = view("m1", ("user_id", "ann"), product_id="p1")
    assert [o.status for o in store.apply(receive(first, first))] == ["accepted", "duplicate"]
    assert [o.status for o in store.apply(receive(first))] == ["duplicate"]
    # the sender's clock may have been mended since
    late = view("m1", ("user_id", "ann"), product_id="p1", at=START + 9)
    late = Message("m1", "track", START + 9, True, late.identifiers,
                   rows=(late.rows[0]._replace(occurred_at=START + 9),))  # fmt: skip
    assert [o.status for o in store.apply(receive(late))] == ["duplicate"]
    (outcome,) = store.apply(receive(view("m1", ("user_id", "ann"), product_id="p2")))
    assert outcome.rejected is not None
    assert outcome.rejected.reason == "conflicting-message"
    assert count_events(store, "ann") == 1
    assert [row[0] for row in store.session.rows("SELECT reason FROM dead_letters")] == [
        "conflicting-message"
    ]


def test_an_id_that_is_that_of_an_item_is_refused_and_hurts_nobody(store):
    store.apply(receive(view("m1:0", ("user_id", "bob"))))
    outcomes = store.apply(
        receive(tell_order("m1", "ann", "o1", 5.0), view("m2", ("user_id", "b")))
    )
    assert [o.status for o in outcomes] == ["rejected", "accepted"]


def test_nobody_is_found_by_what_nobody_has(store):
    with pytest.raises(UnknownCustomer, match="nobody is known"):
        store.find("nobody@example.com")


def test_two_stores_on_one_database_see_each_other(tmp_path):
    """As two processes do: what one merges, the other does not remember otherwise."""
    project = write_project(tmp_path)
    one, two = CustomerStore.open(project), CustomerStore.open(project)
    one.apply(receive(view("m1", ("email", "a@b.co"))))
    two.apply(receive(view("m2", ("anonymous_id", "x")), view("m3", ("email", "a@b.co"))))
    one.apply(receive(view("m4", ("email", "a@b.co"), ("anonymous_id", "x"))))
    two.apply(receive(view("m5", ("anonymous_id", "x"))))
    assert two.find("x") == one.find("a@b.co")
    assert count_events(two, "x") == 5
    one.erase("anonymous_id:x", START - 1)
    two.apply(receive(view("m6", ("anonymous_id", "x"))))
    assert count_events(two, "x") == 1
    one.close()
    two.close()


@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [("user_id", f"u{i}") for i in range(3)]
                + [("email", f"e{i}@x.co") for i in range(7)]
                + [("anonymous_id", f"a{i}") for i in range(7)]
            ),
            min_size=1, max_size=4, unique=True,
        ),
        max_size=25,
    )
)  # fmt: skip
def test_whatever_comes_limits_hold_and_every_event_is_somebodys_once(tmp_path_factory, drawn):
    store = CustomerStore.open(write_project(tmp_path_factory.mktemp("people")))
    rank = store.rules.rank
    messages = [
        view(f"m{i}", *sorted(who, key=lambda one: rank(one[0]))) for i, who in enumerate(drawn)
    ]
    # some together and some alone: what is new in a transaction can be joined within it
    cut = len(messages) // 2
    store.apply(receive(*messages[:cut]))
    for message in messages[cut:]:
        store.apply(receive(message))
    owned = store.session.rows(
        "SELECT root, kind, COUNT(*) FROM identifiers i JOIN nodes n ON n.node = i.node "
        "GROUP BY root, kind"
    )
    assert all(n <= store.rules.limit(kind) for _, kind, n in owned)
    counted = store.session.rows(
        "SELECT COUNT(*), COUNT(DISTINCT e.seq) FROM event_rows e JOIN nodes n ON n.node = e.node "
        "JOIN profiles p ON p.root = n.root"
    )
    assert counted == [(len(messages), len(messages))]
    # the readable graph in memory makes the same people of the same messages
    graph = IdentityGraph(store.rules)
    for message in messages:
        graph.add(message.message_id, message.identifiers)
    people: dict[int, set[str]] = {}
    for root, event_id in store.session.rows(
        "SELECT root, event_id FROM event_rows e JOIN nodes n ON n.node = e.node"
    ):
        people.setdefault(root, set()).add(event_id)
    expected = {frozenset(graph.messages(group)) for group in graph.groups()}
    assert {frozenset(own) for own in people.values()} == expected
    # a root is a root of itself, and every person has one profile
    roots = {row[0] for row in store.session.rows("SELECT DISTINCT root FROM nodes")}
    assert roots == {row[0] for row in store.session.rows("SELECT root FROM profiles")}
    store.close()
