from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.region.hierarchy import aggregate_levels, build_hierarchy
from features.region.nodes import Nodes, build_nodes

KEYS = ["level", "region_id", "product_id"]


def build(series, regions, products, more=None) -> tuple[Nodes, SimpleNamespace]:
    """Nodes of pairs (region, product); a tree is a list of (id, parent, level)."""
    panel = SimpleNamespace(
        series=pd.DataFrame(series, columns=["region_id", "product_id"], dtype="str"),
        regions=plant(regions, "region"),
        products=plant(products, "product"),
    )
    more = None if more is None else pd.DataFrame(more, columns=["region_id", "product_id"])
    return build_nodes(panel, more), panel


def plant(nodes, name):
    frame = pd.DataFrame(nodes, columns=[f"{name}_id", "parent_id", "level"], dtype="str")
    return build_hierarchy(frame, f"{name}s", f"{name}_id")


@st.composite
def trees(draw, letter: str):
    """Leaves below a middle level, below an upper one, or straight below the root."""
    upper = [(f"{letter}u{place}", "all", "upper") for place in range(2)]
    middle = [
        (f"{letter}m{place}", draw(st.sampled_from(["all", f"{letter}u0", f"{letter}u1"])), "mid")
        for place in range(3)
    ]
    parents = ["all", *(node[0] for node in upper + middle)]
    count = draw(st.integers(1, 5))
    leaves = [
        (f"{letter}{place}", draw(st.sampled_from(parents)), "leaf") for place in range(count)
    ]
    return leaves + middle + upper


@settings(max_examples=25, deadline=None)
@given(trees("r"), trees("p"), st.data())
def test_sums_equal_those_of_the_table_on_any_two_trees(regions, products, data):
    pairs = [
        (region, product)
        for region in (node[0] for node in regions if node[2] == "leaf")
        for product in (node[0] for node in products if node[2] == "leaf")
    ]
    chosen = data.draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    nodes, panel = build(chosen, regions, products)
    units = np.random.default_rng(len(chosen)).integers(0, 50, (len(chosen), 2)).astype(float)
    frame = panel.series.assign(a=units[:, 0], b=units[:, 1], date=0)
    expected = aggregate_levels(frame, panel.regions, panel.products, values=["a", "b"])
    pd.testing.assert_frame_equal(nodes.table[KEYS], expected[KEYS], check_dtype=False)
    np.testing.assert_array_equal(nodes.sum(units), expected[["a", "b"]])
    counts = aggregate_levels(frame.assign(one=1), panel.regions, panel.products, values=["one"])
    np.testing.assert_array_equal(nodes.table["n_series"], counts["one"])
    np.testing.assert_array_equal(nodes.is_single, counts["one"] == 1)


STORES = [("a", "north", "store"), ("b", "north", "store"), ("c", "all", "store"),
          ("north", "all", "area")]  # fmt: skip
TEAS = [("tea", "all", "product"), ("mint", "all", "product")]


def test_single_nodes_name_their_series_on_a_ragged_tree():
    nodes, _ = build([("c", "tea"), ("a", "tea"), ("b", "mint")], STORES, TEAS)
    table = nodes.table.set_index(KEYS)
    assert table.loc[("area/product", "north", "tea"), "series"] == 1
    assert table.loc[("area/product", "north", "mint"), "series"] == 2
    assert table.loc[("area/all", "north", "all"), "series"] == -1
    assert table.loc[("store/all", "c", "all"), "series"] == 0
    # c lies below no area, so the areas together do not hold it.
    areas = nodes.levels["area/product"]
    assert nodes.summing[areas].sum() == 2
    assert nodes.summing.sum(axis=1).tolist() == nodes.table["n_series"].tolist()
    held = nodes.summing[np.flatnonzero(nodes.is_single)].tocoo()
    assert held.col.tolist() == table.loc[nodes.is_single, "series"].tolist()


def test_levels_hold_each_node_once_in_the_order_of_the_table():
    nodes, _ = build([("a", "tea"), ("b", "tea"), ("c", "mint")], STORES, TEAS)
    together = np.concatenate(list(nodes.levels.values()))
    assert sorted(together) == list(range(len(nodes.table)))
    pd.testing.assert_frame_equal(nodes.table, nodes.table.sort_values(KEYS, ignore_index=True))


def test_more_series_come_after_the_panels_own():
    nodes, panel = build([("b", "tea"), ("a", "tea")], STORES, TEAS, more=[("c", "mint")])
    assert nodes.series["region_id"].tolist() == ["b", "a", "c"]
    assert len(panel.series) == 2
    units = np.array([[1.0], [10.0], [100.0]])
    total = nodes.table.index[nodes.table["level"] == "all/all"]
    assert nodes.sum(units)[total].tolist() == [[111.0]]


def test_sums_keep_further_axes():
    nodes, _ = build([("a", "tea"), ("b", "tea")], STORES, TEAS)
    values = np.arange(12.0).reshape(2, 3, 2)
    total = nodes.levels["all/all"]
    np.testing.assert_array_equal(nodes.sum(values)[total], values.sum(axis=0)[None])
