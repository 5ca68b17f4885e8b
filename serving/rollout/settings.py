"""`[challenger]`: whether a challenger is tried beside the champion, and on whom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from features.project import Settings

SECTION = "challenger"


class ChallengerSettings(Settings):
    """How the send-time model that `almanac challenge promotion` published is tried.

    A challenger of demand is judged offline, by its backtest and against arriving actuals: nobody
    answers to a forecast by opening or buying, so a share of requests would tell nothing.
    """

    mode: Literal["off", "shadow", "canary"] = "off"
    """`shadow`: it scores a share beside, and nobody sees it; `canary`: it answers the share."""
    share: float = Field(default=0.1, gt=0.0, le=1.0)
    """Of customers, the same ones for as long as the challenger is the same."""
    max_waiting: int = Field(default=64, ge=1, le=10_000)
    """Requests that may wait to be scored in shadow; more are left out, and counted."""
