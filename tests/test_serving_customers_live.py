"""Live profiles equal a dataset built from the same rows, whatever came in which order."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from features.identity.identifiers import Identifier
from features.segment.messages import Message
from serving.customers.answers import make_row
from serving.customers.person import to_datetime
from serving.customers.store import CustomerStore
from tests.customer_messages import (
    AS_OF,
    FEATURES,
    START,
    Crowd,
    build_batch,
    compare_profiles,
    is_same,
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


@pytest.mark.parametrize("seed", range(5))
def test_live_profiles_are_those_of_the_batch_build_at_any_moment(tmp_path, seed):
    """Random order, duplicates, late arrivals, refunds, merges, splits and deletions."""
    project = write_project(tmp_path)
    store = CustomerStore.open(project)
    live, crowd, compared = open_live(store), Crowd(seed), 0
    for _ in range(3):
        for _ in range(40):
            store.apply(receive(*(crowd.write() for _ in range(crowd.rng.randrange(1, 8)))))
            for name, row in live.find([f"u{crowd.rng.randrange(6)}"]).items():
                assert live.read(row, AS_OF).stated.customer_id == name
        edges = store.session.rows("SELECT edge FROM edges WHERE is_apart = 0")
        if edges:
            store.split(crowd.rng.choice(edges)[0], START, "steward: test")
        compared += compare_profiles(store, live, build_batch(project))
    assert compared >= 9


def test_the_order_in_which_messages_arrive_makes_no_difference(tmp_path):
    crowd = Crowd(3, deletes=0.0)
    messages = list({m.message_id: m for m in (crowd.write() for _ in range(150))}.values())
    # people whose identifiers never meet: whom limits demote depends on who came first
    messages = [
        Message(
            m.message_id, m.type, m.occurred_at, True,
            (Identifier("user_id", m.identifiers[-1].value),), traits=m.traits, rows=m.rows,
            order=None if m.order is None else m.order._replace(
                order_id=f"{m.identifiers[-1].value}-{m.order.order_id}"),
        )
        for m in messages
    ]  # fmt: skip
    messages = [
        Message(
            m.message_id, m.type, m.occurred_at, True, m.identifiers, traits=m.traits,
            rows=tuple(row._replace(order_id=m.order.order_id) if m.order else row
                       for row in m.rows), order=m.order,
        )
        for m in messages
    ]  # fmt: skip
    seen = []
    for place in range(2):
        folder = tmp_path / str(place)
        folder.mkdir()
        store = CustomerStore.open(write_project(folder))
        for message in messages:
            store.apply(receive(message))
        live = open_live(store)
        rows = live.find(sorted({m.identifiers[0].value for m in messages}))
        seen.append({name: make_row(live.read(row, AS_OF), AS_OF) for name, row in rows.items()})
        random.Random(place).shuffle(messages)
        # each again, in another order: nothing is counted twice
        statuses = {outcome.status for outcome in store.apply(receive(*messages))}
        assert statuses == {"duplicate"}
    assert seen[0].keys() == seen[1].keys()
    for name, row in seen[0].items():
        for column, value in row.items():
            assert is_same(value, seen[1][name][column]), (name, column)


def test_a_purchase_at_the_till_is_known_to_the_next_request(store):
    live = open_live(store)
    store.apply(receive(view("m1", ("user_id", "ann"))))
    before = live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)

    store.apply(receive(tell_order("m2", "ann", "o1", 12.5, at=START + 3_600_000_000)))
    after = live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)

    assert (before["orders_365d"], after["orders_365d"]) == (0.0, 1.0)
    assert after["spend_365d"] == 12.5
    assert len(after["slot_counts"]) == len(before["slot_counts"]) + 1


def test_an_event_that_lies_ahead_counts_when_its_time_has_come(store):
    live = open_live(store)
    ahead = to_datetime(START) + timedelta(hours=2)
    later = view("m2", ("user_id", "ann"), at=START + 7_200_000_000)
    store.apply(receive(view("m1", ("user_id", "ann")), later))
    row = live.find(["ann"])["ann"]

    def count(hours: float) -> float:
        as_of = to_datetime(START) + timedelta(hours=hours)
        return live.read(row, as_of).read(max(as_of, ahead))["active_count"]

    assert [count(1), count(3)] == [1.0, 2.0]


def test_a_time_zone_that_becomes_known_moves_the_whole_past(store):
    live = open_live(store)
    store.apply(receive(view("m1", ("user_id", "ann"))))
    row = live.find(["ann"])["ann"]
    berlin = live.read(row, AS_OF).read(AS_OF)["slot_counts"]
    store.apply(receive(view("m2", ("user_id", "ann"), at=START + 1_000_000,
                             device_time_zone="Asia/Tokyo")))  # fmt: skip
    person = live.read(live.find(["ann"])["ann"], AS_OF)

    # 22:13 UTC on Tuesday 14 November 2023: 23 h in Berlin, 7 h on Wednesday in Tokyo
    assert [pair["slot"] for pair in berlin] == [24 + 23]
    assert person.read(AS_OF)["slot_counts"] == [{"slot": 48 + 7, "weight": 2.0}]
    assert (person.zone.time_zone, person.zone.source) == ("Asia/Tokyo", "device")


def test_a_cache_that_is_full_forgets_the_least_used(tmp_path):
    store = CustomerStore.open(
        write_project(
            tmp_path,
            "[customers]\ncached_profiles = 100\n[customers.consent]\nis_required = false\n",
        )
    )
    store.apply(receive(*(view(f"m{i}", ("user_id", f"u{i}")) for i in range(150))))
    live = open_live(store)
    rows = live.find([f"u{i}" for i in range(150)])
    for row in rows.values():
        live.read(row, AS_OF)
    assert len(live._kept) == 100
    assert live.read(rows["u0"], AS_OF).read(AS_OF)["active_count"] == 1.0


def test_who_has_not_agreed_is_in_the_tables_under_a_pseudonym(tmp_path):
    project = write_project(tmp_path, "", has_touches=False)
    store = CustomerStore.open(project)
    agreed = {"Advertising": True}
    ann, bob = (Identifier("user_id", name) for name in ("ann", "bob"))
    store.apply(receive(view("m1", ("user_id", "ann")), view("m2", ("user_id", "bob"))))
    store.apply(receive(Message("m3", "identify", START, True, (ann,), consent=agreed)))
    root = store.find("bob")

    assert set(build_batch(project).index) == {"ann", f"person-{root}"}

    store.apply(receive(Message("m4", "identify", START, True, (bob,), consent=agreed)))
    store.apply(
        receive(Message("m5", "identify", START + 1, True, (ann,), consent={"Advertising": False}))
    )
    assert set(build_batch(project).index) == {"bob", f"person-{store.find('ann')}"}


def test_every_feature_is_compared():
    assert len(FEATURES.columns) > 50
