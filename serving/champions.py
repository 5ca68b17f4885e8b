"""What training published, loaded: each kind of model whole, or not at all and with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from features.customer.declare import FeatureSet
from features.errors import AlmanacError, ArtifactError, NotTrained
from models.artifact import Artifact, load_published
from models.demand.forecast_series import FORECASTS_FILE, read_series
from models.demand.forecast_store import open_stored
from models.demand.scenario_files import Scenarios
from models.value.model import MODEL_FILE as VALUE_FILE
from models.value.model import ValueModel
from models.value.storage import load_value
from serving.batch import load_predictor
from serving.forecasts import ForecastTable
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

    @property
    def is_well(self) -> bool:
        """Whether it answers, or was never meant to."""
        return self.state == "loaded" or (self.state == "not-published" and not self.is_required)


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

    @property
    def is_ready(self) -> bool:
        """Whether at least one kind answers, and none that should is missing."""
        return all(state.is_well for state in self.states) and any(
            state.state == "loaded" for state in self.states
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
    timing, promotion_state = _load(published, "promotion", _read_promotion, required)
    both, demand_state = _load(published, "demand", _read_demand, required)
    demand = planning = scenarios = None
    if both is not None:
        demand = Champion(both.version, both.digest, both.model[0])
        planning = Champion(both.version, both.digest, both.model[1])
        scenarios = Champion(both.version, both.digest, both.model[2])
    promotion = live = None
    if timing is not None:
        promotion = Champion(timing.version, timing.digest, timing.model[0])
        live = timing.model[1]
    states = (promotion_state, demand_state)
    return Champions(promotion, demand, states, planning, scenarios, live)


def _load(
    published: Path,
    kind: Kind,
    read: Callable[[Artifact], Model],
    required: Sequence[str],
) -> tuple[Champion[Model] | None, ModelState]:
    is_required = kind in required
    try:
        pointer, artifact = load_published(published, kind, on_disk=(FORECASTS_FILE,))
        model = read(artifact)
    except NotTrained:
        reason = f"nothing is published; run `almanac promote {kind}`"
        return None, ModelState(kind, "not-published", is_required, reason=reason)
    except AlmanacError as error:
        return None, ModelState(kind, "refused", is_required, reason=str(error))
    champion = Champion(pointer.version, pointer.digest, model)
    return champion, ModelState(kind, "loaded", is_required, model_version=pointer.version)


def _read_promotion(artifact: Artifact) -> tuple[SendTimePredictor, LiveParts]:
    files = artifact.files
    predictor = load_predictor(files)
    value = load_value(files) if VALUE_FILE in files else None
    return predictor, LiveParts(read_features(files[ABOUT_FILE]), value)


def _read_demand(artifact: Artifact) -> tuple[ForecastTable, Planning, Scenarios | None]:
    files = artifact.files
    if FORECASTS_FILE in artifact.large:
        series = open_stored(artifact.large[FORECASTS_FILE])
    else:
        series = read_series(_file(artifact, FORECASTS_FILE))
    table = ForecastTable(series, files.get(REASONS_FILE))
    return table, Planning(files), Scenarios.from_files(files)


def _file(artifact: Artifact, name: str) -> bytes:
    try:
        return artifact.files[name]
    except KeyError:
        raise ArtifactError(f"{artifact.directory / name}: not there; publish again") from None
