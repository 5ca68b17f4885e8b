"""What erasing, withdrawing and refusing mean, where it is easy to get wrong."""

from __future__ import annotations

import json

import pytest

from features.errors import InvalidRequest, ProjectError
from features.identity.identifiers import Identifier
from features.project import load_project
from features.segment.messages import Message, OrderChange, Rejected
from serving.customers.applying import Received
from serving.customers.hiding import hide_customers
from serving.customers.marks import Marker
from serving.customers.person import to_microseconds_of
from serving.customers.purge import finish_purge, list_erased, purge_store
from serving.customers.review import judge_proposal, list_proposals, read_people
from serving.customers.settings import CustomersSettings
from serving.customers.store import CustomerStore, UnknownCustomer
from serving.profiles import Profiles
from serving.send_times import SendTimePredictor
from tests.customer_messages import (
    AS_OF,
    START,
    build_batch,
    open_live,
    receive,
    tell_order,
    view,
    write_project,
)

ANN, BOB = Identifier("user_id", "ann"), Identifier("user_id", "bob")
HOUR = 3_600_000_000


@pytest.fixture
def store(tmp_path):
    store = CustomerStore.open(write_project(tmp_path))
    yield store
    store.close()


def delete(message_id: str, *who: Identifier, at: int = START + HOUR) -> Message:
    return Message(message_id, "delete", at, True, who)


def statuses(store: CustomerStore, *messages: Message) -> list[str]:
    return [
        outcome.rejected.reason if outcome.rejected else outcome.status
        for outcome in store.apply(receive(*messages))
    ]


def is_known(store: CustomerStore, name: str) -> bool:
    try:
        store.find(name)
    except UnknownCustomer:
        return False
    return True


def test_every_deletion_of_a_batch_is_done(store):
    store.apply(receive(view("m1", ANN), view("m2", BOB)))
    assert statuses(store, delete("d1", ANN), delete("d2", BOB)) == ["accepted", "accepted"]
    assert not is_known(store, "ann")
    assert not is_known(store, "bob")


def test_somebody_new_on_both_sides_of_a_deletion_is_one_person(store):
    carol = ("user_id", "carol")
    store.apply(receive(view("m1", ANN)))
    told = statuses(store, view("m2", carol), delete("d", ANN), view("m3", carol))
    assert told == ["accepted"] * 3
    assert store.session.rows("SELECT COUNT(*) FROM nodes") == [(1,)]


def test_a_deletion_that_is_sent_again_does_not_erase_who_came_back(store):
    store.apply(receive(view("m1", ANN)))
    assert statuses(store, delete("d", ANN)) == ["accepted"]
    back = view("m2", ANN, at=START + 2 * HOUR)
    assert statuses(store, back, delete("d", ANN)) == ["accepted", "duplicate"]
    assert is_known(store, "ann")
    # and what was before it stays away, although the name is somebody's again
    assert statuses(store, view("m3", ANN)) == ["erased"]
    assert statuses(store, view("m4", ("anonymous_id", "x"), ANN, at=START)) == ["accepted"]
    nodes = open_live(store).find(["ann"])["ann"].nodes
    assert len(nodes) == 1


def test_who_is_deleted_before_they_are_known_is_not_taken_in_later(store):
    assert statuses(store, delete("d", ANN)) == ["accepted"]
    assert statuses(store, view("m1", ANN)) == ["erased"]
    assert list(list_erased(store).values()) == ["ann"]


def test_an_alias_does_not_bring_an_erased_device_back(store):
    store.apply(receive(view("m1", ANN, ("anonymous_id", "phone"))))
    store.apply(receive(delete("d", ANN)))
    phone = Identifier("anonymous_id", "phone")
    alias = Message("m2", "alias", START, True, (BOB,), previous=phone)
    assert statuses(store, alias) == ["erased"]


def test_who_withdrew_and_is_then_erased_is_hidden_under_every_name(store):
    stated = {"personalization": True}
    store.apply(receive(view("m1", ANN), Message("m2", "identify", START, True, (ANN,),
                                                 consent=stated)))  # fmt: skip
    refused = {"personalization": False}
    store.apply(receive(Message("m3", "identify", START + 1, True, (ANN,), consent=refused)))
    root = store.find("ann")
    assert store.session.rows("SELECT customer_id FROM profiles") == [(f"person-{root}",)]
    store.erase("ann", START + HOUR)
    live = open_live(store)
    both = ["ann", f"person-{root}", "bob"]
    assert live.find_hidden(both, START) == {"ann", f"person-{root}"}
    # a training from after the erasure does not know them: who comes back is not hidden for ever
    assert live.find_hidden(both, START + 2 * HOUR) == set()
    assert sorted(list_erased(store).values()) == ["ann", f"person-{root}"]
    finish_purge(store, list(list_erased(store)), AS_OF, ["promotion 3"])
    assert list_erased(store) == {}
    assert live.find_hidden(["ann"], START) == {"ann"}


