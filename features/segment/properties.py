"""Reading single members of a message: texts, numbers, zones; each checked, none coerced far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from features.segment.messages import Rejected
from features.segment.reasons import SENTENCES, Reason

LONGEST_TEXT = 255
_MOST_ZONES = 2048
_zones: dict[str, str | None] = {}


class Refused(Exception):
    """A message cannot be read; carries what is answered."""

    def __init__(self, reason: Reason, detail: str = "", pointer: str | None = None) -> None:
        self.rejected = Rejected(reason.value, detail or SENTENCES[reason], pointer)
        super().__init__(reason.value)


def read_text(members: Mapping[str, Any], names: Sequence[str], place: str) -> str | None:
    """Return the first of some members that is filled, as text; a whole number is one, too.

    Parameters
    ----------
    members : mapping
    names : sequence of str
        In order of preference.
    place : str
        JSON pointer of `members`.

    Raises
    ------
    Refused
        If it is neither, is too long, or holds control characters.
    """
    for name in names:
        value = members.get(name)
        if value is None or value == "":
            continue
        if type(value) is int:
            value = str(value)
        if type(value) is not str or len(value) > LONGEST_TEXT or not value.isprintable():
            raise Refused(
                Reason.INVALID_PROPERTY,
                f"expected printable text of at most {LONGEST_TEXT} characters",
                f"{place}/{name}",
            )
        return value
    return None


def read_number(
    members: Mapping[str, Any], name: str, place: str, *, minimum: float | None = None
) -> float | None:
    """Return a member as a number; text that is a number is one, too. Absent is None.

    Raises
    ------
    Refused
        If it is none, is not finite, or lies below `minimum`.
    """
    value = members.get(name)
    if value is None or value == "":
        return None
    kind = type(value)
    if kind is str:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    elif kind is int or kind is float:
        number = float(value) if abs(value) < 1e300 else math.nan
    else:
        number = math.nan
    if not math.isfinite(number) or (minimum is not None and number < minimum):
        at_least = "" if minimum is None else f" of {minimum:g} or more"
        raise Refused(Reason.INVALID_PROPERTY, f"expected a number{at_least}", f"{place}/{name}")
    return number


def find_zone(context: Mapping[str, Any]) -> str | None:
    """Return `context.timezone` if it is an IANA name; what is none says nothing."""
    name = context.get("timezone")
    if type(name) is not str:
        return None
    if name not in _zones:
        if len(_zones) > _MOST_ZONES:
            _zones.clear()
        try:
            _zones[name] = ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            _zones[name] = None
    return _zones[name]


def find_object(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a member that is an object; an empty one where it is none."""
    value = members.get(name)
    return value if type(value) is dict else {}
