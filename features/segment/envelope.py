"""The outside of messages: typed, lenient about what is not known, strict about what is read.

What nobody reads, such as the page and the browser of `context`, is skipped, not decoded; that,
and checking types while decoding, is what makes reading fast. Of a member that is stated twice the
last counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from features.errors import InvalidRequest

MAX_CONTEXT_BYTES = 32 * 1024
"""Of what a batch states around its messages: it is read with each of them."""
Id: TypeAlias = str | int | float | None
"""Identifiers may come as numbers; they are read as text."""


class Device(msgspec.Struct, gc=False):
    """What `context.device` says; `advertisingId` is not read: it is shared, and can be reset."""

    id: Id = None
    type: Any = None


class ExternalId(msgspec.Struct, gc=False):
    """One of `context.externalIds`."""

    id: Id = None
    type: Any = None


class Consent(msgspec.Struct, rename="camel", gc=False):
    """What `context.consent` says."""

    category_preferences: dict[str, bool] | None = None


class Context(msgspec.Struct, rename="camel", gc=False):
    """What is read of `context`."""

    traits: dict[str, Any] | None = None
    device: Device | None = None
    channel: Any = None
    timezone: Any = None
    external_ids: list[ExternalId] | None = None
    consent: Consent | None = None


NO_CONTEXT = Context()


class RawMessage(msgspec.Struct, rename="camel", gc=False):
    """One message, its properties not yet looked at."""

    type: str | None = None
    message_id: str | None = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    event: str | None = None
    properties: msgspec.Raw = msgspec.Raw()
    traits: dict[str, Any] | None = None
    context: Context | None = None
    timestamp: datetime | None = None
    sent_at: datetime | None = None
    original_timestamp: datetime | None = None
    received_at: datetime | None = None


class Surroundings(msgspec.Struct, rename="camel"):
    """What is stated around the messages of a batch, decoded."""

    context: Context | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Envelope:
    """What is stated around a message.

    Attributes
    ----------
    type : str or None
        Of the address it was sent to; the message's own word does not count then.
    surroundings : bytes or None
        JSON object with the `context` and `sentAt` of a batch, for messages that state none of
        their own; of `context`, member by member.
    is_received_now : bool
        Whether the time of receipt that is given is when the message came from its sender. In a
        file it is not, so that the sender's clock cannot be corrected by it.
    """

    type: str | None = None
    surroundings: bytes | None = None
    is_received_now: bool = True


class _Batch(msgspec.Struct, rename="camel", omit_defaults=True):
    batch: list[msgspec.Raw]
    context: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    sent_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Stated(msgspec.Struct, rename="camel", omit_defaults=True):
    context: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    sent_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_BATCH = msgspec.json.Decoder(_Batch)


def split_batch(body: bytes) -> tuple[list[bytes], Envelope]:
    """Return the messages of a batch, each still as it was sent, and what is stated around them.

    What is wrong within one message, or with `context` and `sentAt`, is found when messages are
    read, and rejects those alone.

    Parameters
    ----------
    body : bytes
        JSON `{"batch": [...], "context": {...}, "sentAt": "..."}`.

    Raises
    ------
    InvalidRequest
        If the body as a whole is not JSON, has no list `batch`, is nested too deeply to be taken
        apart, or its `context` is larger than `MAX_CONTEXT_BYTES`.
    """
    try:
        found = _BATCH.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(
            'expected a JSON object in UTF-8 with a list "batch" of messages, such as '
            '{"batch": [{"type": "track", "messageId": "…"}]}; got something else'
        ) from None
    if found.context is msgspec.UNSET and found.sent_at is msgspec.UNSET:
        return [bytes(raw) for raw in found.batch], Envelope()
    stated = msgspec.json.encode(_Stated(found.context, found.sent_at))
    if len(stated) > MAX_CONTEXT_BYTES:
        raise InvalidRequest(
            f"expected at most {MAX_CONTEXT_BYTES} bytes of context around a batch, got "
            f"{len(stated)}; state less there"
        )
    return [bytes(raw) for raw in found.batch], Envelope(surroundings=stated)
