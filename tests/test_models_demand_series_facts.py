"""Facts and histories of series as files: what was packed is read, what is damaged is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ArtifactError
from models.artifact import LargeFile
from models.demand.series_facts import CALENDAR_FILE, SERIES_FILE, unpack_facts
from models.demand.series_history import (
    HISTORY_FILE,
    History,
    HistoryBlocks,
    digest_block,
    pack_history,
    unpack_history,
)

VALUES = st.one_of(st.just(float("nan")), st.floats(0, 1e6, width=32))


def make_history(units: list[float]) -> History:
    values = np.array(units, np.float32)
    shares = np.linspace(0, 1, len(values), dtype=np.float32)
    return History(values, values[::-1], shares, shares[::-1])


@given(st.lists(VALUES, min_size=1, max_size=40))
def test_a_history_is_read_as_it_was_packed(units):
    history = make_history(units)
    found = unpack_history(pack_history(history), len(units))
    np.testing.assert_array_equal(found.units, history.units)
    np.testing.assert_array_equal(found.price, history.price)
    np.testing.assert_allclose(found.promoted, history.promoted, atol=1 / 255)
    np.testing.assert_array_equal(found.out > 0, history.out > 0)  # no stock-out is rounded away


def test_blocks_are_read_alike_from_memory_and_from_a_file(tmp_path):
    blocks = [pack_history(make_history([at, at + 1.0])) for at in range(5)]
    sizes, digests = np.array([len(one) for one in blocks]), [digest_block(one) for one in blocks]
    path = tmp_path / HISTORY_FILE
    path.write_bytes(b"".join(blocks))
    held = HistoryBlocks(b"".join(blocks), sizes, digests, 2)
    stored = HistoryBlocks(LargeFile(path, ""), sizes, digests, 2)
    for at in (4, 0, 2):
        assert stored.read(at).units.tolist() == held.read(at).units.tolist() == [at, at + 1.0]


def test_a_damaged_block_is_refused_and_the_others_are_read(tmp_path):
    blocks = [pack_history(make_history([at, at + 1.0])) for at in range(3)]
    sizes, digests = np.array([len(one) for one in blocks]), [digest_block(one) for one in blocks]
    content = bytearray(b"".join(blocks))
    content[sizes[0] + 3] ^= 1
    path = tmp_path / HISTORY_FILE
    path.write_bytes(content)
    stored = HistoryBlocks(LargeFile(path, ""), sizes, digests, 2)
    with pytest.raises(ArtifactError, match="damaged"):
        stored.read(1)
    assert stored.read(2).units.tolist() == [2.0, 3.0]
    path.write_bytes(content[:-1])
    with pytest.raises(ArtifactError, match="bytes"):
        HistoryBlocks(LargeFile(path, ""), sizes, digests, 2)


def test_every_published_series_is_found_by_its_names(champion):
    facts = unpack_facts(champion.files)
    keys = champion.forecasts[["region_id", "product_id"]].drop_duplicates()
    assert len(keys) == len(facts)
    for region, product in keys.itertuples(index=False):
        nodes = (facts.trees["region"].find(region), facts.trees["product"].find(product))
        at = facts.find(*nodes)
        assert (facts.codes["region"][at], facts.codes["product"][at]) == nodes
    assert facts.find(facts.trees["region"].find("nowhere"), 0) == -1


def test_files_that_do_not_fit_are_refused_and_none_is_no_facts(champion):
    assert unpack_facts({}) is None
    without = {name: one for name, one in champion.files.items() if name != CALENDAR_FILE}
    with pytest.raises(ArtifactError, match="train again"):
        unpack_facts(without)
    with pytest.raises(ArtifactError, match=SERIES_FILE):
        unpack_facts(champion.files | {SERIES_FILE: b"no table"})
