"""Names that a caller may have meant."""

from __future__ import annotations

import difflib
from bisect import bisect_left

NEIGHBOURS = 200
"""Names compared on either side in the alphabet: bounds what a misspelling costs."""


def nearest(name: str, names: list[str]) -> str:
    """Return the one of `names` (sorted, not empty) that reads most like `name`.

    Among very many names only those near it in the alphabet are compared.

    Examples
    --------
    >>> nearest("Nrth", ["East", "North", "South"])
    'North'
    """
    if len(names) > 2 * NEIGHBOURS:
        at = bisect_left(names, name)
        names = names[max(0, at - NEIGHBOURS) : at + NEIGHBOURS]
    matcher = difflib.SequenceMatcher(None, "", name)
    best, best_ratio = names[0], -1.0
    for known in names:
        matcher.set_seq1(known)
        # Cheap upper bounds first: the full comparison is needed for a few names only.
        if matcher.real_quick_ratio() > best_ratio and matcher.quick_ratio() > best_ratio:
            ratio = matcher.ratio()
            if ratio > best_ratio:
                best, best_ratio = known, ratio
    return best
