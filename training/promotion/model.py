"""What is published of a promotion training: models as plain files, and the customers they know."""

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

from features.customer.customers import USUAL_HALF_LIFE_DAYS
from features.customer.dialect import to_utc
from features.errors import ArtifactError
from models.offers.offer_model import OfferModel
from models.receptivity.send_time import load_send_time
from models.receptivity.send_time_base import SendTimeModel
from models.response.response_base import ResponseModel
from models.value.model import ValueModel

PROFILES_FILE = "profiles.parquet"
ABOUT_FILE = "profiles.json"
"""Files of a published send-time model beside the model's own."""
MESSAGES_FILE, FATIGUE_FILE = "messages.parquet", "fatigue.parquet"
"""What a response model remembers: messages and answers by slot, and messages lately."""
OUTLOOK_FILE = "outlook.parquet"
"""When each customer will order next, by the value model."""


@dataclass(frozen=True)
class ResponsePart:
    """A response model with what it remembers of customers.

    Attributes
    ----------
    model : ResponseModel
        Fitted and calibrated.
    messages : DataFrame
        From `features.messages.message_histories`, as of the cut-off.
    fatigue : DataFrame
        From `features.messages.fatigue`, as of the cut-off.
    """

    model: ResponseModel
    messages: pd.DataFrame
    fatigue: pd.DataFrame

    def to_files(self) -> dict[str, bytes]:
        """Return the part's files by name."""
        return {
            **self.model.to_files(),
            MESSAGES_FILE: write_parquet(self.messages),
            FATIGUE_FILE: write_parquet(self.fatigue),
        }


@dataclass(frozen=True)
class ValuePart:
    """A value model, and what it says of every customer at the cut-off."""

    model: ValueModel
    outlook: pd.DataFrame

    def to_files(self) -> dict[str, bytes]:
        """Return the part's files by name."""
        return {**self.model.to_files(), OUTLOOK_FILE: write_parquet(self.outlook)}


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
    response : ResponsePart or None
        Where a response model was proven to be worth more than what anybody would do.
    value : ValuePart or None
        Where enough customers bought twice.
    offers : OfferModel or None
        Where there were experiments.
    half_life_days : float
    is_response_activity : bool
        What the features of `profiles` were declared with; live profiles are declared alike.
    """

    model: SendTimeModel
    profiles: pd.DataFrame
    as_of: datetime
    time_zone: str
    configuration: dict[str, Any] = field(default_factory=dict)
    response: ResponsePart | None = None
    value: ValuePart | None = None
    offers: OfferModel | None = None
    half_life_days: float = USUAL_HALF_LIFE_DAYS
    is_response_activity: bool = False

    def to_files(self) -> dict[str, bytes]:
        """Return the artifact's files by name; equal models give equal bytes."""
        about = {
            "as_of": f"{self.as_of.isoformat()}Z",
            "time_zone": self.time_zone,
            "half_life_days": self.half_life_days,
            "is_response_activity": self.is_response_activity,
        }
        files = {
            **self.model.to_files(),
            PROFILES_FILE: write_parquet(self.profiles),
            ABOUT_FILE: json.dumps(about, indent=2, sort_keys=True).encode(),
        }
        for part in (self.response, self.value, self.offers):
            files |= part.to_files() if part is not None else {}
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read the send-time model and its profiles; the other parts have readers of their own.

        `configuration`, which the manifest holds, is left empty.

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
            return cls(
                model,
                profiles,
                as_of,
                about["time_zone"],
                half_life_days=float(about.get("half_life_days", USUAL_HALF_LIFE_DAYS)),
                is_response_activity=bool(about.get("is_response_activity", False)),
            )
        except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise ArtifactError(f"{PROFILES_FILE}: cannot be read: {error}; train again") from None


def write_parquet(table: pd.DataFrame) -> bytes:
    """Return a table as Parquet without what pandas adds to it: equal tables give equal bytes."""
    content = io.BytesIO()
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata(None), content)
    return content.getvalue()


def _keep_lists(kind: pa.DataType) -> pd.ArrowDtype | None:
    # Histograms stay in Arrow: as Python lists of dicts they take a hundred times the memory.
    return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None
