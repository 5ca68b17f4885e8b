import json

import numpy as np
import pytest
from scipy import sparse

from models.receptivity.activity_level import LevelChain, fit_level
from models.receptivity.histories import Histories, Outcomes


def make_histories(events, tenure_days, segments=None):
    n = len(events)
    counts = np.zeros((n, 168))
    counts[:, 12] = events
    codes = np.full(n, -1) if segments is None else np.asarray(segments)
    return Histories(
        customer_id=np.arange(n).astype(str).astype(object),
        counts=sparse.csr_array(counts),
        segment_names=tuple(f"s{i}" for i in range(codes.max(initial=-1) + 1)),
        segment_codes=codes,
        own_events=np.asarray(events, dtype=float),
        tenure_days=np.asarray(tenure_days, dtype=float),
        level_features=np.empty((n, 0)),
        level_names=(),
    )


def make_chain(**changes):
    values = {
        "half_life_days": 1e9,  # practically no decay: decayed weeks are weeks
        "global_rate": 1.0,
        "segment_names": ("s0",),
        "segment_rate": np.array([3.0]),
        "segment_weeks": 50.0,
        "customer_weeks": 10.0,
        "scale": 0.5,
    }
    return LevelChain(**{**values, **changes})


def test_ten_weeks_of_own_history_weigh_as_much_as_a_prior_of_ten():
    # 20 events in 10 weeks are 2 a week; the prior says 1 (everybody) or 3 (the segment)
    histories = make_histories([20, 20], [70, 70], [-1, 0])

    assert make_chain().level(histories).tolist() == pytest.approx([0.5 * 1.5, 0.5 * 2.5])


def test_without_history_the_level_is_the_priors():
    histories = Histories.unknown(["x", "y"], ["s0", "elsewhere"])

    assert make_chain().level(histories).tolist() == pytest.approx([0.5 * 3.0, 0.5 * 1.0])


def test_weeks_decay_as_events_do():
    # a half-life of 7 days: all of the past is 1 / ln 2 = 1.4427 weeks, one week of it the half
    chain = make_chain(half_life_days=7.0, customer_weeks=1.0, scale=1.0)

    level = chain.level(make_histories([2.0, 2.0], [np.nan, 7.0]))

    whole = 1 / np.log(2)
    assert level.tolist() == pytest.approx([3 / (whole + 1), 3 / (whole / 2 + 1)])


def test_more_events_mean_a_higher_level():
    level = make_chain().level(make_histories([0, 1, 5, 50], [70] * 4))

    assert (np.diff(level) > 0).all()


def test_finds_how_rates_scatter():
    # gamma rates of mean 1 a week and 4 weeks' strength, over 26 weeks before and 4 after
    rng = np.random.default_rng(1)
    rates = rng.gamma(4.0, 1 / 4.0, 3000)
    histories = make_histories(rng.poisson(26 * rates), np.full(3000, 26 * 7.0))
    after = sparse.csr_array(np.eye(168)[[12] * 3000] * rng.poisson(4 * rates)[:, None])

    chain = fit_level(histories, Outcomes(after, 4), half_life_days=1e9)

    assert chain.global_rate == pytest.approx(1.0, rel=0.05)
    assert chain.customer_weeks == pytest.approx(4.0, rel=0.35)
    assert chain.scale == pytest.approx(1.0, rel=0.05)
    assert chain.level(histories).mean() * 4 == pytest.approx(after.sum() / 3000, rel=0.02)


def test_scale_says_how_many_of_the_events_come_back():
    rng = np.random.default_rng(2)
    rates = rng.gamma(4.0, 1 / 4.0, 2000)
    histories = make_histories(rng.poisson(26 * rates), np.full(2000, 26 * 7.0))
    after = sparse.csr_array(np.eye(168)[[12] * 2000] * rng.poisson(0.5 * 4 * rates)[:, None])

    chain = fit_level(histories, Outcomes(after, 4), half_life_days=1e9)

    assert chain.scale == pytest.approx(0.5, rel=0.07)


def test_silence_leaves_levels_above_zero():
    histories = make_histories([1, 0], [7, 7])

    chain = fit_level(histories, Outcomes(sparse.csr_array((2, 168)), 4), half_life_days=120.0)

    assert (chain.level(histories) > 0).all()


def test_json_keeps_every_bit():
    histories = make_histories([3, 4, 0], [70, 10, 5], [0, 1, -1])
    after = Outcomes(sparse.csr_array(np.eye(168)[[3, 3, 4]]), 4)
    chain = fit_level(histories, after, half_life_days=90.0)

    again = LevelChain.from_json(json.loads(json.dumps(chain.to_json())))

    assert np.array_equal(again.level(histories), chain.level(histories))
