"""All response models by name, and how a saved one is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from models.artifact import refuse_damage
from models.response.context import ResponseContext
from models.response.response_base import MODEL_FILE, ResponseModel
from models.response.response_baselines import GlobalHour
from models.response.response_boosting import LightGBMResponse
from models.response.response_eb import EBResponse
from models.response.sent_touches import SentTouches

__all__ = [
    "MODELS",
    "EBResponse",
    "GlobalHour",
    "LightGBMResponse",
    "ResponseContext",
    "ResponseModel",
    "SentTouches",
    "load_response",
]

MODELS: dict[str, type[ResponseModel]] = {
    model.name: model for model in (GlobalHour, EBResponse, LightGBMResponse)
}
"""Response models by name, simplest first."""


def load_response(files: Mapping[str, bytes]) -> ResponseModel:
    """Make the model again that `ResponseModel.to_files` wrote; predictions are equal bit by bit.

    Raises
    ------
    ArtifactError
        If a file is missing or is not what it should be.
    """
    with refuse_damage(MODEL_FILE, "a response model"):
        document = json.loads(files[MODEL_FILE])
        return MODELS[document["model"]](**document["parameters"]).restore(files)
