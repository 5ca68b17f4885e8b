from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DuplicateKey, TableError
from features.region.hierarchy import Hierarchy, aggregate_levels, build_hierarchy


def tree(rows: list[tuple[str, str | None, str]]) -> Hierarchy:
    nodes = pd.DataFrame(rows, columns=["region_id", "parent_id", "level"])
    return build_hierarchy(nodes, "regions", "region_id")


def goods(rows: list[tuple[str, str | None, str]]) -> Hierarchy:
    nodes = pd.DataFrame(rows, columns=["product_id", "parent_id", "level"])
    return build_hierarchy(nodes, "products", "product_id")


STORES = [
    ("s1", "Lyon", "store"),
    ("s2", "Lyon", "store"),
    ("s3", "FR", "store"),
    ("Lyon", "FR", "city"),
    ("FR", None, "country"),
]


def test_paths_hold_every_ancestor_and_leave_out_the_levels_a_branch_lacks():
    regions = tree(STORES)
    assert regions.levels == ("store", "city", "country", "all")
    assert regions.paths.loc["s1"].tolist() == ["s1", "Lyon", "FR", "all"]
    assert regions.paths.loc["s3"].isna().tolist() == [False, True, False, False]
    assert regions.level_of["Lyon"] == "city"


def test_sums_at_every_crossed_level_by_hand():
    regions, products = tree(STORES), goods([("a", "x", "sku"), ("x", "all", "group")])
    frame = pd.DataFrame(
        {
            "region_id": ["s1", "s2", "s3", "s3"],
            "product_id": "a",
            "date": ["d1", "d1", "d1", "d2"],
            "units": [1.0, 2.0, 4.0, 8.0],
        }
    )
    before = frame.copy()
    sums = aggregate_levels(frame, regions, products, values=["units"])
    pd.testing.assert_frame_equal(frame, before)
    assert sorted(sums["level"].unique()) == sorted(
        f"{region}/{product}"
        for region in ("store", "city", "country", "all")
        for product in ("sku", "group", "all")
    )
    found = sums.set_index(["level", "region_id", "product_id", "date"])["units"]
    assert found["city/group", "Lyon", "x", "d1"] == 3.0
    assert found["country/sku", "FR", "a", "d1"] == 7.0
    assert found["all/all", "all", "all", "d2"] == 8.0
    # The store s3 has no city: the level holds less than the total.
    assert sums[sums["level"] == "city/all"]["units"].sum() == 3.0


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["s1", "s2", "s3"]), st.sampled_from("ab"), st.integers(0, 9)),
        min_size=1,
        max_size=30,
    )
)
def test_every_complete_level_sums_to_the_whole(rows):
    frame = pd.DataFrame(rows, columns=["region_id", "product_id", "units"]).assign(date="d")
    products = goods([("a", None, "sku"), ("b", None, "sku")])
    sums = aggregate_levels(frame, tree(STORES), products, values=["units"])
    for level, part in sums.groupby("level"):
        if not str(level).startswith("city"):
            assert part["units"].sum() == frame["units"].sum()


def test_a_cycle_is_named():
    with pytest.raises(TableError, match="a cycle: a -> b -> a"):
        tree([("a", "b", "store"), ("b", "a", "city")])


def test_a_node_with_two_parents_is_refused():
    with pytest.raises(DuplicateKey, match="'s1' 2 times, below east, west"):
        tree([("s1", "east", "store"), ("s1", "west", "store"), ("east", None, "area")])


def test_a_parent_that_is_no_node_is_named():
    with pytest.raises(TableError, match="'Nowhere', the parent of 's1'"):
        tree([("s1", "Nowhere", "store")])


def test_parent_and_child_of_one_level_are_refused():
    with pytest.raises(TableError, match="both of level 'region'"):
        tree([("s1", "east", "region"), ("east", None, "region")])
