"""LightGBM on the shape of the response chain, one evaluation per customer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit

from features.errors import MissingColumn
from models.response.context import ResponseContext
from models.response.response_base import ResponseModel
from models.response.response_chain import ResponseParts
from models.response.response_design import (
    GROUPS,
    DesignNames,
    build_by_slot,
    build_once,
)
from models.response.response_eb import EBResponse
from models.response.response_fit import refresh_lifts
from models.response.sent_touches import SentTouches
from models.response.step_tables import StepTable, tabulate_steps

DESIGN_FILE = "design.json"
BOOSTER_FILE = "response_{}.txt"
MIN_ANSWERS_IN_LEAF, SHRINKAGE = 20.0, 100.0
"""Expected answers (rather, their variance) that a leaf needs, and that it is shrunk by."""


class LightGBMResponse(EBResponse):
    """What fatigue, the offer and all else that is known add to the chain, by LightGBM.

    Boosting starts from the log odds of the chain. Interaction constraints part all that does not
    depend on the slot from each feature that does, so a score is one prediction per customer and
    a look-up per slot and feature, equal to the booster's own. Answers can only become likelier
    with more activity, level and lift.

    Parameters
    ----------
    window_hours : float
        See `ResponseModel`.
    rounds, learning_rate, leaves, min_rows_in_leaf : int, float, int, int
        LightGBM's `num_iterations`, `learning_rate`, `num_leaves` and `min_data_in_leaf`.
    members : int
        Boosters fitted to reweighted customers, for the intervals only; 0 for none.
    threads, seed : int
        Of LightGBM; the same values and data give the same model, byte by byte.

    Attributes
    ----------
    boosters_ : tuple of lightgbm.Booster
        The one that predicts, then the members.
    names_ : DesignNames
    """

    name = "lightgbm"
    boosters_: tuple[lgb.Booster, ...]
    names_: DesignNames

    def __init__(
        self,
        *,
        window_hours: float = 48.0,
        rounds: int = 60,
        learning_rate: float = 0.05,
        leaves: int = 6,
        min_rows_in_leaf: int = 100,
        members: int = 4,
        threads: int = 1,
        seed: int = 7,
    ) -> None:
        super().__init__(window_hours=window_hours)
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.min_rows_in_leaf = min_rows_in_leaf
        self.members = members
        self.threads = threads
        self.seed = seed

    def design(self, touches: SentTouches) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of touches as of their sends, and where boosting starts.

        Lifts are those of the touches' own context, so that no answer is its own evidence.

        Returns
        -------
        rows : array of shape (m, n_features)
        start : array of shape (m,)
            Log odds of the chain.
        """
        chain = refresh_lifts(self.chain_, touches.context)
        rows = np.full((len(touches), len(self.names_.columns)), np.nan)
        start = np.zeros(len(touches))
        for channel, index, part in touches.chunks(self.channels_):
            context = part.customers()
            parts = chain.parts(context, channel)
            place = np.arange(len(index))
            slots = [table[place, part.slot] for table in build_by_slot(parts)]
            rows[index] = np.column_stack([self._once(context, parts, channel), *slots])
            start[index] = to_log_odds(chain.rates(parts, channel)[place, part.slot])
        return rows, start

    def margin(self, context: ResponseContext, channel: str, member: int = 0) -> np.ndarray:
        """Return the log odds before calibration of every customer and slot, shape (n, 168)."""
        return next(self._margins(context, channel, (member,)))

    def importance(self) -> pd.DataFrame:
        """Return `feature, gain` (share of the booster's whole gain), largest first."""
        gain = self.boosters_[0].feature_importance("gain")
        table = pd.DataFrame(
            {"feature": self.names_.columns, "gain": gain / max(gain.sum(), 1e-12)}
        )
        return table.sort_values(["gain", "feature"], ascending=[False, True], ignore_index=True)

    def _fit(
        self,
        windows: Sequence[SentTouches],
        weights: Sequence[np.ndarray],
        like: ResponseModel | None,
    ) -> None:
        super()._fit(windows, weights, like)
        self.names_ = DesignNames(windows[-1].context.level_names)
        designs = [self.design(window) for window in windows]
        rows, start = (np.concatenate(both) for both in zip(*designs, strict=True))
        label = np.concatenate([window.is_engaged for window in windows]).astype(np.float64)
        weight = np.concatenate(weights)
        customer = np.concatenate([window.context.customer_id[window.row] for window in windows])
        codes = np.unique(customer.astype(str), return_inverse=True)[1]
        rng = np.random.default_rng(self.seed)
        # the Bayesian bootstrap: every customer with all touches weighs as much as chance gives
        draws = rng.exponential(size=(self.members, codes.max() + 1))
        boosters = [self._train(rows, label, weight, start)]
        boosters += [self._train(rows, label, weight * draw[codes], start) for draw in draws]
        self.boosters_ = tuple(boosters)
        self._tabulate()

    def _train(
        self, rows: np.ndarray, label: np.ndarray, weight: np.ndarray, start: np.ndarray
    ) -> lgb.Booster:
        parameters = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows_in_leaf,
            "min_sum_hessian_in_leaf": MIN_ANSWERS_IN_LEAF,
            "lambda_l2": SHRINKAGE,
            "interaction_constraints": self.names_.groups,
            "monotone_constraints": self.names_.rising,
            "num_threads": self.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        data = lgb.Dataset(
            rows,
            label,
            weight=weight,
            init_score=start,
            params={"feature_pre_filter": False, "verbosity": -1},
        )
        booster = lgb.train(parameters, data, num_boost_round=self.rounds)
        # as it will be read back, so that a saved model predicts the same
        return lgb.Booster(model_str=booster.model_to_string())

    def _once(self, context: ResponseContext, parts: ResponseParts, channel: str) -> np.ndarray:
        for name in self.names_.level_names:
            if name not in context.level_names:
                raise MissingColumn(
                    "customer features",
                    "response context",
                    name,
                    expected=f"the {len(self.names_.level_names)} level features of the model",
                    got=", ".join(context.level_names) or "none",
                    fix="Build the context with the features that the model was fitted with.",
                )
        code = self.channels_.index(channel)
        return build_once(context, parts, channel, code, self.names_)

    def _margins(
        self, context: ResponseContext, channel: str, members: Iterable[int]
    ) -> Iterator[np.ndarray]:
        """Yield the margin of each member; what they share is worked out once."""
        parts = self.chain_.parts(context, channel)
        once = self._once(context, parts, channel)
        rows = np.column_stack([once, np.zeros((len(once), len(self.names_.by_slot)))])
        start, by_slot = to_log_odds(self.chain_.rates(parts, channel)), build_by_slot(parts)
        for member in members:
            found = self.boosters_[member].predict(rows, raw_score=True, num_threads=self.threads)
            margin = start + np.asarray(found)[:, None]
            for table, feature in zip(self._steps[member], by_slot, strict=True):
                margin = margin + table.look_up(feature)
            yield np.asarray(margin)

    def _predict_raw(self, context: ResponseContext, channel: str) -> np.ndarray:
        return np.asarray(expit(self.margin(context, channel)))

    def _relative_variance(self, context: ResponseContext, channel: str) -> np.ndarray:
        variance = super()._relative_variance(context, channel)
        if self.members < 2:
            return variance
        margins = list(self._margins(context, channel, range(1, 1 + self.members)))
        return np.asarray(variance + np.var(margins, axis=0, ddof=1))

    def _contributions(
        self, context: ResponseContext, channel: str, slot: np.ndarray
    ) -> dict[str, Any]:
        of_chain = super()._contributions(context, channel, slot)
        parts, place = self.chain_.parts(context, channel), np.arange(len(slot))
        slots = [table[place, slot] for table in build_by_slot(parts)]
        rows = np.column_stack([self._once(context, parts, channel), *slots])
        shap = np.asarray(
            self.boosters_[0].predict(rows, pred_contrib=True, num_threads=self.threads)
        )
        rate = self.chain_.rates(parts, channel)[place, slot]
        # log odds are a little more than the log rate that the chain's contributions sum to
        base = of_chain["base"] + to_log_odds(rate) - np.log(rate) + shap[:, -1]
        return {"base": base} | {
            name: of_chain[name] + shap[:, self.names_.positions(name)].sum(axis=1)
            for name in GROUPS
        }

    def _tabulate(self) -> None:
        self._steps: list[tuple[StepTable, ...]] = [
            tabulate_steps(booster, self.names_.by_slot) for booster in self.boosters_
        ]

    def _to_files(self) -> dict[str, bytes]:
        texts = {
            BOOSTER_FILE.format(number): booster.model_to_string().encode()
            for number, booster in enumerate(self.boosters_)
        }
        design = json.dumps({"level_names": list(self.names_.level_names)}).encode()
        return {**super()._to_files(), **texts, DESIGN_FILE: design}

    def _from_files(self, files: Mapping[str, bytes]) -> None:
        super()._from_files(files)
        self.names_ = DesignNames(tuple(json.loads(files[DESIGN_FILE])["level_names"]))
        self.boosters_ = tuple(
            lgb.Booster(model_str=files[BOOSTER_FILE.format(number)].decode())
            for number in range(self.members + 1)
        )
        self._tabulate()


def to_log_odds(rate: np.ndarray) -> np.ndarray:
    """Return the log odds of at least one answer at a Poisson rate, same shape."""
    return np.asarray(np.log(np.expm1(rate)))
