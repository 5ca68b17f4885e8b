"""Indices and trends worked out by hand; paths and totals through their files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ArtifactError, UnknownName
from features.region.hierarchy import build_hierarchy
from models.demand.assortment import COLUMNS, find_assortment
from models.demand.marginals import KNOTS
from models.demand.path_files import (
    KNOTS_FILE,
    PLAN_FILE,
    TOTALS_FILE,
    Totals,
    pack_paths,
    pack_totals,
    unpack_paths,
    unpack_totals,
)
from models.demand.sample_paths import SamplePaths
from models.demand.shocks import OWN, Shocks

REGIONS = build_hierarchy(
    pd.DataFrame(
        [("s1", "north", "store"), ("s2", "north", "store"), ("s3", "south", "store"),
         ("north", "all", "state"), ("south", "all", "state")],
        columns=["region_id", "parent_id", "level"],
    ), "regions", "region_id",
)  # fmt: skip
PRODUCTS = build_hierarchy(
    pd.DataFrame(
        [("tea", "drinks", "sku"), ("milk", "drinks", "sku"), ("soap", "care", "sku"),
         ("drinks", "all", "category"), ("care", "all", "category")],
        columns=["product_id", "parent_id", "level"],
    ), "products", "product_id",
)  # fmt: skip
UNITS = {("s1", "tea"): 30.0, ("s1", "milk"): 10.0, ("s2", "tea"): 10.0, ("s2", "milk"): 30.0,
         ("s3", "soap"): 20.0}  # fmt: skip


def make_totals(noise: float = 0.0, last_year: float = np.nan) -> Totals:
    rng = np.random.default_rng(4)
    units = np.array(list(UNITS.values()))[:, None] * np.exp(noise * rng.normal(size=(5, 200)))
    series = pd.DataFrame(list(UNITS), columns=["region_id", "product_id"])
    series = series.assign(recent_units=20.0, last_year_units=last_year)
    dates = np.array(["2026-03-02", "2026-03-15"], dtype="datetime64[D]")
    return Totals(series, units.astype(np.float32), REGIONS, PRODUCTS, dates[0], dates[1], 14)


def test_an_index_by_hand():
    """Tea is 30 of 40 in s1 and 40 of 80 in the north: index 1.5; milk 10 of 40 and 40 of 80."""
    found = find_assortment(make_totals(), "s1")
    assert (found.reference, found.product_level) == ("north", "sku")
    assert list(found.products.columns) == list(COLUMNS)
    tea, milk = found.products.to_dict("records")
    assert (tea["product_id"], tea["share"], tea["reference_share"]) == ("tea", 0.75, 0.5)
    assert tea["index"] == tea["index_lower"] == tea["index_upper"] == 1.5
    assert (tea["standing"], milk["standing"]) == ("over", "under")
    assert milk["index"] == 0.5
    assert (tea["trend"], tea["direction"], tea["compared_with"]) == (1.5, "rising", "recent weeks")
    assert (milk["trend"], milk["direction"]) == (0.5, "fading")


def test_a_region_alone_in_its_state_is_compared_with_the_whole():
    found = find_assortment(make_totals(), "s3")
    assert found.reference == "all"
    (soap,) = found.products.to_dict("records")
    assert soap["index"] == pytest.approx(5.0)  # all of 20, against 20 of 100


def test_a_category_against_another_region_that_does_not_sell_it():
    found = find_assortment(make_totals(), "s3", reference="north", product_level="category")
    (care,) = found.products.to_dict("records")
    assert (care["product_id"], care["units"], care["reference_share"]) == ("care", 20.0, 0.0)
    assert np.isnan(care["index"])
    assert np.isnan(care["index_lower"])
    assert care["standing"] == "as elsewhere"


def test_last_year_is_preferred_where_all_of_it_is_known():
    tea = find_assortment(make_totals(last_year=60.0), "s1").products.iloc[0]
    assert (tea["compared_with"], tea["before_units"], tea["trend"]) == ("last year", 60.0, 0.5)


def test_what_is_not_sure_is_neither_over_nor_rising():
    found = find_assortment(make_totals(noise=1.5), "s1").products
    assert set(found["standing"]) == {"as elsewhere"}
    assert (found["index_lower"] < found["index"]).all()
    assert (found["index"] < found["index_upper"]).all()


@settings(max_examples=30, deadline=None)
@given(noise=st.floats(0.0, 1.0), region=st.sampled_from(["s1", "s2", "s3", "north", "all"]))
def test_shares_sum_to_one_and_mean_indices_to_their_weights(noise, region):
    found = find_assortment(make_totals(noise), region).products
    assert found["share"].sum() == pytest.approx(1.0)
    assert (found["index"] * found["reference_share"]).sum() == pytest.approx(1.0)
    assert found["index"].is_monotonic_decreasing


def test_names_that_are_not_forecast():
    with pytest.raises(UnknownName, match="nearest: 'north'"):
        find_assortment(make_totals(), "nrth")
    with pytest.raises(UnknownName, match="nearest: 'category'"):
        find_assortment(make_totals(), "s1", product_level="categry")


def make_paths() -> SamplePaths:
    knots = np.maximum(10.0 + 3.0 * KNOTS, 0.0)
    return SamplePaths(
        series=pd.DataFrame(list(UNITS), columns=["region_id", "product_id"]),
        dates=np.datetime64("2026-03-02") + np.arange(6),
        origin=np.datetime64("2026-03-01"),
        frequency="day",
        knots=np.broadcast_to(knots, (5, 6, len(KNOTS))).astype(np.float32),
        shocks=Shocks(("state/all", OWN), np.array([0.3, 0.2]), np.array([0.3, 0.2])),
        seed=11,
        regions=REGIONS,
        products=PRODUCTS,
    )


def test_paths_are_the_same_through_files_alone_and_for_a_shorter_horizon():
    paths = make_paths()
    again = unpack_paths(pack_paths(paths))
    drawn = paths.draw(np.arange(5))
    np.testing.assert_array_equal(again.draw(np.arange(5)), drawn)
    np.testing.assert_array_equal(again.draw(np.array([3])), drawn[[3]])
    np.testing.assert_array_equal(again.draw(np.arange(5), n_steps=2), drawn[:, :2])
    np.testing.assert_allclose(paths.sum_horizon(), drawn.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(paths.sum_horizon(n_steps=2), drawn[:, :2].sum(axis=1), rtol=1e-6)


def test_series_of_one_state_err_together():
    drawn = make_paths().draw(np.arange(5), 4000).sum(axis=1)
    same, other = np.corrcoef(drawn[0], drawn[2])[0, 1], np.corrcoef(drawn[0], drawn[4])[0, 1]
    assert same > 0.45
    assert abs(other) < 0.1


def test_totals_through_their_file():
    totals = make_totals(noise=0.3)
    files = pack_paths(make_paths())
    files[TOTALS_FILE] = pack_totals(totals.series, totals.units)
    again = unpack_totals(files)
    np.testing.assert_array_equal(again.units, totals.units)
    pd.testing.assert_frame_equal(again.series, totals.series)
    assert (str(again.first_date), again.n_steps) == ("2026-03-02", 6)
    assert again.regions.level_of == REGIONS.level_of


def test_files_that_are_not_there_or_damaged():
    files = pack_paths(make_paths())
    assert unpack_totals(files) is None
    assert unpack_paths({PLAN_FILE: files[PLAN_FILE]}) is None
    with pytest.raises(ArtifactError, match="not a Parquet file"):
        unpack_paths(files | {KNOTS_FILE: b"x"})
    about = json.loads(files[PLAN_FILE])
    about["dates"] = about["dates"][:3]
    with pytest.raises(ArtifactError, match="knots"):
        unpack_paths(files | {PLAN_FILE: json.dumps(about).encode()})
