"""How responses are learned and judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResponseOptions:
    """The settings of response models.

    Attributes
    ----------
    window_hours : float
        Within how many hours of the send a click or an order is its answer; in (0, 168].
    half_life_days : float
        After how many days a message of a customer's history weighs half.
    fit_windows : int
        Label windows that a model is fitted on at most, the latest before its calibration.
    max_touches : int
        Touches per window that are learned from or tested on; beyond it every so many customers
        are taken with all their touches.
    min_touches, min_answered : int
    min_effective_hours : float
        What a channel needs; see `features.messages.touch_checks.check_touches`.
    rounds, learning_rate, leaves, min_rows_in_leaf, members
        Of LightGBM; see `LightGBMResponse`.
    threads, seed : int
    """

    window_hours: float = 48.0
    half_life_days: float = 120.0
    fit_windows: int = 3
    max_touches: int = 60_000
    min_touches: int = 1000
    min_answered: int = 50
    min_effective_hours: float = 2.0
    rounds: int = 60
    learning_rate: float = 0.05
    leaves: int = 6
    min_rows_in_leaf: int = 100
    members: int = 4
    threads: int = 1
    seed: int = 7
