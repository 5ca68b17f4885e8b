"""Ids of decisions: 16 bytes that tell when they were made, and whether they were made here."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re

from features.served.pseudonyms import derive_key

_PURPOSE = b"almanac decision log: id"
_SECONDS, _RANDOM, _PROOF = 4, 6, 6
_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}")
PATTERN = f"^{_SHAPE.pattern}$"


class DecisionIds:
    """Makes ids, and tells those that were made with the same key from others.

    An id is four bytes of Unix seconds, six random ones, and six of an HMAC over both: one that is
    forged or mistyped is told at once, without looking anything up.

    Parameters
    ----------
    key : bytes
        Of the workspace.

    Examples
    --------
    >>> ids = DecisionIds(b"k" * 32)
    >>> made = ids.make(1_700_000_000)
    >>> len(made), ids.read(made), ids.read("A" * 22)
    (22, 1700000000, None)
    """

    def __init__(self, key: bytes) -> None:
        self._key = derive_key(key, _PURPOSE)

    def make(self, seconds: int) -> str:
        """Return a new id of a decision made at `seconds` since 1970."""
        return self.make_many(seconds, 1)[0]

    def make_many(self, seconds: int, n: int) -> list[str]:
        """Return `n` new ids; the random bytes of all are asked of the system once."""
        moment, drawn = seconds.to_bytes(_SECONDS, "big"), os.urandom(_RANDOM * n)
        ids = []
        for at in range(0, len(drawn), _RANDOM):
            told = moment + drawn[at : at + _RANDOM]
            proven = told + hmac.digest(self._key, told, "sha256")[:_PROOF]
            # binascii, as base64's own function makes two more copies
            ids.append(
                binascii.b2a_base64(proven, newline=False).translate(_URL_SAFE)[:22].decode()
            )
        return ids

    def read(self, decision_id: str) -> int | None:
        """Return the second that an id tells; None where it was not made with this key."""
        if not _SHAPE.fullmatch(decision_id):
            return None
        proven = base64.urlsafe_b64decode(f"{decision_id}==")
        told, proof = proven[: _SECONDS + _RANDOM], proven[_SECONDS + _RANDOM :]
        expected = hmac.digest(self._key, told, "sha256")[:_PROOF]
        if not hmac.compare_digest(proof, expected):
            return None
        # the last letter holds bits that no byte needs: one spelling only is an id
        if base64.urlsafe_b64encode(proven)[:22].decode() != decision_id:
            return None
        return int.from_bytes(told[:_SECONDS], "big")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
