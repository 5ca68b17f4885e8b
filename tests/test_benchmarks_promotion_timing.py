import numpy as np
import pytest

from benchmarks.promotion_timing import TARGETS, describe, measure
from benchmarks.promotion_timing_data import Purchases


def make_purchases(n=150, each=20, seed=1):
    """Customers with a favourite hour each, on any day but Sunday."""
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(n), each)
    hours = rng.integers(8, 20, n)[customer] + rng.integers(-1, 2, n * each)
    place = np.tile(np.arange(each) / each, n)
    days = place * 300
    return Purchases(
        customer, 24 * rng.integers(0, 6, n * each) + hours, days, place, np.zeros(n, int)
    )


def test_the_first_sixty_percent_of_each_customer_teach():
    customer, place = (
        np.repeat([0, 1], [6, 10]),
        np.concatenate([np.arange(6) / 6, np.arange(10) / 10]),
    )
    whole = Purchases(customer, np.arange(16), np.arange(16.0), place, np.zeros(2, int))

    first, rest = whole.split()

    assert first.slot.tolist() == [0, 1, 2, *range(6, 12)]  # 3 of 6 and 6 of 10
    assert rest.slot.tolist() == [3, 4, 5, *range(12, 16)]
    again, _ = first.split()
    assert again.slot.tolist() == [0, 6, 7, 8]  # 1 of 3 and 3 of 6


def test_ours_finds_the_favourite_hours_and_says_so():
    found = measure(make_purchases(), np.random.default_rng(1), 100)

    losses = {(row["target"], row["model"]): row["log_loss"] for row in found["scores"]}
    assert losses["3-hour block", "ours"] < losses["3-hour block", "population"] - 0.5
    assert losses["hour of week", "ours"] < losses["hour of week", "singly shrunk"]
    gain = next(row for row in found["gains"] if row["baseline"] == "population")
    assert gain["low"] < gain["gain"] < gain["high"]
    assert gain["gain"] == pytest.approx(
        losses["3-hour block", "population"] - losses["3-hour block", "ours"]
    )
    assert set(found["constants"]) == set(TARGETS)
    assert 0 < found["calibration_error_if_true"]["weekday"] < 0.05
    assert "| weekday | ours |" in describe({"sets": {"Shop": found}})
