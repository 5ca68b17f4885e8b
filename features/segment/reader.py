"""Reading one message: from its bytes to what it says, or why it is rejected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec

from features.identity.identifiers import IdentityRules
from features.segment.commerce import find_channel, read_track
from features.segment.envelope import Envelope, RawMessage
from features.segment.identifying import find_identifiers, find_previous
from features.segment.messages import EventRow, Message, MessageType, OrderChange, Rejected
from features.segment.properties import Refused, find_object, find_zone, read_text
from features.segment.reasons import Reason
from features.segment.times import InvalidTime, find_time

MAX_EVENT_BYTES = 32 * 1024
MAX_ID_CHARACTERS = 100
TYPES = frozenset(get_args(MessageType))
_MOST_TRAITS = 250
_DEEPEST = 8
_LONGEST_NAME = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Mapping[str, Any] = {}
_PATHS = {"page": "page_view", "screen": "screen_view"}
_JSON = msgspec.json.Decoder(RawMessage)


class MessageReader:
    """Reads messages of a customer-data platform.

    Parameters
    ----------
    rules : IdentityRules
        How identifiers are cleaned, and which are blocked.
    oldest : datetime
        With a zone; what says it is from before is rejected.
    future : timedelta
        How far after its receipt a message may lie.
    max_event_bytes : int
        Of one message.
    retention : timedelta, optional
        How long events are kept: what is older is rejected, or it would come back.
    """

    def __init__(
        self,
        rules: IdentityRules,
        *,
        oldest: datetime,
        future: timedelta,
        max_event_bytes: int = MAX_EVENT_BYTES,
        retention: timedelta | None = None,
    ) -> None:
        self.rules, self.max_event_bytes = rules, max_event_bytes
        self._kept = None if retention is None else retention // timedelta(microseconds=1)
        self._oldest = (oldest - _EPOCH) // timedelta(microseconds=1)
        self._future = future // timedelta(microseconds=1)

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
        """
        if len(content) > self.max_event_bytes:
            detail = f"a message may have {self.max_event_bytes} bytes; send less with it"
            return Rejected(Reason.TOO_LARGE.value, detail)
        raw: RawMessage | None = None
        try:
            raw = _JSON.decode(content)
            return self._read(raw, received_at, envelope or _NO_ENVELOPE)
        except Refused as refused:
            return _with_id(refused.rejected, raw)
        except InvalidTime as error:
            return _with_id(Refused(Reason.INVALID_TIME, pointer=f"/{error}").rejected, raw)
        except msgspec.ValidationError as error:
            return Refused(Reason.INVALID_FIELD, *_explain(error)).rejected
        except RecursionError:
            return _with_id(Refused(Reason.TOO_DEEP).rejected, raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Refused(Reason.INVALID_JSON).rejected

    def _read(self, raw: RawMessage, received_at: int, envelope: Envelope) -> Message:
        kind, message_id = envelope.type or raw.type, raw.message_id
        if kind is None or kind not in TYPES:
            raise Refused(Reason.UNKNOWN_TYPE, pointer="/type")
        if not message_id:
            raise Refused(Reason.MISSING_MESSAGE_ID, pointer="/messageId")
        if len(message_id) > MAX_ID_CHARACTERS or not message_id.isprintable():
            raise Refused(Reason.LONG_MESSAGE_ID, pointer="/messageId")
        context = raw.context or _NOTHING
        if envelope.context:
            context = {**envelope.context, **context}
        at, has_own_time = find_time(raw, received_at, envelope)
        oldest = self._oldest
        if self._kept is not None:
            oldest = max(oldest, received_at - self._kept)
        if not oldest <= at <= received_at + self._future:
            raise Refused(Reason.TIME_OUT_OF_RANGE, pointer="/timestamp")
        own, told = raw.properties or _NOTHING, raw.traits or _NOTHING
        around = find_object(context, "traits") if "traits" in context else _NOTHING
        traits = told if kind == "identify" else around
        rows, order = self._read_rows(kind, message_id, at, raw, own, context)
        return Message(
            message_id,
            kind,  # type: ignore[arg-type]
            at,
            has_own_time,
            find_identifiers(raw, own, traits, context, self.rules),
            find_previous(raw, self.rules) if kind == "alias" else None,
            _check_traits(traits) if traits else {},
            _find_consent(context) if "consent" in context else None,
            rows,
            order,
        )

    def _read_rows(
        self,
        kind: str,
        message_id: str,
        at: int,
        raw: RawMessage,
        own: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> tuple[tuple[EventRow, ...], OrderChange | None]:
        if kind == "track":
            if not raw.event:
                raise Refused(Reason.MISSING_EVENT, pointer="/event")
            return read_track(message_id, at, raw.event, own, context, find_zone(context))
        name = _PATHS.get(kind)
        if name is None:
            return (), None
        channel = find_channel(own, context, otherwise=None, kind=kind)
        region = read_text(own, ("store_id", "region"), "/properties")
        zone = find_zone(context)
        row = EventRow(message_id, at, channel, name, region, device_time_zone=zone)
        return (row,), None


_NO_ENVELOPE = Envelope()


def _check_traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Return traits, refusing what is no description of a person any more."""
    if len(traits) > _MOST_TRAITS or any(len(name) > _LONGEST_NAME for name in traits):
        raise Refused(
            Reason.INVALID_PROPERTY,
            f"expected at most {_MOST_TRAITS} traits, with names of at most {_LONGEST_NAME} "
            "characters",
            "/traits",
        )
    level: list[Any] = list(traits.values())
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _open(value)]
        if not level:
            return dict(traits)
    raise Refused(Reason.TOO_DEEP, pointer="/traits")


def _open(value: Any) -> list[Any]:
    if type(value) is dict:
        return list(value.values())
    return value if type(value) is list else []


def _find_consent(context: Mapping[str, Any]) -> dict[str, bool] | None:
    """Return the consent that a message states; None where it states none."""
    consent = context["consent"]
    stated = consent.get("categoryPreferences") if type(consent) is dict else consent
    if stated is None:
        return None
    if type(stated) is not dict or not all(type(given) is bool for given in stated.values()):
        raise Refused(Reason.INVALID_CONSENT, pointer="/context/consent/categoryPreferences")
    return stated


def _explain(error: msgspec.ValidationError) -> tuple[str, str | None]:
    """Return what msgspec found, and where, without the value: it names types alone."""
    text, _, path = str(error).partition(" - at `$")
    pointer = path.rstrip("`").replace(".", "/") or None
    return f"{text[:1].lower()}{text[1:]}", pointer


def _with_id(rejected: Rejected, raw: RawMessage | None) -> Rejected:
    message_id = raw.message_id[:MAX_ID_CHARACTERS] if raw and raw.message_id else None
    if message_id and not message_id.isprintable():
        message_id = None
    return Rejected(rejected.reason, rejected.detail, rejected.pointer, message_id)
