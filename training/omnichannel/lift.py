"""How much more customers of several channels bring: as it is, and among like customers."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from features.errors import NotEnoughData
from features.journeys.mixes import AGES, HISTORY, SEVERAL

OUTCOMES = ("spend", "orders", "order value")
FEWEST_CUSTOMERS = 50
"""Of several channels, and of one, before they are compared."""
LEAST_OVERLAP = 0.02
"""Customers whose propensity is nearer to 0 or 1 have nobody to be compared with."""
_FOLDS = 5
_MOST_REGIONS = 10
_ROUNDS = 60
_TREES = {
    "objective": "regression", "num_leaves": 7, "min_data_in_leaf": 40, "learning_rate": 0.08,
    "lambda_l2": 1.0, "max_bin": 63, "deterministic": True, "force_col_wise": True,
    "num_threads": 1, "verbosity": -1,
}  # fmt: skip
_Z = float(stats.norm.ppf(0.975))
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lift:
    """The comparison of several channels with one.

    Attributes
    ----------
    effects : DataFrame
        A row per outcome ('spend' and 'orders' a customer, 'order value' an order):
        `outcome, raw, raw_low, raw_high, adjusted, low, high` (relative differences, 0.06 is 6 %
        more, with 95 % intervals), `e_value, e_value_limit` of the adjusted ones.
    balance : DataFrame
        `feature, before, after`: standardised mean differences, unweighted and weighted.
    propensity : array of shape (n,)
        Of having several channels, cross-fitted.
    is_several, is_kept : array of shape (n,)
        `is_kept` is false for who was trimmed.
    effective : tuple of float
        Kish's effective sample size of the weights: of several channels, of one.
    """

    effects: pd.DataFrame
    balance: pd.DataFrame
    propensity: Numbers
    is_several: npt.NDArray[np.bool_]
    is_kept: npt.NDArray[np.bool_]
    effective: tuple[float, float]


def estimate_lift(mixes: pd.DataFrame, rng: np.random.Generator) -> Lift:
    """Estimate the raw and the adjusted lift of several channels over one.

    Adjusted: augmented inverse-propensity weighting with cross-fitting. Propensities come from a
    logistic regression and outcomes from LightGBM, both on customers of other folds; the estimate
    is right on average if either is. Intervals are by the influence function and the delta method.

    Parameters
    ----------
    mixes : DataFrame
        Of `features.journeys.mixes.build_mixes`.
    rng : numpy.random.Generator
        Draws the folds.

    Raises
    ------
    NotEnoughData
        If either group has fewer than 50 customers, before trimming or after it.

    References
    ----------
    .. [1] Robins, Rotnitzky & Zhao (1994), "Estimation of regression coefficients when some
       regressors are not always observed", Journal of the American Statistical Association 89.
    .. [2] Chernozhukov et al. (2018), "Double/debiased machine learning for treatment and
       structural parameters", Econometrics Journal 21.
    .. [3] Crump, Hotz, Imbens & Mitnik (2009), "Dealing with limited overlap in estimation of
       average treatment effects", Biometrika 96.
    """
    is_several = (mixes["mix"] == SEVERAL).to_numpy(dtype=bool)
    _check_sizes(is_several, "in the baseline window")
    features = describe_customers(mixes)
    folds = rng.permutation(len(mixes)) % _FOLDS
    propensity = _predict_propensity(features.to_numpy(), is_several, folds)
    is_kept = (propensity > LEAST_OVERLAP) & (propensity < 1 - LEAST_OVERLAP)
    _check_sizes(is_several[is_kept], "with somebody alike in the other group")
    weight = np.where(is_several, 1 / propensity, 1 / (1 - propensity))
    outcomes = mixes[["spend", "orders"]].to_numpy(dtype=np.float64)
    scores = [
        _score_rows(features.to_numpy(), outcomes[:, place], is_several, propensity, folds)[is_kept]
        for place in range(2)
    ]
    raw = [_split_means(outcomes[:, place], is_several) for place in range(2)]
    kept, treated = features[is_kept], is_several[is_kept]
    return Lift(
        effects=_tabulate_effects(raw, scores),
        balance=_measure_balance(kept, treated, weight[is_kept]),
        propensity=propensity,
        is_several=is_several,
        is_kept=is_kept,
        effective=(
            _count_effective(weight[is_kept & is_several]),
            _count_effective(weight[is_kept & ~is_several]),
        ),
    )


def describe_customers(mixes: pd.DataFrame) -> pd.DataFrame:
    """Return what like customers are alike in: history, recency, tenure, region; all numbers.

    Orders, spend and days are taken as log(1 + x); the ten most frequent regions are marked.
    """
    table = pd.DataFrame(
        {name: np.log1p(mixes[name].clip(lower=0.0)) for name in (*HISTORY, *AGES)}
    )
    for region in mixes["region_id"].value_counts().index[:_MOST_REGIONS]:
        table[f"region {region}"] = (mixes["region_id"] == region).astype(np.float64)
    return table.loc[:, table.std() > 0]


def find_e_value(ratio: float) -> float:
    """Return how strong unknown confounding must be to explain a ratio away.

    Parameters
    ----------
    ratio : float
        Of means; > 0.

    Returns
    -------
    float
        The ratio by which something unknown must go with both the several channels and the
        outcome, beyond what was adjusted for; 1 where there is nothing to explain.

    References
    ----------
    .. [1] VanderWeele & Ding (2017), "Sensitivity analysis in observational research: introducing
       the E-value", Annals of Internal Medicine 167.

    Examples
    --------
    >>> round(find_e_value(2.0), 3), find_e_value(1.0)
    (3.414, 1.0)
    """
    above = ratio if ratio >= 1.0 else 1.0 / ratio
    return above + float(np.sqrt(above * (above - 1.0)))


def _check_sizes(is_several: npt.NDArray[np.bool_], where: str) -> None:
    counts = int(is_several.sum()), int((~is_several).sum())
    if min(counts) < FEWEST_CUSTOMERS:
        raise NotEnoughData(
            f"value of several channels: expected {FEWEST_CUSTOMERS} customers or more of several "
            f"channels and of one {where}, found {counts[0]} and {counts[1]}. "
            "Set a longer baseline_days in [insight], or add orders of other channels."
        )


def _predict_propensity(
    features: Numbers, is_several: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp]
) -> Numbers:
    # squares let the log-odds bend
    wide = np.hstack([features, features**2])
    propensity = np.empty(len(wide))
    for fold in range(_FOLDS):
        others, own = folds != fold, folds == fold
        scaler = StandardScaler().fit(wide[others])
        model = LogisticRegression(C=1.0, max_iter=1000)
        model.fit(scaler.transform(wide[others]), is_several[others])
        propensity[own] = model.predict_proba(scaler.transform(wide[own]))[:, 1]
    return propensity


def _score_rows(
    features: Numbers,
    outcome: Numbers,
    is_several: npt.NDArray[np.bool_],
    propensity: Numbers,
    folds: npt.NDArray[np.intp],
) -> Numbers:
    """Return each row's doubly robust outcome under several channels and under one, (n, 2)."""
    scores = np.empty((len(outcome), 2))
    for place, arm, chance in ((0, is_several, propensity), (1, ~is_several, 1 - propensity)):
        predicted = np.empty(len(outcome))
        for fold in range(_FOLDS):
            rows = arm & (folds != fold)
            data = lgb.Dataset(features[rows], outcome[rows], params={"verbosity": -1})
            booster = lgb.train(_TREES, data, num_boost_round=_ROUNDS)
            predicted[folds == fold] = booster.predict(features[folds == fold])
        scores[:, place] = predicted + arm * (outcome - predicted) / chance
    return scores