def test_nothing_of_the_erased_is_left_in_the_file(store, tmp_path):
    address = "ann.unusual@example.com"
    store.apply(receive(
        view("m1", ("user_id", "ann-unusual"), ("email", address), ("phone", "+49301234567")),
        Message("m2", "identify", START, True, (Identifier("email", address),),
                traits={"email": address, "name": "Ann Unusual"}),
    ))  # fmt: skip
    # demoted: five addresses are the limit; dead: an address within a longer text
    for n in range(6):
        store.apply(receive(view(f"e{n}", ("user_id", "ann-unusual"),
                                 ("email", f"ann.unusual{n}@example.com"))))  # fmt: skip
    dead = json.dumps({"url": f"https://shop.example/?email={address}"}).encode()
    store.apply([Received(dead, Rejected("missing-identifier", "…"), START, "test")])
    store.erase("ann-unusual", START + HOUR)
    assert purge_store(store, AS_OF).is_folded
    finish_purge(store, list(list_erased(store)), AS_OF, [])
    store.close()
    purge_store(reopened := CustomerStore.open(write_project(tmp_path)), AS_OF)
    reopened.close()
    for path in (tmp_path / ".almanac").iterdir():
        content = path.read_bytes().lower()
        assert b"unusual" not in content, path
        assert b"49301234567" not in content, path


def test_another_key_is_refused_as_it_would_not_know_who_was_erased(store):
    with pytest.raises(ProjectError, match="ALMANAC_ERASURE_KEY"):
        CustomerStore(
            store.database, CustomersSettings(), Marker(b"another key, long enough as it is")
        )


def test_a_pseudonym_is_nobodys_user_id_and_leads_to_who_it_became(store):
    assert store.rules.clean("user_id", "person-1") is None
    store.apply(receive(view("m1", ("anonymous_id", "x")), view("m2", ("email", "a@b.co"))))
    names = {f"person-{store.find(name)}" for name in ("x", "a@b.co")}
    store.apply(receive(view("m3", ("email", "a@b.co"), ("anonymous_id", "x"))))
    assert {store.find(name) for name in names} == {store.find("x")}


def test_a_number_alone_erases_no_loyalty_card_of_another(store):
    store.apply(receive(view("m1", BOB, ("loyalty_card", "700001"))))
    with pytest.raises(UnknownCustomer):
        store.erase("700001", START)
    store.erase("loyalty_card:700001", START)
    assert not is_known(store, "bob")


def test_who_has_not_agreed_gets_no_messages_by_batch_either(tmp_path):
    project = write_project(tmp_path, "", has_touches=False)
    store = CustomerStore.open(project)
    store.apply(receive(view("m1", ANN)))
    (row,) = build_batch(project).reset_index().to_dict("records")
    assert (row["customer_id"], row["consent"]) == ("person-1", "none")
    store.close()


@pytest.mark.parametrize(
    "second",
    [
        Message("m1", "identify", START, True, (BOB,)),
        Message("m1", "identify", START, True, (ANN,), consent={"advertising": True}),
        Message("m1", "identify", START, True, (ANN,), traits={"city": "Bonn"}),
        Message("m1", "track", START, True, (ANN,), order=OrderChange("o", "refund", 5.0)),
    ],
)
def test_one_id_with_another_body_is_refused_and_kept(store, second):
    first = Message("m1", "identify", START, True, (ANN,))
    later = Message("m1", "identify", START + 5, True, (ANN,))
    assert statuses(store, first, later) == ["accepted", "duplicate"]
    assert statuses(store, second) == ["conflicting-message"]
    assert statuses(store, second) == ["conflicting-message"]
    # the same one, sent twice, is kept once
    assert store.session.rows("SELECT COUNT(*) FROM dead_letters") == [(1,)]


def test_nobodys_order_is_touched_by_another_person(store):
    store.apply(receive(tell_order("m1", "ann", "1001", 50.0)))
    store.apply(receive(tell_order("m2", "bob", "1001", 9.0, at=START + 1)))
    visitor = Message("m3", "track", START + 2, True, (Identifier("anonymous_id", "x"),),
                      order=OrderChange("1001", "cancel"))  # fmt: skip
    store.apply(receive(visitor))
    shown = store.session.rows(
        "SELECT event_id, value FROM event_rows WHERE type = 'order' AND is_hidden = 0 "
        "ORDER BY event_id"
    )
    assert shown == [("m1", 50.0), ("m2", 9.0)]
    # once both prove to be one person, it is one order; a split makes them two again
    store.apply(receive(view("m4", ANN, ("anonymous_id", "y")), view("m5", ("email", "b@b.co"))))
    store.apply(receive(tell_order("m6", "ann", "77", 5.0)))
    till = tell_order("m7", "", "77", 6.0, at=START + HOUR)
    till = Message("m7", "track", START + HOUR, True, (Identifier("email", "b@b.co"),),
                   rows=till.rows, order=till.order)  # fmt: skip
    store.apply(receive(till))

    def read() -> list:
        return store.session.rows(
            "SELECT event_id, value FROM event_rows WHERE order_id = '77' AND type = 'order' "
            "AND is_hidden = 0 ORDER BY event_id"
        )

    assert read() == [("m6", 5.0), ("m7", 6.0)]
    store.apply(receive(view("m8", ANN, ("email", "b@b.co"))))
    assert read() == [("m7", 6.0)]
    ((edge,),) = store.session.rows("SELECT edge FROM edges")
    store.split(edge, START, "steward")
    assert read() == [("m6", 5.0), ("m7", 6.0)]


