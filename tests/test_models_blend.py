from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.demand.blend import blend_members, fit_blend_weights

FIRST = np.array([1.0, 0.0, 0.0])


def test_the_mixture_that_made_the_data_is_found():
    rng = np.random.default_rng(0)
    members = rng.uniform(10, 20, (200, 3))
    actual = members @ np.array([0.2, 0.5, 0.3])
    found = fit_blend_weights(members, actual, np.ones(200), FIRST, prior_share=0.0)
    np.testing.assert_allclose(found, [0.2, 0.5, 0.3], atol=1e-6)


def test_the_prior_pulls_half_way_when_it_counts_as_much_as_the_rows():
    members = np.array([[1.0, 3.0], [5.0, 3.0]])
    actual = members[:, 1]
    found = fit_blend_weights(members, actual, np.ones(2), np.array([1.0, 0.0]), prior_share=1.0)
    np.testing.assert_allclose(found, [0.5, 0.5], atol=1e-6)


def test_large_regions_do_not_decide_alone():
    members = np.array([[1.0, 2.0], [2000.0, 1000.0]])
    actual = np.array([1.0, 1000.0])
    even = fit_blend_weights(members, actual, np.array([1.0, 1000.0]), FIRST[:2], prior_share=0)
    large = fit_blend_weights(members, actual, np.ones(2), FIRST[:2], prior_share=0.0)
    np.testing.assert_allclose(even, [0.5, 0.5], atol=1e-6)
    assert large[1] > 0.999


def test_a_member_without_forecasts_has_no_weight():
    members = np.array([[1.0, np.nan, 2.0]] * 5)
    found = fit_blend_weights(members, np.full(5, 2.0), np.ones(5), FIRST, prior_share=0.0)
    np.testing.assert_allclose(found, [0.0, 0.0, 1.0], atol=1e-6)
    prior = fit_blend_weights(members, np.full(5, np.nan), np.ones(5), FIRST, prior_share=0.0)
    assert prior.tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="no member made a forecast"):
        fit_blend_weights(members * np.nan, np.ones(5), np.ones(5), FIRST, prior_share=0.0)


@settings(max_examples=80, deadline=None)
@given(
    arrays(float, (8, 3), elements=st.floats(0, 1e5)),
    arrays(float, 8, elements=st.floats(0, 1e5)),
    st.floats(0, 2),
)
def test_weights_are_never_negative_and_sum_to_one(members, actual, share):
    found = fit_blend_weights(members, actual, np.ones(8), FIRST, prior_share=share)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0)


def test_a_missing_member_leaves_its_weight_to_the_others():
    members = np.array([[10.0, 20.0], [10.0, np.nan], [np.nan, 20.0]])
    assert blend_members(members, np.array([0.5, 0.5])).tolist() == [15.0, 10.0, 20.0]
    assert blend_members(members[2:], np.array([1.0, 0.0])).tolist() == [20.0]


def test_every_row_may_have_weights_of_its_own():
    members = np.array([[10.0, 20.0], [10.0, 20.0], [10.0, np.nan]])
    weights = np.array([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0]])
    assert blend_members(members, weights).tolist() == [10.0, 17.5, 10.0]
