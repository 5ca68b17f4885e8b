"""The features of `features/customer/customers.py` as one would write them with pandas by hand.

The generated tables have no regions, so no time zone is learned from one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.typing import DataFrameGroupBy

WINDOWS, LONGER = (7, 30, 90, 365), (30, 90, 365)
NOT_ACTIVE = ("touch", "item", "redemption", "open", "click")
CHANNELS = ("web", "app", "store", "email", "sms", "push", "social", "service", "mail")
ORDER_CHANNELS = ("web", "app", "store", "social", "service")
COUNTED = (
    "orders_",
    "spend_",
    "items_",
    "touches_",
    "opens_",
    "clicks_",
    "redemptions_",
    "active_",
)
CONFIDENCE = {"stated": 1.0, "device": 0.95, "project": 0.5}


def read_stream(tables: Path) -> tuple[pd.DataFrame, pd.Index]:
    """Read events and touches once, with the category: all cut-offs share it.

    Customers are numbered; their ids are returned beside the stream.
    """
    columns = ["event_id", "customer_id", "occurred_at", "channel", "type", "region_id"]
    columns += ["product_id", "quantity", "value", "device_time_zone"]
    events = pd.read_parquet(tables / "events.parquet", columns=columns)
    touches = pd.read_parquet(tables / "touches.parquet")
    touches["is_machine_open"] = touches["is_machine_open"].fillna(False).astype(bool)
    parts = [events]
    for kind, moment in (("touch", "sent_at"), ("open", "opened_at"), ("click", "clicked_at")):
        rows = touches[touches[moment].notna()]
        if kind == "open":
            rows = rows[~rows["is_machine_open"]]
        parts.append(
            pd.DataFrame(
                {
                    "event_id": kind + ":" + rows["message_id"],
                    "customer_id": rows["customer_id"],
                    "occurred_at": rows[moment],
                    "channel": rows["channel"],
                    "type": kind,
                }
            )
        )
    stream = pd.concat(parts, ignore_index=True)
    del events, touches, parts
    products = pd.read_parquet(tables / "products.parquet").set_index("product_id")["parent_id"]
    stream["category_id"] = stream["product_id"].map(products[products != "all"]).astype("category")
    for column in ("channel", "type", "region_id", "device_time_zone"):
        stream[column] = stream[column].astype("category")
    codes, ids = pd.factorize(stream["customer_id"])
    stream["customer_id"] = codes.astype("int32")
    return stream.drop(columns="product_id"), ids


def build_features(
    stream: pd.DataFrame,
    ids: pd.Index,
    tables: Path,
    as_of: datetime,
    time_zone: str,
    half_life_days: float,
) -> pa.Table:
    """Build the table of one cut-off, a midnight in UTC."""
    past = stream[stream["occurred_at"] < as_of]
    age_days = (as_of - past["occurred_at"]).dt.total_seconds() / 86400
    columns = _read_moments(past, age_days)
    orders = past[past["type"] == "order"]
    _add_purchases(columns, orders, as_of)
    _add_responses(columns, past, as_of)
    table = pd.DataFrame(columns)
    table = table.reindex(np.sort(past["customer_id"].unique()))
    counted = [name for name in columns if name.startswith(COUNTED)]
    counted.remove("active_recency_days")
    table[counted] = table[counted].fillna(0.0).astype("float64")
    _add_shares(table)
    table = table.drop(columns=[c for c in columns if c.startswith(("valued_", "sized_"))])
    table.insert(0, "customer_id", ids[table.index])
    _add_traits(table, past, tables, time_zone)
    habits = _read_habits(past, age_days, table["time_zone"], half_life_days)
    sums = habits["active_slots"].groupby("customer_id", observed=True)["weight"].sum()
    table["active_events"] = sums.reindex(table.index, fill_value=0.0)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    for name, weights in habits.items():
        arrow = arrow.append_column(name, _to_lists(weights, table.index))
    return arrow


def _by_customer(rows: pd.DataFrame) -> DataFrameGroupBy[Any, Any]:
    return rows.groupby("customer_id", observed=True, sort=False)


def _last(rows: pd.DataFrame, column: str) -> pd.Series:
    ordered = rows[rows[column].notna()].sort_values(["occurred_at", "event_id"])
    latest = ordered.drop_duplicates("customer_id", keep="last")
    return latest.set_index("customer_id")[column].astype(str)


def _read_moments(past: pd.DataFrame, age_days: pd.Series) -> dict[str, pd.Series]:
    ages = pd.DataFrame({"customer_id": past["customer_id"], "age": age_days})
    columns = {}
    active = ~past["type"].isin(NOT_ACTIVE)
    kinds = {"order": past["type"] == "order", "active": active, "touch": past["type"] == "touch"}
    for name, is_of_kind in kinds.items():
        columns[f"{name}_recency_days"] = _by_customer(ages[is_of_kind])["age"].min()
    columns["tenure_days"] = _by_customer(ages)["age"].max()
    columns["active_count"] = _by_customer(ages[active]).size()
    weeks = ((age_days[active] - 1e-9) // 7).astype("int32")
    seen = pd.DataFrame({"customer_id": past.loc[active, "customer_id"], "week": weeks})
    seen = seen[seen["week"] < 52].drop_duplicates()
    for n_weeks in (4, 13, 52):
        name = f"active_weeks_{7 * n_weeks}d"
        columns[name] = _by_customer(seen[seen["week"] < n_weeks]).size()
    return columns


def _add_purchases(columns: dict[str, pd.Series], orders: pd.DataFrame, as_of: datetime) -> None:
    for days in WINDOWS:
        groups = _by_customer(orders[orders["occurred_at"] >= as_of - timedelta(days=days)])
        columns[f"orders_{days}d"] = groups.size()
        columns[f"spend_{days}d"] = groups["value"].sum()
        columns[f"items_{days}d"] = groups["quantity"].sum()
        columns[f"valued_{days}d"] = groups["value"].count()
        columns[f"sized_{days}d"] = groups["quantity"].count()
    recent = orders[orders["occurred_at"] >= as_of - timedelta(days=365)]
    for channel in ORDER_CHANNELS:
        columns[f"order_share_{channel}_365d"] = _by_customer(
            recent[recent["channel"] == channel]
        ).size()
    columns["last_channel"] = _last(orders, "channel")


def _add_responses(columns: dict[str, pd.Series], past: pd.DataFrame, as_of: datetime) -> None:
    names = {"touch": "touches", "open": "opens", "click": "clicks", "redemption": "redemptions"}
    for kind, name in names.items():
        rows = past[past["type"] == kind]
        for days in LONGER:
            recent = rows[rows["occurred_at"] >= as_of - timedelta(days=days)]
            columns[f"{name}_{days}d"] = _by_customer(recent).size()


def _add_shares(table: pd.DataFrame) -> None:
    for days in LONGER:
        for name, top, bottom in (("value", "spend", "valued"), ("items", "items", "sized")):
            known = table[f"{bottom}_{days}d"].fillna(0.0)
            table[f"basket_{name}_{days}d"] = table[f"{top}_{days}d"] / known.where(known > 0)
    orders = table["orders_365d"].where(table["orders_365d"] > 0)
    for channel in ORDER_CHANNELS:
        name = f"order_share_{channel}_365d"
        table[name] = table[name].fillna(0.0) / orders
    touches = table["touches_365d"].where(table["touches_365d"] > 0)
    for name, top in (("open", "opens"), ("click", "clicks"), ("redemption", "redemptions")):
        table[f"{name}_share_365d"] = table[f"{top}_365d"] / touches


def _read_habits(
    past: pd.DataFrame, age_days: pd.Series, zones: pd.Series, half_life_days: float
) -> dict[str, pd.DataFrame]:
    active = ~past["type"].isin(NOT_ACTIVE)
    bought = past["type"].isin(("order", "item")) & past["category_id"].notna()
    weight = np.exp2(-age_days / half_life_days)
    acts = _add_slots(past[active], zones)
    known = acts[acts["channel_slot"] >= 0]
    return {
        "active_slots": _sum_weights(acts, weight[active], "slot"),
        "channel_slots": _sum_weights(known, weight[active], "channel_slot"),
        "slot_counts": _sum_weights(acts, 1.0, "slot"),
        "categories": _sum_weights(past[bought], weight[bought], "category_id"),
    }


def _add_slots(rows: pd.DataFrame, zones: pd.Series) -> pd.DataFrame:
    zone = rows["customer_id"].map(zones).astype("category")
    slot = pd.Series(0, index=rows.index, dtype="int32")
    for name in zone.cat.categories:
        here = zone == name
        local = rows.loc[here, "occurred_at"].dt.tz_localize("UTC").dt.tz_convert(name)
        slot[here] = 24 * local.dt.day_of_week + local.dt.hour
    places = pd.Categorical(rows["channel"], categories=CHANNELS).codes.astype("int32")
    # a channel that is not known has place -1, so its number is below zero
    return rows[["customer_id"]].assign(slot=slot, channel_slot=168 * places + slot)


def _sum_weights(rows: pd.DataFrame, weight: pd.Series | float, key: str) -> pd.DataFrame:
    keyed = rows[["customer_id", key]].assign(weight=weight)
    sums = keyed.groupby(["customer_id", key], observed=True, sort=True)["weight"].sum()
    return sums.reset_index()


def _to_lists(weights: pd.DataFrame, customers: pd.Index) -> pa.ListArray:
    _, key, _ = weights.columns
    rows = customers.get_indexer(pd.Index(weights["customer_id"]))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(customers)))])
    kind = pa.string() if key == "category_id" else pa.int32()
    keys = pa.array(weights[key].to_numpy(), type=kind)
    values = pa.array(weights["weight"].to_numpy())
    pairs = pa.StructArray.from_arrays([keys, values], names=[key, "weight"])
    return pa.ListArray.from_arrays(pa.array(offsets, type=pa.int32()), pairs)


def _add_traits(table: pd.DataFrame, past: pd.DataFrame, tables: Path, time_zone: str) -> None:
    seen = past[past["region_id"].notna()]
    visits = seen.groupby(["customer_id", "region_id"], observed=True).size().reset_index(name="n")
    homes = visits.sort_values(["n", "region_id"]).drop_duplicates("customer_id", keep="last")
    customers = pd.read_parquet(tables / "customers.parquet").set_index("customer_id")
    stated = customers.reindex(table["customer_id"]).set_index(table.index)
    home = homes.set_index("customer_id")["region_id"].astype(str).reindex(table.index)
    table["region_id"] = stated["region_id"].fillna(home).fillna("all")
    source = stated["time_zone_source"].fillna("stated")
    zone = stated["time_zone"].where(source != "project")
    device = _last(past, "device_time_zone").reindex(table.index)
    table["time_zone"] = zone.fillna(device).fillna(time_zone)
    found = device.notna().map({True: "device", False: "project"})
    table["time_zone_source"] = source.where(zone.notna(), found)
    table["time_zone_confidence"] = found.map(CONFIDENCE).where(zone.isna(), CONFIDENCE["stated"])
    table["consent"] = stated["consent"]


def write_features(
    stream: pd.DataFrame,
    ids: pd.Index,
    tables: Path,
    as_of: datetime,
    out: Path,
    time_zone: str,
    half_life_days: float,
) -> int:
    """Write the table of one cut-off and return its number of rows."""
    table = build_features(stream, ids, tables, as_of, time_zone, half_life_days)
    pq.write_table(table, out)
    return int(table.num_rows)
