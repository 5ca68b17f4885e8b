from __future__ import annotations

import json

import numpy as np
import pytest

from models.demand.intervals import ResidualIntervals, conformal_quantile
from models.demand.quantiles import QUANTILES


def groups(n_rows: int, name: str = "g") -> np.ndarray:
    return np.full(n_rows, name, dtype=object)


def test_the_conformal_rank_is_corrected_for_a_finite_sample():
    scores = np.arange(1.0, 10.0)  # nine scores
    assert conformal_quantile(scores, 0.8) == 8.0  # the ceil(10 × 0.8)th smallest
    assert conformal_quantile(scores, 0.95) == 9.0  # the 10th does not exist
    assert conformal_quantile(scores, 0.5) == 5.0


def test_residual_quantiles_by_hand():
    residuals = np.arange(-49.0, 50.0)  # 99 of them, one scale each
    model = ResidualIntervals(min_rows=10).fit(
        np.zeros(99), residuals * 2, np.full(99, 2.0), groups(99), np.zeros(99, int)
    )
    found = model.predict_quantiles(np.array([100.0]), np.array([1.0]), groups(1))[0]
    assert found[QUANTILES.index(0.9)] == 140.0  # the 90th of 99 is 40
    assert found[QUANTILES.index(0.1)] == 60.0
    assert found[QUANTILES.index(0.5)] == 100.0


def test_few_residuals_use_students_t_with_two_degrees_of_freedom_per_origin():
    model = ResidualIntervals().fit(
        np.zeros(4), np.array([1.0, -1, 1, -1]), np.ones(4), groups(4), np.array([0, 0, 1, 1])
    )
    found = model.predict_quantiles(np.array([10.0]), np.array([2.0]), groups(1))[0]
    assert found[8] == pytest.approx(10 + 2 * 2.776445, rel=1e-6)  # t table, 4 degrees, 0.975
    again = ResidualIntervals.from_json(json.loads(json.dumps(model.to_json())))
    assert again.offsets_ == model.offsets_
