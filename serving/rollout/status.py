"""What `/readyz` tells beside the champions: of the challenger, and of the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serving.predictor import Predictor
from serving.rollout.registry import read_registry
from serving.rollout.settings import ChallengerSettings


@dataclass(frozen=True)
class RolloutStatus:
    """Tells of the challenger and the registry; neither decides whether the service is ready.

    Attributes
    ----------
    predictor : Predictor
    challenger : ChallengerSettings
    published : Path
        `Workspace.published`.
    follow_seconds : float
        How often the registry is asked; 0 = never.
    clock : callable
        Returns the time, with a zone.
    """

    predictor: Predictor
    challenger: ChallengerSettings
    published: Path
    follow_seconds: float
    clock: Callable[[], datetime]

    def tell(self) -> dict[str, object]:
        """Return the members `challenger` and `registry` of `contract.Readiness`."""
        state = self.predictor.holder.held.trial_state
        is_off = self.challenger.mode == "off"
        return {
            "challenger": {
                "mode": self.challenger.mode,
                "state": "off" if is_off else state.state,
                "model_version": None if is_off else state.model_version,
                "reason": None if is_off else state.reason,
            },
            "registry": read_registry(self.published, self.follow_seconds, self.clock()),
        }
