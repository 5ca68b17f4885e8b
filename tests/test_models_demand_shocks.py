from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from features.region.hierarchy import build_hierarchy
from features.region.nodes import Nodes, build_nodes
from models.demand.marginals import KNOTS, PROBABILITIES, find_deviation, find_slope
from models.demand.shocks import (
    OWN,
    Shocks,
    Tried,
    code_series,
    draw_paths,
    find_shock_levels,
    fit_shocks,
    iterate_blocks,
    read_scores,
)

N_REGIONS, N_PRODUCTS, N_STEPS = 5, 6, 7
N_SERIES = N_REGIONS * N_PRODUCTS
LEVELS = ("all/all", "region/all", OWN)


def plant(ids: list[str], name: str):
    frame = pd.DataFrame({f"{name}_id": ids, "parent_id": "all", "level": name}, dtype="str")
    return build_hierarchy(frame, f"{name}s", f"{name}_id")


@pytest.fixture(scope="module")
def nodes() -> Nodes:
    regions = [f"r{place}" for place in range(N_REGIONS)]
    products = [f"p{place}" for place in range(N_PRODUCTS)]
    series = pd.DataFrame(
        [(region, product) for region in regions for product in products],
        columns=["region_id", "product_id"],
    )
    return build_nodes(
        SimpleNamespace(
            series=series, regions=plant(regions, "region"), products=plant(products, "product")
        )
    )


def name(nodes: Nodes) -> np.ndarray:
    return (nodes.series["region_id"] + "/" + nodes.series["product_id"]).to_numpy(object)


def normal(mean: float = 100.0, deviation: float = 1.0) -> np.ndarray:
    return np.tile(mean + deviation * KNOTS, (N_SERIES, N_STEPS, 1))


def draw(nodes, shocks, values, *, series=None, n_paths=2000, seed=1):
    series = np.arange(N_SERIES) if series is None else series
    return draw_paths(
        nodes, shocks, values[series], name(nodes), series=series, n_paths=n_paths, seed=seed
    )


SHOCKS = Shocks(LEVELS, np.array([0.1, 0.2, 0.3]), np.array([0.05, 0.15, 0.2]))


def test_levels_with_common_shocks_are_those_with_several_series(nodes):
    assert set(find_shock_levels(nodes)) == {"all/all", "region/all", "all/product", OWN}
    assert code_series(nodes, "region/all").tolist() == np.repeat(range(5), 6).tolist()
    assert code_series(nodes, "all/product").tolist() == np.tile(range(6), 5).tolist()
    assert code_series(nodes, OWN).tolist() == list(range(N_SERIES))


def test_paths_of_a_series_have_its_own_distribution(nodes):
    gamma = stats.gamma.ppf(PROBABILITIES, 2.0, scale=5.0)
    values = np.tile(gamma, (N_SERIES, N_STEPS, 1))
    paths = draw(nodes, SHOCKS, values)
    # Steps of a series share shocks; all series together leave little chance.
    probabilities = (0.1, 0.25, 0.5, 0.75, 0.9)
    found = np.quantile(paths, probabilities)
    np.testing.assert_allclose(found, stats.gamma.ppf(probabilities, 2.0, scale=5.0), rtol=0.03)
    one = np.quantile(paths[3, 2], probabilities)
    np.testing.assert_allclose(one, found, rtol=0.15)


def test_half_of_the_paths_mirror_the_other_half(nodes):
    paths = draw(nodes, SHOCKS, normal(), n_paths=40)
    np.testing.assert_allclose(paths[:, :, :20] + paths[:, :, 20:], 200.0, rtol=1e-5)
    np.testing.assert_allclose(paths.mean(axis=2), 100.0, rtol=1e-5)


def test_a_series_has_the_same_paths_whichever_others_are_drawn(nodes):
    values = normal()
    together = draw(nodes, SHOCKS, values, n_paths=20)
    alone = draw(nodes, SHOCKS, values, series=np.array([17]), n_paths=20)
    few = draw(nodes, SHOCKS, values, series=np.array([29, 17, 2]), n_paths=20)
    np.testing.assert_array_equal(alone[0], together[17])
    np.testing.assert_array_equal(few, together[[29, 17, 2]])
    assert (draw(nodes, SHOCKS, values, n_paths=20, seed=2) != together).any()


def test_a_shorter_horizon_has_the_start_of_the_paths(nodes):
    values = normal()
    long, short = (draw(nodes, SHOCKS, values[:, :steps], n_paths=20) for steps in (N_STEPS, 3))
    np.testing.assert_array_equal(short, long[:, :3])


def test_blocks_hold_every_series_once():
    blocks = [block.tolist() for block in iterate_blocks(5, 2)]
    assert blocks == [[0, 1], [2, 3], [4]]
    assert list(iterate_blocks(0, 2)) == []


def test_correlations_are_the_shares_that_are_common(nodes):
    scores = draw(nodes, SHOCKS, normal()) - 100.0

    def together(first, second):
        return np.mean([(scores[a, s] * scores[b, t]).mean() for a, s, b, t in
                        zip(*first, *second, strict=True)])  # fmt: skip

    rng = np.random.default_rng(0)
    region = rng.integers(0, N_REGIONS, 300)
    one, other = 6 * region, 6 * region + rng.integers(1, 6, 300)
    far = 6 * ((region + 1) % N_REGIONS)
    step = rng.integers(0, N_STEPS, 300)
    later = (step + 1) % N_STEPS
    # Deviations are one, cut at three of them, so covariances are correlations.
    assert together((one, step), (other, step)) == pytest.approx(0.5, abs=0.05)
    assert together((one, step), (far, step)) == pytest.approx(0.15, abs=0.05)
    assert together((one, step), (one, later)) == pytest.approx(0.4, abs=0.05)
    assert together((one, step), (far, later)) == pytest.approx(0.05, abs=0.05)


