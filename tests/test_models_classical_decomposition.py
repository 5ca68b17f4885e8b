import numpy as np
import pytest

from models.classical.decomposition import (
    compute_seasonal_indices,
    detect_season,
    take_out_season,
    tile_indices,
)


def test_additive_indices_by_hand():
    # a straight line is its own centred average, so the indices are what was added to it
    pattern = np.array([3.0, -1.0, -4.0, 2.0])
    values = (10.0 + 2.0 * np.arange(16) + np.tile(pattern, 4))[:, None]
    found = compute_seasonal_indices(values, 4, is_multiplicative=False)
    np.testing.assert_allclose(found[:, 0], pattern)


def test_multiplicative_indices_by_hand():
    pattern = np.array([0.5, 1.5, 1.0])
    values = 20.0 * np.tile(pattern, 4)[:, None]
    found = compute_seasonal_indices(values, 3, is_multiplicative=True)
    np.testing.assert_allclose(found[:, 0], pattern)


def test_indices_keep_their_place_when_a_series_starts_late():
    pattern = np.array([3.0, -1.0, -4.0, 2.0])
    values = (10.0 + np.tile(pattern, 6))[:, None]
    values[:5] = np.nan
    found = compute_seasonal_indices(values, 4, is_multiplicative=False)
    np.testing.assert_allclose(found[:, 0], pattern)


def test_unknown_indices_are_neutral():
    values = np.array([[1.0], [2.0], [3.0]])
    assert compute_seasonal_indices(values, 4, is_multiplicative=True).tolist() == [[1.0]] * 4
    assert compute_seasonal_indices(values, 4, is_multiplicative=False).tolist() == [[0.0]] * 4


def test_shrinkage_takes_noise_for_no_season_and_leaves_a_clear_one():
    rng = np.random.default_rng(1)
    noise = rng.normal(100, 5, (160, 40))
    wave = noise + 40 * np.sin(2 * np.pi * np.arange(160) / 52)[:, None]
    for values, low, high in ((noise, 0.0, 0.35), (wave, 0.9, 1.0)):
        plain = compute_seasonal_indices(values, 52, is_multiplicative=False)
        shrunk = compute_seasonal_indices(values, 52, is_multiplicative=False, is_shrunk=True)
        share = (np.abs(shrunk).sum(axis=0) / np.abs(plain).sum(axis=0)).mean()
        assert low <= share <= high


@pytest.mark.parametrize("n_periods", [35, 36])
def test_the_test_of_seasonality_needs_three_seasons(n_periods):
    values = np.tile([9.0] + 11 * [1.0], 4)[:n_periods, None]
    assert detect_season(values, 12).tolist() == [n_periods == 36]


def test_the_test_of_seasonality_by_plain_loop():
    rng = np.random.default_rng(7)
    values = rng.normal(0, 1, (40, 30)) + 0.7 * np.tile([1, 0, -1, 0], 10)[:, None]
    expected = []
    for y in values.T:
        d = y - y.mean()
        r = [(d[k:] * d[:-k]).sum() / (d**2).sum() for k in range(1, 5)]
        expected.append(abs(r[3]) > 1.645 * ((1 + 2 * sum(x * x for x in r[:3])) / 40) ** 0.5)
    assert 0 < sum(expected) < 30
    assert detect_season(values, 4).tolist() == expected


def test_no_season_is_found_in_a_constant_or_without_one():
    assert not detect_season(np.full((40, 1), 3.0), 4).any()
    assert not detect_season(np.random.default_rng(0).normal(size=(40, 1)), 1).any()


def test_a_long_smooth_wave_is_a_season():
    wave = np.sin(2 * np.pi * np.arange(156) / 52)[:, None]
    noise = np.random.default_rng(3).normal(0, 0.1, (156, 10))
    assert detect_season(wave + noise, 52).all()
    assert not detect_season(np.cumsum(noise, axis=0), 52).any()


def test_what_is_taken_out_is_put_back():
    pattern = np.array([0.5, 1.5, 1.0, 1.0])
    values = np.stack([20 * np.tile(pattern, 5), 20 * np.tile(pattern, 5) - 15], axis=1)[:-1]
    taken = take_out_season(values, 4)
    assert taken.is_seasonal.all()
    np.testing.assert_allclose(taken.adjusted, [[20.0, 5.0]] * 19)
    ahead = taken.put_back(np.array([[20.0, 20.0], [5.0, 5.0]]))
    np.testing.assert_allclose(ahead, [[20.0, 10.0], [5.0, -5.0]])


def test_indices_are_laid_along_any_periods():
    indices = np.array([[1.0], [2.0], [3.0]])
    assert tile_indices(indices, 2, 4)[:, 0].tolist() == [3.0, 1.0, 2.0, 3.0]
