from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from models.demand.intervals import (
    ConformalIntervals,
    ResidualIntervals,
    conformal_quantile,
    find_volume_classes,
)
from models.demand.quantiles import NODES, QUANTILES


def groups(n_rows: int, name: str = "g") -> np.ndarray:
    return np.full(n_rows, name, dtype=object)


def test_the_conformal_rank_is_corrected_for_a_finite_sample():
    scores = np.arange(1.0, 10.0)  # nine scores
    assert conformal_quantile(scores, 0.8) == 8.0  # the ceil(10 × 0.8)th smallest
    assert conformal_quantile(scores, 0.95) == 9.0  # the 10th does not exist
    assert conformal_quantile(scores, 0.5) == 5.0


def test_intervals_that_are_too_narrow_are_widened_by_hand():
    nodes = np.tile([8.0, 9.0, 10.0, 11.0, 12.0], (9, 1))  # 80 % interval 9 to 11
    y = np.array([10.0, 10, 10, 10, 12, 12, 12, 12, 13])  # 0.5 widths above it, once 1
    model = ConformalIntervals(min_rows=1).fit(nodes, y, groups(9))
    assert model.multiples_["g"]["0.8"] == 0.5
    found = model.predict_quantiles(nodes[:1], groups(1))[0]
    assert found[QUANTILES.index(0.1)] == 8.0
    assert found[QUANTILES.index(0.9)] == 12.0
    assert found[QUANTILES.index(0.5)] == 10.0


@pytest.mark.parametrize("width", [0.3, 1.0, 3.0])
def test_coverage_is_what_it_says_however_wrong_the_model(width):
    rng = np.random.default_rng(0)
    spread = width * stats.norm.ppf(NODES)
    centre = rng.uniform(20, 40, 4000)
    nodes = centre[:, None] + 5 * spread
    y = np.maximum(rng.normal(centre, 5.0), 0)
    model = ConformalIntervals().fit(nodes[:2000], y[:2000], groups(2000))
    found = model.predict_quantiles(nodes[2000:], groups(2000))
    for level, low, high in ((0.8, 2, 6), (0.95, 0, 8)):
        inside = (found[:, low] <= y[2000:]) & (y[2000:] <= found[:, high])
        assert inside.mean() == pytest.approx(level, abs=0.02)


def test_mostly_zero_sales_are_covered_too():
    rng = np.random.default_rng(0)
    y = rng.poisson(0.7, 6000).astype(float)
    nodes = np.tile([0.0, 0.0, 0.5, 2.0, 3.0], (6000, 1))
    nodes *= rng.uniform(0.8, 1.2, 6000)[:, None]
    model = ConformalIntervals().fit(nodes[:3000], y[:3000], groups(3000))
    found = model.predict_quantiles(nodes[3000:], groups(3000))
    assert (found[:, 0] == 0).all()
    inside = y[3000:] <= found[:, 8]
    assert inside.mean() == pytest.approx(0.95, abs=0.03)


def test_groups_learn_apart_and_small_ones_use_the_pool():
    nodes = np.tile([8.0, 9.0, 10.0, 11.0, 12.0], (400, 1))
    names = np.array(["calm"] * 200 + ["wild"] * 195 + ["rare"] * 5, dtype=object)
    y = np.where(names == "calm", 10.0, 20.0)
    model = ConformalIntervals(min_rows=100).fit(nodes, y, names)
    assert set(model.multiples_) == {"", "calm", "wild"}
    calm, rare, unseen = model.predict_quantiles(
        nodes[:3], np.array(["calm", "rare", "unseen"], dtype=object)
    )
    assert calm[6] < rare[6] == unseen[6]


@settings(max_examples=60, deadline=None)
@given(
    arrays(float, (12, 5), elements=st.floats(0, 1e4)),
    arrays(float, 12, elements=st.floats(0, 1e4)),
)
def test_corrected_quantiles_always_ascend_and_are_never_negative(nodes, y):
    model = ConformalIntervals(min_rows=1).fit(nodes, y, groups(12))
    found = model.predict_quantiles(nodes, groups(12))
    assert (found >= 0).all()
    assert (np.diff(found, axis=1) >= 0).all()
    again = ConformalIntervals.from_json(json.loads(json.dumps(model.to_json())))
    np.testing.assert_array_equal(again.predict_quantiles(nodes, groups(12)), found)


def test_without_any_row_intervals_stay_as_modelled():
    nodes = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])
    model = ConformalIntervals().fit(np.empty((0, 5)), np.empty(0), groups(0))
    found = model.predict_quantiles(nodes, groups(1))[0]
    assert [found[QUANTILES.index(node)] for node in NODES] == [1.0, 2.0, 3.0, 4.0, 5.0]


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


def test_volume_classes():
    assert find_volume_classes(np.array([0.5, 1.0, 3.0]), (1.0, 2.0)).tolist() == [0, 1, 2]
    assert find_volume_classes(np.array([5.0]), ()).tolist() == [0]
