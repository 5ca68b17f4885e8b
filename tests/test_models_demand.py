from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from models.demand.baselines import SeasonalMean, SeasonalNaive
from models.demand.boosting import LightGBMDemand
from models.demand.quantiles import NODES, QUANTILES, complete_quantiles

LEVELS = ("units_mean_28", "units_mean_since_listing", "product_mean")


def make_rows(n_rows: int = 3000, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows whose mean is known: 2 in one region, 6 in the other, doubled under promotion."""
    rng = np.random.default_rng(seed)
    region = rng.integers(0, 2, n_rows)
    promoted = (rng.random(n_rows) < 0.3).astype(np.float32)
    features = pd.DataFrame(
        {
            "region": pd.Categorical.from_codes(region, ["east", "west"]),
            "product": pd.Categorical.from_codes(np.zeros(n_rows, int), ["p"]),
            "promoted": promoted,
            "noise": rng.normal(size=n_rows).astype(np.float32),
            **dict.fromkeys(LEVELS, np.float32(4.0)),
        }
    )
    mean = np.where(region == 0, 2.0, 6.0) * (1 + promoted)
    return features, rng.poisson(mean).astype(float)


def query(region: str, promoted: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "region": pd.Categorical([region]),
            "product": pd.Categorical(["p"]),
            "promoted": np.array([promoted], np.float32),
            "noise": np.zeros(1, np.float32),
            **dict.fromkeys(LEVELS, np.float32(4.0)),
        }
    )


@pytest.fixture(scope="module")
def fitted() -> LightGBMDemand:
    return LightGBMDemand(rounds=80, learning_rate=0.1, leaves=7).fit(*make_rows())


@pytest.mark.parametrize(
    ("region", "promoted", "mean"),
    [("east", 0.0, 2.0), ("east", 1.0, 4.0), ("west", 0.0, 6.0), ("west", 1.0, 12.0)],
)
def test_the_mean_is_learned(fitted, region, promoted, mean):
    assert fitted.predict(query(region, promoted))[0] == pytest.approx(mean, rel=0.1)


def test_the_mean_sums_to_what_was_sold(fitted):
    features, units = make_rows()
    assert fitted.predict(features).sum() == pytest.approx(units.sum(), rel=1e-6)
    # What comes from the same source differs by chance only: three standard errors are 2.5 %.
    features, units = make_rows(seed=2)
    assert fitted.predict(features).sum() / units.sum() == pytest.approx(1.0, abs=0.025)


def test_quantiles_ascend_are_not_negative_and_lie_where_they_say(fitted):
    features, units = make_rows(seed=2)
    quantiles = fitted.predict_quantiles(features)
    assert quantiles.shape == (len(features), len(QUANTILES))
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    for place in (4, 6, 8):
        share = (units <= quantiles[:, place]).mean()
        assert share == pytest.approx(QUANTILES[place], abs=0.09)


def test_files_bring_back_the_same_bits(fitted):
    features, _ = make_rows(seed=3)
    files = fitted.to_files()
    assert sorted(files) == [
        "lightgbm.json", "mean.txt", "q025.txt", "q10.txt", "q50.txt", "q90.txt", "q975.txt",
    ]  # fmt: skip
    again = LightGBMDemand.from_files(files)
    np.testing.assert_array_equal(again.predict(features), fitted.predict(features))
    np.testing.assert_array_equal(again.predict_nodes(features), fitted.predict_nodes(features))
    pd.testing.assert_frame_equal(again.importance(), fitted.importance())
    assert again.get_params() == fitted.get_params()


def test_the_same_seed_gives_the_same_model_whatever_the_threads():
    rows = make_rows(800)
    one, other = (
        LightGBMDemand(rounds=15, quantile_rounds=10, threads=threads).fit(*rows)
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.predict(rows[0]), other.predict(rows[0]))
    np.testing.assert_array_equal(one.predict_nodes(rows[0]), other.predict_nodes(rows[0]))


def test_ids_are_matched_by_name_not_by_code(fitted):
    turned = query("west", 0.0)
    turned["region"] = pd.Categorical(["west"], categories=["west", "east"])
    assert fitted.predict(turned) == fitted.predict(query("west", 0.0))
    assert np.isfinite(fitted.predict(query("a region never seen", 0.0))).all()


def test_many_rows_stack_the_mean_onto_rows_it_did_not_see():
    features, units = make_rows(1000)
    model = LightGBMDemand(rounds=10, quantile_rounds=5, quantile_rows=100).fit(features, units)
    assert model.is_stacked_
    assert model.boosters_["q50"].feature_name()[-1] == "mean_forecast"
    again = LightGBMDemand.from_files(model.to_files())
    np.testing.assert_array_equal(again.predict_nodes(features), model.predict_nodes(features))


def test_when_nothing_was_sold_the_forecast_is_zero():
    features, units = make_rows(50)
    model = LightGBMDemand().fit(features, np.zeros_like(units))
    again = LightGBMDemand.from_files(model.to_files())
    for made in (model, again):
        assert (made.predict(features) == 0).all()
        assert (made.predict_quantiles(features) == 0).all()
    assert (model.importance()["gain"] == 0).all()


def test_importance_names_what_matters(fitted):
    gain = fitted.importance().set_index("feature")["gain"]
    assert gain.sum() == pytest.approx(1.0)
    assert gain["region"] > gain["noise"]


def test_the_callers_rows_are_left_alone():
    features, units = make_rows(300)
    before, y = features.copy(), units.copy()
    LightGBMDemand(rounds=5, quantile_rounds=5).fit(features, units).predict(features)
    pd.testing.assert_frame_equal(features, before)
    np.testing.assert_array_equal(units, y)


def test_estimators_can_be_cloned():
    assert clone(LightGBMDemand(leaves=9)).leaves == 9
    assert clone(SeasonalNaive()).get_params() == {}


def test_baselines_by_hand():
    rows = pd.DataFrame({"naive": [4.0, 4.0, 4.0], "slot_mean": 2.0, "spread": [1.0, 1.0, 2.0]})
    model = SeasonalNaive().fit(rows, np.array([3.0, 4.0, 6.0]))  # errors -1, 0, 1 spreads
    assert model.predict(rows).tolist() == [4.0, 4.0, 4.0]
    quantiles = model.predict_quantiles(rows)
    assert quantiles[0, 4] == 4.0
    assert quantiles[0, 8] == pytest.approx(4.95)  # 97.5 % of the way through -1, 0, 1
    assert quantiles[2, 8] == pytest.approx(5.9)
    mean = SeasonalMean().fit(rows, np.array([0.0, 0.0, 0.0]))
    assert mean.predict(rows).tolist() == [2.0] * 3
    assert (mean.predict_quantiles(rows) >= 0).all()


def test_interpolation_is_linear_in_the_normal_score():
    from scipy import stats

    normal = 50 + 10 * stats.norm.ppf(NODES)
    found = complete_quantiles(normal[None, :])[0]
    np.testing.assert_allclose(found, 50 + 10 * stats.norm.ppf(QUANTILES))
    crossed = complete_quantiles(np.array([[3.0, -1.0, 2.0, 9.0, 4.0]]))[0]
    assert (np.diff(crossed) >= 0).all()
    assert crossed[0] == 0.0
