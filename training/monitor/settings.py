"""`[monitor]`: from where on a change counts."""

from __future__ import annotations

from pydantic import Field

from features.project import Settings


class MonitorSettings(Settings):
    """Every bar of `almanac monitor`; below it a change is reported, not alerted."""

    min_psi: float = Field(default=0.1, gt=0.0)
    """Population stability index that counts, once chance alone does not explain it."""
    significance: float = Field(default=0.001, gt=0.0, lt=0.5)
    """How likely one false alert may be: for drift over all features together."""
    min_rows: int = Field(default=100, ge=20)
    """Customers, or sends, below which nothing is judged."""
    window_days: int = Field(default=28, ge=1)
    """Days of decisions that are looked at."""
    max_calibration_error: float = Field(default=0.01, gt=0.0)
    """Mean |predicted − observed| over bins that counts, once chance does not explain it."""
    max_wape_ratio: float = Field(default=1.25, ge=1.0)
    """Highest WAPE on arrived sales ÷ the WAPE that the backtest promised."""
    max_coverage_error: float = Field(default=0.05, gt=0.0)
    """How far below its nominal share an interval may cover."""
    min_dates: int = Field(default=7, ge=3)
    """Dates with arrived sales below which a forecast is not judged."""
    max_profile_age_days: float = Field(default=30.0, gt=0.0)
    """Age of published profiles that alerts; half of it is watched."""
    max_model_age_days: float = Field(default=120.0, gt=0.0)
    """Age of what a model knows that alerts; half of it is watched."""
