"""When customers look at messages: their activity, with what is done in stores counted for less.

Messages are read on a device. Who buys in a store at noon on Saturdays need not look at the inbox
then; who orders in the app does. So activity away from a device counts only in part; and as what is
left is another habit than all activity, customers may lean on their own hours more or less. Both
are chosen by how well the week that comes out foresees at what age messages were answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse

from features.schema import CHANNELS, SLOTS_PER_WEEK
from models.receptivity.empirical_bayes import (
    ShapeChain,
    build_kernel,
    build_sharing,
    smooth_global,
)
from models.receptivity.fitting import limit_pull
from models.receptivity.histories import Histories
from models.response.answer_hazard import AnswerHazard, fit_answer_hazard, make_default_hazard
from models.response.context import ResponseContext
from models.response.forward_hours import expose
from models.response.sent_touches import SentTouches

AWAY = ("store", "service", "mail")
"""Channels that are used without a device that messages are read on."""
PARTS = (1.0, 0.3, 0.1, 0.03)
"""What activity there may count, of what it counts elsewhere."""
STRENGTHS = (1.0, 0.58, 0.33, 0.19)
"""What the prior above a customer's hours may weigh, of what it weighs in receptivity."""
PART_PRIOR, STRENGTH_PRIOR = (float(np.log(0.3)), 1.0), (0.0, 1.0)
"""Centre and deviation of the normal priors of their logarithms."""
MAX_ANSWERS = 5_000
"""Answers that the hazard is learned from; more of them change no digit that matters."""


