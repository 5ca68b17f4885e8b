"""Tables of a published model, read from the bytes that were checked."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ArtifactError


def read_table(content: bytes, name: str) -> pa.Table:
    """Return the Parquet file `name`.

    Raises
    ------
    ArtifactError
        If it is not Parquet.
    """
    try:
        return pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ArtifactError(f"{name}: not a Parquet file: {error}; train again") from None
