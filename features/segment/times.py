"""When a message happened: corrected for the sender's clock, and within reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from features.segment.envelope import Envelope, RawMessage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


class InvalidTime(ValueError):
    """A time that cannot be read; its argument is the member that holds it."""


def find_time(message: RawMessage, received_at: int, envelope: Envelope) -> tuple[int, bool]:
    """Return when a message happened, and whether it says so itself.

    - A message that a platform forwards has a `receivedAt` of its own: its `timestamp` is
      corrected already.
    - Else, with `sentAt`: what was received when, less how long before sending it happened. That
      is right whatever the sender's clock says, as both of its times are by that clock.
    - Else, or where the time of receipt is not known, its own time stands; and without any the
      time it was received.

    Parameters
    ----------
    message : RawMessage
    received_at : int
        Microseconds since 1970, UTC.
    envelope : Envelope

    Raises
    ------
    InvalidTime
        If a time that counts cannot be read.

    References
    ----------
    .. [1] Segment, "Spec: Common Fields", timestamps:
       `timestamp = receivedAt - (sentAt - originalTimestamp)`.
    """
    if message.received_at is not None and message.timestamp is not None:
        return read_time("timestamp", message.timestamp), True
    name = "timestamp" if message.original_timestamp is None else "originalTimestamp"
    text = message.timestamp if message.original_timestamp is None else message.original_timestamp
    if text is None:
        return received_at, False
    own, sent = read_time(name, text), message.sent_at or envelope.sent_at
    if sent is None or not envelope.is_received_now:
        return own, True
    return received_at - (read_time("sentAt", sent) - own), True


def read_time(name: str, text: str) -> int:
    """Return microseconds since 1970 of an RFC 3339 time; one without an offset is UTC.

    Raises
    ------
    InvalidTime
        If it is none.
    """
    if not _RFC_3339.fullmatch(text):
        raise InvalidTime(name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime(name) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND
