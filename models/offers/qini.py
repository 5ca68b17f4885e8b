"""How well a ranking finds those whom an offer moves: Qini, uplift area, uplift of the first k.

Several libraries normalise these areas differently. Here, as in scikit-uplift, each is the area
between the curve and the diagonal as a fraction of that of the best possible ranking: 0 is a
random order, 1 the perfect one, and small values are usual, as no ranking can see who would have
come anyway. Customers of equal score enter the curve together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Curve = tuple[np.ndarray, np.ndarray]


def build_qini_curve(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> Curve:
    """Return how many outcomes targeting by score adds, in customers targeted.

    Parameters
    ----------
    outcome : array of shape (n,)
        0 or 1.
    score : array of shape (n,)
        Highest first.
    treated : array of shape (n,)
        0 or 1.

    Returns
    -------
    x, y : arrays of shape (n_distinct_scores + 1,)
        Customers targeted; outcomes of the treated among them − those of the control, scaled to
        as many as are treated. Both begin at 0.

    References
    ----------
    .. [1] Radcliffe (2007), "Using control groups to target on predicted lift", Direct Marketing
       Analytics Journal 3.
    """
    n, n_treated, y_treated, y_control = _accumulate(outcome, score, treated)
    return n, y_treated - y_control * _divide(n_treated, n - n_treated)


def build_uplift_curve(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> Curve:
    """Return the difference of the rates among those targeted, times their number.

    Parameters and returns are those of `build_qini_curve`.

    References
    ----------
    .. [1] Devriendt, Guns & Verbeke (2020), "Learning to rank for uplift modeling",
       IEEE Transactions on Knowledge and Data Engineering.
    """
    n, n_treated, y_treated, y_control = _accumulate(outcome, score, treated)
    difference = _divide(y_treated, n_treated) - _divide(y_control, n - n_treated)
    return n, difference * n


def score_qini(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> float:
    """Return the Qini coefficient; higher is better, 0 is random.

    The perfect ranking puts treated customers with the outcome first, and control customers with
    it last: it can count on customers whom the offer drives away.

    Parameters
    ----------
    outcome, treated : arrays of shape (n,)
        0 or 1; each with both values.
    score : array of shape (n,)

    Raises
    ------
    ValueError
        If lengths differ, or outcomes or treatments are not 0 and 1, both.

    Examples
    --------
    >>> y, t = np.array([1, 0, 0, 1]), np.array([1, 0, 1, 0])
    >>> score_qini(y, np.array([4.0, 3.0, 2.0, 1.0]), t)
    1.0
    """
    outcome, treated = check_binary(outcome, score, treated)
    perfect = outcome * np.where(treated == 1, 1.0, -1.0)
    return _normalise(build_qini_curve, outcome, score, treated, perfect)


def score_uplift_area(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> float:
    """Return the area under the uplift curve (AUUC), normalised; higher is better, 0 is random.

    Parameters and errors are those of `score_qini`.
    """
    outcome, treated = check_binary(outcome, score, treated)
    is_more_control = ((outcome == 1) & (treated == 0)).sum() > (
        (outcome == 0) & (treated == 1)
    ).sum()
    perfect = 2.0 * (outcome == treated) + (outcome if is_more_control else treated)
    return _normalise(build_uplift_curve, outcome, score, treated, perfect)


def score_uplift_at(
    outcome: np.ndarray, score: np.ndarray, treated: np.ndarray, share: float = 0.3
) -> float:
    """Return the difference of mean outcomes, treated − control, among the first `share`.

    Parameters
    ----------
    outcome : array of shape (n,)
    score : array of shape (n,)
        Highest first; of equal ones the later rows come first.
    treated : array of shape (n,)
        0 or 1.
    share : float
        Of all customers, within (0, 1].

    Raises
    ------
    ValueError
        If the first `share` holds no treated or no control customer.

    Examples
    --------
    >>> y, t = np.array([1, 0, 0, 1]), np.array([1, 0, 1, 0])
    >>> score_uplift_at(y, np.array([4.0, 3.0, 2.0, 1.0]), t, 0.5)
    1.0
    """
    first = _order(score)[: int(len(score) * share)]
    is_treated = np.asarray(treated)[first] == 1
    if not is_treated.any() or is_treated.all():
        raise ValueError(
            f"uplift of the first {share:.0%}: expected treated and control customers among them, "
            f"got {is_treated.sum()} treated of {len(first)}; give more customers"
        )
    values = np.asarray(outcome, dtype=np.float64)[first]
    return float(values[is_treated].mean() - values[~is_treated].mean())


def check_binary(
    outcome: np.ndarray, score: np.ndarray, treated: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes and treatments as floats; ValueError unless both hold 0 and 1 alone."""
    outcome = np.asarray(outcome, dtype=np.float64)
    treated = np.asarray(treated, dtype=np.float64)
    if not len(outcome) == len(score) == len(treated):
        raise ValueError(
            f"expected one outcome, score and treatment a customer, got {len(outcome)}, "
            f"{len(score)} and {len(treated)}"
        )
    for name, values in (("outcomes", outcome), ("treatments", treated)):
        if not np.array_equal(np.unique(values), [0.0, 1.0]):
            raise ValueError(
                f"{name}: expected 0 and 1, both of them, got {np.unique(values)[:5]}; "
                "a ranking is judged by customers with and without each"
            )
    return outcome, treated


def _order(score: np.ndarray) -> np.ndarray:
    return np.argsort(np.asarray(score), kind="stable")[::-1]


def _accumulate(
    outcome: np.ndarray, score: np.ndarray, treated: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    order = _order(score)
    ranked = np.asarray(score)[order]
    last = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]
    y, t = np.asarray(outcome, dtype=np.float64)[order], np.asarray(treated, np.float64)[order]
    sums = (np.cumsum(values)[last] for values in (t, y * t, y * (1.0 - t)))
    n_treated, y_treated, y_control = (np.r_[0.0, values] for values in sums)
    return np.r_[0.0, last + 1.0], n_treated, y_treated, y_control


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    out = np.zeros_like(numerator)
    return np.asarray(np.divide(numerator, denominator, out=out, where=denominator != 0.0))


def _normalise(
    build: Callable[[np.ndarray, np.ndarray, np.ndarray], Curve],
    outcome: np.ndarray,
    score: np.ndarray,
    treated: np.ndarray,
    perfect: np.ndarray,
) -> float:
    x, y = build(outcome, score, treated)
    diagonal = 0.5 * x[-1] * y[-1]
    best_x, best_y = build(outcome, perfect, treated)
    return float((np.trapezoid(y, x) - diagonal) / (np.trapezoid(best_y, best_x) - diagonal))
