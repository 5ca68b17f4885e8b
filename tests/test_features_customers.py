"""The customer features of three people whose every figure is worked out by hand."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.customer.customers import (
    build_customer_features,
    customer_features,
    write_customer_features,
)
from features.customer.outcomes import build_slot_outcomes
from features.engine import open_engine
from features.errors import FeatureError, NotEnoughData
from features.project import Workspace
from tests.activity_tables import write_tables

AS_OF = datetime(2025, 6, 2)  # noqa: DTZ001  a Monday; canonical timestamps are UTC without a zone
HALF_LIFE = 10.0
FEATURES = customer_features(HALF_LIFE)


def order(event_id: str, customer: str, at: str, **more: object) -> dict[str, object]:
    """Return an order in store S1 unless `more` says otherwise."""
    known = {"event_id": event_id, "customer_id": customer, "type": "order", "channel": "store"}
    return known | {"occurred_at": datetime.fromisoformat(at), "region_id": "S1"} | more


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return write_tables(
        tmp_path_factory.mktemp("three"),
        events=[
            order("e1", "ann", "2025-06-01T12:00", value=10.0, quantity=2.0),
            order("e2", "ann", "2025-05-22T12:00", value=30.0, quantity=4.0, channel="web"),
            order("e3", "ann", "2024-06-02T12:00", value=50.0, region_id="S2"),
            order("i1", "ann", "2025-06-01T12:00", type="item", product_id="tea"),
            order("e4", "bob", "2025-05-26T23:30", value=7.0),
            order("e5", "ann", "2025-06-02T00:00", value=999.0),
        ],
        touches=[
            {
                "message_id": "m1",
                "customer_id": "ann",
                "channel": "email",
                "sent_at": datetime.fromisoformat("2025-05-31T08:00"),
                "opened_at": datetime.fromisoformat("2025-05-31T09:00"),
            },
            {
                "message_id": "m2",
                "customer_id": "cleo",
                "channel": "email",
                "sent_at": datetime.fromisoformat("2025-05-31T08:00"),
                "opened_at": datetime.fromisoformat("2025-05-31T08:01"),
                "is_machine_open": True,
            },
        ],
        products=[{"product_id": "tea", "parent_id": "drinks", "level": "sku"}],
        customers=[
            {"customer_id": "ann"},
            {"customer_id": "bob", "time_zone": "Europe/Berlin", "region_id": "S9"},
            {"customer_id": "cleo"},
            {"customer_id": "dan"},
        ],
    )


@pytest.fixture(scope="module")
def table(workspace) -> pd.DataFrame:
    with open_engine() as engine:
        built = build_customer_features(engine, workspace, AS_OF, FEATURES, time_zone="UTC")
    return built.set_index("customer_id")


def test_a_customer_is_there_once_when_anything_happened_before_the_cut_off(table):
    assert list(table.index) == ["ann", "bob", "cleo"]


@pytest.mark.parametrize(
    ("column", "ann", "bob"),
    [
        ("order_recency_days", 0.5, 6 + 0.5 / 24),
        ("tenure_days", 364.5, 6 + 0.5 / 24),
        ("orders_7d", 1, 1),
        ("orders_30d", 2, 1),
        ("orders_365d", 3, 1),
        ("spend_7d", 10, 7),
        ("spend_90d", 40, 7),
        ("spend_365d", 90, 7),
        ("basket_value_365d", 30, 7),
        ("basket_items_365d", 3, float("nan")),
        ("order_share_store_365d", 2 / 3, 1),
        ("order_share_web_365d", 1 / 3, 0),
        ("touches_30d", 1, 0),
        ("opens_30d", 1, 0),
        ("open_share_365d", 1, float("nan")),
        ("active_count", 3, 1),
        ("active_weeks_28d", 2, 1),
    ],
)
def test_numbers_worked_out_by_hand(table, column, ann, bob):
    assert table.loc["ann", column] == pytest.approx(ann, nan_ok=True)
    assert table.loc["bob", column] == pytest.approx(bob, nan_ok=True)


def test_a_machine_open_is_no_open(table):
    assert table.loc["cleo", "touches_30d"] == 1
    assert table.loc["cleo", "opens_30d"] == 0
    assert list(table.loc["cleo", "active_slots"]) == []


def test_slots_are_local_hours_of_the_week_that_fade(table):
    """Ann's are UTC; Bob's Monday 23:30 in UTC is Tuesday 01:30 in Berlin: slot 25."""
    bob = {pair["slot"]: pair["weight"] for pair in table.loc["bob", "active_slots"]}
    assert bob == {25: pytest.approx(2 ** -((6 + 0.5 / 24) / HALF_LIFE))}
    ann = {pair["slot"]: pair["weight"] for pair in table.loc["ann", "active_slots"]}
    assert ann == {
        6 * 24 + 12: pytest.approx(2 ** -(0.5 / HALF_LIFE) + 2 ** -(364.5 / HALF_LIFE)),
        3 * 24 + 12: pytest.approx(2 ** -(10.5 / HALF_LIFE)),
    }
    assert table.loc["ann", "active_events"] == pytest.approx(sum(ann.values()))


def test_home_zone_and_categories(table):
    assert table["region_id"].to_dict() == {"ann": "S1", "bob": "S9", "cleo": "all"}
    assert table["time_zone"].to_dict() == {"ann": "UTC", "bob": "Europe/Berlin", "cleo": "UTC"}
    assert table.loc["ann", "last_channel"] == "store"
    categories = {pair["category_id"]: pair["weight"] for pair in table.loc["ann", "categories"]}
    assert categories == {"drinks": pytest.approx(2 ** -(0.5 / HALF_LIFE))}


def test_writing_to_a_file_gives_the_same_rows(workspace, table, tmp_path):
    path = tmp_path / "customers.parquet"
    with open_engine() as engine:
        rows = write_customer_features(
            engine, workspace, AS_OF, FEATURES, time_zone="UTC", path=path
        )
    written = pq.read_table(path).to_pandas().set_index("customer_id").sort_index()
    assert rows == 3
    numbers = [name for name in table.columns if table[name].dtype == "float64"]
    pd.testing.assert_frame_equal(written[numbers], table[numbers])


def test_before_the_first_event_there_is_nothing_to_build(workspace, tmp_path):
    early = datetime(2020, 1, 1)  # noqa: DTZ001
    with open_engine() as engine:
        with pytest.raises(NotEnoughData):
            build_customer_features(engine, workspace, early, FEATURES, time_zone="UTC")
        path = tmp_path / "none.parquet"
        with pytest.raises(NotEnoughData):
            write_customer_features(engine, workspace, early, FEATURES, time_zone="UTC", path=path)
    assert not list(tmp_path.iterdir())


def test_outcomes_count_weeks_not_events(tmp_path):
    """Twice in one Sunday noon is one week; a week later is another; the end is outside."""
    workspace = write_tables(
        tmp_path,
        events=[
            order("a", "ann", "2025-06-08T12:10"),
            order("b", "ann", "2025-06-08T12:50"),
            order("c", "ann", "2025-06-15T12:00"),
            order("d", "ann", "2025-06-16T00:00"),
            order("e", "ann", "2025-06-01T23:59"),
            order("f", "ann", "2025-06-08T12:30", type="item"),
        ],
        customers=[{"customer_id": "ann"}],
    )
    end = datetime(2025, 6, 16)  # noqa: DTZ001
    with open_engine() as engine:
        found = build_slot_outcomes(engine, workspace, AS_OF, end, time_zone="UTC")
        noon = {"customer_id": "ann", "slot": 6 * 24 + 12, "weeks_active": 2}
        found["channel"] = found["channel"].astype(object).where(found["channel"].notna(), None)
        assert found.to_dict("records") == [
            {**noon, "channel": None},
            {**noon, "channel": "store"},
        ]
        with pytest.raises(FeatureError, match="whole weeks"):
            build_slot_outcomes(
                engine,
                workspace,
                AS_OF,
                datetime(2025, 6, 10),  # noqa: DTZ001
                time_zone="UTC",
            )