def test_a_steward_judges_the_proposal_that_was_shown(store):
    for n in range(4):
        store.apply(receive(view(f"m{n}", ("anonymous_id", f"a{n}"))))
    store.apply(receive(view("u1", ("user_id", "ann"), ("anonymous_id", "a0")),
                        view("u2", ("user_id", "bob"), ("anonymous_id", "a3"))))  # fmt: skip
    roots = [store.find(f"a{n}") for n in range(4)]
    with store.write() as session:
        for number, (one, two) in enumerate(((0, 1), (1, 2), (2, 3)), start=1):
            session.run(
                "INSERT INTO proposals (node, other, probability, reasons, at, number) "
                "VALUES (?, ?, .9, 'alike', 0, ?)", (roots[one], roots[two], number),
            )  # fmt: skip
    by_number = {proposal.number: proposal for proposal in list_proposals(store)}
    assert sorted(by_number) == [1, 2, 3]
    judge_proposal(store, by_number[1], START, is_accepted=True)
    judge_proposal(store, by_number[2], START, is_accepted=True)
    assert store.find("a0") == store.find("a1") == store.find("a2")
    # together they would have two user ids
    with pytest.raises(InvalidRequest, match="2 user_ids"):
        judge_proposal(store, by_number[3], START, is_accepted=True)
    assert [proposal.number for proposal in list_proposals(store)] == [3]
    judge_proposal(store, by_number[3], START, is_accepted=False)
    assert list_proposals(store) == []
    with pytest.raises(InvalidRequest, match="no longer waits"):
        judge_proposal(store, by_number[1], START, is_accepted=True)
    edges = store.session.rows("SELECT edge FROM edges ORDER BY edge")
    assert len(edges) == 2


def test_batch_files_and_campaigns_know_nobody_who_was_erased(
    store, send_time_model, profile_files
):
    profiles = Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])
    project = load_project(store.database.path.parents[1] / "almanac.toml")
    predictor = SendTimePredictor(send_time_model, profiles)
    hide_customers(predictor, project)
    assert predictor.profiles is profiles
    since = to_microseconds_of(profiles.as_of)
    store.erase("c7", since + HOUR, is_published=True)
    store.erase("c8", since - HOUR, is_published=True)  # the training is from after it
    who = (Identifier("user_id", "c9"),)
    refused = Message("m1", "identify", START, True, who, consent={"personalization": False})
    store.apply(receive(refused))
    hide_customers(predictor, project)
    assert predictor.profiles.find_rows(["c6", "c7", "c8", "c9"]).tolist() == [6, -1, 8, -1]


def test_people_are_compared_by_what_platforms_call_them(tmp_path):
    store = CustomerStore.open(write_project(tmp_path, ""))
    agreed = {"personalization": True}
    told = {"firstName": "Ann", "lastName": "Meyer", "birthday": "1980-02-03T00:00:00Z"}
    told |= {"address": {"city": "Bonn", "postalCode": "53111"}, "odd name": 1, "age": True}
    store.apply(receive(
        Message("m1", "identify", START, True, (ANN,), traits=told, consent=agreed),
        Message("m2", "identify", START, True, (BOB,), traits={"firstName": "Bob"}),
    ))  # fmt: skip
    assert read_people(store).to_dict("records") == [
        {"profile": store.find("ann"), "first_name": "Ann", "surname": "Meyer",
         "birth_date": "1980-02-03", "postcode": "53111", "city": "Bonn"}
    ]  # fmt: skip
    store.close()


def test_events_past_their_retention_go_and_do_not_come_back(tmp_path):
    project = write_project(tmp_path, "[customers]\nretention_days = 30\n")
    store = CustomerStore.open(project)
    store.apply(receive(view("old", ANN), view("new", ANN, at=START + 70 * 24 * HOUR)))
    live = open_live(store)
    before = live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)["active_count"]
    purged = purge_store(store, AS_OF)
    after = live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)["active_count"]
    assert (before, purged.events, after) == (2.0, 1, 1.0)
    told = b'{"type":"track","messageId":"old","userId":"ann","event":"X","timestamp":' \
        b'"2023-11-14T22:13:20Z"}'  # fmt: skip
    now = START + 79 * 24 * HOUR
    found = store.settings.make_reader().read(told, now)
    assert isinstance(found, Rejected)
    assert found.reason == "time-out-of-range"
    live.close()
    store.close()
