import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.promotion_speed import choose_top, describe
from benchmarks.promotion_speed_data import (
    draw_messages,
    draw_outcomes,
    read_histories,
    write_profiles,
)


def test_the_three_likeliest_permitted_slots_are_written_in_order():
    probability = np.full((2, 168), 0.01)
    probability[0, [3, 10, 34, 60]] = [0.9, 0.2, 0.4, 0.3]  # 3 in the night is not permitted
    probability[1, [20, 21, 163]] = [0.5, 0.6, 0.7]  # nor is 21:00; 163 is Sunday 19:00
    table = choose_top(np.array(["a", "b"], dtype=object), probability).to_pydict()
    assert [table[f"slot_{place}"][0] for place in (1, 2, 3)] == [34, 60, 10]
    assert [table[f"probability_{place}"][0] for place in (1, 2, 3)] == [0.4, 0.3, 0.2]
    assert [table[f"slot_{place}"][1] for place in (1, 2)] == [163, 20]


def test_profiles_are_the_same_for_a_seed_and_read_as_histories(tmp_path):
    for name in ("one", "two"):
        write_profiles(tmp_path / name, 300, 5)
    first, second = (pq.read_table(tmp_path / name) for name in ("one", "two"))
    assert first.equals(second)
    histories = read_histories(first)
    assert len(histories) == 300
    assert histories.counts.nnz == sum(len(row) for row in first["active_slots"].to_pylist())
    outcomes = draw_outcomes(histories, 5)
    assert outcomes.totals.sum() > 0
    assert outcomes.weeks_active.max() <= 4
    messages = draw_messages(histories, 5)
    assert messages.of("email").sent.sum() == pytest.approx(300 * 12)


def test_the_section_says_what_was_scaled():
    measured = {"seconds": 10.0, "cpu": 15.0, "gib": 1.5}
    words = describe(
        {
            "customers": 1000,
            "threads": 2,
            "measured": {"send_time": measured},
            "naive": {"customers": 10, "seconds": 0.5, "scaled_seconds": 50.0, "trees": 500},
            "difference": {"send_time": 0.0},
        }
    )
    assert "| send_time | 10.0 | 15.0 | 1.50 |" in words
    assert "in proportion 50 s for 1,000" in words
