"""Where something happened: its channel, its region, and the zone of the device."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import available_timezones

from features.schema import CHANNELS
from features.segment.envelope import Context
from features.segment.properties import Plain, read_text

_OF_CONTEXT = {"browser": "web", "web": "web", "mobile": "app"}
_OF_TYPE = {"page": "web", "screen": "app"}
_OF_DEVICE = {"ios": "app", "android": "app"}
_CHANNELS = frozenset(CHANNELS)


def find_channel(
    stated: Plain, context: Context, *, by_name: str | None = None, message_type: str = "track"
) -> str:
    """Return the channel of an event.

    The first of these that says one: `properties.channel`, if it is one of ours (another word says
    nothing); the event's name; `context.channel`, of which `server` says nothing; the type of the
    message; `context.device.type`; a store that is named; else the web.

    Parameters
    ----------
    stated : Plain
        Its properties.
    context : Context
    by_name : str or None
        What the event's name says.
    message_type : str
        'track', 'page' or 'screen'.
    """
    channel = stated.channel
    if type(channel) is str:
        channel = channel.strip().lower()
        if channel in _CHANNELS:
            return channel
    if by_name is not None:
        return by_name
    found = _find(_OF_CONTEXT, context.channel) or _OF_TYPE.get(message_type)
    if found is None and context.device is not None:
        found = _find(_OF_DEVICE, context.device.type)
    if found is None:
        return "web" if stated.store_id is None else "store"
    return found


def find_region(stated: Plain) -> str | None:
    """Return the region of an event: the store, which is the finest, before the region."""
    store = None if stated.store_id is None else read_text(stated.store_id, "store_id")
    if store is None and stated.region is not None:
        return read_text(stated.region, "region")
    return store


def find_zone(context: Context) -> str | None:
    """Return `context.timezone` if it is an IANA name; anything else says nothing."""
    name = context.timezone
    return name if type(name) is str and name in _zones() else None


def _find(words: dict[str, str], word: object) -> str | None:
    return words.get(word.lower()) if type(word) is str else None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
