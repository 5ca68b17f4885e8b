"""Who a row of the decision log is of, told only to those who have the workspace's key.

The key is that of erasures: it never leaves the workspace, or the environment where several
machines share one. What is kept is a keyed hash; the same customer is the same hash for ever, so
that rows of one can be joined, and removed, without naming them.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

KEY_VARIABLE, KEY_FILE = "ALMANAC_ERASURE_KEY", "erasure.key"
_PURPOSE, _BYTES = b"almanac decision log: customer", 16


class Pseudonyms:
    """Makes pseudonyms with one key.

    Parameters
    ----------
    key : bytes
        Of the workspace; another one is derived from it, so that a pseudonym cannot be told from
        the marks that the store of customers keeps.

    Examples
    --------
    >>> names = Pseudonyms(b"k" * 32)
    >>> len(names.of("ann")), names.of("ann") == names.of("ann"), names.of("ann") == names.of("bo")
    (32, True, False)
    """

    def __init__(self, key: bytes) -> None:
        self._key = derive_key(key, _PURPOSE)

    def of(self, customer: str) -> str:
        """Return the pseudonym of a customer id: 128 bits in hex."""
        text = customer.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")[:_BYTES].hex()

    def name(self, customers: Iterable[str]) -> dict[str, str]:
        """Return customer ids by their pseudonym."""
        return {self.of(customer): customer for customer in customers}


def derive_key(key: bytes, purpose: bytes) -> bytes:
    """Return the key for one purpose; none of them tells another."""
    return hmac.digest(key, purpose, "sha256")


def load_key(root: Path) -> bytes:
    """Return the key of a workspace; it is made when it is first needed."""
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return given.encode()
    path = root / KEY_FILE
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        name = f".{KEY_FILE}.{secrets.token_hex(4)}.{os.getpid()}.partial"
        partial = path.with_name(name)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(partial, path)  # the first of several processes wins
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return path.read_bytes().strip()
