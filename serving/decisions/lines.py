"""The lines of the spool; light to import, as what compacts them answers no request."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A slot that could have come first, and the probability that it did."""

    start: str
    channel: str
    probability: float
    propensity: float


class DecisionRow(msgspec.Struct, frozen=True, gc=False):
    """One customer answered, as a line of the spool; `chosen` is null where nothing is permitted.

    The columns are those of `features.served.places.Served`.
    """

    decision_id: str
    request_id: str
    decided_at: datetime
    customer: str
    kind: str
    role: str
    model_version: str
    policy: str
    profile_hash: str
    evidence: str
    candidates: list[Candidate]
    chosen: int | None
    propensity: float | None
    is_explored: bool
    is_fallback: bool
    degraded: bool
    n_permitted: int


class OutcomeLine(msgspec.Struct, frozen=True, gc=False):
    """An outcome as a line of the spool: columns of `features.served.places.ServedOutcomes`."""

    decision_id: str
    outcome: str
    occurred_at: datetime
    value: float | None
    currency: str | None
    received_at: datetime