def _split_means(outcome: Numbers, is_several: npt.NDArray[np.bool_]) -> Numbers:
    """Return rows whose means are the means of the two groups, (n, 2)."""
    share = is_several.mean()
    return np.column_stack([outcome * is_several / share, outcome * ~is_several / (1 - share)])


def _tabulate_effects(raw: list[Numbers], adjusted: list[Numbers]) -> pd.DataFrame:
    rows = []
    for outcome in OUTCOMES:
        plain = _find_ratio(*_pick(outcome, raw))
        like = _find_ratio(*_pick(outcome, adjusted))
        limit = 1.0 if like[1] <= 0.0 <= like[2] else min(like[1:], key=abs) + 1.0
        rows.append((outcome, *plain, *like, find_e_value(1.0 + like[0]), find_e_value(limit)))
    columns = ["outcome", "raw", "raw_low", "raw_high", "adjusted", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "e_value", "e_value_limit"])


def _pick(outcome: str, scores: list[Numbers]) -> tuple[Numbers, Numbers | None]:
    spend, orders = scores
    return {"spend": (spend, None), "orders": (orders, None), "order value": (spend, orders)}[
        outcome
    ]


def _find_ratio(top: Numbers, bottom: Numbers | None) -> tuple[float, float, float]:
    """Return the relative difference of two means, or of two ratios of means, with its interval."""
    means = top.mean(axis=0)
    parts = top / means - 1.0
    if bottom is not None:
        below = bottom.mean(axis=0)
        means, parts = means / below, parts - (bottom / below - 1.0)
    if not (means > 0).all():
        return float("nan"), float("nan"), float("nan")
    log_ratio = float(np.log(means[0] / means[1]))
    influence = parts[:, 0] - parts[:, 1]
    half = _Z * float(influence.std(ddof=1) / np.sqrt(len(influence)))
    low, high = np.expm1(log_ratio - half), np.expm1(log_ratio + half)
    return float(np.expm1(log_ratio)), float(low), float(high)


def _measure_balance(
    features: pd.DataFrame, is_several: npt.NDArray[np.bool_], weight: Numbers
) -> pd.DataFrame:
    values = features.to_numpy()
    pooled = np.sqrt((values[is_several].var(axis=0) + values[~is_several].var(axis=0)) / 2)
    spread = np.where(pooled > 0, pooled, np.nan)

    def differ(weights: Numbers) -> Numbers:
        several = np.average(values[is_several], axis=0, weights=weights[is_several])
        one = np.average(values[~is_several], axis=0, weights=weights[~is_several])
        return np.asarray((several - one) / spread)

    return pd.DataFrame(
        {
            "feature": features.columns,
            "before": differ(np.ones(len(values))),
            "after": differ(weight),
        }
    )


def _count_effective(weight: Numbers) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum())
