"""Permanent arms: who is never written to, who at random, and who as the models say.

A keyed hash puts each customer at a fixed place between 0 and 1; the arms are stretches of that
line. So the arm depends on the salt and the customer's id alone: not on the audience, its order,
the machine or the day. The holdout lies at the start of the line and the random arm at its end, so
that enlarging either takes customers from the optimised arm only and moves nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from features.errors import InvalidRequest
from features.schema import HOLDOUT

RANDOM, OPTIMISED = "random", "optimised"
ARMS = (HOLDOUT, RANDOM, OPTIMISED)
_KEY_BYTES, _HASH_BYTES = 64, 8
_BITS = 53
"""Bits of the hash that are used: as many as a float holds, so that no place is rounded to 1."""


def assign_arms(
    customer_ids: Sequence[str], *, salt: str, holdout: float = 0.05, random: float = 0.10
) -> np.ndarray:
    """Return the arm of each customer.

    Parameters
    ----------
    customer_ids : sequence of str, length n
        Ids; the same id always gets the same arm.
    salt : str
        What the experiment is keyed with. Another salt deals everybody anew, independently.
    holdout, random : float
        Shares of the two arms, 0 to 1 and together at most 1; the rest is optimised.

    Returns
    -------
    array of str, shape (n,)
        'holdout', 'random' or 'optimised'.

    Raises
    ------
    InvalidRequest
        If the salt is empty, or the shares cannot be.

    Examples
    --------
    >>> assign_arms(["ann", "bob", "cleo"], salt="spring", holdout=0.3, random=0.3).tolist()
    ['holdout', 'holdout', 'random']
    """
    _check_shares(holdout, random)
    place = place_customers(customer_ids, salt=salt)
    arms = np.full(len(place), OPTIMISED, dtype=f"U{max(map(len, ARMS))}")
    arms[place >= 1.0 - random] = RANDOM
    arms[place < holdout] = HOLDOUT
    return arms


def place_customers(customer_ids: Sequence[str], *, salt: str) -> np.ndarray:
    """Return each customer's fixed place, uniform over ids, in [0, 1), shape (n,).

    Parameters
    ----------
    customer_ids : sequence of str
    salt : str
        Not empty.

    Raises
    ------
    InvalidRequest
        If the salt is empty.

    References
    ----------
    .. [1] RFC 7693, "The BLAKE2 Cryptographic Hash and Message Authentication Code".
    """
    if not salt:
        raise InvalidRequest(
            "arms: expected a salt, got an empty one; give the experiment a name of its own, and "
            "never change it while the experiment runs"
        )
    key = salt.encode()
    if len(key) > _KEY_BYTES:
        key = hashlib.blake2b(key, digest_size=_KEY_BYTES).digest()
    keyed = hashlib.blake2b(key=key, digest_size=_HASH_BYTES)
    digests = bytearray()
    for customer in customer_ids:  # no library hashes many texts at once; 1 million take a second
        one = keyed.copy()
        one.update(customer.encode())
        digests += one.digest()
    bits = np.frombuffer(bytes(digests), dtype=">u8") >> np.uint64(64 - _BITS)
    return np.asarray(bits.astype(np.float64) / 2.0**_BITS)


def _check_shares(holdout: float, random: float) -> None:
    for name, share in ((HOLDOUT, holdout), (RANDOM, random)):
        if not 0.0 <= share <= 1.0:
            raise InvalidRequest(f"arms: expected a share of {name} from 0 to 1, got {share:g}")
    if holdout + random > 1.0:
        raise InvalidRequest(
            f"arms: expected shares that leave 0 or more to the optimised arm, got {holdout:g} "
            f"{HOLDOUT} and {random:g} {RANDOM}; lower one of them"
        )
