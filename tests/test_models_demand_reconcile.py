from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hierarchicalforecast.methods import MinTrace
from scipy import sparse

from features.region.nodes import Nodes
from models.demand.reconcile import (
    BOTTOM_UP,
    METHODS,
    SHRINK,
    STRUCTURE,
    VARIANCE,
    ErrorModel,
    choose_anchors,
    describe_choice,
    find_shrinkage,
    fit_errors,
    reconcile,
)


def make_nodes(groups: dict[str, list[list[int]]], n_series: int) -> Nodes:
    """Nodes of levels, each a list of its nodes' series."""
    rows = [(level, f"{level}{at}", below) for level, of in groups.items()
            for at, below in enumerate(of)]  # fmt: skip
    summing = np.zeros((len(rows), n_series))
    for at, (_, _, below) in enumerate(rows):
        summing[at, below] = 1
    table = pd.DataFrame(
        {
            "level": [level for level, _, _ in rows],
            "region_id": [name for _, name, _ in rows],
            "product_id": "all",
            "n_series": [len(below) for _, _, below in rows],
            "series": [below[0] if len(below) == 1 else -1 for _, _, below in rows],
        }
    )
    series = pd.DataFrame({"region_id": [f"s{at}" for at in range(n_series)], "product_id": "p"})
    return Nodes(table, series, sparse.csr_array(summing))


def random_tree(rng: np.random.Generator, n_series: int = 9) -> Nodes:
    """A total, three areas, two crossed kinds, and the series."""
    area = rng.permutation(np.arange(n_series) % 3)
    kind = rng.permutation(np.arange(n_series) % 2)
    return make_nodes(
        {
            "all": [list(range(n_series))],
            "area": [np.flatnonzero(area == at).tolist() for at in range(3)],
            "kind": [np.flatnonzero(kind == at).tolist() for at in range(2)],
            "leaf": [[at] for at in range(n_series)],
        },
        n_series,
    )


@pytest.fixture(params=range(3))
def case(request):
    """A tree with incoherent forecasts of its nodes, and errors of mean zero as its residuals."""
    rng = np.random.default_rng(request.param)
    nodes = random_tree(rng)
    series = rng.uniform(50, 100, (9, 4))
    base = nodes.sum(series)
    base[:6] *= rng.uniform(0.97, 1.03, (6, 4))
    errors = nodes.sum(rng.normal(size=(9, 3)) @ rng.normal(size=(3, 40)))
    errors += rng.normal(size=errors.shape) * rng.uniform(1, 4, (len(base), 1))
    errors -= errors.mean(axis=1, keepdims=True)
    return nodes, series, base, ErrorModel((errors**2).mean(axis=1), errors)


@pytest.mark.parametrize(
    ("method", "peer"), [(STRUCTURE, "wls_struct"), (VARIANCE, "wls_var"), (SHRINK, "mint_shrink")]
)
def test_means_are_those_of_hierarchicalforecast(case, method, peer):
    nodes, series, base, errors = case
    anchors = choose_anchors(nodes)
    assert anchors.tolist() == list(range(6))
    found = reconcile(method, nodes, series, base[anchors], anchors, errors)
    actual = np.random.default_rng(9).uniform(50, 100, errors.errors.shape)
    expected = MinTrace(peer).fit_predict(
        S=nodes.summing.toarray(),
        y_hat=base,
        y_insample=actual,
        # It refuses residuals that sum to zero.
        y_hat_insample=actual + errors.errors + 1e-5,
    )["mean"]
    # The peer adds a ridge of 2e-8 to the shrunk covariance.
    np.testing.assert_allclose(nodes.sum(found), expected, rtol=1e-6)
    assert np.abs(found - series).max() > 0.05


@pytest.mark.parametrize("method", METHODS)
def test_what_is_coherent_already_stays(case, method):
    nodes, series, _, errors = case
    anchors = choose_anchors(nodes)
    upper = nodes.sum(series)[anchors]
    found = reconcile(method, nodes, series, upper, anchors, errors)
    np.testing.assert_allclose(found, series, rtol=1e-9)


def test_sums_from_below_ignore_the_nodes(case):
    nodes, series, base, _ = case
    anchors = choose_anchors(nodes)
    np.testing.assert_array_equal(
        reconcile(BOTTOM_UP, nodes, series, base[anchors] * 3, anchors, None), series
    )


