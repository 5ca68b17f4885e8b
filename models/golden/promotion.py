"""Golden rows of a send-time model: customers made by a seed, never real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.customer.purchase_fold import summarise_purchases
from features.errors import ArtifactError
from features.schema import CHANNELS, SLOTS_PER_WEEK, Customers
from models.golden.document import SEED, as_plain, check_close, read_document, write_document
from models.receptivity.histories import CHANNEL_COUNTS, SLOT_COUNTS, Histories
from models.receptivity.send_time import EmpiricalBayes, LightGBMSendTime, load_send_time
from models.receptivity.send_time_base import SendTimeModel
from models.response.customer_context import build_context
from models.response.message_counts import MessageCounts
from models.response.response import load_response
from models.response.response_base import MODEL_FILE as RESPONSE_FILE
from models.response.response_base import ResponseModel
from models.value.model import MODEL_FILE as VALUE_FILE
from models.value.model import ValueModel
from models.value.storage import load_value

N_CUSTOMERS = 8
_AS_OF = datetime(2024, 6, 1)  # noqa: DTZ001 - in UTC, as tables hold it
_SOME_DAYS = 400
Answers = dict[str, np.ndarray]


@dataclass(frozen=True)
class PromotionParts:
    """The models of a `promotion` artifact, as they were loaded."""

    send_time: SendTimeModel
    response: ResponseModel | None
    value: ValueModel | None

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> PromotionParts:
        """Load them; what the artifact does not hold is None."""
        return cls(
            load_send_time(files),
            load_response(files) if RESPONSE_FILE in files else None,
            load_value(files) if VALUE_FILE in files else None,
        )


def build_promotion_golden(files: Mapping[str, bytes]) -> bytes:
    """Return the golden rows of a `promotion` artifact's files, to be stored beside them."""
    parts = PromotionParts.from_files(files)
    rng = np.random.default_rng(SEED)
    customers, orders = _make_customers(parts.send_time, rng), _make_orders(rng)
    answers = _answer(parts, customers, orders)
    told = {name: as_plain(values) for name, values in answers.items()}
    return write_document({"customers": customers, "orders": orders, "answers": told})


def check_promotion_golden(files: Mapping[str, bytes], parts: PromotionParts) -> bool:
    """Ask loaded models the golden questions; False where the artifact has none.

    Raises
    ------
    ArtifactError
        If an answer differs by more than `models.golden.document.TOLERANCE`.
    """
    document = read_document(files)
    if document is None:
        return False
    try:
        golden = dict(document["answers"])
        answers = _answer(parts, document["customers"], document["orders"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"golden rows: cannot be asked: {error!r}; train again") from None
    if golden.keys() != answers.keys():
        raise ArtifactError(
            f"golden rows: expected answers of {', '.join(sorted(golden))}, "
            f"got {', '.join(sorted(answers))}; train again"
        )
    for name, values in answers.items():
        check_close(name, golden[name], values)
    return True


def _answer(parts: PromotionParts, customers: Any, orders: Any) -> Answers:
    model = parts.send_time
    histories = Histories.from_table(pd.DataFrame(customers))
    answers = {"activity": model.predict(histories)}
    for channel in model.channels:
        answers[f"activity in {channel}"] = model.predict_channel(histories, channel)
    if parts.response is not None and isinstance(model, EmpiricalBayes):
        for channel, values in _answer_messages(parts.response, model, histories).items():
            answers[f"response to {channel}"] = values
    if parts.value is not None:
        answers["value"] = _answer_value(parts.value, orders)
    return answers


def _answer_messages(
    response: ResponseModel, model: EmpiricalBayes, histories: Histories
) -> Answers:
    """Return P(answer) of customers who were sent nothing yet."""
    names, n = response.channels, len(histories)
    nothing = MessageCounts(names, tuple(MessageCounts((), (), n).of(name) for name in names), n)
    context = build_context(histories, model, nothing)
    return {name: response.predict(context, name) for name in names}


def _answer_value(value: ValueModel, orders: Any) -> np.ndarray:
    rows = [
        summarise_purchases(
            f"golden {place}",
            [(_AS_OF - timedelta(days=days), worth) for days, worth in own],
            _AS_OF,
            time_zone="UTC",
        )
        for place, own in enumerate(orders)
    ]
    return value.predict(pd.DataFrame(rows)).select_dtypes("number").to_numpy(dtype=np.float64)


def _make_customers(model: SendTimeModel, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return rows of the customer feature table, with every feature that the model reads."""
    names = model.feature_names_[:-1] if isinstance(model, LightGBMSendTime) else ()
    return [
        {
            Customers.CUSTOMER_ID: f"golden {place}",
            SLOT_COUNTS: _make_slots(rng, SLOTS_PER_WEEK),
            CHANNEL_COUNTS: _make_slots(rng, SLOTS_PER_WEEK * len(CHANNELS)),
            **{name: float(rng.uniform(1.0, 50.0)) for name in names},
        }
        for place in range(N_CUSTOMERS)
    ]


def _make_slots(rng: np.random.Generator, n_keys: int) -> list[dict[str, float]]:
    keys = sorted(rng.choice(n_keys, size=int(rng.integers(1, 12)), replace=False).tolist())
    return [{"slot": int(key), "weight": float(rng.uniform(0.1, 4.0))} for key in keys]


def _make_orders(rng: np.random.Generator) -> list[list[tuple[float, float]]]:
    """Return the orders of each, by days before the cut-off and value; the first bought nothing."""
    return [
        [
            (float(days), float(rng.uniform(5.0, 200.0)))
            for days in np.sort(rng.uniform(1.0, _SOME_DAYS, size=place))
        ]
        for place in range(N_CUSTOMERS)
    ]
