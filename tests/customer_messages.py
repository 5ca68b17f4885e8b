"""Random customers and their messages, and a project whose tables are read from the store."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.customer.customers import build_customer_features, customer_features
from features.door.tables import build_tables
from features.engine import open_engine
from features.identity.identifiers import Identifier
from features.progress import Silent
from features.project import Project, load_project
from features.segment.messages import EventRow, Message, OrderChange
from serving.customers.answers import make_row
from serving.customers.applying import Received
from serving.customers.catalogue import Catalogue
from serving.customers.live import LiveProfiles
from serving.customers.store import CustomerStore

ZONE = "Europe/Berlin"
START = 1_700_000_000_000_000
"""2023-11-14T22:13:20Z in microseconds."""
DAYS = 60
AS_OF = datetime(2024, 2, 1, tzinfo=UTC)
FEATURES = customer_features(120.0)

PROJECT = """
[project]
name = "shop"
time_zone = "Europe/Berlin"
{more}
[tables.events]
url = "sqlite:///.almanac/customers.db"
table = "events"
[tables.touches]
url = "sqlite:///.almanac/customers.db"
table = "touches"
[tables.customers]
url = "sqlite:///.almanac/customers.db"
table = "customers"
"""
FREE = "[customers.consent]\nis_required = false\n"


def write_project(folder: Path, more: str = FREE, *, has_touches: bool = True) -> Project:
    path = folder / "almanac.toml"
    text = PROJECT.format(more=more)
    if not has_touches:
        start, end = text.index("[tables.touches]"), text.index("[tables.customers]")
        text = text[:start] + text[end:]
    path.write_text(text)
    return load_project(path)


def receive(*messages: Message) -> list[Received]:
    return [Received(b"{}", message, message.occurred_at, "test") for message in messages]


def view(
    message_id: str, *identifiers: tuple[str, str], at: int = START, **columns: Any
) -> Message:
    """A page view by somebody."""
    row = EventRow(message_id, at, "web", "page_view")._replace(**columns)
    named = tuple(Identifier(*one) for one in identifiers)
    return Message(message_id, "track", at, True, named, rows=(row,))


def tell_order(
    message_id: str,
    who: str,
    order_id: str,
    value: float | None,
    *,
    kind: str = "complete",
    at: int = START,
) -> Message:
    """A message about somebody's order; `value` is its worth, or what is refunded."""
    rows: tuple[EventRow, ...] = ()
    if kind == "complete":
        order = EventRow(message_id, at, "store", "order", order_id=order_id, value=value)
        item = order._replace(event_id=f"{message_id}:0", type="item", product_id="p1")
        rows = (order, item)
    amount = None if kind == "complete" else value
    change = OrderChange(order_id, kind, amount)  # type: ignore[arg-type]
    who_by = (Identifier("user_id", who),)
    return Message(message_id, "track", at, True, who_by, rows=rows, order=change)


class Crowd:
    """Writes random messages of a few people who share devices and addresses."""

    def __init__(self, seed: int, *, deletes: float = 0.004) -> None:
        self.rng = random.Random(seed)
        self.deletes = deletes
        self.count = 0

    def write(self) -> Message:
        rng = self.rng
        self.count += 1
        at = START + rng.randrange(DAYS * 86_400) * 1_000_000 + rng.randrange(1000)
        name = f"m{rng.randrange(400)}" if rng.random() < 0.1 else f"m{self.count}"
        who = self._choose()
        kind = rng.random()
        if kind < 0.30:
            return self._complete(name, at, who)
        if kind < 0.36:
            change = OrderChange(
                f"o{rng.randrange(40)}", rng.choice(["refund", "cancel"]), rng.choice([None, 3.0])
            )
            return Message(name, "track", at, True, who, order=change)
        if kind < 0.50:
            row = EventRow(name, at, "email", rng.choice(["touch", "open", "click"]))
            row = row._replace(message_id=f"c{rng.randrange(5)}")
            return Message(name, "track", at, True, who, rows=(row,))
        if kind < 0.56:
            traits = {"time_zone": rng.choice(["Asia/Tokyo", "UTC", None])}
            return Message(name, "identify", at, True, who, traits=traits)
        if kind < 0.56 + self.deletes:
            return Message(name, "delete", at, True, who)
        row = EventRow(
            name, at, rng.choice(["web", "app", "store"]), rng.choice(["page_view", "visit"]),
            region_id="r1" if rng.random() < 0.3 else None, device_time_zone=self._zone(),
        )  # fmt: skip
        return Message(name, "track", at, True, who, rows=(row,))

    def _choose(self) -> tuple[Identifier, ...]:
        rng, who = self.rng, []
        if rng.random() < 0.5:
            who.append(Identifier("user_id", f"u{rng.randrange(6)}"))
        if rng.random() < 0.3:
            who.append(Identifier("email", f"e{rng.randrange(8)}@example.com"))
        if rng.random() < 0.6 or not who:
            who.append(Identifier("anonymous_id", f"a{rng.randrange(10)}"))
        return tuple(who)

    def _complete(self, name: str, at: int, who: tuple[Identifier, ...]) -> Message:
        rng, order_id = self.rng, f"o{self.rng.randrange(40)}"
        order = EventRow(
            name, at, rng.choice(["web", "app", "store"]), "order",
            region_id=rng.choice([None, "r1", "r2"]), order_id=order_id, quantity=2.0,
            value=rng.randrange(100) / 2, currency="EUR", device_time_zone=self._zone(),
        )  # fmt: skip
        item = order._replace(event_id=f"{name}:0", type="item", product_id="p1", quantity=1.0)
        change = OrderChange(order_id, "complete")
        return Message(name, "track", at, True, who, rows=(order, item), order=change)

    def _zone(self) -> str | None:
        return self.rng.choice([None, None, None, "America/New_York", "Asia/Tokyo"])


def open_live(store: CustomerStore) -> LiveProfiles:
    return LiveProfiles(store, FEATURES, Catalogue(), time_zone=ZONE, is_source=True)


def build_batch(project: Project, as_of: datetime = AS_OF) -> pd.DataFrame:
    """The customer feature table that a training would read from the store."""
    build_tables(project, Silent())
    with open_engine(threads=1) as engine:
        table = build_customer_features(engine, project.workspace, as_of, FEATURES, time_zone=ZONE)
    return table.set_index("customer_id")


def compare_profiles(
    store: CustomerStore, live: LiveProfiles, batch: pd.DataFrame, as_of: datetime = AS_OF
) -> int:
    """Assert that every live profile is the batch's; return how many were compared."""
    names = [row[0] for row in store.session.rows("SELECT customer_id FROM profiles")]
    found = live.find(names)
    assert set(found) == set(names)
    # who only ever identified themselves has no activity, and no row in a dataset
    assert set(batch.index) <= set(names)
    for name in batch.index:
        row = make_row(live.read(found[name], as_of), as_of)
        for column in batch.columns:
            assert is_same(row[column], batch.at[name, column]), (name, column)
    return len(batch)


def is_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list):
        pairs = [tuple(pair.values()) for pair in ours]
        others = [tuple(pair.values()) for pair in theirs]
        return len(pairs) == len(others) and all(
            a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=1e-9, abs_tol=1e-12)
            for a, b in zip(pairs, others, strict=True)
        )
    if ours is None or (isinstance(ours, float) and math.isnan(ours)):
        return bool(pd.isna(theirs))
    if isinstance(ours, (int, float)):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)
    return bool(ours == theirs)
