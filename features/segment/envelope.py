"""The outside of messages: typed, lenient about what is not known, strict about what is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from features.errors import InvalidRequest

Id: TypeAlias = str | int | None


class RawMessage(msgspec.Struct, rename="camel", gc=False):
    """One message, its inside not yet looked at."""

    type: str | None = None
    message_id: str | None = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    event: str | None = None
    name: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    timestamp: str | None = None
    sent_at: str | None = None
    original_timestamp: str | None = None
    received_at: str | None = None


@dataclass(frozen=True)
class Envelope:
    """What is stated around a message.

    Attributes
    ----------
    type : str or None
        Of the address it was sent to; the message's own word does not count then.
    context : dict
        Of a batch; the message's own members win.
    sent_at : str or None
        Of a batch, for messages without one.
    is_received_now : bool
        Whether the time of receipt that is given is when the message came from its sender. In a
        file it is not, so that the sender's clock cannot be corrected by it.
    """

    type: str | None = None
    context: dict[str, Any] | None = None
    sent_at: str | None = None
    is_received_now: bool = True


class _Batch(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    context: dict[str, Any] | None = None
    sent_at: str | None = None


_BATCH = msgspec.json.Decoder(_Batch)


def split_batch(body: bytes) -> tuple[list[bytes], Envelope]:
    """Return the messages of a batch, each still as it was sent, and what is stated around them.

    Raises
    ------
    InvalidRequest
        If the body as a whole is not JSON, or has no list `batch`.
    """
    try:
        found = _BATCH.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(
            'expected a JSON object in UTF-8 with a list "batch" of messages, such as '
            '{"batch": [{"type": "track", …}]}'
        ) from None
    return [bytes(raw) for raw in found.batch], Envelope(None, found.context, found.sent_at)
