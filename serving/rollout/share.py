"""Which customers a challenger is tried on: a share by a hash that stays."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

_ALL = 1 << 64


def find_share(customers: Sequence[str], version: str, share: float) -> list[int]:
    """Return the places of those customers that belong to the share of a challenger.

    A customer stays in it, or out of it, for as long as the challenger is the same: on every worker
    and machine, and after a restart. Another challenger draws others, so that nobody is always the
    one who is tried on.

    Parameters
    ----------
    customers : sequence of str
        As they were named in the request.
    version : str
        Of the challenger.
    share : float
        Within [0, 1].

    Examples
    --------
    >>> find_share(["ann", "bob", "cid"], "7", 1.0), find_share(["ann", "bob", "cid"], "7", 0.0)
    ([0, 1, 2], [])
    """
    start, bound = blake2b(f"{version}\0".encode(), digest_size=8), int(share * _ALL)
    places = []
    for place, customer in enumerate(customers):
        drawn = start.copy()
        drawn.update(customer.encode("utf-8", "surrogatepass"))
        if int.from_bytes(drawn.digest(), "big") < bound:
            places.append(place)
    return places
