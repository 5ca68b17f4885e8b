import numpy as np
import pandas as pd
import pytest

from models.value.advice import add_advice


def advise(bought, since, gap, median, risk, usual=12.0):
    predictions = pd.DataFrame({"days_to_next_order": [median], "churn_risk": [risk]})
    purchases = pd.DataFrame(
        {"purchase_days": [bought], "days_since_last": [since], "mean_gap_days": [gap]}
    )
    before = predictions.copy()
    (row,) = add_advice(predictions, purchases, usual_gap_days=usual).to_dict("records")
    pd.testing.assert_frame_equal(predictions, before)
    return row["advice"], row["wait_days"], row["reason"]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((0, np.nan, np.nan, 80.0, 0.9), ("now", 0, "has not bought yet")),
        ((8, 12, 9.0, 3.0, 0.1), ("now", 0, "buys every 9 days, last 12 days ago: due now")),
        (
            (8, 0, 9.0, 6.6, 0.1),
            ("now", 0, "buys every 9 days, last today: next order expected in 7 days"),
        ),
        (
            (8, 1, 30.0, 19.2, 0.1),
            (
                "wait",
                13,
                "buys every 30 days, last 1 day ago: next order expected in 19 days, wait 13 days",
            ),
        ),
        (
            (8, 60, 30.0, 90.0, 0.5),
            ("win back", 0, "buys every 30 days, last 60 days ago: probably lost, win back"),
        ),
        ((8, 60, 30.0, 90.0, 0.49), ("now", 0, "buys every 30 days, last 60 days ago: due now")),
        # silent for less than two of their gaps: risk alone does not make a customer lost
        ((8, 59, 30.0, 90.0, 0.9), ("now", 0, "buys every 30 days, last 59 days ago: due now")),
        # of one purchase or two the gap is everybody's, 12 days
        (
            (1, 24, np.nan, np.nan, 0.8),
            ("win back", 0, "bought once, 24 days ago: probably lost, win back"),
        ),
        (
            (1, 3, np.nan, np.nan, 0.8),
            ("wait", 28, "bought once, 3 days ago: no next order in sight, wait 28 days"),
        ),
        (
            (2, 3, 50.0, 35.5, 0.2),
            (
                "wait",
                28,
                "bought twice, last 3 days ago: next order expected in 36 days, wait 28 days",
            ),
        ),
        (
            (2, 3, 50.0, 7.4, 0.2),
            ("wait", 1, "bought twice, last 3 days ago: next order expected in 7 days, wait 1 day"),
        ),
    ],
)
def test_rules(history, expected):
    assert advise(*history) == expected
