"""Reading one message: from its bytes to what it says, or why it is rejected."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast, get_args

import msgspec

from features.identity.identifiers import Identifier, IdentityRules
from features.segment.envelope import (
    NO_CONTEXT,
    Context,
    Envelope,
    RawMessage,
    Surroundings,
)
from features.segment.happenings import find_message_kind, read_properties, read_rows
from features.segment.identifying import find_identifiers, find_previous
from features.segment.messages import Message, MessageType, Rejected
from features.segment.persons import find_consent, find_traits
from features.segment.reasons import Reason, Refused, explain
from features.segment.times import Receipt, find_time, to_microseconds

MAX_EVENT_BYTES = 32 * 1024
MAX_ID_CHARACTERS = 100
DEEPEST = 32
"""Objects and lists within each other that a message may have."""
TYPES = frozenset(get_args(MessageType))
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_NO_ENVELOPE = Envelope()
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError)


class _OnlyId(msgspec.Struct, rename="camel"):
    message_id: Any = None


_MESSAGE = msgspec.json.Decoder(RawMessage)
_SURROUNDINGS = msgspec.json.Decoder(Surroundings)
_ONLY_ID = msgspec.json.Decoder(_OnlyId)


class MessageReader:
    """Reads messages of a customer-data platform.

    Parameters
    ----------
    rules : IdentityRules
        How identifiers are cleaned, and which are blocked.
    oldest : datetime
        What says it is from before is rejected; in UTC where it has no zone.
    future : timedelta
        How far after its receipt a message may lie.
    retention : timedelta, optional
        How long events are kept: what is older is rejected, or it would come back.
    max_event_bytes : int
        Of one message.
    max_id_characters : int
        Of a `messageId`.
    """

    def __init__(
        self,
        rules: IdentityRules,
        *,
        oldest: datetime,
        future: timedelta,
        retention: timedelta | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        max_id_characters: int = MAX_ID_CHARACTERS,
    ) -> None:
        self.rules, self.max_event_bytes = rules, max_event_bytes
        self.max_id_characters = max_id_characters
        self._oldest = to_microseconds(oldest)
        self._future = future // timedelta(microseconds=1)
        self._kept = None if retention is None else retention // timedelta(microseconds=1)

    def read(
        self, content: bytes, received_at: int, envelope: Envelope | None = None
    ) -> Message | Rejected:
        """Read one message; whatever the bytes are, nothing is raised.

        Parameters
        ----------
        content : bytes
            JSON.
        received_at : int
            Microseconds since 1970, UTC.
        envelope : Envelope, optional
            What was stated around it.

        Returns
        -------
        Message or Rejected
        """
        raw: RawMessage | None = None
        try:
            if len(content) > self.max_event_bytes:
                detail = f"expected at most {self.max_event_bytes} bytes; send less with it"
                raise Refused(Reason.TOO_LARGE, detail=detail)
            raw = _decode(content)
            return self._read(raw, received_at, envelope or _NO_ENVELOPE)
        except Refused as refused:
            message_id = raw.message_id if raw else _find_id(content[: self.max_event_bytes])
            return self._reject(refused, message_id)
        except RecursionError:
            return self._reject(Refused(Reason.TOO_DEEP), raw.message_id if raw else None)
        except _NOT_JSON:
            return self._reject(Refused(Reason.INVALID_JSON), raw.message_id if raw else None)

    def _read(self, raw: RawMessage, received_at: int, envelope: Envelope) -> Message:
        message_type = envelope.type or raw.type or ""
        if message_type not in TYPES:
            raise Refused(Reason.UNKNOWN_TYPE, "/type")
        context, sent_at = raw.context or NO_CONTEXT, None
        if envelope.surroundings is not None:
            context, sent_at = _surround(context, envelope.surroundings)
        message_id = self._check_id(raw.message_id, message_type)
        at, has_own_time = find_time(raw, self._receipt(received_at, sent_at, envelope))
        kind = find_message_kind(message_type, raw.event)
        stated = read_properties(raw, kind)
        traits = find_traits(message_type, raw, context)
        identifiers = find_identifiers(raw, traits, context, stated.loyalty_card, self.rules)
        message_id = message_id or _name_deletion(identifiers, at)
        rows, order = read_rows(message_type, message_id, at, stated, kind, context)
        return Message(
            message_id,
            cast(MessageType, message_type),
            at,
            has_own_time,
            identifiers,
            find_previous(raw, self.rules) if message_type == "alias" else None,
            traits,
            find_consent(context),
            rows,
            order,
        )

    def _check_id(self, message_id: str | None, message_type: str) -> str:
        """Return the id; an empty one of a deletion, which Segment sends without."""
        if not message_id:
            if message_type == "delete":
                return ""
            raise Refused(Reason.MISSING_MESSAGE_ID, "/messageId")
        if len(message_id) > self.max_id_characters or not message_id.isprintable():
            raise Refused(Reason.LONG_MESSAGE_ID, "/messageId")
        return message_id

    def _receipt(self, received_at: int, sent_at: int | None, envelope: Envelope) -> Receipt:
        oldest = self._oldest
        if self._kept is not None:
            oldest = max(oldest, received_at - self._kept)
        newest = received_at + self._future
        return Receipt(received_at, sent_at, envelope.is_received_now, oldest, newest)

    def _reject(self, refused: Refused, message_id: Any) -> Rejected:
        if type(message_id) is not str or not message_id.isprintable():
            message_id = None
        elif len(message_id) > self.max_id_characters:
            message_id = message_id[: self.max_id_characters]
        return Rejected(refused.reason.value, refused.detail, refused.pointer, message_id or None)


def _decode(content: bytes) -> RawMessage:
    """Decode the outside of a message, and check of the rest that it is JSON of a bounded depth."""
    if not content.isascii():
        content.decode()
    try:
        raw = _MESSAGE.decode(content)
    except msgspec.ValidationError as error:
        raise explain(error) from None
    if content.count(b"{") + content.count(b"[") > DEEPEST and _measure_depth(content) > DEEPEST:
        detail = f"expected at most {DEEPEST} levels of objects and lists; send it flatter"
        raise Refused(Reason.TOO_DEEP, detail=detail)
    return raw


def _measure_depth(content: bytes) -> int:
    """Return how deeply JSON is nested; brackets within texts are none."""
    depth = deepest = 0
    for token in _BRACKETS.findall(content):
        if token in (b"{", b"["):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"}", b"]"):
            depth -= 1
    return deepest


def _find_id(content: bytes) -> Any:
    """Return the id of a message that could not be read; None where that much is not readable."""
    try:
        return _ONLY_ID.decode(content).message_id
    except (*_NOT_JSON, RecursionError):
        return None


def _surround(context: Context, surroundings: bytes) -> tuple[Context, int | None]:
    """Return a context with what it does not state filled in, and when the batch was sent."""
    around = _decode_surroundings(surroundings)
    if isinstance(around, Refused):
        raise Refused(around.reason, around.pointer, around.detail)
    sent_at = None if around.sent_at is None else to_microseconds(around.sent_at)
    outer = around.context
    if outer is None:
        return context, sent_at
    filled = {
        name: getattr(outer if getattr(context, name) is None else context, name)
        for name in Context.__struct_fields__
    }
    return Context(**filled), sent_at


@lru_cache(maxsize=1)
def _decode_surroundings(surroundings: bytes) -> Surroundings | Refused:
    try:
        return _SURROUNDINGS.decode(surroundings)
    except msgspec.ValidationError as error:
        return explain(error)
    except (*_NOT_JSON, RecursionError):
        return Refused(Reason.INVALID_JSON)


def _name_deletion(identifiers: tuple[Identifier, ...], at: int) -> str:
    """Return the id of a deletion that has none: the same when it is sent again."""
    text = "\x1f".join(f"{kind}:{value}" for kind, value in identifiers)
    digest = hashlib.blake2b(f"{text}\x1f{at}".encode(), digest_size=16)
    return f"delete-{digest.hexdigest()}"
