"""Who a message is of: every identifier that it states, cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.identity.identifiers import (
    ANONYMOUS_ID,
    DEVICE_ID,
    EMAIL,
    KINDS,
    LOYALTY_CARD,
    PHONE,
    USER_ID,
    Identifier,
    IdentityRules,
)
from features.segment.envelope import Context, RawMessage
from features.segment.reasons import Reason, Refused

_MOST_EXTERNAL = 20
_TRAITS = (
    ("email", EMAIL), ("phone", PHONE), ("loyalty_card", LOYALTY_CARD),
    ("loyalty_id", LOYALTY_CARD), ("loyaltyCard", LOYALTY_CARD),
)  # fmt: skip
"""Members of traits that are identifiers. Of properties only the loyalty card is, as tills send it:
an address in a form may be that of a friend."""


def find_identifiers(
    raw: RawMessage,
    traits: Mapping[str, Any],
    context: Context,
    loyalty_card: Any,
    rules: IdentityRules,
) -> tuple[Identifier, ...]:
    """Return the identifiers of a message, cleaned, those that weigh most first.

    Segment wants a `userId` or an `anonymousId`; here any identifier will do, as a till may know
    no more than a card.

    Parameters
    ----------
    raw : RawMessage
    traits : mapping
        Of the person.
    context : Context
    loyalty_card : object
        Of the properties.
    rules : IdentityRules

    Raises
    ------
    Refused
        If there is none, or none that may be used.
    """
    found: set[tuple[int, Identifier]] = set()
    is_stated = False
    for kind, value in _list_stated(raw, traits, context, loyalty_card):
        if value is None:
            continue
        text = value if type(value) is str else _to_text(value)
        if text:
            is_stated = True
            cleaned = rules.clean(kind, text)
            if cleaned is not None:
                found.add((rules.rank(kind), Identifier(kind, cleaned)))
    if not found:
        raise Refused(Reason.BLOCKED_IDENTIFIER if is_stated else Reason.MISSING_IDENTIFIER)
    return tuple([identifier for _, identifier in sorted(found)])


def find_previous(raw: RawMessage, rules: IdentityRules) -> Identifier:
    """Return what the user of an alias was called before: an anonymous id.

    Raises
    ------
    Refused
        If it does not name both.
    """
    if not _to_text(raw.previous_id) or not _to_text(raw.user_id):
        raise Refused(Reason.MISSING_PREVIOUS_ID, "/previousId")
    cleaned = rules.clean(ANONYMOUS_ID, _to_text(raw.previous_id))
    if cleaned is None:
        raise Refused(Reason.BLOCKED_IDENTIFIER, "/previousId")
    return Identifier(ANONYMOUS_ID, cleaned)


def _list_stated(
    raw: RawMessage, traits: Mapping[str, Any], context: Context, loyalty_card: Any
) -> list[tuple[str, Any]]:
    stated = [(USER_ID, raw.user_id), (ANONYMOUS_ID, raw.anonymous_id)]
    if traits:
        stated += [(kind, traits[name]) for name, kind in _TRAITS if name in traits]
    if loyalty_card is not None:
        stated.append((LOYALTY_CARD, loyalty_card))
    if context.device is not None:
        stated.append((DEVICE_ID, context.device.id))
    if context.external_ids:
        stated += [
            (one.type, one.id) for one in context.external_ids[:_MOST_EXTERNAL] if one.type in KINDS
        ]
    return stated


def _to_text(value: Any) -> str:
    """Return an identifier as text; of a number as JavaScript writes it, of the rest nothing."""
    if type(value) is str:
        return value
    if type(value) is float:
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if type(value) is int else ""
