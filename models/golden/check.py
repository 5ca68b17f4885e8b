"""Golden rows of either kind: made when a model is written, asked again before it is pointed at."""

from __future__ import annotations

from collections.abc import Mapping

from models.artifact import LargeFile
from models.golden.demand import (
    FORECASTS_FILE,
    build_demand_golden,
    check_demand_golden,
    look_in_file,
)
from models.golden.document import GOLDEN_FILE
from models.golden.promotion import (
    PromotionParts,
    build_promotion_golden,
    check_promotion_golden,
)
from models.receptivity.send_time_base import MODEL_FILE


def add_golden(kind: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a model's files with its golden rows among them; as they are if none can be asked.

    Parameters
    ----------
    kind : str
        'demand' or 'promotion'.
    files : mapping of name to bytes
    """
    if (MODEL_FILE if kind == "promotion" else FORECASTS_FILE) not in files:
        return dict(files)
    build = build_promotion_golden if kind == "promotion" else build_demand_golden
    return {**files, GOLDEN_FILE: build(files)}


def check_golden(
    kind: str, files: Mapping[str, bytes], large: Mapping[str, LargeFile] | None = None
) -> bool:
    """Load a model's files and ask the golden questions; False where they hold none.

    Parameters
    ----------
    kind : str
        'demand' or 'promotion'.
    files : mapping of name to bytes
    large : mapping of name to LargeFile, optional
        Those that were left on disk.

    Raises
    ------
    ArtifactError
        If the files cannot be loaded, or an answer differs.
    """
    if GOLDEN_FILE not in files:
        return False
    if kind == "promotion":
        return check_promotion_golden(files, PromotionParts.from_files(files))
    on_disk = (large or {}).get(FORECASTS_FILE)
    forecasts = files[FORECASTS_FILE] if on_disk is None else on_disk.path
    return check_demand_golden(files, look_in_file(forecasts))
