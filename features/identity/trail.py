"""What happened to identities and why: entries that an auditor can read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from features.identity.identifiers import Identifier

CREATED, ATTACHED, DEMOTED, MERGED, SPLIT, ERASED = HAPPENINGS = (
    "created", "attached", "demoted", "merged", "split", "erased",
)  # fmt: skip
"""Everything that can happen."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened.

    Attributes
    ----------
    happened : str
        One of `HAPPENINGS`.
    nodes : tuple of int
        To whom; for a merge or split the ends of the edge, of a merge the side that stays first.
    cause : str
        The message that caused it, or the reason that a steward gave.
    identifiers : tuple of Identifier
        Attached or demoted; else empty.
    """

    happened: str
    nodes: tuple[int, ...]
    cause: str
    identifiers: tuple[Identifier, ...] = ()


def forget(
    entries: Iterable[Entry],
    nodes: Collection[int],
    identifiers: Collection[Identifier],
    causes: Collection[str],
) -> list[Entry]:
    """Return a trail that no longer says who erased people were.

    Parameters
    ----------
    entries : iterable of Entry
    nodes, identifiers, causes
        Of the erased people; `causes` are their messages.

    Returns
    -------
    list of Entry
        Entries about these nodes alone are gone; the others lose the identifiers, and a cause that
        was a message of theirs becomes empty.

    Examples
    --------
    >>> mail = Identifier("email", "a@b.org")
    >>> kept = Entry("demoted", (2,), "m7", (mail,))
    >>> forget([Entry("created", (1,), "m1"), kept], {1}, {mail}, {"m1"})
    [Entry(happened='demoted', nodes=(2,), cause='m7', identifiers=())]
    """
    return [
        replace(
            entry,
            cause="" if entry.cause in causes else entry.cause,
            identifiers=tuple(i for i in entry.identifiers if i not in identifiers),
        )
        for entry in entries
        if not set(entry.nodes) <= set(nodes)
    ]
