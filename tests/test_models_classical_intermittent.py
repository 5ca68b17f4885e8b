import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.classical.intermittent import ALPHAS, forecast_croston_sba, forecast_tsb

NAN = np.nan


def test_croston_by_hand():
    # size 4, interval 2; then after 3 periods size 4 + .1 * 6 = 4.6, interval 2 + .1 * 1 = 2.1
    values = np.array([[0.0, 4.0, 0.0, 0.0, 10.0, 0.0]])
    assert forecast_croston_sba(values, alpha=0.1)[0] == pytest.approx(0.95 * 4.6 / 2.1)


def test_tsb_by_hand():
    # size 4, probability 1/2; then .45, .405, and with demand .4645 and size 5.2; then .41805
    values = np.array([[0.0, 4.0, 0.0, 0.0, 10.0, 0.0]])
    made = forecast_tsb(values, alpha_d=0.2, alpha_p=0.1)
    assert made[0] == pytest.approx(0.41805 * 5.2)


def test_tsb_forgets_a_dead_product_and_croston_does_not():
    values = np.array([[5.0] * 10 + [0.0] * 60])
    assert forecast_tsb(values)[0] < 0.02
    assert forecast_croston_sba(values)[0] == pytest.approx(0.95 * 5.0)


def test_no_demand_is_zero():
    values = np.array([[0.0, 0.0, 0.0], [NAN, NAN, NAN], [NAN, -1.0, 0.0]])
    assert forecast_croston_sba(values).tolist() == [0.0, 0.0, 0.0]
    assert forecast_croston_sba(values, alpha=None).tolist() == [0.0, 0.0, 0.0]
    assert forecast_tsb(values).tolist() == [0.0, 0.0, 0.0]


def test_missing_periods_and_padding_are_skipped():
    plain = np.array([[0.0, 3.0, 0.0, 5.0, 0.0]])
    holed = np.array([[NAN, NAN, 0.0, 3.0, NAN, 0.0, 5.0, 0.0]])
    for forecast in (forecast_croston_sba, forecast_tsb):
        assert forecast(plain)[0] == forecast(holed)[0]


def test_scale_and_row_order_do_not_matter():
    rng = np.random.default_rng(1)
    values = rng.poisson(0.4, (20, 60)) * rng.integers(1, 9, (20, 60)) * 1.0
    for forecast in (forecast_croston_sba, forecast_tsb):
        np.testing.assert_allclose(forecast(values * 4), forecast(values) * 4)
        np.testing.assert_array_equal(forecast(values[::-1]), forecast(values)[::-1])


def test_optimised_alpha_has_the_smallest_error_by_plain_loop():
    rng = np.random.default_rng(4)
    values = rng.poisson(0.5, (4, 40)) * (1.0 + np.arange(40) / 10)
    made = forecast_croston_sba(values, alpha=None)
    for i, series in enumerate(values):
        errors = []
        for alpha in ALPHAS:
            start = int((series > 0).argmax()) + 1
            past = [
                series[t] - forecast_croston_sba(series[None, :t], alpha=alpha)[0]
                for t in range(start, 40)
            ]
            errors.append(sum(e * e for e in past))
        best = ALPHAS[int(np.argmin(errors))]
        assert made[i] == forecast_croston_sba(values[i : i + 1], alpha=best)[0]


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 12)),
        elements=st.one_of(st.just(0.0), st.just(NAN), st.floats(-5, 1e6, width=32)),
    )
)
def test_forecasts_are_finite_and_not_negative(values):
    for made in (forecast_croston_sba(values), forecast_tsb(values)):
        assert np.isfinite(made).all()
        assert (made >= 0).all()


@pytest.mark.parametrize("alpha", [0.0, 1.1])
def test_bad_smoothing_is_refused(alpha):
    with pytest.raises(ValueError, match=r"expected in \(0, 1\]"):
        forecast_croston_sba(np.ones((1, 3)), alpha=alpha)
    with pytest.raises(ValueError, match=r"expected in \(0, 1\]"):
        forecast_tsb(np.ones((1, 3)), alpha_d=alpha)
