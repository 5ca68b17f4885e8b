"""Whose a message is: which people its identifiers join, and which identifiers are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from features.errors import InvalidRequest
from features.identity.identifiers import USER_ID, Identifier, IdentityRules


@dataclass(frozen=True)
class Resolution:
    """What follows from the identifiers of one message.

    Attributes
    ----------
    kept : tuple of Identifier
        By which the message is attributed; those that nobody has become the person's.
    demoted : tuple of Identifier
        Left out, as they would break a rule, those that weigh least first. Who has one keeps it;
        one that nobody has is given to nobody.
    groups : tuple of int
        The people who turn out to be one, the one that stays first; empty for somebody new.
    """

    kept: tuple[Identifier, ...]
    demoted: tuple[Identifier, ...]
    groups: tuple[int, ...]


def resolve(
    identifiers: Sequence[Identifier],
    owners: Mapping[Identifier, int],
    members: Mapping[int, Collection[Identifier]],
    rules: IdentityRules,
    *,
    apart: Collection[frozenset[int]] = (),
) -> Resolution:
    """Decide whose a message is.

    All identifiers are taken together. Where the person they make would break a limit, or join
    people whom a steward set apart, the one that weighs least (of equals the later) is left out,
    and what is left is tried again. The last one is always kept: a known identifier stays its
    owner's even where rules became stricter since, and a new one makes somebody new.

    Parameters
    ----------
    identifiers : sequence of Identifier
        Of the message, those that weigh most first; at least one.
    owners : mapping of Identifier to int
        The group that has it; absent where nobody has.
    members : mapping of int to identifiers
        Everything that each of those groups has.
    rules : IdentityRules
    apart : collection of pairs of groups
        Whom a steward set apart.

    Returns
    -------
    Resolution
        First of its groups is the one with a `user_id`, else the one matched by the identifier
        that weighs most, else the lowest number.

    Raises
    ------
    InvalidRequest
        If there is no identifier.

    References
    ----------
    .. [1] Segment, "Identity Resolution Settings": limits, priorities, demotion.

    Examples
    --------
    >>> ann, bob = Identifier("user_id", "ann"), Identifier("user_id", "bob")
    >>> card = Identifier("loyalty_card", "7")
    >>> resolve([bob, card], {card: 1}, {1: [ann, card]}, IdentityRules()).demoted
    (Identifier(kind='loyalty_card', value='7'),)
    """
    found = set(map(owners.get, identifiers))
    if len(found) == 1 and None not in found:  # everything known, and one person's: most messages
        return Resolution(tuple(identifiers), (), (owners[identifiers[0]],))
    if not identifiers:
        raise InvalidRequest(
            "a message cannot be attributed: expected at least one identifier, got none. Reject it."
        )
    kept, demoted = list(identifiers), list[Identifier]()
    while len(kept) > 1 and not _may_join(kept, owners, members, rules, apart):
        demoted.append(kept.pop())
    return Resolution(tuple(kept), tuple(demoted), _order(kept, owners, members, rules))


def is_within(identifiers: Iterable[Identifier], rules: IdentityRules) -> bool:
    """Return whether one person may have all these identifiers.

    Parameters
    ----------
    identifiers : iterable of Identifier
        Without repeats.
    rules : IdentityRules
        Its limits; a second `user_id` is never allowed, whatever they say.
    """
    counts = Counter(identifier.kind for identifier in identifiers)
    return counts[USER_ID] <= 1 and all(n <= rules.limit(kind) for kind, n in counts.items())


def _may_join(
    kept: Sequence[Identifier],
    owners: Mapping[Identifier, int],
    members: Mapping[int, Collection[Identifier]],
    rules: IdentityRules,
    apart: Collection[frozenset[int]],
) -> bool:
    groups = {owners[i] for i in kept if i in owners}
    if apart and any(frozenset(pair) in apart for pair in combinations(groups, 2)):
        return False
    new = set(kept).difference(owners)
    if not new and len(groups) == 1:
        return True
    return is_within(new.union(*(members[group] for group in groups)), rules)


def _order(
    kept: Sequence[Identifier],
    owners: Mapping[Identifier, int],
    members: Mapping[int, Collection[Identifier]],
    rules: IdentityRules,
) -> tuple[int, ...]:
    """Return the groups of known identifiers, the one that stays first."""
    best: dict[int, int] = {}
    for identifier in kept:
        if identifier in owners:
            best.setdefault(owners[identifier], rules.rank(identifier.kind))

    def weigh(group: int) -> tuple[bool, int, int]:
        has_user = any(identifier.kind == USER_ID for identifier in members[group])
        return not has_user, best[group], group

    return tuple(sorted(best, key=weigh))
