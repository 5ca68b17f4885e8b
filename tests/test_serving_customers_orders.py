"""Orders that are told more than once, in every order: numbers worked out by hand."""

from __future__ import annotations

from itertools import permutations

import pytest

from serving.customers.store import CustomerStore
from tests.customer_messages import START, receive, tell_order, write_project

HOUR = 3_600_000_000


@pytest.fixture
def store(tmp_path):
    store = CustomerStore.open(write_project(tmp_path))
    yield store
    store.close()


def read_orders(store: CustomerStore) -> list[tuple]:
    return store.session.rows(
        "SELECT event_id, occurred_at, value FROM event_rows "
        "WHERE type = 'order' AND is_hidden = 0 ORDER BY event_id"
    )


def test_an_order_told_by_two_messages_is_one_order(store):
    store.apply(receive(tell_order("web", "ann", "o1", 50.0)))
    store.apply(receive(tell_order("till", "ann", "o1", 45.0, at=START + HOUR)))
    # what was said last, when it first was
    assert read_orders(store) == [("till", START, 45.0)]
    items = store.session.rows("SELECT event_id FROM event_rows WHERE type = 'item' "
                               "AND is_hidden = 0")  # fmt: skip
    assert items == [("till:0",)]


@pytest.mark.parametrize("place", range(24))
def test_whatever_comes_first_the_order_shows_the_same(store, place):
    told = [
        tell_order("m1", "ann", "o1", 50.0),
        tell_order("m2", "ann", "o1", 40.0, at=START + HOUR),
        tell_order("m3", "ann", "o1", 15.0, kind="refund", at=START + 2 * HOUR),
        tell_order("m4", "ann", "o1", 5.0, kind="refund", at=START + 3 * HOUR),
    ]
    for message in list(permutations(told))[place]:
        store.apply(receive(message))
    assert read_orders(store) == [("m2", START, 40.0 - 15.0 - 5.0)]


def test_a_refund_of_everything_leaves_an_order_of_nothing(store):
    store.apply(receive(tell_order("m1", "ann", "o1", 50.0)))
    store.apply(receive(tell_order("m2", "ann", "o1", None, kind="refund")))
    assert read_orders(store) == [("m1", START, 0.0)]


def test_refunds_never_make_an_order_worth_less_than_nothing(store):
    store.apply(receive(tell_order("m1", "ann", "o1", 50.0)))
    store.apply(receive(tell_order("m2", "ann", "o1", 80.0, kind="refund")))
    assert read_orders(store) == [("m1", START, 0.0)]


def test_a_cancelled_order_was_never_made_until_it_is_made_again(store):
    store.apply(receive(tell_order("m1", "ann", "o1", 50.0)))
    store.apply(receive(tell_order("m2", "ann", "o1", None, kind="cancel", at=START + HOUR)))
    assert read_orders(store) == []
    store.apply(receive(tell_order("m3", "ann", "o1", 30.0, at=START + 2 * HOUR)))
    assert read_orders(store) == [("m3", START, 30.0)]


def test_the_same_refund_sent_twice_is_one_refund(store):
    refund = tell_order("m2", "ann", "o1", 10.0, kind="refund")
    store.apply(receive(tell_order("m1", "ann", "o1", 50.0), refund))
    store.apply(receive(refund))
    assert read_orders(store) == [("m1", START, 40.0)]
