import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ArtifactError
from models.receptivity.calibration import IDENTITY, Calibration, fit_calibration


def test_two_levels_become_two_knots_at_their_observed_frequencies():
    # 400 cells at 0.1 of which 80 came true, 100 at 0.4 of which 30 did: 40 expected in each bin
    predicted = np.repeat([0.1, 0.4], [400, 100])
    observed = np.repeat([1, 0, 1, 0], [80, 320, 30, 70])

    found = fit_calibration(predicted, observed, max_bins=2)

    assert found.x.tolist() == pytest.approx([0, 0.1, 0.4, 1])
    assert found.y.tolist() == pytest.approx([0, 0.2, 0.3, 1])
    assert found.predict(np.array([0.1, 0.25, 0.4])).tolist() == pytest.approx([0.2, 0.25, 0.3])


def test_violators_are_pooled_into_one_knot():
    # observed falls from 0.3 to 0.2: pooled to (400 * 0.3 + 200 * 0.2) / 600
    predicted = np.repeat([0.2, 0.4], [400, 200])
    observed = np.repeat([1, 0, 1, 0], [120, 280, 40, 160])

    found = fit_calibration(predicted, observed, max_bins=2)

    assert found.x.tolist() == pytest.approx([0, (400 * 0.2 + 200 * 0.4) / 600, 1])
    assert found.y.tolist() == pytest.approx([0, 160 / 600, 1])


def test_weeks_count_as_trials():
    predicted = np.full(100, 0.25)
    weeks = np.repeat([2, 1], 50)  # of 4: frequency 0.375

    found = fit_calibration(predicted, weeks, n_trials=4, max_bins=1)

    assert found.predict(np.array([0.25]))[0] == pytest.approx(0.375)


def test_heals_probabilities_that_are_half_of_the_truth():
    rng = np.random.default_rng(3)
    truth = rng.beta(1, 6, 60_000)
    seen = rng.random(60_000) < truth
    found = fit_calibration(truth[:30_000] / 2, seen[:30_000])

    after = found.predict(truth[30_000:] / 2)

    assert np.abs(after - truth[30_000:]).mean() < 0.01
    assert after.mean() == pytest.approx(seen[30_000:].mean(), abs=0.005)


def test_too_few_positives_leave_probabilities_as_they_are():
    assert fit_calibration(np.full(100, 0.1), np.zeros(100)) is IDENTITY
    assert fit_calibration(np.array([]), np.array([])) is IDENTITY
    assert fit_calibration(np.zeros(100), np.ones(100)) is IDENTITY


def test_probabilities_stay_inside_0_and_1():
    found = IDENTITY.predict(np.array([0.0, 1.0]))

    assert 0 < found[0] < 1e-6
    assert 1 - 1e-6 < found[1] < 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_keeps_the_order_of_all_probabilities(seed, bins):
    rng = np.random.default_rng(seed)
    raw = rng.random(500) ** 2
    found = fit_calibration(raw, rng.random(500) < 0.3, max_bins=bins, min_positives=1)

    calibrated = found.predict(np.sort(raw[(raw > 1e-6) & (raw < 1 - 1e-6)]))

    assert (np.diff(calibrated) >= 0).all()
    assert (np.diff(found.x) > 0).all()
    assert (np.diff(found.y) > 0).all()
    again = Calibration.from_json(found.to_json())
    assert np.array_equal(again.predict(raw), found.predict(raw))


@pytest.mark.parametrize(
    "knots",
    [
        {"x": [0.0, 1.0]},
        {"x": [0.0, 1.0], "y": [0.0, 0.5, 1.0]},
        {"x": [0.0, 0.5, 0.4, 1.0], "y": [0.0, 0.1, 0.2, 1.0]},
        {"x": [0.0, 0.5], "y": [0.0, 1.0]},
        {"x": ["a", 1.0], "y": [0.0, 1.0]},
    ],
)
def test_refuses_damaged_knots(knots):
    with pytest.raises(ArtifactError, match="knots"):
        Calibration.from_json(knots)
