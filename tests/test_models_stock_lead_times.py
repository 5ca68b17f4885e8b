import numpy as np
import pytest

from models.stock.lead_times import (
    read_lead_times,
    sample_lead_times,
    sample_observed_lead_times,
)


@pytest.mark.parametrize(
    ("mean", "sd"),
    [
        (3.0, 0.5),  # mixture of binomials
        (3.0, 1.2),
        (4.0, 2.0),  # Poisson
        (4.0, 3.0),  # mixture of negative binomials
        (2.0, 1.7),
        (1.5, 4.0),  # mixture of geometrics
        (14.2, 3.3),
        (0.3, 0.9),
    ],
)
def test_both_moments_are_met(mean, sd):
    rng = np.random.default_rng(5)

    drawn = sample_lead_times(mean, sd, n_items=1, shape=(400_000,), rng=rng)

    error = sd / 400_000**0.5
    assert drawn.mean() == pytest.approx(mean, abs=5 * error)
    assert drawn.std() == pytest.approx(sd, rel=0.02)
    assert drawn.min() >= 0


def test_a_certain_lead_time_is_itself_and_a_fraction_its_neighbours():
    rng = np.random.default_rng(5)

    drawn = sample_lead_times([3.0, 2.5, 0.0], 0.0, n_items=3, shape=(2, 5000), rng=rng)

    assert drawn.shape == (3, 2, 5000)
    assert set(drawn[0].ravel().tolist()) == {3}
    assert set(drawn[1].ravel().tolist()) == {2, 3}
    assert drawn[1].mean() == pytest.approx(2.5, abs=0.03)
    assert not drawn[2].any()


def test_the_same_seed_draws_the_same():
    drawn = [
        sample_lead_times(3, 1, n_items=4, shape=(9,), rng=np.random.default_rng(2))
        for _ in range(2)
    ]

    assert np.array_equal(*drawn)


def test_observed_lead_times_are_drawn_from_their_own_item():
    rng = np.random.default_rng(0)

    drawn = sample_observed_lead_times([[2, 2, 5], [9]], n_items=2, shape=(6000,), rng=rng)

    assert set(drawn[0].tolist()) == {2, 5}
    assert (drawn[0] == 2).mean() == pytest.approx(2 / 3, abs=0.03)
    assert set(drawn[1].tolist()) == {9}
    assert (
        sample_observed_lead_times([[4]], n_items=3, shape=(2,), rng=rng).tolist() == [[4, 4]] * 3
    )


def test_lead_times_take_the_shape_of_their_use():
    assert read_lead_times(2, (2, 3)).tolist() == [[2, 2, 2], [2, 2, 2]]
    assert read_lead_times([1, 2], (2, 3)).tolist() == [[1, 1, 1], [2, 2, 2]]
    assert read_lead_times([[1, 2], [3, 4]], (2, 2)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (-1, "expected numbers >= 0, got -1"),
        (1.5, "whole periods"),
        (np.inf, "whole periods"),
        ([1, np.nan], "got nan"),
        ([1, 2, 3], "expected one number, shape"),
    ],
)
def test_bad_lead_times_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        read_lead_times(given, (2, 5))


def test_bad_distributions_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="lead time sd: expected numbers >= 0"):
        sample_lead_times(1, -1, n_items=1, shape=(1,), rng=rng)
    with pytest.raises(ValueError, match="expected 1 list or 3"):
        sample_observed_lead_times([[1], [2]], n_items=3, shape=(1,), rng=rng)
    with pytest.raises(ValueError, match="at least one"):
        sample_observed_lead_times([[]], n_items=3, shape=(1,), rng=rng)
