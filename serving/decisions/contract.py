"""The contract of outcomes: what came of the messages that were sent by our answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from serving.contract import Message
from serving.spellings import Moment

MAX_OUTCOMES = 1000


class Outcome(Message):
    """Something that came of one decision."""

    decision_id: str = Field(min_length=1, max_length=64, examples=["ZVXm8Fzg1v0mC2nq0yq4xg"])
    """Of the customer's answer to /v1/send-times."""
    outcome: Literal["sent", "opened", "clicked", "ordered", "unsubscribed"]
    occurred_at: Moment = Field(examples=["2026-11-27T09:00:00-05:00"])
    """From the decision on, at most 90 days after it."""
    value: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    """What it was worth, such as the value of the order."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    """ISO 4217; default: the project's own."""


class OutcomesRequest(Message):
    """Outcomes of any decisions, in any order; one that is sent again counts once."""

    outcomes: list[Outcome] = Field(min_length=1, max_length=MAX_OUTCOMES)


class RejectedOutcome(Message):
    """An outcome that was not taken, and why."""

    index: int = Field(ge=0)
    """Its place in the request."""
    reason: Literal["unknown-decision", "before-decision", "too-late", "in-future"]
    detail: str
    """What was expected, and what to change."""
    pointer: str
    """Where in the body, as a JSON pointer."""


class OutcomesTaken(Message):
    """What became of outcomes; those accepted are durable when this is answered."""

    success: bool
    accepted: int = Field(ge=0)
    rejected: list[RejectedOutcome]
