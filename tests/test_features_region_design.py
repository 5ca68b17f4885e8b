from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.engine import open_engine
from features.region import panel_rows
from features.region.design import build_training_design, draw_training_design
from features.region.frequency import DAY, Bucket
from features.region.panel import Panel, build_panel
from tests.sales_tables import make_sales, write_tables

BUCKET = Bucket(8, 14)


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Panel:
    folder = tmp_path_factory.mktemp("design")
    with open_engine(threads=1) as engine:
        return build_panel(
            engine,
            write_tables(folder, make_sales(periods=120)),
            origin=date(2024, 4, 20),
            horizon_days=14,
            frequency=DAY,
        )


@pytest.mark.parametrize("back", [0, 30])
def test_all_rows_are_drawn_where_there_is_room(panel, back):
    origin = panel.origin_period - back
    whole = build_training_design(panel, origin, BUCKET)
    drawn = draw_training_design(panel, origin, BUCKET, max_rows=10**6, seed=1)
    np.testing.assert_array_equal(drawn.series, whole.series)
    np.testing.assert_array_equal(drawn.periods, whole.periods)
    np.testing.assert_array_equal(drawn.units, whole.units)
    pd.testing.assert_frame_equal(drawn.features, whole.features)


def test_drawn_rows_are_those_of_the_whole_design(panel):
    origin = panel.origin_period - 10
    whole = build_training_design(panel, origin, BUCKET)
    drawn = draw_training_design(panel, origin, BUCKET, max_rows=50, seed=1)
    pairs = list(zip(whole.series.tolist(), whole.periods.tolist(), strict=True))
    chosen = list(zip(drawn.series.tolist(), drawn.periods.tolist(), strict=True))
    assert len(set(chosen)) == 50
    assert chosen == sorted(chosen)
    places = [pairs.index(pair) for pair in chosen]
    pd.testing.assert_frame_equal(
        drawn.features, whole.features.iloc[places].reset_index(drop=True)
    )
    again = draw_training_design(panel, origin, BUCKET, max_rows=50, seed=1)
    np.testing.assert_array_equal(again.periods, drawn.periods)
    other = draw_training_design(panel, origin, BUCKET, max_rows=50, seed=2)
    assert other.periods.tolist() != drawn.periods.tolist()


def test_a_panel_read_some_series_at_a_time_is_the_panel(tmp_path, monkeypatch):
    sales = make_sales(periods=60).assign(price=2.0, known_since=date(2024, 1, 1))
    workspace = write_tables(tmp_path, sales)

    def read() -> Panel:
        with open_engine(threads=1) as engine:
            return build_panel(
                engine,
                workspace,
                origin=None,
                horizon_days=7,
                frequency=DAY,
                known_ahead=("price",),
            )

    whole = read()
    for block in (1, 100):
        monkeypatch.setattr(panel_rows, "BLOCK_ROWS", block)
        blocks = read()
        for name in ("units", "is_out", "sold", "history", "known"):
            np.testing.assert_array_equal(getattr(blocks, name), getattr(whole, name), name)
        for name in ("given", "known_from", "price_rows"):
            one, other = getattr(blocks.plan, name), getattr(whole.plan, name)
            np.testing.assert_array_equal(one, other, name)


def test_of_many_series_some_are_kept_over_enough_periods(panel):
    origin = panel.origin_period
    some = build_training_design(panel, origin, BUCKET, max_rows=60, least_periods=28)
    assert np.unique(some.periods).tolist() == list(range(origin - 27, origin + 1))
    step = 1 + len(panel.series) * 28 // 60
    assert set(some.series.tolist()) == set(range(0, len(panel.series), step))
    few = build_training_design(panel, origin, BUCKET, max_rows=10**6, least_periods=28)
    whole = build_training_design(panel, origin, BUCKET)
    pd.testing.assert_frame_equal(few.features, whole.features)
