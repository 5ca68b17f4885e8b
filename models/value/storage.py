"""Reading a value model back from its plain files: JSON and LightGBM's own text."""

from __future__ import annotations

import json
from collections.abc import Mapping

import lightgbm as lgb

from features.errors import ArtifactError
from models.artifact import refuse_damage
from models.receptivity.calibration import Calibration
from models.value.bg_nbd import BGNBD
from models.value.gamma_gamma import GammaGamma
from models.value.habits import Habits
from models.value.model import FORMAT, HAZARD_FILE, MODEL_FILE, ORDERS_FILE, ValueModel
from models.value.next_purchase import NextPurchase


def load_value(files: Mapping[str, bytes]) -> ValueModel:
    """Make the model again that `ValueModel.to_files` wrote; predictions are equal bit by bit.

    Raises
    ------
    ArtifactError
        If a file is missing or is not what it should be.
    """
    with refuse_damage(MODEL_FILE, "a model of customer value"):
        document = json.loads(files[MODEL_FILE])
        if document["format"] != FORMAT:
            raise ArtifactError(
                f"{MODEL_FILE}: expected format {FORMAT}, got {document['format']}; train again"
            )
        value = document["gamma_gamma"]
        return ValueModel(
            n_days=int(document["n_days"]),
            bg=BGNBD.from_json(document["bg_nbd"]),
            value=None if value is None else GammaGamma.from_json(value),
            trees=_load_trees(files, int(document["n_days"])),
            habits=Habits(**document["habits"]),
            calibration=Calibration.from_json(document["calibration"]),
            scale=float(document["scale"]),
            margin=float(document["margin"]),
            count_shape=float(document["count_shape"]),
        )


def _load_trees(files: Mapping[str, bytes], n_days: int) -> NextPurchase | None:
    if HAZARD_FILE not in files and ORDERS_FILE not in files:
        return None
    return NextPurchase(
        n_days,
        lgb.Booster(model_str=files[HAZARD_FILE].decode()),
        lgb.Booster(model_str=files[ORDERS_FILE].decode()),
    )
