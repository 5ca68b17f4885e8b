"""The seven sets: where each comes from, what is known ahead, how its levels are named."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks.demand_data import DATA, KEYS, Dataset

ROOT = Path(__file__).resolve().parents[1]


def load_complete_journey() -> Dataset:
    """Load a grocer's 20 stores × 20 categories, daily 2017, as the project's sample does."""
    path = next(ROOT.glob("features/**/complete_journey.toml"))
    project = tomllib.loads(path.read_text(encoding="utf-8"))
    engine = duckdb.connect(config={"threads": 1})
    for name, source in project["sources"].items():
        package, _, inner = source.removeprefix("package://").partition("/")
        folder = Path(str(find_spec(package).origin)).parent
        engine.execute(f"CREATE VIEW {name} AS FROM '{folder / inner}'")
    frame = engine.execute(project["tables"]["sales"]["sql"]).df()
    engine.close()
    sales = frame.assign(
        date=_as_dates(frame["date"]), is_promoted=frame["is_promoted"].astype("float64")
    ).astype({"region_id": "str", "product_id": "str"})
    return Dataset(
        "complete_journey", "day", "D", horizon=28, n_origins=3, sales=sales,
        regions=_flat(sales["region_id"], "region_id", "store"),
        products=_flat(sales["product_id"], "product_id", "category"),
        levels=_cross(("store", "all"), ("category", "all")),
        known_ahead=("display", "mailer", "is_promoted"), country="US",
    )  # fmt: skip


def load_frat() -> Dataset:
    """Load Breakfast at the Frat: 77 stores × 55 UPCs, weekly; a week without a row sold nothing.

    Price and base price are carried over weeks without a row, which would else give away that
    nothing is sold; feature, display and price cut are none then.
    """
    rows = pd.read_parquet(DATA / "frat" / "transactions.parquet").rename(
        columns={
            "store_id": "region_id", "upc_id": "product_id", "week_end_date": "date",
            "feature": "mailer", "tpr_only": "is_promoted",
        }
    )  # fmt: skip
    flags, prices = ["mailer", "display", "is_promoted"], ["price", "base_price"]
    rows = rows[[*KEYS, "date", "units", *prices, *flags]].assign(date=_as_dates(rows["date"]))
    first = rows.groupby(KEYS)["date"].min().rename("first").reset_index()
    weeks = pd.DataFrame({"date": sorted(rows["date"].unique())})
    grid = first.merge(weeks, how="cross")
    grid = grid[grid["date"] >= grid["first"]].drop(columns="first")
    grid = grid.merge(rows, on=[*KEYS, "date"], how="left").sort_values([*KEYS, "date"])
    grid[["units", *flags]] = grid[["units", *flags]].fillna(0.0).astype("float64")
    grid["base_price"] = grid["base_price"].fillna(grid["price"])
    grid["base_price"] = grid.groupby(KEYS)["base_price"].ffill()
    # a product without a sale is at its regular price
    grid["price"] = grid["price"].fillna(grid["base_price"])
    stores = pd.read_parquet(DATA / "frat" / "stores.parquet")
    stores["city"] = stores["address_city_name"] + ", " + stores["address_state_prov_code"]
    listed = pd.read_parquet(DATA / "frat" / "products.parquet")
    return Dataset(
        "frat", "week", "W-WED", horizon=8, n_origins=3, sales=grid.reset_index(drop=True),
        regions=_tree(
            stores, "region_id",
            {"store_id": "store", "city": "city", "address_state_prov_code": "state"},
        ),
        products=_tree(listed, "product_id", {"upc_id": "upc", "category": "category"}),
        levels=_cross(("store", "city", "state", "all"), ("upc", "category", "all")),
        known_ahead=(*prices, *flags),
    )  # fmt: skip


def load_m5() -> Dataset:
    """Load a subset of M5: 28 items × 10 stores, daily, from the first week with a price."""
    rows = pd.read_parquet(DATA / "m5" / "m5_280series_d1_d1941.parquet")
    rows = rows[rows["sell_price"].notna()]
    sales = pd.DataFrame(
        {
            "region_id": rows["store_id"],
            "product_id": rows["item_id"],
            "date": _as_dates(rows["date"]),
            "units": rows["value"].astype("float64"),
            "price": rows["sell_price"],
            "event": rows["event_name_1"].fillna("").ne("").astype("float64"),
            "snap": rows["snap"].astype("float64"),
        }
    )
    return Dataset(
        "m5", "day", "D", horizon=28, n_origins=3, sales=sales.reset_index(drop=True),
        regions=_tree(rows, "region_id", {"store_id": "store", "state_id": "state"}),
        products=_tree(
            rows, "product_id", {"item_id": "item", "dept_id": "dept", "cat_id": "cat"}
        ),
        levels=_cross(("store", "state", "all"), ("item", "dept", "cat", "all")),
        known_ahead=("price", "event", "snap"), country="US",
    )  # fmt: skip


def load_pasta() -> Dataset:
    """Load 118 items of 4 brands of Italian pasta, daily; 27 days without rows it was closed."""
    rows = pd.read_parquet(DATA / "pasta.parquet")
    rows["product_id"] = rows["brand"] + "-" + rows["item"]
    sales = pd.DataFrame(
        {
            "region_id": "shop",
            "product_id": rows["product_id"],
            "date": _as_dates(rows["DATE"]),
            "units": rows["QTY"].astype("float64"),
            "is_promoted": rows["PROMO"].astype("float64"),
        }
    )
    return Dataset(
        "pasta", "day", "D", horizon=28, n_origins=3, sales=sales,
        regions=_flat(sales["region_id"], "region_id", "store"),
        products=_tree(rows, "product_id", {"product_id": "item", "brand": "brand"}),
        levels=_cross(("store",), ("item", "brand", "all")),
        known_ahead=("is_promoted",), country="IT",
    )  # fmt: skip


def load_aus_retail() -> Dataset:
    """Load Australian retail turnover: the 148 series of state × industry that are complete."""
    rows = pd.read_parquet(DATA / "aus_retail.parquet")
    counts = rows.groupby(["State", "Industry"])["Month"].agg(["count", "max"])
    complete = counts[(counts["count"] >= 369) & (counts["max"] == rows["Month"].max())]
    rows = rows.merge(complete.reset_index()[["State", "Industry"]])
    sales = pd.DataFrame(
        {
            "region_id": rows["State"],
            "product_id": rows["Industry"],
            "date": _as_dates(rows["Month"]),
            "units": rows["Turnover"],
        }
    )
    return Dataset(
        "aus_retail", "month", "MS", horizon=24, n_origins=1, sales=sales,
        regions=_flat(sales["region_id"], "region_id", "state"),
        products=_flat(sales["product_id"], "product_id", "industry"),
        levels=_cross(("state", "all"), ("industry", "all")), is_count=False,
    )  # fmt: skip


def load_tourism() -> Dataset:
    """Load Australian tourism: overnight trips, 76 regions × 4 purposes, quarterly."""
    rows = pd.read_parquet(DATA / "tourism.parquet")
    sales = pd.DataFrame(
        {
            "region_id": rows["Region"],
            "product_id": rows["Purpose"],
            "date": _as_dates(rows["date_time"]),
            "units": rows["Trips"],
        }
    )
    return Dataset(
        "tourism", "quarter", "QS", horizon=8, n_origins=1, sales=sales,
        regions=_tree(rows, "region_id", {"Region": "region", "State": "state"}),
        products=_flat(sales["product_id"], "product_id", "purpose"),
        levels=_cross(("region", "state", "all"), ("purpose", "all")), is_count=False,
    )  # fmt: skip


def load_oj() -> Dataset:
    """Load Dominick's orange juice: ten rounds that forecast weeks 137-156 two by two.

    Each round knows the sales up to two weeks before its first target, so one week lies between;
    prices and promotions of the target weeks are known. Whole store-weeks are missing from the
    data, so totals over stores mean nothing and are not scored.
    """
    rows = pd.read_parquet(DATA / "oj.parquet")
    rows = rows[rows["week"].between(40, 156)].reset_index(drop=True)
    own = pd.concat([rows[f"price{n}"] for n in range(1, 12)], axis=1).to_numpy()
    sales = pd.DataFrame(
        {
            "region_id": rows["store"].astype("int64").astype("str"),
            "product_id": "brand " + rows["brand"].astype("int64").astype("str"),
            # week 1 of the data begins on Thursday, 14 September 1989
            "date": pd.Timestamp("1989-09-14")
            + pd.to_timedelta(7 * (rows["week"].astype("int64") - 1), unit="D"),
            "units": rows["logmove"].transform("exp"),
            "price": own[range(len(rows)), rows["brand"].astype("int64") - 1],
            "is_promoted": rows["deal"].astype("float64"),
            "mailer": rows["feat"].astype("float64"),
        }
    )
    return Dataset(
        "oj", "week", "W-THU", horizon=2, n_origins=10, gap=1, step=2,
        sales=sales.assign(date=_as_dates(sales["date"])),
        regions=_flat(sales["region_id"], "region_id", "store"),
        products=_flat(sales["product_id"], "product_id", "brand"),
        levels=("store/brand", "store/all"), gap_units="last",
        known_ahead=("price", "is_promoted", "mailer"),
    )  # fmt: skip


LOADERS = {
    "aus_retail": load_aus_retail,
    "tourism": load_tourism,
    "pasta": load_pasta,
    "m5": load_m5,
    "oj": load_oj,
    "frat": load_frat,
    "complete_journey": load_complete_journey,
}


def _as_dates(dates: pd.Series) -> pd.Series:
    return pd.to_datetime(dates).astype("datetime64[us]")


def _cross(regions: tuple[str, ...], products: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{region}/{item}" for region, item in product(regions, products))


def _flat(ids: pd.Series, id_column: str, level: str) -> pd.DataFrame:
    return pd.DataFrame({id_column: sorted(ids.unique()), "parent_id": "all", "level": level})


def _tree(rows: pd.DataFrame, id_column: str, levels: dict[str, str]) -> pd.DataFrame:
    """Turn columns, deepest first, into nodes with parents; `levels` names the level of each."""
    columns = list(levels)
    parts = []
    for column, above in zip(columns, [*columns[1:], None], strict=True):
        pairs = rows[[column] if above is None else [column, above]].drop_duplicates()
        parts.append(
            pd.DataFrame(
                {
                    id_column: pairs[column],
                    "parent_id": "all" if above is None else pairs[above],
                    "level": levels[column],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
