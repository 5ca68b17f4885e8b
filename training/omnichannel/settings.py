"""`[insight]` of the project file: what the page on channels looks at."""

from __future__ import annotations

from pydantic import Field, field_validator

from features.journeys.funnel_query import FunnelOrder
from features.project import Settings


class InsightSettings(Settings):
    """`[insight]`: funnels, windows, segments and the rate of false discoveries."""

    funnels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Event types in order, by a funnel's name; empty: one funnel of the types that are there."""
    funnel_order: FunnelOrder = "ordered"
    window_hours: float = Field(default=24.0, gt=0.0)
    segments: tuple[str, ...] = ()
    """Columns of `events` or `customers`; empty: `region_id` where it holds few values."""
    baseline_days: int = Field(default=182, ge=2)
    """Days in which the channels of a customer are counted."""
    outcome_days: int = Field(default=182, ge=1)
    """Days after those, in which spend and orders are counted."""
    visit_gap_minutes: float = Field(default=30.0, gt=0.0)
    """A longer pause ends a visit."""
    false_discovery_rate: float = Field(default=0.05, gt=0.0, lt=1.0)
    permutations: int = Field(default=199, ge=99)
    """Draws by which a run of bad days is told from chance."""

    @field_validator("funnels")
    @classmethod
    def _have_steps(cls, funnels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, steps in funnels.items():
            if len(steps) < 2 or len(set(steps)) < len(steps):
                raise ValueError(f"funnel '{name}' needs two or more different event types")
        return funnels
