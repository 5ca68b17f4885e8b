"""What may be set in the project file: `[demand]`, `[stock]`, `[promotion]` and `[tracking]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from features.project import Settings


class LightGBMSettings(Settings):
    """What LightGBM is fitted with; every value is logged."""

    rounds: int = Field(default=150, ge=1)
    learning_rate: float = Field(default=0.06, gt=0.0, le=1.0)
    leaves: int = Field(default=31, ge=2)
    min_rows_in_leaf: int = Field(default=40, ge=1)
    tweedie_power: float = Field(default=1.2, gt=1.0, lt=2.0)


class DemandLightGBMSettings(LightGBMSettings):
    """What the trees of demand are fitted with."""

    rounds: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.08, gt=0.0, le=1.0)
    is_power_tuned: bool = True
    """Whether `tweedie_power` is chosen on what lies before the first origin of the backtest."""


class DemandGates(Settings):
    """What a demand challenger must pass to become champion."""

    max_relative_wape: float = Field(default=1.0, gt=0.0)
    """Highest WAPE ÷ best baseline's WAPE at the bottom level."""
    max_relative_pinball: float = Field(default=1.0, gt=0.0)
    """Highest scaled pinball loss ÷ the best baseline's at the bottom level."""
    max_abs_bias: float = Field(default=0.05, gt=0.0)
    max_coverage_error: float = Field(default=0.05, gt=0.0)
    """Largest |measured − nominal| coverage of the 80 % and the 95 % interval."""


class DemandSettings(Settings):
    """`[demand]`: how demand is forecast and judged."""

    frequency: Literal["day", "week", "month", "quarter"] = "day"
    horizon_days: int = Field(default=28, ge=1)
    origins: int = Field(default=6, ge=2)
    step_days: int | None = Field(default=None, ge=1)
    known_ahead: tuple[str, ...] = ()
    """Columns of `sales` that are planned, so known after the origin: price, display…"""
    dead_after_days: int = Field(default=182, ge=0)
    """Days without a sale after which a series may count as dead; 0 forecasts silent ones too."""
    use_prophet: bool = True
    prophet_nodes: int = Field(default=30, ge=0)
    """Most region totals that Prophet is fitted to, whole levels at a time, the coarsest first."""
    lightgbm: DemandLightGBMSettings = DemandLightGBMSettings()
    gates: DemandGates = DemandGates()


class StockSettings(Settings):
    """`[stock]`: what stock is decided by; every value is shown beside the advice."""

    review_days: float = Field(default=7.0, gt=0.0)
    """Days between two chances to order."""
    lead_time_days: float = Field(default=7.0, ge=0.0)
    """Mean days from an order to its arrival, where the table `stock` has no `lead_time_days`."""
    lead_time_sd_days: float = Field(default=2.0, ge=0.0)
    service_level: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Probability of no stock-out before the next order can arrive; 0.95 where neither this nor
    `lost_margin` is set."""
    lost_margin: float | None = Field(default=None, gt=0.0)
    """Money lost per unit of demand that is not met; with `holding_cost` instead of a level."""
    holding_cost: float | None = Field(default=None, gt=0.0)
    """Money per unit and day in stock."""
    order_cost: float = Field(default=0.0, ge=0.0)
    """Money per order, whatever its size; above 0 it makes lots, and needs `holding_cost`."""
    pack_size: float = Field(default=1.0, gt=0.0)
    minimum_order: float = Field(default=0.0, ge=0.0)
    horizon_days: int | None = Field(default=None, ge=1)
    """Days that stock-outs are looked ahead for; by default all that are forecast."""

    @model_validator(mode="after")
    def _has_one_aim(self) -> StockSettings:
        if self.service_level is not None and self.lost_margin is not None:
            raise ValueError(
                "set service_level or lost_margin, not both: costs set their own level"
            )
        needs = self.lost_margin is not None or self.order_cost > 0
        if needs and self.holding_cost is None:
            raise ValueError("lost_margin and order_cost need holding_cost, per unit and day")
        return self


class PromotionGates(Settings):
    """What a send-time challenger must pass to become champion."""

    min_log_loss_gain: float = Field(default=0.0)
    """The lower bound of the paired gain over every baseline must be above this."""
    max_calibration_error: float = Field(default=0.01, gt=0.0)
    require_proof: bool = True
    """Whether send times rest on responses only once these are proven better than every baseline;
    else as soon as they are not proven worse than one."""
    min_effective_sends: float = Field(default=1000.0, ge=1.0)
    """Effective sends that a proven gain of response-based send times must rest on."""


class OfferSettings(Settings):
    """How offers are learned from experiments."""

    outcome: Literal["ordered", "visited"] = "ordered"
    """What an offer is to make likelier."""
    horizon_days: int = Field(default=28, ge=1)
    """Days after a decision that count as its outcome."""
    margin: float = Field(default=0.3, ge=0.0, le=1.0)
    """Margin of an order as a fraction, of promotions that state none."""


class PromotionSettings(Settings):
    """`[promotion]`: how send times are scored and judged."""

    half_life_days: float | None = Field(default=None, gt=0.0)
    """Days after which a habit weighs half; chosen by backtest where not set."""
    response_hours: float = Field(default=24.0, gt=0.0, le=168.0)
    """Hours after a send within which a click or an order is an answer to it."""
    is_response_activity: bool = False
    """Whether opens and clicks count as activity beside what customers do by themselves."""
    offers: OfferSettings = OfferSettings()
    label_days: int = Field(default=28, ge=7)
    folds: int = Field(default=4, ge=2)
    lightgbm: LightGBMSettings = LightGBMSettings(rounds=120, leaves=15)
    gates: PromotionGates = PromotionGates()


class TrackingSettings(Settings):
    """`[tracking]`: where runs and models are recorded; empty means SQLite in the workspace."""

    uri: str = ""
    experiment: str = ""
