import numpy as np
import pytest

from models.stock.rules import set_mean_sd_levels, set_seasonal_naive_levels

SALES = np.random.default_rng(0).poisson(4, (3, 60)).astype(float)


def test_mean_and_deviation_by_hand():
    # mean 2, variance 2, four periods, z = 1 at 84.13 %: 8 + sqrt(4 x 2 + (2 x 1.5)^2)
    level = set_mean_sd_levels(
        [[9, 1, 3]],
        [3],
        interval_periods=4,
        service_level=0.8413447460685429,
        lead_time_sd=1.5,
        window=2,
    )

    assert level.tolist() == [[pytest.approx(8 + 17**0.5)]]


@pytest.mark.parametrize("interval", [1, 4, 7, 10])
def test_seasonal_naive_by_loop(interval):
    def naive(row, at):
        return sum(row[at - 7 + step % 7] for step in range(interval))

    levels = set_seasonal_naive_levels(
        SALES, [30, 45], interval_periods=interval, service_level=0.8413447460685429
    )

    for item, row in enumerate(SALES):
        for column, review in enumerate([30, 45]):
            missed = [
                row[at : at + interval].sum() - naive(row, at)
                for at in range(7, review - interval + 1)
            ]
            wanted = naive(row, review) + np.std(missed, ddof=1)
            assert levels[item, column] == pytest.approx(wanted)


@pytest.mark.parametrize("rule", [set_mean_sd_levels, set_seasonal_naive_levels])
def test_the_future_changes_nothing(rule):
    changed = SALES.copy()
    changed[:, 40:] = 99
    asked = {"interval_periods": [3, 5, 5], "service_level": 0.9}

    assert np.array_equal(rule(SALES, [40], **asked), rule(changed, [40], **asked))


@pytest.mark.parametrize("rule", [set_mean_sd_levels, set_seasonal_naive_levels])
def test_bad_input_is_refused(rule):
    asked = {"interval_periods": 3, "service_level": 0.9}
    with pytest.raises(ValueError, match="more history"):
        rule(SALES, [1], **asked)
    with pytest.raises(ValueError, match="sales: expected numbers, got nan"):
        rule(np.full((1, 30), np.nan), [20], **asked)
    with pytest.raises(ValueError, match=r"0\.95 means 95 %"):
        rule(SALES, [20], interval_periods=3, service_level=95)
