"""`[decisions]`: whether answers are logged, how much may wait, and how much is tried out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from features.project import Project, Settings

SECTION = "decisions"


class DecisionSettings(Settings):
    """What an operator may set; every default is safe on a laptop."""

    is_logged: bool = True
    """Whether each answered customer of `/v1/send-times` becomes a row of the decision log."""
    exploration: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of customers whose first slot is drawn evenly over the permitted ones, so that what is
    learned from the log is not only about what the model likes already."""
    max_candidates: int = Field(default=24, ge=1, le=744)
    """Slots in a row, the likeliest first; the chosen one is there always."""
    max_spool_bytes: int = Field(default=2 * 1024**3, ge=64 * 1024)
    """What may wait to be compacted, of all workers together."""
    when_full: Literal["answer", "refuse"] = "answer"
    """Where the log takes nothing: answer without a `decision_id`, or refuse with 503."""
    retention_days: int = Field(default=400, ge=1)
    """Days after which decisions and outcomes are removed by `almanac purge`."""


def read_settings(project: Project) -> DecisionSettings:
    """Return `[decisions]` of a project."""
    return project.section(SECTION, DecisionSettings)
