"""The same store in PostgreSQL: a real server, started here or named by ALMANAC_TEST_POSTGRES."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from serving.customers.database import PostgreSQL, StoreUnavailable
from serving.customers.kept_answers import Claim, KeptAnswer, KeptAnswers
from serving.customers.marks import Marker
from serving.customers.purge import purge_store
from serving.customers.settings import CustomersSettings
from serving.customers.store import CustomerStore
from serving.customers.timeline import tell_timeline
from serving.customers.timeline_contract import TimelineQuery
from serving.customers.writer import Writer
from tests.customer_messages import (
    AS_OF,
    START,
    Crowd,
    is_same,
    open_live,
    receive,
    tell_order,
    view,
    write_project,
)

ADDRESS = "ALMANAC_TEST_POSTGRES"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("psycopg") is None,
        reason="the driver is not installed: pip install 'almanac[postgres]'",
    ),
]


@pytest.fixture(scope="module")
def address():
    """Yield the address of an empty database."""
    if os.environ.get(ADDRESS):
        yield os.environ[ADDRESS]
        return
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        pytest.skip(f"no PostgreSQL here: put initdb and postgres on the PATH, or set {ADDRESS}")
    # PostgreSQL refuses to run as root
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="almanac-postgresql-"))
    if user is not None:
        shutil.chown(folder, pwd.getpwnam(user).pw_name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    options = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        ["initdb", "-D", str(data), "-U", "almanac", "--auth=trust", "-E", "UTF8"],
        check=True, cwd=folder, **options,
    )  # fmt: skip
    server = subprocess.Popen(
        ["postgres", "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)],
        cwd=folder, **options,
    )  # fmt: skip
    try:
        yield wait_for(f"postgresql://almanac@127.0.0.1:{port}/postgres")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(url: str) -> str:
    for _ in range(100):
        try:
            PostgreSQL(url).connect().close()
        except StoreUnavailable:
            time.sleep(0.1)
        else:
            return url
    raise TimeoutError("PostgreSQL did not answer within 10 seconds")


@pytest.fixture
def make_store(address):
    """Open stores on the one database, which is emptied first."""
    session = PostgreSQL(address).connect()
    session.run("DROP SCHEMA public CASCADE")
    session.run("CREATE SCHEMA public")
    session.close()
    stores = []

    def make() -> CustomerStore:
        settings = CustomersSettings(consent={"is_required": False})
        stores.append(CustomerStore(PostgreSQL(address), settings, Marker(b"k" * 32)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def test_it_holds_what_sqlite_holds(make_store, tmp_path):
    """The same messages, splits and erasures: the same people and the same live profiles."""
    stores = [CustomerStore.open(write_project(tmp_path)), make_store()]
    told = []
    for store in stores:
        crowd = Crowd(11)
        for _ in range(30):
            store.apply(receive(*(crowd.write() for _ in range(10))))
        edges = store.session.rows("SELECT edge FROM edges WHERE is_apart = 0 ORDER BY edge")
        store.split(edges[0][0], START, "steward: test")
        purge_store(store, AS_OF)
        live, profiles = open_live(store), {}
        names = [r[0] for r in store.session.rows("SELECT customer_id FROM profiles")]
        for name, row in live.find(names).items():
            profiles[name] = live.read(row, AS_OF).read(AS_OF)
        live.close()
        told.append(profiles)
    assert told[0].keys() == told[1].keys()
    assert len(told[0]) > 3
    for name, features in told[0].items():
        for column, value in features.items():
            assert is_same(value, told[1][name][column]), (name, column)
    stores[0].close()


def test_its_views_are_the_canonical_tables(make_store):
    store = make_store()
    store.apply(receive(tell_order("m1", "ann", "o1", 12.5), view("m2", ("anonymous_id", "x"))))
    events = store.session.rows(
        "SELECT event_id, customer_id, occurred_at, type, value FROM events ORDER BY event_id"
    )
    assert events[0] == ("m1", "ann", "2023-11-14T22:13:20.000000Z", "order", 12.5)
    assert [row[0] for row in events] == ["m1", "m1:0", "m2"]
    assert len(store.session.rows("SELECT * FROM customers")) == 2
    assert store.session.rows("SELECT * FROM touches") == []


def test_many_writers_lose_nothing_and_double_nothing(make_store):
    stores = [make_store() for _ in range(4)]
    messages = [
        view(f"m{i}", ("user_id", f"u{i % 9}"), ("anonymous_id", f"a{i % 23}")) for i in range(400)
    ]

    def write(store, place):
        mine = messages[place * 50 :] + messages[: place * 50]
        for start in range(0, len(mine), 20):
            store.apply(receive(*mine[start : start + 20]))

    threads = [
        threading.Thread(target=write, args=(store, place)) for place, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = stores[0].session.rows(
        "SELECT COUNT(*), COUNT(DISTINCT event_id), MAX(seq), COUNT(DISTINCT seq) FROM event_rows"
    )
    assert rows == [(400, 400, 400, 400)]
    users = stores[0].session.rows(
        "SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM identifiers i JOIN nodes n "
        "ON n.node = i.node WHERE kind = 'user_id' GROUP BY root) AS counted"
    )
    assert users == [(1,)]


def test_what_one_machine_stores_another_one_reads_at_once(make_store):
    one, two = make_store(), make_store()
    live = open_live(two)
    one.apply(receive(view("m1", ("user_id", "ann"))))
    assert live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)["active_count"] == 1.0
    one.apply(receive(view("m2", ("user_id", "ann"), at=START + 9)))
    assert live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)["active_count"] == 2.0
    one.erase("ann", START + 10)
    assert live.find(["ann"]) == {}
    live.close()


def test_a_server_that_does_not_answer_is_said_so_without_its_password():
    with pytest.raises(StoreUnavailable, match="PostgreSQL does not answer") as caught:
        PostgreSQL("postgresql://almanac:hunter2@127.0.0.1:1/x").connect()
    assert "hunter2" not in str(caught.value)


def test_a_connection_that_was_cut_is_opened_again(make_store):
    store, other = make_store(), make_store()
    store.apply(receive(view("m1", ("user_id", "ann"))))
    live = open_live(store)
    other.session.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    assert live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)["active_count"] == 1.0
    assert store.apply(receive(view("m2", ("user_id", "ann"))))[0].status == "accepted"
    assert live.read(live.find(["ann"])["ann"], AS_OF).read(AS_OF)["active_count"] == 2.0
    live.close()


def test_a_key_is_claimed_by_one_machine_and_its_answer_is_told_by_all(make_store):
    stores = [make_store(), make_store()]
    writers = [Writer(store, 1000) for store in stores]
    kept = [KeptAnswers(writer, keep_seconds=60.0, lease_seconds=5.0) for writer in writers]
    claims = [Claim("key", "body", str(number)) for number in range(20)]

    async def race():
        one_by_each = (kept[at % 2].claim(claim, START) for at, claim in enumerate(claims))
        return await asyncio.gather(*one_by_each)

    try:
        standings = asyncio.run(race())
        (first,) = (at for at, standing in enumerate(standings) if standing.is_ours)
        assert all(s.kept is None and not s.is_other for s in standings)
        answer = KeptAnswer(200, {}, '{"rejected":[{"message_id":"ann"}]}')
        asyncio.run(kept[first % 2].keep(claims[first], answer, START))
        for own in kept:
            assert asyncio.run(own.claim(claims[0], START + 1)).kept == answer
            assert asyncio.run(own.claim(Claim("key", "other", "x"), START + 1)).is_other
        with stores[0].write() as session:
            session.run("DELETE FROM kept_answers WHERE has_ids = 1")
        assert asyncio.run(kept[1].claim(claims[3], START + 2)).is_ours
        later = START + 6_000_000  # whoever claimed it is dead
        assert asyncio.run(kept[0].claim(claims[4], later)).is_ours
    finally:
        for writer in writers:
            writer.stop()


def test_it_tells_the_timelines_that_sqlite_tells(make_store, tmp_path):
    """Of everybody, whole and in pages of seven."""
    told = []
    for store in (CustomerStore.open(write_project(tmp_path)), make_store()):
        crowd, live = Crowd(12, deletes=0.0), open_live(store)
        for _ in range(20):
            store.apply(receive(*(crowd.write() for _ in range(10))))
        names = [row[0] for row in store.session.rows("SELECT customer_id FROM profiles")]
        told.append({name: read_timeline(live, name) for name in sorted(names)})
        live.close()
    assert told[0] == told[1]
    assert sum(map(len, told[0].values())) > 100


def read_timeline(live, name):
    row = live.find([name])[name]
    whole = tell_timeline(live, row, name, TimelineQuery(limit=200))
    entries, cursor = [], None
    while True:
        page = tell_timeline(live, row, name, TimelineQuery(limit=7, cursor=cursor))
        entries += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert entries[:200] == whole["entries"]
    return entries
