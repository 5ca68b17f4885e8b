"""What `GET /v1/models` answers: which models there are, and how they were judged."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from serving.contract import Message
from serving.spellings import Day

Outcome = Literal["waiting", "passed", "forced", "refused"]
Finding = Literal["not enough data", "ok", "watch", "alert"]


class Gate(Message):
    """One bound between a challenger and the champion."""

    name: str
    measured: float | None
    bound: float | None
    is_passed: bool
    words: str


class Score(Message):
    """What a backtest measured of one method."""

    model: str
    """As it is read."""
    is_published: bool
    """Whether this is the method that answers."""
    is_baseline: bool
    """Whether the gates hold the model against it."""
    level: str | None
    """Of demand: region and product level."""
    horizon: str | None
    """Of demand: periods ahead, such as '1-7'; null for all."""
    measures: dict[str, float | None]
    """By name: `wape`, `bias`, … of demand, `log_loss`, `calibration_error`, … of send times."""


class Gain(Message):
    """How much better than a baseline, in log-loss per customer and hour, paired."""

    baseline: str
    gain: float | None
    low: float | None
    """Of the 95 % interval."""
    high: float | None


class Coverage(Message):
    """How often what came lay within an interval."""

    level: str
    horizon: str | None
    nominal: float = Field(ge=0.0, le=1.0)
    measured: float | None
    n: int = Field(ge=0)
    """Forecasts that were judged."""


class CalibrationBin(Message):
    """Hours of about the same predicted probability, and how many of them were active."""

    predicted: float
    observed: float
    low: float
    """Of the 95 % interval of `observed`."""
    high: float
    n: int = Field(ge=0)


class Importance(Message):
    """What a feature adds to the model."""

    feature: str
    share: float
    """Of all gain."""


class Evidence(Message):
    """What the backtest of a training measured."""

    format: Literal[1] = 1
    model: str
    """The method that was chosen."""
    data_until: Day | None
    """Last date of the data."""
    scores: list[Score]
    gains: list[Gain]
    coverage: list[Coverage]
    calibration: list[CalibrationBin]
    importance: list[Importance]
    notes: list[str]


class ModelVersion(Message):
    """One version of a kind of model."""

    version: str
    is_answering: bool
    """Whether this service answers with it, to all or to a share."""
    trained_at: AwareDatetime | None
    published_at: AwareDatetime | None
    outcome: Outcome | None
    """What the gates came to; null where that was not written down."""
    judged_at: AwareDatetime | None
    forced_because: str | None
    """Why a gate was overruled."""
    gates: list[Gate]
    evidence: Evidence | None
    """Null of a model that was trained before evidence was published."""
    registry_url: str | None
    """Where MLflow shows it, if `[serving] mlflow_url` is set."""


class ModelKind(Message):
    """Champion and challenger of one kind."""

    kind: Literal["promotion", "demand"]
    champion: ModelVersion | None
    """What answers."""
    challenger: ModelVersion | None
    """The newest version trained since, or the one that is tried beside the champion."""


class MonitorCheck(Message):
    """One thing that `almanac monitor` looked at."""

    kind: str
    subject: str
    model: str
    verdict: Finding
    reason: str
    n: int
    value: float | None
    baseline: float | None
    threshold: float | None


class Monitor(Message):
    """What `almanac monitor` found when it last ran."""

    made_at: AwareDatetime
    verdict: Finding
    retraining: list[str]
    """Why to train again, a sentence each."""
    checks: list[MonitorCheck]


class Models(Message):
    """Which models there are, how they were judged, and whether they still hold."""

    models: list[ModelKind]
    monitor: Monitor | None
    """Null where `almanac monitor` never ran."""
    mlflow_url: str | None
