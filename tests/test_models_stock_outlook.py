import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.stock.outlook import project_stock


def project_by_loop(path, on_hand, reserved, arrivals):
    """One path: units lost by day, and the first day with a loss."""
    stock, lost, first = on_hand - reserved, [], len(path)
    for day, asked in enumerate(path):
        stock += arrivals[day]
        sold = min(asked, max(stock, 0))
        stock -= sold
        lost.append(asked - sold)
        if asked - sold > 1e-9:
            first = min(first, day)
    return lost, first


def test_by_hand():
    # three days of 4, 5 units, 6 more on the third morning
    outlook = project_stock(np.full((1, 3, 2), 4.0), 5, arrivals=[[0, 0, 6]])

    assert outlook.lost_units.tolist() == [[0.0, 3.0, 0.0]]
    assert outlook.stock_out_probability.tolist() == [[0.0, 1.0, 0.0]]
    assert outlook.stock_out_by.tolist() == [[0.0, 1.0, 1.0]]
    assert outlook.days_of_cover.tolist() == [[1.0, 1.0, 1.0]]


def test_stock_that_just_lasts_is_no_stock_out():
    outlook = project_stock(np.full((1, 3, 1), 0.1), 0.1 + 0.1 + 0.1)

    assert outlook.stock_out_by.tolist() == [[0.0, 0.0, 0.0]]
    assert outlook.days_of_cover.tolist() == [[3.0, 3.0, 3.0]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(-5, 30), st.integers(0, 12))
def test_every_path_by_loop(seed, on_hand, reserved):
    rng = np.random.default_rng(seed)
    paths = rng.poisson(3, (1, 6, 15)).astype(float)
    arrivals = rng.poisson(2, (1, 6)).astype(float)

    outlook = project_stock(paths, on_hand, reserved=reserved, arrivals=arrivals)

    runs = [project_by_loop(paths[0, :, p], on_hand, reserved, arrivals[0]) for p in range(15)]
    lost = np.array([run[0] for run in runs])
    first = sorted(run[1] for run in runs)
    assert outlook.lost_units[0] == pytest.approx(lost.mean(axis=0))
    assert outlook.stock_out_probability[0] == pytest.approx((lost > 0).mean(axis=0))
    by = [np.mean([day <= d for day in first]) for d in range(6)]
    assert outlook.stock_out_by[0] == pytest.approx(by)
    assert outlook.days_of_cover[0].tolist() == [first[1], first[7], first[13]]


def test_more_stock_is_never_riskier():
    paths = np.random.default_rng(0).poisson(3, (20, 10, 50)).astype(float)

    less, more = project_stock(paths, 10), project_stock(paths, 14)

    assert (more.stock_out_by <= less.stock_out_by).all()
    assert (more.lost_units.sum(axis=1) <= less.lost_units.sum(axis=1)).all()
    assert (more.days_of_cover >= less.days_of_cover).all()


def test_bad_arrivals_are_refused():
    paths = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match=r"arrivals: expected shape \(2, 3\)"):
        project_stock(paths, 1, arrivals=np.zeros(3))
    with pytest.raises(ValueError, match="arrivals: expected numbers >= 0, got nan at"):
        project_stock(paths, 1, arrivals=np.full((2, 3), np.nan))
