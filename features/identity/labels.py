"""Who is who in a whole table at once: records that share identifiers, within limits.

Records and identifiers are the nodes of a bipartite graph; whoever is connected is one person.
Where a person breaks a limit, the links of that person alone are laid anew, the strongest first,
and a link that would break a limit is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.errors import InvalidRequest
from features.identity.identifiers import USER_ID, IdentityRules

PROFILE, KIND, VALUE = LINK_COLUMNS = ("profile", "kind", "value")
"""Of a table of links: which record names which identifier."""


@dataclass(frozen=True)
class ProfileLabels:
    """Which records are one person.

    Attributes
    ----------
    profile : array of shape (n_profiles,)
        Every record of the table once, in the order of appearance.
    label : int array of shape (n_profiles,)
        Equal for records of one person, who are numbered from 0 in the order of appearance.
    demoted : int array
        Rows of the table whose identifier was left out.
    """

    profile: np.ndarray
    label: np.ndarray
    demoted: np.ndarray


@dataclass(frozen=True)
class _Links:
    """Links between records and identifiers, as numbers.

    Attributes
    ----------
    profile, identifier : int array of shape (n_links,)
    kind : int array of shape (n_identifiers,)
        Of an identifier, by its place in `limits`; the kind that weighs most first.
    limits : int array of shape (n_kinds,)
    """

    profile: np.ndarray
    identifier: np.ndarray
    kind: np.ndarray
    limits: np.ndarray
    n_profiles: int

    def find_components(self, is_live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a component per record, and per identifier, over the live links."""
        rows, columns = self.profile[is_live], self.identifier[is_live] + self.n_profiles
        n = self.n_profiles + len(self.kind)
        graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n, n))
        found = connected_components(graph, directed=False)[1]
        return found[: self.n_profiles], found[self.n_profiles :]

    def find_broken(self, component: np.ndarray) -> np.ndarray:
        """Return which components have more identifiers of a kind than allowed."""
        size = len(self.limits)
        cell, counts = np.unique(component.astype(np.int64) * size + self.kind, return_counts=True)
        return np.unique(cell[counts > self.limits[cell % size]] // size)


def label_profiles(
    links: pd.DataFrame, rules: IdentityRules, *, most_profiles: int = 100
) -> ProfileLabels:
    """Say which records are one person.

    Parameters
    ----------
    links : DataFrame with `profile`, `kind`, `value`
        A row per record and identifier that it has, cleaned (`IdentityRules.clean`). A row without
        a value says that the record exists.
    rules : IdentityRules
        Limits per person, and which kind weighs more. A second `user_id` is never allowed.
    most_profiles : int
        An identifier that more records share says nothing of who somebody is: the number of a call
        centre. A `user_id` always does.

    Returns
    -------
    ProfileLabels
        The same partition whatever the order of rows. Of the links of a person who breaks a limit
        those of weighty kinds go first, then those of identifiers that few records share.

    Raises
    ------
    InvalidRequest
        If a column or a record's name is missing, or `most_profiles` is below 1.
    """
    _check(links, most_profiles)
    profile, names = pd.factorize(links[PROFILE])
    has_value = links[VALUE].notna().to_numpy() & links[KIND].notna().to_numpy()
    rows = np.flatnonzero(has_value)
    named, is_user = _number(links.iloc[rows], profile[rows], len(names), rules)
    sharers = _count_sharers(named)
    is_live = (sharers <= most_profiles)[named.identifier] | is_user[named.kind][named.identifier]
    label, of_identifier = named.find_components(is_live)
    broken = named.find_broken(of_identifier)
    if len(broken):
        suspect = np.flatnonzero(is_live & np.isin(label[named.profile], broken))
        values = links[VALUE].iloc[rows[suspect]]
        order = _sort(named, suspect, sharers, values, np.asarray(names))
        is_live[order[~_lay(named, order)]] = False
        label, _ = named.find_components(is_live)
    return ProfileLabels(np.asarray(names), pd.factorize(label)[0], rows[~is_live])


def _check(links: pd.DataFrame, most_profiles: int) -> None:
    missing = [column for column in LINK_COLUMNS if column not in links]
    if missing or links[PROFILE].isna().any():
        what = f"no {', '.join(missing)}" if missing else "a row without a profile"
        raise InvalidRequest(
            f"links cannot be labelled: expected the columns {', '.join(LINK_COLUMNS)}, and a "
            f"profile in each row; got {what}. Name the record of each identifier."
        )
    if most_profiles < 1:
        raise InvalidRequest(
            f"most_profiles: expected at least 1, got {most_profiles}. Leave it out for 100."
        )


def _number(
    links: pd.DataFrame, profile: np.ndarray, n_profiles: int, rules: IdentityRules
) -> tuple[_Links, np.ndarray]:
    """Return links as numbers, and which kinds are `user_id`."""
    kind, found = pd.factorize(links[KIND])
    kinds = [str(name) for name in found]
    order = sorted(range(len(kinds)), key=lambda k: (rules.rank(kinds[k]), kinds[k]))
    place = np.empty(len(kinds), dtype=np.int64)
    place[order] = np.arange(len(kinds))
    value, values = pd.factorize(links[VALUE])
    identifier, cells = pd.factorize(place[kind] * max(len(values), 1) + value)
    is_user = np.array([kinds[k] == USER_ID for k in order], dtype=bool)
    limits = np.array([rules.limit(kinds[k]) for k in order], dtype=np.int64)
    limits[is_user] = np.minimum(limits[is_user], 1)
    of_cell = cells // max(len(values), 1)
    return _Links(profile, identifier, of_cell, limits, n_profiles), is_user


def _count_sharers(links: _Links) -> np.ndarray:
    """Return how many records have each identifier; one that names it twice counts once."""
    n = len(links.kind)
    pairs = pd.unique(links.profile.astype(np.int64) * max(n, 1) + links.identifier)
    return np.bincount(pairs % max(n, 1), minlength=n)


def _sort(
    links: _Links,
    chosen: np.ndarray,
    sharers: np.ndarray,
    values: pd.Series,
    names: np.ndarray,
) -> np.ndarray:
    """Return chosen links, the strongest first; names break ties, so that row order does not."""
    identifier, profile = links.identifier[chosen], links.profile[chosen]
    used, place = np.unique(profile, return_inverse=True)
    by_name = pd.factorize(pd.Series(names[used]).astype(str), sort=True)[0][place]
    by_value = pd.factorize(values.astype(str), sort=True)[0]
    keys = (by_name, by_value, sharers[identifier], links.kind[identifier])
    ordered: np.ndarray = chosen[np.lexsort(keys)]
    return ordered


def _lay(links: _Links, order: np.ndarray) -> np.ndarray:
    """Lay links one by one, and return which ones hold every limit.

    What two sides have adds up, as no identifier is on both. Their counts of all kinds are one
    whole number, in fields a few bits wide; `room` fills a field up to its limit, so that one more
    sets its `full` bit.
    """
    width = int(links.limits.max()).bit_length() + 2
    fields = [width * kind for kind in range(len(links.limits))]
    full = sum(1 << (field + width - 1) for field in fields)
    room = full - sum((1 + int(n)) << field for n, field in zip(links.limits, fields, strict=True))
    ends = np.concatenate([links.profile[order], links.identifier[order] + links.n_profiles])
    nodes, place = np.unique(ends, return_inverse=True)
    counts = [0] * int(np.searchsorted(nodes, links.n_profiles))
    counts += [1 << fields[kind] for kind in links.kind[nodes[len(counts) :] - links.n_profiles]]
    parent = list(range(len(nodes)))
    laid = np.ones(len(order), dtype=bool)
    sides = place.reshape(2, -1)
    for n, (profile, identifier) in enumerate(zip(*sides.tolist(), strict=True)):
        one, other = _find(parent, profile), _find(parent, identifier)
        both = counts[one] + counts[other]
        if one == other:
            continue
        if (both + room) & full:
            laid[n] = False
        else:
            parent[other], counts[one] = one, both
    return laid


def _find(parent: list[int], node: int) -> int:
    """Return the root of a node, and shorten the way to it."""
    while parent[node] != node:
        parent[node] = node = parent[parent[node]]
    return node


def label_pairs(profile: pd.Series, profile_a: pd.Series, profile_b: pd.Series) -> np.ndarray:
    """Say which records are one person if all these pairs are.

    Parameters
    ----------
    profile : Series of length n_profiles
        Every record once.
    profile_a, profile_b : Series of length n_pairs
        Who is one person with whom; names that `profile` has.

    Returns
    -------
    int array of shape (n_profiles,)
        Equal for records of one person.

    Examples
    --------
    >>> every = pd.Series(["a", "b", "c", "d"])
    >>> label_pairs(every, pd.Series(["d"]), pd.Series(["a"])).tolist()
    [0, 1, 2, 0]
    """
    places = pd.Index(profile)
    a, b = places.get_indexer(pd.Index(profile_a)), places.get_indexer(pd.Index(profile_b))
    if (a < 0).any() or (b < 0).any():
        raise InvalidRequest(
            "pairs cannot be labelled: expected pairs of the profiles given, got others. "
            "Give every profile."
        )
    n = len(places)
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])
