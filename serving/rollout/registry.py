"""What `/readyz` tells of the registry of models: read from what its follower writes down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

REGISTRY_FILE = "registry.json"
"""Below `published/`; written by `training.follow`, which alone speaks with the registry."""
_GRACE = timedelta(seconds=60)


@dataclass(frozen=True)
class RegistryStatus:
    """Whether the registry answers; it never decides whether the service is ready."""

    state: Literal["off", "ok", "unreachable"]
    since: datetime | None = None
    reason: str | None = None


def read_registry(published: Path, follow_seconds: float, now: datetime) -> RegistryStatus:
    """Return what the follower of the registry found last.

    Parameters
    ----------
    published : Path
        `Workspace.published`.
    follow_seconds : float
        How often it asks; 0 = there is none.
    now : datetime
        With a zone.
    """
    if follow_seconds <= 0:
        return RegistryStatus("off")
    try:
        told = json.loads((published / REGISTRY_FILE).read_bytes())
        asked_at = datetime.fromisoformat(told["asked_at"])
        since = datetime.fromisoformat(told["since"])
        error = told["error"]
    except FileNotFoundError:
        return RegistryStatus("unreachable", None, "it was not asked yet")
    except (OSError, ValueError, KeyError, TypeError):
        return RegistryStatus("unreachable", None, f"{REGISTRY_FILE} cannot be read")
    if now - asked_at > timedelta(seconds=2 * follow_seconds) + _GRACE:
        return RegistryStatus("unreachable", asked_at, "it has not been asked since")
    if error is not None:
        return RegistryStatus("unreachable", since, str(error))
    return RegistryStatus("ok", since)
