"""When a message happened: corrected for the sender's clock, and within reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from features.segment.envelope import RawMessage
from features.segment.reasons import Reason, Refused

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Return microseconds since 1970, UTC; a moment without a zone is in UTC, as Segment has it.

    Examples
    --------
    >>> to_microseconds(datetime(1970, 1, 2, 0, 0, 1))
    86401000000
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


class Receipt(NamedTuple):
    """What is known of when a message came; microseconds since 1970, UTC.

    Attributes
    ----------
    at : int
    sent_at : int or None
        When the batch was sent that it came in.
    is_now : bool
        Whether `at` is when it came from its sender; else no clock can be corrected by it.
    oldest, newest : int
        From when a message may be, both included.
    """

    at: int
    sent_at: int | None
    is_now: bool
    oldest: int
    newest: int


def find_time(raw: RawMessage, receipt: Receipt) -> tuple[int, bool]:
    """Return when a message happened, and whether it says so itself.

    1. A message that a platform forwards has a `receivedAt` of its own: its `timestamp` is
       corrected already, and stands.
    2. Else, with `sentAt`: the receipt, less how long before sending it happened. That is right
       whatever the sender's clock says, as both of its times are by that clock. Where it lands out
       of range, `sentAt` is by another clock and is not believed: the next rule holds, which errs
       by the skew of one clock at most.
    3. Else its own time stands, `timestamp` before `originalTimestamp`.
    4. Without any, it is from when it was received: `receivedAt` if a platform states that.

    Parameters
    ----------
    raw : RawMessage
    receipt : Receipt

    Raises
    ------
    Refused
        If it is out of range.

    References
    ----------
    .. [1] Segment, "Spec: Common Fields", timestamps:
       `timestamp = receivedAt - (sentAt - originalTimestamp)`.
    """
    forwarded, stated = raw.received_at, raw.timestamp
    own = raw.original_timestamp or stated
    if own is None:
        if forwarded is None:
            return receipt.at, False
        return _check_range(to_microseconds(forwarded), "/receivedAt", receipt), False
    if forwarded is None or stated is None:
        at = _correct(raw, own, receipt)
        if at is not None:
            return at, True
    place = "/originalTimestamp" if stated is None else "/timestamp"
    return _check_range(to_microseconds(stated or own), place, receipt), True


def _correct(raw: RawMessage, own: datetime, receipt: Receipt) -> int | None:
    """Return a time corrected by the receipt; None where that cannot be, or is not believed."""
    sent_at = receipt.sent_at if raw.sent_at is None else to_microseconds(raw.sent_at)
    if sent_at is None:
        return None
    if raw.received_at is not None:
        at = to_microseconds(raw.received_at) - (sent_at - to_microseconds(own))
    elif receipt.is_now:
        at = receipt.at - (sent_at - to_microseconds(own))
    else:
        return None
    return at if receipt.oldest <= at <= receipt.newest else None


def _check_range(at: int, place: str, receipt: Receipt) -> int:
    if not receipt.oldest <= at <= receipt.newest:
        raise Refused(Reason.TIME_OUT_OF_RANGE, place)
    return at
