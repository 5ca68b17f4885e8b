"""A fitted send-time model with the customers it knows: the published `promotion` artifact."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.customer.dialect import to_utc
from features.errors import ArtifactError
from models.receptivity.send_time import load_send_time
from models.receptivity.send_time_base import SendTimeModel

PROFILES_FILE = "profiles.parquet"
ABOUT_FILE = "profiles.json"
"""Files of a published send-time model beside the model's own."""


@dataclass(frozen=True)
class PromotionModel:
    """A fitted send-time model with the customers it knows: the published `promotion` artifact.

    Attributes
    ----------
    model : SendTimeModel
        Fitted and calibrated.
    profiles : DataFrame
        The customer feature table as of `as_of`.
    as_of : datetime
        Cut-off of the profiles, in UTC.
    time_zone : str
        IANA name; of customers of whom no zone is known.
    configuration : dict
        What made it: the model's parameters, the cut-offs, what was reduced.
    """

    model: SendTimeModel
    profiles: pd.DataFrame
    as_of: datetime
    time_zone: str
    configuration: dict[str, Any] = field(default_factory=dict)

    def to_files(self) -> dict[str, bytes]:
        """Return the artifact's files by name; equal models give equal bytes."""
        table = pa.Table.from_pandas(self.profiles, preserve_index=False)
        content = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(None), content)
        about = {"as_of": f"{self.as_of.isoformat()}Z", "time_zone": self.time_zone}
        return {
            **self.model.to_files(),
            PROFILES_FILE: content.getvalue(),
            ABOUT_FILE: json.dumps(about, indent=2, sort_keys=True).encode(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `to_files` wrote; `configuration`, which the manifest holds, is left empty.

        Raises
        ------
        ArtifactError
            If a file is missing or is not what it should be.
        """
        model = load_send_time(files)
        try:
            about = json.loads(files[ABOUT_FILE])
            as_of = to_utc(datetime.fromisoformat(about["as_of"]))
            table = pq.read_table(pa.BufferReader(files[PROFILES_FILE]))
            profiles = table.to_pandas(types_mapper=_keep_lists)
            return cls(model, profiles, as_of, about["time_zone"])
        except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise ArtifactError(f"{PROFILES_FILE}: cannot be read: {error}; train again") from None


def _keep_lists(kind: pa.DataType) -> pd.ArrowDtype | None:
    # Histograms stay in Arrow: as Python lists of dicts they take a hundred times the memory.
    return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None
