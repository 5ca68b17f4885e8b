"""Identifiers of people: their kinds, how a value is cleaned, and which values say nothing.

Two spellings of one address or number are one identifier; a placeholder such as `null` or a phone
number of zeros is none. Kinds and limits follow Segment's identity resolution: a profile has one
`user_id` and up to five of each other kind, and `user_id` weighs more than an e-mail address, which
weighs more than the rest.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

USER_ID, EMAIL, PHONE, LOYALTY_CARD, DEVICE_ID, ANONYMOUS_ID = KINDS = (
    "user_id", "email", "phone", "loyalty_card", "device_id", "anonymous_id",
)  # fmt: skip
"""Every kind, the one that weighs most first."""
LONGEST = 255
"""Characters that an identifier may have."""
BLOCKED = (
    r"^[0-]*$|^-1$|^person-[0-9]+$"
    r"|^(null|nil|none|undefined|nan|n/a|unknown|anonymous|guest|test|true|false)$"
)
"""Values that say nothing of who somebody is, whatever their kind, and pseudonyms of ours; matched
without case."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_NOT_DIGITS = re.compile(r"[\s().\-/]+")
_PHONE = re.compile(r"\+?[0-9]{6,15}")


class Identifier(NamedTuple):
    """One identifier of somebody, cleaned."""

    kind: str
    value: str


@dataclass(frozen=True)
class IdentityRules:
    """By what identifiers are linked.

    Attributes
    ----------
    limits : mapping of kind to int
        How many identifiers of a kind one profile may have; kinds not named have `usual_limit`.
    usual_limit : int
    priority : tuple of str
        Kinds, the one that weighs most first; kinds not named weigh least.
    blocked : tuple of str
        Regular expressions beside `BLOCKED`, matched against the whole cleaned value, without
        case: the number of a call centre, an address that every till sends.
    """

    limits: dict[str, int] = field(default_factory=lambda: {USER_ID: 1})
    usual_limit: int = 5
    priority: tuple[str, ...] = KINDS
    blocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        patterns = "|".join((BLOCKED, *(f"^(?:{pattern})$" for pattern in self.blocked)))
        object.__setattr__(self, "_blocked", re.compile(patterns, re.IGNORECASE))
        object.__setattr__(self, "_weight", {kind: n for n, kind in enumerate(self.priority)})

    def limit(self, kind: str) -> int:
        """Return how many identifiers of a kind one profile may have."""
        return self.limits.get(kind, self.usual_limit)

    def rank(self, kind: str) -> int:
        """Return the place of a kind in the priority; 0 weighs most."""
        weight: dict[str, int] = self._weight  # type: ignore[attr-defined]
        return weight.get(kind, len(self.priority))

    def clean(self, kind: str, value: str) -> str | None:
        """Return the one spelling of an identifier; None if it says nothing of who somebody is.

        Parameters
        ----------
        kind, value : str

        Examples
        --------
        >>> rules = IdentityRules()
        >>> rules.clean("email", " Ann@Example.COM "), rules.clean("phone", "+49 (30) 123-456")
        ('ann@example.com', '+4930123456')
        >>> rules.clean("user_id", "00000000-0000"), rules.clean("email", "not an address")
        (None, None)
        """
        text = value.strip()
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if not text or len(text) > LONGEST or not text.isprintable():
            return None
        if kind == EMAIL:
            text = text.lower()
            if not _EMAIL.fullmatch(text):
                return None
        elif kind == PHONE:
            text = _NOT_DIGITS.sub("", text)
            if not _PHONE.fullmatch(text):
                return None
        blocked: re.Pattern[str] = self._blocked  # type: ignore[attr-defined]
        if blocked.match(text) or (kind == PHONE and blocked.match(text.lstrip("+"))):
            return None
        return text
