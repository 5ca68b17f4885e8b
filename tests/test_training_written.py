"""Result tables are written whole, as their suffix says."""

from __future__ import annotations

import pandas as pd
import pytest

from training.written import write_result

DATED = pd.DataFrame({"date": pd.to_datetime(["2024-01-31"]), "mean": [0.1 + 0.2], "n": [3]})
TABLE = pd.DataFrame({"region": ["N", "S"], "mean": [1.5, 2.0]})


def test_csv_and_parquet_hold_the_table_and_leave_nothing_beside_it(tmp_path):
    for name, read in (("a.csv", pd.read_csv), ("a.parquet", pd.read_parquet)):
        write_result(TABLE, tmp_path / "new" / name)
        pd.testing.assert_frame_equal(read(tmp_path / "new" / name), TABLE)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a.csv", "a.parquet"}


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"FILE\.csv or FILE\.parquet, got a\.xlsx"):
        write_result(TABLE, tmp_path / "a.xlsx")
    assert not list(tmp_path.iterdir())


def test_csv_leaves_out_the_noise_of_numbers_and_keeps_all_else(tmp_path):
    write_result(DATED, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "date,mean,n\n2024-01-31,0.3,3\n"
