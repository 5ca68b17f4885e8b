import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.exports import defuse, quantile_column, write_csv
from serving.forecasts import Forecast


def forecast(region: str) -> Forecast:
    return Forecast(
        region_id=region,
        region_level="store",
        product_id="p",
        product_level="sku",
        level="store/sku",
        date="2026-11-02",
        origin="2026-11-01",
        mean=2.5,
        quantiles={"0.1": 1.0, "0.975": 9.0},
        intervals={"0.8": [1.0, 6.0]},
        model="lightgbm",
        evidence='says "much", in words',
    )


def test_csv_holds_the_forecasts():
    content = write_csv([forecast("North")], ["0.1", "0.975"]).decode()
    assert content.splitlines()[0] == (
        "region_id,region_level,product_id,product_level,level,date,origin,mean,q10,q975,"
        "lower_80,upper_80,"
        "model,evidence"
    )
    (row,) = csv.DictReader(io.StringIO(content))
    assert row["region_id"] == "North"
    assert (row["mean"], row["q10"], row["q975"]) == ("2.5", "1.0", "9.0")
    assert row["evidence"] == 'says "much", in words'


@given(st.text())
def test_no_cell_starts_a_formula_and_the_text_survives(region):
    content = write_csv([forecast(region)], ["0.1", "0.975"]).decode()
    (row,) = list(csv.reader(io.StringIO(content, newline="")))[1:]
    assert not row[0].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert row[0] in (region, f"'{region}")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "  =1", "\r=1"])
def test_formulas_are_defused(text):
    assert defuse(text) == f"'{text}"


@pytest.mark.parametrize(
    ("probability", "column"), [("0.5", "q50"), ("0.05", "q05"), ("0.025", "q025")]
)
def test_quantile_columns_are_those_of_the_batch_files(probability, column):
    assert quantile_column(probability) == column