def test_two_series_and_a_total_by_hand():
    nodes = make_nodes({"all": [[0, 1]], "leaf": [[0], [1]]}, 2)
    series, total = np.array([[10.0], [20.0]]), np.array([[36.0]])
    # W = diag(2, 1, 1): of the gap of 6 each series takes 1 ÷ (2 + 1 + 1).
    found = reconcile(STRUCTURE, nodes, series, total, np.array([0]), None)
    np.testing.assert_allclose(found, [[11.5], [21.5]])
    # The total errs little and the second series much, so that one moves most.
    errors = ErrorModel(np.array([1.0, 1.0, 4.0]), np.zeros((3, 1)))
    found = reconcile(VARIANCE, nodes, series, total, np.array([0]), errors)
    np.testing.assert_allclose(found, [[11.0], [24.0]])


@pytest.mark.parametrize("method", METHODS)
def test_never_negative_and_what_sells_nothing_stays_at_zero(method):
    nodes = make_nodes({"all": [[0, 1, 2]], "leaf": [[0], [1], [2]]}, 3)
    errors = ErrorModel(
        np.array([1.0, 1.0, 4.0, 4.0]), np.random.default_rng(0).normal(size=(4, 9))
    )
    series = np.array([[1.0], [5.0], [0.0]])
    for total in (0.0, 30.0):
        found = reconcile(method, nodes, series, np.array([[total]]), np.array([0]), errors)
        assert (found >= 0).all()
        assert found[2, 0] == 0.0


def test_methods_that_need_errors_say_so():
    nodes = make_nodes({"all": [[0, 1]], "leaf": [[0], [1]]}, 2)
    given = (nodes, np.ones((2, 1)), np.ones((1, 1)), np.array([0]), None)
    for method in (VARIANCE, SHRINK):
        with pytest.raises(ValueError, match=f"{method} needs the errors of earlier forecasts"):
            reconcile(method, *given)
    with pytest.raises(ValueError, match=r"expected one of bottom_up, .* got 'top_down'"):
        reconcile("top_down", *given)


def test_the_shrinkage_intensity_by_hand():
    # Products of the two rows: 1, −1, 1, 1, so r = 1/2 and their variance ÷ (n − 1) is 1/4.
    standard = np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, -1.0, -1.0]])
    assert find_shrinkage(standard) == pytest.approx((1 - 0.25) / 3 / 0.25)
    # Errors that are the same in both are not shrunk at all; a single past tells nothing.
    assert find_shrinkage(np.array([[1.0, -1.0], [1.0, -1.0]])) == 0.0
    assert find_shrinkage(standard[:, :1]) == 1.0


def test_error_variances_lean_on_the_scale_while_rows_are_few():
    scale = np.array([1.0, 2.0, 3.0, 1.0])
    errors = np.full((4, 40), np.nan)
    errors[0], errors[1, :10], errors[2] = 2.0, 4.0, 6.0
    found = fit_errors(errors, scale)
    # All errors are twice the scale, so whatever the prior weighs the variance is (2 scale)².
    np.testing.assert_allclose(found.variance, 4 * scale**2)
    errors[1, :10] = 8.0
    moved = fit_errors(errors, scale).variance
    assert moved[1] == pytest.approx((10 * 16 + 10 * 64) / 20)
    assert np.isfinite(found.errors).all()


def test_anchors_are_whole_levels_and_each_set_of_series_once():
    twice = {"all": [[0, 1, 2, 3]], "country": [[0, 1, 2, 3]], "area": [[0, 1], [2, 3]],
             "odd": [[0, 2], [1], [3]], "leaf": [[0], [1], [2], [3]]}  # fmt: skip
    nodes = make_nodes(twice, 4)
    chosen = nodes.table.iloc[choose_anchors(nodes)]
    assert sorted(chosen["region_id"])[1:] == ["area0", "area1", "odd0"] or sorted(
        chosen["region_id"]
    ) == ["all0", "area0", "area1", "odd0"]
    few = nodes.table.iloc[choose_anchors(nodes, max_nodes=3)]
    assert set(few["level"]) <= {"all", "country", "odd"}


def test_the_choice_gains_half_a_percent_on_average_and_harms_no_level():
    losses = {
        BOTTOM_UP: {"a": 0.10, "b": 0.20},
        STRUCTURE: {"a": 0.09, "b": 0.20},
        SHRINK: {"a": 0.11, "b": 0.16},
    }
    # Mean log ratios: (−0.105 + 0) ÷ 2 and (0.095 − 0.223) ÷ 2; but a tenth worse at one level.
    found = describe_choice(losses)
    assert found["method"] == STRUCTURE
    assert "wls_struct -5.1%" in found["reason"]
    assert "mint_shrink -6.2%" in found["reason"]
    close = {BOTTOM_UP: {"a": 0.1}, STRUCTURE: {"a": 0.0997}}
    assert describe_choice(close)["method"] == BOTTOM_UP
    assert describe_choice({})["method"] == BOTTOM_UP
