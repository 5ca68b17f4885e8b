"""The file of golden rows that lies beside a model, and the comparison that refuses another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import ArtifactError

GOLDEN_FILE = "golden.json"
"""One of the model's own files, so that its bytes are under the manifest like all others."""
FORMAT = 1
SEED = 20_261_125
TOLERANCE = 1e-9
"""How far a recomputed answer may be from the golden one, relative where it is above one."""


def write_document(document: Mapping[str, Any]) -> bytes:
    """Return golden rows as the file that lies beside the model; NaN is written as null."""
    return json.dumps({"format": FORMAT, **document}, sort_keys=True, allow_nan=False).encode()


def read_document(files: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Return the golden rows of a model, or None where it was made without any.

    Raises
    ------
    ArtifactError
        If the file is not what it should be.
    """
    if GOLDEN_FILE not in files:
        return None
    try:
        document = json.loads(files[GOLDEN_FILE])
        if document["format"] == FORMAT:
            return dict(document)
        found = f"format {document['format']!r}"
    except (ValueError, KeyError, TypeError) as error:
        found = repr(error)
    raise ArtifactError(
        f"{GOLDEN_FILE}: expected golden rows of format {FORMAT}, got {found}; train again"
    )


def as_plain(values: npt.ArrayLike) -> Any:
    """Return numbers as nested lists with None for NaN, as JSON knows no NaN."""
    table = np.asarray(values, dtype=np.float64)
    plain = table.astype(object)
    plain[np.isnan(table)] = None
    return plain.tolist()


def check_close(what: str, golden: object, answered: npt.ArrayLike) -> None:
    """Refuse answers that are not the golden ones.

    Parameters
    ----------
    what : str
        Which answers, in words.
    golden : nested lists of float or None
        From `as_plain`.
    answered : array
        Of the model that was loaded.

    Raises
    ------
    ArtifactError
        If a value differs by more than `TOLERANCE`, is missing, or there are more or fewer.
    """
    expected = np.asarray(golden, dtype=np.float64)
    got = np.asarray(answered, dtype=np.float64)
    if expected.shape != got.shape:
        raise ArtifactError(
            f"golden rows: {what}: expected {expected.shape} values, got {got.shape}; train again"
        )
    if not np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        worst = float(np.nanmax(np.abs(got - expected), initial=0.0))
        raise ArtifactError(
            f"golden rows: {what}: the loaded model answers otherwise than when it was trained, "
            f"by {worst:.3g} where {TOLERANCE:g} is allowed; it was changed, or this machine's "
            "libraries compute otherwise: train again here"
        )