def test_sums_over_series_and_periods_are_as_wide_as_they_should_be(nodes):
    paths = draw(nodes, SHOCKS, normal(), n_paths=6000) - 100.0
    n, per_region = N_SERIES, N_PRODUCTS
    one = n * 0.5 + N_REGIONS * per_region**2 * 0.35 + n**2 * 0.15
    assert paths.sum(axis=0).var(axis=1).mean() == pytest.approx(one, rel=0.06)
    passing = n * 0.3 + N_REGIONS * per_region**2 * 0.2 + n**2 * 0.1
    lasting = n * 0.2 + N_REGIONS * per_region**2 * 0.15 + n**2 * 0.05
    whole = N_STEPS * passing + N_STEPS**2 * lasting
    assert paths.sum(axis=(0, 1)).var() == pytest.approx(whole, rel=0.08)


def try_paths(nodes, shocks, values, n_tried, seed=3) -> list[Tried]:
    """Earlier forecasts whose outcomes are sample paths of known shares."""
    paths = draw(nodes, shocks, values, n_paths=2 * n_tried, seed=seed)[:, :, :n_tried]
    flat = values.reshape(-1, len(KNOTS))
    shape = values.shape[:2]
    slope = find_slope(flat).reshape(shape)
    rest = np.maximum(find_deviation(flat).reshape(shape) ** 2 - slope**2, 0.0)
    mean = paths.mean(axis=2)
    return [Tried(mean - paths[:, :, place], slope, rest) for place in range(n_tried)]


def test_known_shares_are_found_again(nodes):
    tried = try_paths(nodes, SHOCKS, normal(), 300)
    found = fit_shocks(nodes, tried, LEVELS)
    np.testing.assert_allclose(found.passing, SHOCKS.passing, atol=0.07)
    np.testing.assert_allclose(found.lasting, SHOCKS.lasting, atol=0.07)
    assert found.passing.sum() + found.lasting.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "shocks",
    [
        SHOCKS,
        Shocks(LEVELS, np.array([0.0, 0.0, 1.0]), np.zeros(3)),
        Shocks(LEVELS, np.array([0.3, 0.0, 0.2]), np.array([0.3, 0.0, 0.2])),
    ],
)
def test_sums_drawn_from_the_found_shares_are_as_wide_as_the_truth(nodes, shocks):
    gamma = stats.gamma.ppf(PROBABILITIES, 3.0, scale=2.0)
    values = np.tile(gamma, (N_SERIES, N_STEPS, 1))
    found = fit_shocks(nodes, try_paths(nodes, shocks, values, 200), LEVELS)
    true, drawn = (draw(nodes, which, values, n_paths=4000, seed=8) for which in (shocks, found))
    for axis in (0, (0, 1)):
        expected = true.sum(axis=axis).std(axis=-1).mean()
        assert drawn.sum(axis=axis).std(axis=-1).mean() == pytest.approx(expected, rel=0.15)


def test_without_earlier_forecasts_series_are_independent(nodes):
    found = fit_shocks(nodes, [], LEVELS)
    assert found.passing.tolist() == [0.0, 0.0, 0.5]
    assert found.lasting.tolist() == [0.0, 0.0, 0.5]


def test_shares_are_never_negative_and_sum_to_one_even_without_errors(nodes):
    nothing = np.zeros((N_SERIES, N_STEPS))
    for tried in (Tried(nothing, nothing, nothing), Tried(nothing, nothing + 1, nothing)):
        found = fit_shocks(nodes, [tried], LEVELS)
        together = np.concatenate([found.passing, found.lasting])
        assert (together >= 0).all()
        assert together.sum() == pytest.approx(1.0)


def test_scores_are_read_between_knots_and_cut_beyond_them():
    values = (10 + 2 * KNOTS)[None, None]
    scores = np.array([[[0.0, 0.125, -1.0, 9.0, -9.0]]], np.float32)
    found = read_scores(values, scores)[0, 0]
    np.testing.assert_allclose(found, [10.0, 10.25, 8.0, 16.0, 4.0], rtol=1e-4)


def test_series_outside_a_level_are_drawn_without_its_shocks():
    regions = pd.DataFrame(
        {
            "region_id": ["city", "r0", "r1", "lone"],
            "parent_id": ["all", "city", "city", "all"],
            "level": ["city", "region", "region", "region"],
        },
        dtype="str",
    )
    series = pd.DataFrame({"region_id": ["r0", "r1", "lone"], "product_id": "p0"}, dtype="str")
    ragged = build_nodes(
        SimpleNamespace(
            series=series,
            regions=build_hierarchy(regions, "regions", "region_id"),
            products=plant(["p0"], "product"),
        )
    )
    shocks = Shocks(("city/all", OWN), np.array([0.5, 0.5]), np.zeros(2))
    values = np.tile(100.0 + KNOTS, (3, N_STEPS, 1))
    alone = draw_paths(
        ragged, shocks, values[2:], name(ragged), series=np.array([2]), n_paths=2000, seed=1
    )
    assert alone.std() == pytest.approx(1.0, abs=0.05)
