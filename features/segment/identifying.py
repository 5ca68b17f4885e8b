"""Who a message is of: every identifier that it states, cleaned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from features.segment.envelope import RawMessage
from features.segment.properties import Refused, find_object
from features.segment.reasons import Reason

_TRAITS = (
    ("email", EMAIL), ("phone", PHONE), ("loyalty_card", LOYALTY_CARD),
    ("loyalty_id", LOYALTY_CARD), ("loyaltyCard", LOYALTY_CARD),
)  # fmt: skip
"""Members of traits that are identifiers; of properties, only the loyalty card of a till is: an
address in a form may be somebody else's."""


def find_identifiers(
    raw: RawMessage,
    own: Mapping[str, Any],
    traits: Mapping[str, Any],
    context: Mapping[str, Any],
    rules: IdentityRules,
) -> tuple[Identifier, ...]:
    """Return the identifiers of a message, cleaned, those that weigh most first.

    Parameters
    ----------
    raw : RawMessage
    own : mapping
        Its properties.
    traits : mapping
        Of the person.
    context : mapping
    rules : IdentityRules

    Raises
    ------
    Refused
        If there is none, or none that may be used.
    """
    stated = [
        (kind, str(value)) for kind, value in _list(raw, own, traits, context) if _is_id(value)
    ]
    found = set()
    for kind, value in stated:
        cleaned = rules.clean(kind, value)
        if cleaned is not None:
            found.add(Identifier(kind, cleaned))
    if not found:
        raise Refused(Reason.BLOCKED_IDENTIFIER if stated else Reason.MISSING_IDENTIFIER)
    if len(found) == 1:
        return tuple(found)
    return tuple(sorted(found, key=lambda i: (rules.rank(i.kind), i)))


def find_previous(raw: RawMessage, rules: IdentityRules) -> Identifier:
    """Return what the user of an alias was called before: an anonymous id.

    Raises
    ------
    Refused
        If it does not name both.
    """
    if not _is_id(raw.previous_id) or not _is_id(raw.user_id):
        raise Refused(Reason.MISSING_PREVIOUS_ID, pointer="/previousId")
    cleaned = rules.clean(ANONYMOUS_ID, str(raw.previous_id))
    if cleaned is None:
        raise Refused(Reason.BLOCKED_IDENTIFIER, pointer="/previousId")
    return Identifier(ANONYMOUS_ID, cleaned)


def _list(
    raw: RawMessage,
    own: Mapping[str, Any],
    traits: Mapping[str, Any],
    context: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    yield USER_ID, raw.user_id
    yield ANONYMOUS_ID, raw.anonymous_id
    if traits:
        for name, kind in _TRAITS:
            yield kind, traits.get(name)
    if "loyalty_card" in own:
        yield LOYALTY_CARD, own["loyalty_card"]
    if "device" in context:
        yield DEVICE_ID, find_object(context, "device").get("id")
    if "externalIds" in context:
        yield from _list_external(context["externalIds"])


def _list_external(listed: Any) -> Iterator[tuple[str, Any]]:
    """Yield those of `context.externalIds` whose kind is known."""
    if type(listed) is list:
        for one in listed[: 2 * len(KINDS)]:
            if type(one) is dict and one.get("type") in KINDS:
                yield one["type"], one.get("id")


def _is_id(value: Any) -> bool:
    return (type(value) is str and value != "") or type(value) is int
