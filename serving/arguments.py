"""What a command line gives as text: moments, quiet hours, channels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from features.errors import InvalidRequest, UnknownName
from features.schema import CHANNELS
from models.campaign.send_slots import QuietHours


def read_moment(name: str, text: str) -> datetime:
    """Read a time such as 2026-01-31T00:00:00Z; `name` is what the user calls it.

    Raises
    ------
    InvalidRequest
        If it is no time.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            f"{name}: expected a time such as 2026-01-31T00:00:00Z, got {text}"
        ) from None


def check_offset(name: str, moment: datetime) -> None:
    """Check that a time says how far from UTC it is.

    Raises
    ------
    InvalidRequest
        If it does not.
    """
    if moment.tzinfo is None:
        raise InvalidRequest(
            f"{name}: expected a time with its offset, got {moment.isoformat()}; "
            f"add one, as in {moment.isoformat()}Z"
        )


def read_quiet_hours(text: str) -> QuietHours | None:
    """Read '21:00-08:00'; empty for none.

    Raises
    ------
    InvalidRequest
        If it is not two times of day that differ.
    """
    if not text:
        return None
    first, _, last = text.partition("-")
    return QuietHours.parse(first, last)


def check_channels(channels: Sequence[str]) -> None:
    """Check that there is every channel.

    Raises
    ------
    UnknownName
        If there is one that is not.
    """
    for channel in channels:
        if channel not in CHANNELS:
            raise UnknownName("channel", channel, CHANNELS)
