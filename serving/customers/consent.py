"""What a customer agreed to, read from the preferences that a consent tool states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from features.schema import CHANNELS
from serving.customers.settings import ConsentSettings

_PERSONAL = ("personalization", "personalisation")


@dataclass(frozen=True)
class Consent:
    """What may be done.

    Attributes
    ----------
    is_personal : bool
        Whether answers may rest on what is known of the person.
    channels : str or None
        Channels they agreed to, as the canonical table has it; None = no channel is named.
    """

    is_personal: bool
    channels: str | None


def read_consent_preferences(
    preferences: Mapping[str, bool] | None, settings: ConsentSettings
) -> Consent:
    """Return what preferences allow; none at all allow no personalisation where it is required.

    A no to personalisation itself outweighs a yes to advertising. A channel that is named follows
    its own word. Where channels are named, those that are not may
    be used only if none is named as allowed: who says no to SMS has not said no to e-mail.

    Examples
    --------
    >>> read_consent_preferences({"Advertising": True, "sms": False}, ConsentSettings()).is_personal
    True
    >>> read_consent_preferences(None, ConsentSettings())
    Consent(is_personal=False, channels=None)
    """
    stated = {name.strip().lower(): is_given for name, is_given in (preferences or {}).items()}
    agreed = any(stated.get(category, False) for category in settings.categories)
    agreed = agreed and not any(stated.get(category) is False for category in _PERSONAL)
    named = {channel: stated[channel] for channel in CHANNELS if channel in stated}
    allowed = [channel for channel, is_given in named.items() if is_given]
    if named and not allowed:
        allowed = [channel for channel in CHANNELS if channel not in named]
    channels = ("; ".join(allowed) or "none") if named else None
    refused = any(stated.get(category) is False for category in _PERSONAL)
    return Consent(agreed or not (settings.is_required or refused), channels)
