import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ArtifactError
from serving.forecasts import ForecastQuery, ForecastTable, NotForecast, NotPublished
from serving.names import NEIGHBOURS, nearest

DAYS = [dt.date(2026, 11, 2) + dt.timedelta(days=n) for n in range(10)]


@pytest.fixture(scope="module")
def table(forecast_file):
    return ForecastTable(forecast_file)


def rewrite(content: bytes, change) -> bytes:
    frame = change(pq.read_table(pa.BufferReader(content)).to_pandas())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return sink.getvalue().to_pybytes()


def all_pages(table: ForecastTable, query: ForecastQuery, limit: int) -> list:
    rows, from_row = [], 0
    while from_row is not None:
        page = table.find(query, (0.1, 0.9), limit=limit, from_row=from_row)
        assert 1 <= len(page.forecasts) <= limit
        rows += page.forecasts
        from_row = page.next_row
    return rows


def test_one_row_is_read_whole(table, forecast_table):
    query = ForecastQuery("s1", "cat 2", "store/category", DAYS[3], DAYS[3])
    (row,) = table.find(query, (0.025, 0.5), limit=10).forecasts
    expected = forecast_table.query(
        "region_id == 's1' and product_id == 'cat 2' and level == 'store/category'"
    ).iloc[3]
    assert (row.region_level, row.product_level) == ("store", "category")
    assert (row.date, row.origin) == ("2026-11-05", "2026-11-01")
    assert row.mean == expected["mean"]
    assert row.quantiles == {"0.025": expected["q025"], "0.5": expected["q50"]}
    assert (row.model, row.evidence) == ("lightgbm", "own series")


@given(
    region=st.sampled_from([None, "all", "s0", "s1", "s2"]),
    product=st.sampled_from([None, "all", "cat 0", "cat 3"]),
    level=st.sampled_from([None, "all/all", "store/all", "store/category"]),
    first=st.one_of(st.none(), st.sampled_from(DAYS)),
    last=st.one_of(st.none(), st.sampled_from(DAYS)),
    limit=st.integers(1, 70),
)
def test_pages_together_are_what_a_plain_loop_finds(
    table, forecast_table, region, product, level, first, last, limit
):
    expected = [
        (row.level, row.region_id, row.product_id, str(row.date), row.mean)
        for row in forecast_table.itertuples()
        if (region is None or row.region_id == region)
        and (product is None or row.product_id == product)
        and (level is None or row.level == level)
        and (first is None or row.date >= first)
        and (last is None or row.date <= last)
    ]
    query = ForecastQuery(region, product, level, first, last)
    if not expected:
        with pytest.raises(NotForecast, match="2026-11-02 to 2026-11-11"):
            table.find(query, (0.1,), limit=limit)
        return
    found = all_pages(table, query, limit)
    assert [(r.level, r.region_id, r.product_id, r.date, r.mean) for r in found] == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (ForecastQuery(region="s9"), "this region is not forecast; nearest: 's[012]'"),
        (ForecastQuery(product="cat"), "this product is not forecast; nearest: 'cat [0-3]'"),
        (ForecastQuery(level="store/alls"), "this level is not forecast; nearest: 'store/all'"),
    ],
)
def test_unknown_names_get_the_nearest_one(table, query, message):
    with pytest.raises(NotForecast, match=message):
        table.find(query, (0.5,), limit=1)


def test_a_quantile_that_was_not_published_is_refused_with_those_that_were(table):
    with pytest.raises(NotPublished, match=r"0\.025, 0\.05, 0\.1, 0\.25, 0\.5, 0\.75, 0\.9"):
        table.find(ForecastQuery(), (0.5, 0.6), limit=1)


def test_levels_count_what_they_hold(table):
    level = {found.level: found for found in table.levels}["store/category"]
    assert (level.regions, level.products, level.series) == (3, 4, 12)
    assert (level.first_date, level.last_date) == ("2026-11-02", "2026-11-11")


def test_gaps_between_dates_are_no_fault(forecast_file):
    table = ForecastTable(rewrite(forecast_file, lambda frame: frame[frame.index % 3 != 1]))
    query = ForecastQuery("all", first_date=DAYS[0], last_date=DAYS[9])
    assert 6 <= len(table.find(query, (0.5,), limit=99).forecasts) <= 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.iloc[::-1], "sorted"),
        (lambda frame: pd.concat([frame, frame]), "sorted"),
        (lambda frame: frame.drop(columns="evidence"), "without evidence"),
        (lambda frame: frame.drop(columns=[c for c in frame if c[0] == "q"]), "quantiles"),
        (lambda frame: frame.iloc[:0], "0 rows"),
        (lambda frame: frame.assign(mean=-1.0), "mean"),
        (lambda frame: frame.assign(q50=np.nan), "q50"),
        (lambda frame: frame.assign(region_id=None), "region_id"),
    ],
)
def test_a_table_that_is_not_sound_is_refused(forecast_file, change, message):
    with pytest.raises(ArtifactError, match=message):
        ForecastTable(rewrite(forecast_file, change))


def test_what_is_no_parquet_is_refused():
    with pytest.raises(ArtifactError, match="not a Parquet file"):
        ForecastTable(b"PAR1 but nothing more")


def test_nearest_among_very_many_names_looks_at_the_neighbours():
    names = sorted(f"store {n:05d}" for n in range(20 * NEIGHBOURS))
    assert nearest("store 01239x", names) == "store 01239"
    assert nearest("zzz", names) in names


def find_intervals(content: bytes, values: tuple[float, ...]) -> dict:
    names = ("q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975")
    given = dict(zip(names, values, strict=True))
    table = ForecastTable(rewrite(content, lambda frame: frame.assign(**given)))
    query = ForecastQuery("s1", "cat 2", "store/category", DAYS[3], DAYS[3])
    return table.find(query, (0.5,), limit=1).forecasts[0].intervals


def test_intervals_start_at_zero_where_zero_is_likely(forecast_file):
    often_zero = (0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    found = find_intervals(forecast_file, often_zero)
    # The 80 % quantile lies between those of 75 and 90 %, linearly in the normal score.
    upper = 2 + (0.8416 - 0.6745) / (1.2816 - 0.6745)
    assert found["0.8"] == [0.0, pytest.approx(upper, abs=1e-3)]
    assert found["0.95"] == [0.0, 4.0]
    above = tuple(value + 1 for value in often_zero)
    assert find_intervals(forecast_file, above) == {"0.8": [1.0, 4.0], "0.95": [1.0, 6.0]}