@dataclass(frozen=True)
class Looks:
    """How customers' looks spread over the week.

    Attributes
    ----------
    away_part : float
        What activity in the channels of `AWAY` counts.
    shape : ShapeChain or None
        The chain of receptivity, of activity so weighed; None takes receptivity as it is.
    """

    away_part: float = 1.0
    shape: ShapeChain | None = None

    def share(self, context: ResponseContext) -> np.ndarray:
        """Return the share of each customer's looks by slot, shape (n, 168); rows sum to 1."""
        if self.shape is None or context.channel_counts is None:
            return context.share
        return self.shape.share(_weigh(context, self.away_part))

    def strength(self, context: ResponseContext) -> np.ndarray:
        """Return the events behind each slot's `share`, as if it had its own, shape (n,).

        An event speaks for its hour on other days and for the hours around it too.
        """
        if self.shape is None or context.channel_counts is None:
            return context.share_events
        kernel = build_kernel(self.shape.bandwidth_hours, 0.0)
        days = build_sharing(self.shape.day_sharing, self.shape.kind_sharing).sum(axis=1).mean()
        events = self.shape.strength(_weigh(context, self.away_part))
        return np.asarray(events * days / (kernel[0] ** 2).sum())

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON; `from_json` makes the same of it, bit by bit."""
        return {
            "away_part": self.away_part,
            "shape": None if self.shape is None else self.shape.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        shape = values["shape"]
        return cls(values["away_part"], None if shape is None else ShapeChain.from_json(shape))


def fit_looks(windows: Sequence[SentTouches], window_hours: float) -> tuple[Looks, AnswerHazard]:
    """Choose what activity away from devices counts, and fit when answers come.

    Parameters
    ----------
    windows : sequence of SentTouches
        Oldest first.
    window_hours : float
        Within which an answer counts.
    """
    answered = _pick_answers(windows, window_hours)
    prior = make_default_hazard(window_hours)
    shape = windows[-1].context.shape
    contexts = [window.context for window in windows]
    age = np.concatenate([part.hours_to_answer for part in answered])

    def fit(looks: Looks) -> tuple[AnswerHazard, float]:
        exposure = np.concatenate([_expose(part, looks, prior.edges) for part in answered])
        return fit_answer_hazard(exposure, age, prior)

    if shape is None or any(context.channel_counts is None for context in contexts):
        return Looks(), fit(Looks())[0]

    def judge(part: float, strength: float) -> tuple[float, Looks, AnswerHazard]:
        looks = _make_looks(contexts, shape, part, strength)
        hazard, score = fit(looks)
        score -= _penalise(part, PART_PRIOR) + _penalise(strength, STRENGTH_PRIOR)
        return score, looks, hazard

    part = max(PARTS, key=lambda part: judge(part, 1.0)[0])
    _, looks, hazard = max((judge(part, one) for one in STRENGTHS), key=lambda found: found[0])
    return looks, hazard


def _penalise(value: float, prior: tuple[float, float]) -> float:
    centre, deviation = prior
    return 0.5 * float((np.log(value) - centre) / deviation) ** 2


def _make_looks(
    contexts: Sequence[ResponseContext], shape: ShapeChain, part: float, strength: float
) -> Looks:
    """Return the chain of receptivity with its totals read anew, each customer as known last."""
    names = shape.segment_names
    totals, seen = np.zeros((len(names) + 1, SLOTS_PER_WEEK)), np.array([], dtype=object)
    for context in reversed(contexts):
        new = context.take(~np.isin(context.customer_id.astype(str), seen.astype(str)))
        totals += _sum_by_segment(_weigh(new, part), names)
        seen = np.append(seen, new.customer_id)
    above = strength * shape.hour_concentration
    return Looks(part, _retotal(replace(shape, hour_concentration=above), totals))


def _pick_answers(windows: Sequence[SentTouches], window_hours: float) -> list[SentTouches]:
    """Return the answered touches of each window, every so many customers if there are many."""
    found = [window.take(window.hours_to_answer < window_hours) for window in windows]
    step = max(1, -(-sum(len(part) for part in found) // MAX_ANSWERS))
    return [part.take(np.argsort(part.row, kind="stable")[::step]) for part in found]


def _expose(touches: SentTouches, looks: Looks, edges: np.ndarray) -> np.ndarray:
    rows, place = np.unique(touches.row, return_inverse=True)
    busy = SLOTS_PER_WEEK * looks.share(touches.context.take(rows))
    return expose(busy, place, touches.slot, touches.minute, edges)


def _weigh(context: ResponseContext, away_part: float) -> Histories:
    """Return the histories of a context with activity away from devices counted in part."""
    eye = sparse.eye_array(SLOTS_PER_WEEK, format="csr")
    parts = [away_part * eye if name in AWAY else eye for name in CHANNELS]
    counts = context.channel_counts @ sparse.vstack(parts, format="csr")
    return Histories(
        customer_id=context.customer_id,
        counts=sparse.csr_array(counts),
        segment_names=context.segment_names,
        segment_codes=context.segment_codes,
        own_events=context.share_events,
        tenure_days=np.full(len(context), np.nan),
        level_features=context.level_features,
        level_names=context.level_names,
    )


def _sum_by_segment(histories: Histories, names: tuple[str, ...]) -> np.ndarray:
    """Return counts by segment and slot, no customer pulling too hard; last, of no segment."""
    n_rows, n = len(names) + 1, len(histories)
    cells = (histories.codes_in(names) % n_rows, np.arange(n))
    member = sparse.csr_array((limit_pull(histories.events), cells), shape=(n_rows, n))
    return np.asarray((member @ histories.counts).toarray())


def _retotal(shape: ShapeChain, totals: np.ndarray) -> ShapeChain:
    """Return the chain with the weeks of everybody and of segments read from other counts."""
    everybody, above = smooth_global(totals.sum(axis=0)), shape.segment_concentration
    events = totals[:-1].sum(axis=1)
    own = totals[:-1] @ build_kernel(shape.bandwidth_hours, 0.0) + above * everybody
    return replace(
        shape,
        global_share=everybody,
        segment_share=own / (events + above)[:, None],
        segment_weight=events / (events + above),
    )
