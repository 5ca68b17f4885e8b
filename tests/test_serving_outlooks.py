"""When customers order next: published numbers, null where nothing can be told."""

import numpy as np
import pandas as pd
import pytest

from features.errors import ArtifactError
from serving.outlooks import Outlook, Outlooks, as_columns

ROWS = {"a": 0, "b": 1, "c": 2}


def write(*rows, **changes):
    usual = {
        "order_probability_28d": 0.5, "days_to_next_order": 12.0, "days_to_next_order_low": 3.0,
        "days_to_next_order_high": 40.0, "churn_risk": 0.1, "expected_order_value": 25.0,
        "advice": "now", "reason": "orders every 12 days", "wait_days": 0,
    }  # fmt: skip
    table = pd.DataFrame([{"customer_id": name, **usual, **more} for name, more in rows])
    return table.drop(columns=changes.get("without", [])).to_parquet(index=False)


def test_each_row_of_the_profiles_gets_its_own(recwarn):
    late = {"days_to_next_order": np.nan, "days_to_next_order_high": np.nan, "advice": "later",
            "wait_days": 9, "churn_risk": 0.7, "expected_order_value": 40.0}  # fmt: skip
    outlooks = Outlooks(write(("c", late), ("stranger", {}), ("a", {})), ROWS)
    assert outlooks.get(0) == Outlook("now", 0, 0.5, 12.0, 3.0, 40.0, 0.1, "orders every 12 days")
    assert outlooks.get(1) is None
    assert outlooks.get(-1) is None
    third = outlooks.get(2)
    assert (third.advice, third.wait_days, third.churn_risk) == ("later", 9, 0.7)
    assert (third.days_to_next_order, third.days_to_next_order_low) == (None, 3.0)
    assert third.days_to_next_order_high is None
    np.testing.assert_array_equal(outlooks.order_values(), [25.0, np.nan, 40.0])
    assert len(recwarn) == 0


def test_a_file_without_rows_tells_nothing_of_anybody():
    outlooks = Outlooks(write(("stranger", {})), ROWS)
    assert [outlooks.get(row) for row in (-1, 0, 1, 2)] == [None] * 4
    empty = pd.read_parquet(pd.io.common.BytesIO(write(("a", {})))).iloc[:0]
    outlooks = Outlooks(empty.to_parquet(index=False), ROWS)
    assert outlooks.get(0) is None
    assert np.isnan(outlooks.order_values()).all()


@pytest.mark.parametrize("name", ["advice", "wait_days", "churn_risk", "customer_id"])
def test_a_column_that_is_missing_is_named(name):
    with pytest.raises(ArtifactError, match=f"outlook.parquet: there is no column {name}"):
        Outlooks(write(("a", {}), without=[name]), ROWS)


def test_what_is_no_table_is_refused():
    with pytest.raises(ArtifactError, match=r"outlook\.parquet: not a Parquet file"):
        Outlooks(b"words", ROWS)


def test_columns_are_empty_where_there_is_none():
    outlooks = Outlooks(write(("a", {"days_to_next_order": np.nan})), ROWS)
    table = as_columns([None, outlooks.get(0)])
    assert list(table) == [
        "advice", "wait_days", "order_probability_28d", "days_to_next_order", "churn_risk",
    ]  # fmt: skip
    assert table.iloc[0].isna().all()
    assert (table["advice"][1], table["wait_days"][1]) == ("now", 0)
    assert table["order_probability_28d"][1] == 0.5
    assert pd.isna(table["days_to_next_order"][1])
