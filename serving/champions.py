"""What training published, loaded: each kind of model whole, or not at all and with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from features.customer.declare import FeatureSet
from features.errors import AlmanacError, ArtifactError, NotTrained
from models.artifact import (
    CHALLENGER_POINTER,
    POINTER,
    Artifact,
    LargeFile,
    load_published,
    read_pointer,
)
from models.demand.forecast_series import FORECASTS_FILE, read_series
from models.demand.forecast_store import open_stored
from models.demand.scenario_files import Scenarios
from models.demand.series_facts import SeriesFacts, unpack_facts
from models.demand.series_history import HISTORY_FILE
from models.golden.demand import check_demand_golden
from models.golden.promotion import PromotionParts, check_promotion_golden
from models.value.model import MODEL_FILE as VALUE_FILE
from models.value.model import ValueModel
from models.value.storage import load_value
from serving.batch import load_predictor
from serving.forecasts import ForecastQuery, ForecastTable
from serving.planning import Planning
from serving.profiles import ABOUT_FILE, read_features
from serving.reasons import REASONS_FILE
from serving.send_times import SendTimePredictor

Kind = Literal["promotion", "demand"]
Model = TypeVar("Model")


@dataclass(frozen=True)
class Champion(Generic[Model]):
    """A published model that answers."""

    version: str
    digest: str
    model: Model


@dataclass(frozen=True)
class ModelState:
    """Whether one kind answers, and if not, why; told by `/readyz`."""

    kind: Kind
    state: Literal["loaded", "not-published", "refused"]
    is_required: bool
    model_version: str | None = None
    reason: str | None = None
    proof: Literal["proven", "unproven"] | None = None
    """Whether golden rows were asked again, or the model was published without any."""
    refused_version: str | None = None
    """What is pointed at and could not be loaded; `model_version` serves, where there is one."""

    @property
    def is_well(self) -> bool:
        """Whether it answers, or was never meant to."""
        return self.state == "loaded" or (self.state == "not-published" and not self.is_required)

    @property
    def is_refused(self) -> bool:
        """Whether what is published now was refused, be the last good one serving or none."""
        return self.state == "refused" or self.refused_version is not None


@dataclass(frozen=True)
class LiveParts:
    """What live profiles are read and valued with.

    Attributes
    ----------
    features : FeatureSet
        Declared as those of the published profiles.
    value : ValueModel or None
        Published beside the send-time model.
    """

    features: FeatureSet
    value: ValueModel | None


@dataclass(frozen=True)
class Champions:
    """All that is published; a kind that could not be loaded is None and its state says why."""

    promotion: Champion[SendTimePredictor] | None
    demand: Champion[ForecastTable] | None
    states: tuple[ModelState, ...]
    planning: Champion[Planning] | None = None
    """Of the demand champion: stock advice and sample paths, as far as it has them."""
    scenarios: Champion[Scenarios | None] | None = None
    """Of the demand champion: rows to ask scenarios of; a None within where it has none."""
    live: LiveParts | None = None
    """Of the promotion champion: what live profiles are read and valued with."""
    facts: Champion[SeriesFacts | None] | None = None
    """Of the demand champion: past, growth and accuracy of its series, as far as it has them."""

    def state(self, kind: Kind) -> ModelState:
        """Return the state of a kind."""
        return next(state for state in self.states if state.kind == kind)

    def with_state(self, state: ModelState) -> Champions:
        """Return these with another state of its kind."""
        states = tuple(state if state.kind == old.kind else old for old in self.states)
        return replace(self, states=states)

    @property
    def is_ready(self) -> bool:
        """Whether at least one kind answers, and none that should is missing."""
        return all(state.is_well for state in self.states) and any(
            state.state == "loaded" for state in self.states
        )


Timing = tuple[SendTimePredictor, LiveParts]
"""A send-time model, and what live profiles are read and valued with beside it."""
Selling = tuple[ForecastTable, Planning, Scenarios | None, SeriesFacts | None]
"""Forecasts, stock advice and sample paths, rows for scenarios, and facts of the series."""
NOTHING = Champions(
    None,
    None,
    (ModelState("promotion", "not-published", False), ModelState("demand", "not-published", False)),
)


def load_champions(published: Path, required: Sequence[str] = ()) -> Champions:
    """Load the champion of every kind.

    Parameters
    ----------
    published : Path
        The workspace's folder of published models.
    required : sequence of str
        Kinds without which the service is not ready.
    """
    champions = reload_champion(NOTHING, published, "promotion", required)
    return reload_champion(champions, published, "demand", required)


def reload_champion(
    before: Champions, published: Path, kind: Kind, required: Sequence[str] = ()
) -> Champions:
    """Load what is pointed at now; what cannot be loaded leaves the last good one serving.

    Parameters
    ----------
    before : Champions
        What serves.
    published : Path
    kind : str
        'demand' or 'promotion'.
    required : sequence of str
        As for `load_champions`.

    Returns
    -------
    Champions
        `before` with another model of this kind, or with another state of it.
    """
    held = before.promotion if kind == "promotion" else before.demand
    old = before.state(kind)
    if held is not None and _points_at(published, kind, held):
        return before.with_state(replace(old, reason=None, refused_version=None))
    if kind == "promotion":
        timing, state = _load(published, kind, _read_promotion, required)
        loaded = before if timing is None else _with_promotion(before, timing)
    else:
        selling, state = _load(published, kind, _read_demand, required)
        loaded = before if selling is None else _with_demand(before, selling)
    if loaded is before and held is not None:
        reason = state.reason if state.state == "refused" else "it is published no longer"
        state = replace(old, reason=reason, refused_version=state.refused_version)
    return loaded.with_state(state)


def load_challenger(published: Path) -> tuple[Champion[Timing] | None, ModelState]:
    """Load the send-time model that is tried beside the champion."""
    return _load(published, "promotion", _read_promotion, (), CHALLENGER_POINTER)


def _points_at(published: Path, kind: Kind, held: Champion[Any]) -> bool:
    """Say whether the pointer names the very model that is held."""
    try:
        pointer = read_pointer(published, kind)
    except AlmanacError:
        return False
    return (pointer.version, pointer.digest) == (held.version, held.digest)


def _with_promotion(before: Champions, timing: Champion[Timing]) -> Champions:
    model, live = timing.model
    return replace(before, promotion=Champion(timing.version, timing.digest, model), live=live)


def _with_demand(before: Champions, selling: Champion[Selling]) -> Champions:
    version, digest = selling.version, selling.digest
    table, planning, scenarios, facts = selling.model
    return replace(
        before,
        demand=Champion(version, digest, table),
        planning=Champion(version, digest, planning),
        scenarios=Champion(version, digest, scenarios),
        facts=Champion(version, digest, facts),
    )


def _load(
    published: Path,
    kind: Kind,
    read: Callable[[Artifact], tuple[Model, bool]],
    required: Sequence[str],
    name: str = POINTER,
) -> tuple[Champion[Model] | None, ModelState]:
    is_required = kind in required
    try:
        pointer, artifact = load_published(
            published, kind, name, on_disk=(FORECASTS_FILE, HISTORY_FILE)
        )
        model, is_proven = read(artifact)
    except NotTrained:
        way = "promote" if name == POINTER else "challenge"
        reason = f"nothing is published; run `almanac train {kind}`, then `almanac {way} {kind}`"
        return None, ModelState(kind, "not-published", is_required, reason=reason)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, what serves goes on
        reason = str(error) if isinstance(error, AlmanacError) else f"cannot be read: {error!r}"
        refused = _read_version(published, kind, name)
        return None, ModelState(
            kind, "refused", is_required, reason=reason, refused_version=refused
        )
    champion = Champion(pointer.version, pointer.digest, model)
    proof: Literal["proven", "unproven"] = "proven" if is_proven else "unproven"
    state = ModelState(kind, "loaded", is_required, model_version=pointer.version, proof=proof)
    return champion, state


def _read_version(published: Path, kind: Kind, name: str) -> str | None:
    try:
        return read_pointer(published, kind, name).version
    except AlmanacError:
        return None


def _read_promotion(artifact: Artifact) -> tuple[Timing, bool]:
    files = artifact.files
    predictor = load_predictor(files)
    value = load_value(files) if VALUE_FILE in files else None
    memory = predictor.scorer.memory
    parts = PromotionParts(predictor.model, None if memory is None else memory.model, value)
    is_proven = check_promotion_golden(files, parts)
    return (predictor, LiveParts(read_features(files[ABOUT_FILE]), value)), is_proven


def _read_demand(artifact: Artifact) -> tuple[Selling, bool]:
    files = artifact.files
    if FORECASTS_FILE in artifact.large:
        series = open_stored(artifact.large[FORECASTS_FILE])
    else:
        series = read_series(_file(artifact, FORECASTS_FILE))
    table = ForecastTable(series, files.get(REASONS_FILE))
    is_proven = check_demand_golden(files, partial(_look_up, table))
    # Blocks of the past are read one at a time from their file, which all workers share.
    past = LargeFile(artifact.directory / HISTORY_FILE, "")
    facts = unpack_facts(files, {HISTORY_FILE: past} if past.path.exists() else {})
    return (table, Planning(files), Scenarios.from_files(files), facts), is_proven


def _look_up(
    table: ForecastTable, keys: Mapping[str, Any], quantiles: tuple[float, ...]
) -> list[float]:
    """Return one forecast's mean and quantiles, as a request would find them."""
    day = date.fromisoformat(keys["date"])
    query = ForecastQuery(keys["region_id"], keys["product_id"], keys["level"], day, day)
    (found,) = table.find(query, quantiles, limit=1).forecasts
    return [found.mean, *(found.quantiles[f"{quantile:g}"] for quantile in quantiles)]


def _file(artifact: Artifact, name: str) -> bytes:
    try:
        return artifact.files[name]
    except KeyError:
        raise ArtifactError(f"{artifact.directory / name}: not there; promote again") from None
