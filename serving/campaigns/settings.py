"""`[campaign]`: what every campaign keeps to, unless its command says otherwise."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from features.project import Settings
from features.schema import CHANNELS

Money = Annotated[float, Field(ge=0.0)]
Messages = Annotated[int, Field(ge=0)]


class CampaignSettings(Settings):
    """Arms, exploration, quiet hours, caps, throughput and money."""

    quiet_hours: str = "21:00-08:00"
    """Local times at which nothing is sent, such as 21:00-08:00; empty for none."""
    holdout: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of customers who never get a campaign, by a permanent hash of their id."""
    random: float = Field(default=0.10, ge=0.0, le=1.0)
    """Share of customers who get it at a permitted moment drawn evenly."""
    salt: str = ""
    """What the arms are keyed with; the project's name where empty. Changing it deals anew."""
    exploration: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of the optimised arm's probability that is spread evenly over what is permitted."""
    thompson: float = Field(default=0.25, ge=0.0, le=1.0)
    """Share of the doubt about a value that Thompson sampling draws with: 0 takes the best always,
    1 explores as if all were to be learned from this campaign alone. Below 1 it earns more early on
    (Chapelle & Li 2011, "An empirical evaluation of Thompson sampling")."""
    cap_messages: Messages = 3
    """Most messages to a customer over all channels in `cap_days`, past ones included."""
    cap_days: int = Field(default=7, ge=1, le=365)
    channel_caps: dict[str, Messages] = Field(default_factory=dict)
    """The same by channel."""
    min_gap_hours: float = Field(default=24.0, ge=0.0)
    """Hours that must lie between two messages to a customer."""
    hourly_capacity: dict[str, Messages] = Field(default_factory=dict)
    """Most messages an hour by channel; channels without one have no bound."""
    message_cost: dict[str, Money] = Field(default_factory=dict)
    """Money a message costs, by channel."""
    budget: Money | None = None
    """Money for all messages of a campaign; none where not set."""
    response_value: float = Field(default=1.0, gt=0.0)
    """Money that a response is worth where no experiment tells what an offer earns."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.holdout + self.random > 1.0:
            raise ValueError("holdout and random together must be at most 1")
        for key in ("channel_caps", "hourly_capacity", "message_cost"):
            for channel in getattr(self, key):
                if channel not in CHANNELS:
                    raise ValueError(f"{key}: no channel '{channel}'; one of {', '.join(CHANNELS)}")
        return self
