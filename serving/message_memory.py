"""The response model with what it remembers of the customers it knows: messages and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import sparse

from features.errors import ArtifactError, MissingColumn
from features.schema import SLOTS_PER_WEEK
from models.receptivity.histories import Histories
from models.receptivity.send_time import EmpiricalBayes
from models.receptivity.send_time_base import SendTimeModel
from models.response.context import ResponseContext
from models.response.customer_context import build_context
from models.response.message_counts import ChannelCounts, MessageCounts
from models.response.response import load_response
from models.response.response_base import MODEL_FILE, ResponseModel
from serving.tables import read_table

MESSAGES_FILE, FATIGUE_FILE = "messages.parquet", "fatigue.parquet"
"""Messages and answers by customer, channel and slot; messages lately, by customer and channel."""


class MessageMemory:
    """A response model over the customers of the published profiles.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    messages : MessageCounts
        Of the profiles' customers, in their order.
    context : ResponseContext
        Of the same; its shares are not read.
    """

    def __init__(
        self, model: ResponseModel, messages: MessageCounts, context: ResponseContext
    ) -> None:
        self.model, self.messages, self._context = model, messages, context

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels whose answers were learned."""
        return self.model.channels

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], histories: Histories) -> MessageMemory | None:
        """Read the response part of a `promotion` artifact; None if it has none.

        Parameters
        ----------
        files : mapping of name to bytes
        histories : Histories
            Of the published profiles.

        Raises
        ------
        ArtifactError
            If a part is missing or is not what it should be.
        """
        if MODEL_FILE not in files:
            return None
        model = load_response(files)
        try:
            counts = read_table(files[MESSAGES_FILE], MESSAGES_FILE).to_pandas()
            fatigue = read_table(files[FATIGUE_FILE], FATIGUE_FILE).to_pandas()
            messages = MessageCounts.from_table(counts, histories.customer_id, model.channels)
        except KeyError as error:
            raise ArtifactError(f"{error.args[0]}: not there; train again") from None
        except MissingColumn as error:
            raise ArtifactError(f"{MESSAGES_FILE}: {error}") from None
        no_shares = np.broadcast_to(0.0, (len(histories), SLOTS_PER_WEEK))
        context = ResponseContext.build(histories, no_shares, messages, fatigue=fatigue)
        return cls(model, messages, context)

    def of(self, rows: np.ndarray) -> MessageMemory:
        """Return what is remembered of some customers, in their order.

        Parameters
        ----------
        rows : array of int64, shape (n,)
            In the profiles; of who is at -1 nothing is remembered.
        """
        known = np.flatnonzero(rows >= 0)
        chosen = sparse.csr_array(
            (np.ones(len(known)), (known, rows[known])), shape=(len(rows), len(self.messages))
        )
        messages = MessageCounts(
            self.channels,
            tuple(
                ChannelCounts(
                    chosen @ own.sent,
                    chosen @ own.answered,
                    chosen @ own.n_sent,
                    chosen @ own.n_answered,
                )
                for own in map(self.messages.of, self.channels)
            ),
            len(rows),
        )
        blank = ResponseContext.build(
            Histories.unknown([""] * len(rows)),
            np.zeros((len(rows), SLOTS_PER_WEEK)),
            messages,
        )
        fatigue, by_channel = blank.fatigue.copy(), blank.channel_fatigue.copy()
        fatigue[known] = self._context.fatigue[rows[known]]
        by_channel[known] = self._context.channel_fatigue[rows[known]]
        context = replace(blank, fatigue=fatigue, channel_fatigue=by_channel)
        return MessageMemory(self.model, messages, context)

    def context(
        self,
        rows: np.ndarray,
        histories: Histories,
        model: SendTimeModel,
        discount: float | np.ndarray = np.nan,
    ) -> ResponseContext:
        """Return all that is known of some customers before a message.

        Parameters
        ----------
        rows : array of int64, shape (n,)
            In the profiles; all -1 for customers who are not known.
        histories : Histories
            Of the same customers.
        model : SendTimeModel
            Fitted, published with the response model: their shares of activity.
        discount : float or array of shape (n,)

        Raises
        ------
        ArtifactError
            If the send-time model has no chain of shares.
        """
        if not isinstance(model, EmpiricalBayes):
            raise ArtifactError(
                f"{MODEL_FILE}: rests on shares of activity, which {model.name} does not tell; "
                "train again"
            )
        if len(rows) and rows[0] < 0:
            nothing = MessageCounts(self.channels, tuple(
                MessageCounts((), (), len(rows)).of(channel) for channel in self.channels
            ), len(rows))  # fmt: skip
            return build_context(histories, model, nothing, discount=discount)
        known = build_context(histories, model, self.messages.take(rows), discount=discount)
        return replace(
            known,
            fatigue=self._context.fatigue[rows],
            channel_fatigue=self._context.channel_fatigue[rows],
        )
