"""What rolling test windows show of response models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from models.response.hazard import DAY_PARTS, HOURS_PER_PART, TimeToOpen
from models.response.response import (
    MODELS,
    EBResponse,
    GlobalHour,
    LightGBMResponse,
    SentTouches,
)
from models.response.response_base import ResponseModel
from training.promotion.scores import compare_losses
from training.response.scores import (
    build_group_scores,
    build_touch_reliability,
    build_touch_scores,
    score_touch_log_loss,
)
from training.response.weights import activity_by_block

RECEPTIVITY = "receptivity"


@dataclass(frozen=True)
class ResponseBacktest:
    """What the test windows showed.

    Attributes
    ----------
    touches : DataFrame
        One row per tested touch: `fold, message_id, customer_id, channel, slot, engaged,
        propensity` (of its block; NaN = not logged) and `p_<model>` for the logged slot.
    blocks : mapping of str to array of shape (n_touches, 8)
        Per model, mean P(answer) by 3-hour block of the local day of the touch, in the order of
        `touches`; under 'receptivity' how busy the customer is then (1 = an average hour).
    scores : DataFrame
        One row per model: scores over all touches.
    groups : DataFrame
        `model, by, group` and the scores, by channel and by group of hours.
    reliability : DataFrame
        `model, bin, touches, predicted, observed, observed_low, observed_high`.
    gains : DataFrame
        `model, baseline` and the fields of `PairedGain`, of every model over each simpler one.
    delays : DataFrame
        `channel, part, opened_1h, opened_24h, opened_7d, delay_hours`, of the last fold.
    importance : DataFrame
        `feature, gain` (share) of LightGBM in the last fold.
    channels : tuple of str
        Channels whose hours were learned.
    best : str
        The model to be published; see `find_best`.
    notes : tuple of str
    """

    touches: pd.DataFrame
    blocks: Mapping[str, np.ndarray]
    scores: pd.DataFrame
    groups: pd.DataFrame
    reliability: pd.DataFrame
    gains: pd.DataFrame
    delays: pd.DataFrame
    importance: pd.DataFrame
    channels: tuple[str, ...]
    best: str
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all evidence as tables, by name."""
        names = ("scores", "groups", "reliability", "gains", "delays", "importance")
        return {f"response_{name}": getattr(self, name) for name in names}


@dataclass(frozen=True)
class ResponseFold:
    """What one test window showed: touches, blocks, and the fitted models."""

    touches: pd.DataFrame
    blocks: Mapping[str, np.ndarray]
    models: Sequence[ResponseModel]


def foresee(number: int, models: Sequence[ResponseModel], test: SentTouches) -> ResponseFold:
    """Let fitted models foresee the answers to the touches of a test window."""
    table = pd.DataFrame(
        {
            "fold": number,
            "message_id": test.message_id,
            "customer_id": test.context.customer_id[test.row],
            "channel": test.channel,
            "slot": test.slot,
            "engaged": test.is_engaged,
            "propensity": test.propensity,
        }
    )
    blocks = {RECEPTIVITY: activity_by_block(test)}
    for model in models:
        found = model.predict_sends(test)
        table[f"p_{model.name}"] = found.logged
        blocks[model.name] = found.blocks
    return ResponseFold(table, blocks, models)


def summarise_response(
    folds: Sequence[ResponseFold],
    channels: tuple[str, ...],
    notes: tuple[str, ...],
    rng: np.random.Generator,
) -> ResponseBacktest:
    """Put folds together; the bootstrap of the gains draws from `rng`."""
    touches = pd.concat([fold.touches for fold in folds], ignore_index=True)
    engaged = touches["engaged"].to_numpy()
    chance = {name: touches[f"p_{name}"].to_numpy() for name in MODELS}
    gains = _build_gains(chance, engaged, touches["customer_id"].to_numpy(), rng)
    by_name = {model.name: model for model in folds[-1].models}
    chain, boosted = by_name[EBResponse.name], by_name[LightGBMResponse.name]
    return ResponseBacktest(
        touches=touches,
        blocks={
            name: np.concatenate([fold.blocks[name] for fold in folds]) for name in folds[0].blocks
        },
        scores=pd.DataFrame(
            [{"model": name, **build_touch_scores(p, engaged)} for name, p in chance.items()]
        ),
        groups=pd.concat([build_group_scores(touches, name) for name in MODELS]),
        reliability=pd.concat(
            [build_touch_reliability(p, engaged).assign(model=name) for name, p in chance.items()],
            ignore_index=True,
        ),
        gains=gains,
        delays=build_delays(chain.time_to_open_),
        importance=boosted.importance(),
        channels=channels,
        best=find_best(gains),
        notes=notes,
    )


def build_delays(delays: TimeToOpen) -> pd.DataFrame:
    """Tell how long opens take, by channel and part of the day of the send ('all' = any)."""
    rows = []
    hours = {"all": None} | {part: place * HOURS_PER_PART for place, part in enumerate(DAY_PARTS)}
    for channel in delays.channels:
        for part, hour in hours.items():
            rows.append(
                {
                    "channel": channel,
                    "part": part,
                    "opened_1h": delays.opened_within(1.0, channel, hour),
                    "opened_24h": delays.opened_within(24.0, channel, hour),
                    "opened_7d": delays.opened_within(168.0, channel, hour),
                    "delay_hours": delays.expected_delay(channel, hour),
                }
            )
    return pd.DataFrame(rows)


def _build_gains(
    chance: Mapping[str, np.ndarray],
    engaged: np.ndarray,
    customers: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    losses = {name: score_touch_log_loss(p, engaged) for name, p in chance.items()}
    names, rows = list(losses), []
    for place, name in enumerate(names):
        for baseline in names[:place]:
            gain = compare_losses(losses[name], losses[baseline], customers, rng)
            rows.append({"model": name, "baseline": baseline, **asdict(gain)})
    return pd.DataFrame(rows)


def find_best(gains: pd.DataFrame) -> str:
    """Return the model to be published, by gains over simpler ones.

    The chain needs no proof over everybody's hour, only none against it: where touches tell
    nothing, its hours are those in which customers look, while everybody's hour is chance. LightGBM
    has to be better than both with certainty.
    """
    hour, chain, boosted = (model.name for model in (GlobalHour, EBResponse, LightGBMResponse))
    is_worse = (gains["model"] == chain) & (gains["baseline"] == hour) & (gains["high"] < 0)
    is_better = (gains["model"] == boosted) & (gains["low"] > 0)
    if is_better.sum() == len(MODELS) - 1:
        return boosted
    return hour if is_worse.any() else chain
