"""Rows taken out of Parquet and CSV files: what stays is as it was, in its order and its types."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import SourceError
from training.erasure.rows import count_customers, is_row_file, write_without

SLOTS = pa.list_(pa.struct([("slot", pa.int64()), ("weight", pa.float64())]))


def rewrite(path, customers):
    target = path.with_name(f"smaller{path.suffix}")
    write_without(path, customers, target)
    return target


@pytest.fixture
def path(tmp_path):
    """Seven rows in three row groups, with types, notes and a compression of their own."""
    table = pa.table(
        {
            "customer_id": pa.array(["b", "a", None, "a", "c", "", "ab"]),
            "value": pa.array([1.5, None, 3.0, 4.0, float("nan"), 6.0, 7.0]),
            "at": pa.array(range(7), pa.timestamp("us", "UTC")),
            "active_slots": pa.array([[{"slot": 1, "weight": 0.5}], [], None, *[[]] * 4], SLOTS),
            "channel": pa.array(["web", "app"] * 3 + ["web"]).dictionary_encode(),
        }
    ).replace_schema_metadata({"made by": "hand"})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=3, compression="zstd")
    return path


def test_two_rows_of_one_customer_go_and_nothing_else_changes(path):
    assert count_customers(path, ["a", "z"]) == (2, {"a"})
    before, after = pq.read_table(path), pq.read_table(rewrite(path, ["a", "z"]))
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.equals(before.take([0, 2, 4, 5, 6]).combine_chunks()) or (
        str(after.to_pylist()) == str(before.take([0, 2, 4, 5, 6]).to_pylist())  # NaN != NaN
    )
    metadata = pq.ParquetFile(rewrite(path, ["a"])).metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    # groups of three, three and one: the first loses one, the second one, the third none
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert rows == [2, 2, 1]


def test_statistics_do_not_keep_an_id(path):
    metadata = pq.ParquetFile(rewrite(path, ["ab"])).metadata
    assert [metadata.row_group(g).column(0).statistics.max for g in range(2)] == ["b", "c"]
    assert b"ab" not in rewrite(path, ["ab"]).read_bytes().replace(b"made by", b"")


def test_all_rows_may_go(path):
    after = pq.read_table(rewrite(path, ["a", "b", "c", "", "ab"]))
    assert after["customer_id"].to_pylist() == [None]
    only = path.with_name("only.parquet")
    pd.DataFrame({"customer": ["a"], "n": [1]}).to_parquet(only)
    empty = pd.read_parquet(rewrite(only, ["a"]))
    assert (list(empty), len(empty)) == (["customer", "n"], 0)


@pytest.mark.parametrize(
    "ids", [pa.array([7, 70, 7]), pa.array(["7", "70", "7"]).dictionary_encode()]
)
def test_ids_that_are_numbers_or_categories_are_compared_as_text(tmp_path, ids):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"customer_id": ids}), path)
    assert count_customers(path, ["7"]) == (2, {"7"})
    after = pq.read_table(rewrite(path, ["7"]))["customer_id"]
    assert (after.to_pylist(), after.type) == (ids.slice(1, 1).to_pylist(), ids.type)


@pytest.mark.parametrize("content", [{"customers": ["a"]}, {"customer": [["a"]]}])
def test_a_file_without_customers_has_none(tmp_path, content):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(content), path)
    assert count_customers(path, ["a"]) == (0, set())


def test_csv_rows_are_copied_as_they_were_spelled(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'n,"customer_id"\n1,a\n2,"a\nb"\n3\n4,"a"\n"5",b')
    assert count_customers(path, ["a"]) == (2, {"a"})
    assert rewrite(path, ["a"]).read_bytes() == b'n,"customer_id"\n2,"a\nb"\n3\n"5",b'


@pytest.mark.parametrize("content", [b"", b"n\n1\n", b"customer_id\n"])
def test_csv_without_customers_has_none(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert count_customers(path, ["1"]) == (0, set())


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match=r"rows\.\w+: expected rows of Parquet or CSV, got"):
        count_customers(path, ["a"])


def test_only_parquet_and_csv_hold_rows(tmp_path):
    names = ("a.parquet", "a.PARQUET", "a.csv", "a.json", "a.png", "parquet")
    assert [is_row_file(tmp_path / name) for name in names] == [True] * 3 + [False] * 3


@settings(max_examples=40, deadline=None)
@given(
    ids=st.lists(st.one_of(st.none(), st.text("abé,\"\n'", max_size=3)), max_size=30),
    erased=st.sets(st.text("abé,\"\n'", max_size=3), max_size=4),
    group=st.integers(1, 7),
)
def test_any_file_is_what_a_plain_loop_leaves_of_it(tmp_path_factory, ids, erased, group):
    folder = tmp_path_factory.mktemp("rows")
    kept = [(row, name) for row, name in enumerate(ids) if name not in erased]
    path = folder / "rows.parquet"
    table = pa.table({"row": pa.array(range(len(ids))), "customer_id": pa.array(ids, pa.string())})
    pq.write_table(table, path, row_group_size=group)
    assert count_customers(path, erased)[0] == len(ids) - len(kept)
    after = pq.read_table(rewrite(path, erased))
    assert list(zip(*after.to_pydict().values(), strict=True)) == kept

    path = folder / "rows.csv"
    frame = pd.DataFrame({"row": range(len(ids)), "customer_id": [name or "" for name in ids]})
    frame.to_csv(path, index=False)
    left = frame[~frame["customer_id"].isin(erased)].reset_index(drop=True)
    assert count_customers(path, erased)[0] == len(frame) - len(left)
    after = pd.read_csv(rewrite(path, erased), keep_default_na=False, dtype={"customer_id": str})
    assert after.to_numpy().tolist() == left.to_numpy().tolist()
