"""Proposals of who could be one person: made by a model, judged by a steward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pandas as pd

from features.errors import InvalidRequest, NotEnoughData
from features.identity.proposals import propose_matches
from serving.customers.counters import count_up, write_audit
from serving.customers.profile_rows import read_traits
from serving.customers.store import CustomerStore

ACCEPTED, REFUSED = "accepted", "rejected"
PROPOSALS = "proposals"
STEWARD = "steward: accepted a proposal"


_COLUMNS = {
    "first_name": ("first_name", "firstName"),
    "surname": ("surname", "last_name", "lastName"),
    "birth_date": ("birth_date", "birthday", "birthDate", "date_of_birth", "dateOfBirth"),
    "email": ("email",),
    "phone": ("phone",),
    "postcode": ("postcode", "postalCode", "postal_code", "zip"),
    "city": ("city",),
}
"""What is compared, and under which names traits state it, also within `address`."""


@dataclass(frozen=True)
class Proposal:
    """Two people who could be one.

    Attributes
    ----------
    number : int
        What a steward calls it by; given once.
    node, other : int
    probability : float
    reasons : str
    """

    number: int
    node: int
    other: int
    probability: float
    reasons: str


def propose_people(store: CustomerStore, at: int, *, threshold: float | None = None) -> int:
    """Write down who could be one person, by their traits; nobody is joined.

    Pairs that a steward judged before are not proposed again, nor are two with a `user_id` each.

    Parameters
    ----------
    store : CustomerStore
    at : int
        Microseconds.
    threshold : float, optional
        Least probability; that of the settings when not given.

    Returns
    -------
    int
        Proposals that wait.

    Raises
    ------
    NotEnoughData
        If fewer than two people have traits to compare.
    ProjectError
        If Splink is not installed.
    """
    people = read_people(store)
    if len(people) < 2:
        raise NotEnoughData(
            "proposals need two people or more with traits such as first_name, last_name, "
            "birth_date, city; found fewer. Send them by identify messages first"
        )
    least = store.settings.identity.proposal_threshold if threshold is None else threshold
    matches = propose_matches(people, threshold=least)
    found = sorted(matches.to_dict("records"), key=lambda one: -one["probability"])
    with store.write() as session:
        session.run("DELETE FROM proposals WHERE verdict IS NULL")
        for one in found:
            node, other = sorted((int(one["profile_a"]), int(one["profile_b"])))
            session.run(
                "INSERT INTO proposals (node, other, probability, reasons, at, number) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (node, other) DO NOTHING",
                (
                    node,
                    other,
                    float(one["probability"]),
                    str(one["reasons"]),
                    at,
                    count_up(session, PROPOSALS),
                ),
            )
    return len(list_proposals(store))


def read_people(store: CustomerStore) -> pd.DataFrame:
    """Return what can be compared of each person who agreed to be known: a row a person, as text.

    Returns
    -------
    DataFrame
        `profile` (their root) and those of `first_name, surname, birth_date, email, phone,
        postcode, city` that anybody's traits state, under the names that platforms use.
    """
    roots = store.session.rows(
        "SELECT DISTINCT p.root FROM profiles p JOIN nodes n ON n.root = p.root "
        "JOIN traits t ON t.node = n.node WHERE p.is_personal = 1 ORDER BY p.root"
    )
    rows: list[dict[str, Any]] = []
    for (root,) in roots:
        traits = read_traits(store.session, root)
        address = traits.get("address")
        told = {**(address if isinstance(address, dict) else {}), **traits}
        rows.append({"profile": root, **_choose_columns(told)})
    return pd.DataFrame(rows)


def _choose_columns(traits: Mapping[str, Any]) -> dict[str, str]:
    chosen = {}
    for column, names in _COLUMNS.items():
        for name in names:
            value = traits.get(name)
            if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
                text = str(value).strip()
                chosen[column] = text[:10] if column == "birth_date" else text
                break
    return chosen


def list_proposals(store: CustomerStore) -> list[Proposal]:
    """Return the proposals that wait, the surest first; people who were joined since are left."""
    found = store.session.rows(
        "SELECT number, p.node, p.other, probability, reasons FROM proposals p "
        "JOIN nodes a ON a.node = p.node JOIN nodes b ON b.node = p.other "
        "WHERE verdict IS NULL AND a.root <> b.root ORDER BY probability DESC, number"
    )
    return [Proposal(*row) for row in found]


def describe_proposal(store: CustomerStore, proposal: Proposal) -> str:
    """Return both people side by side, and why they are proposed."""
    roots = [
        store.session.rows("SELECT root FROM nodes WHERE node = ?", (node,))[0][0]
        for node in (proposal.node, proposal.other)
    ]
    sides = [
        msgspec.json.encode(read_traits(store.session, root), order="sorted").decode()
        for root in roots
    ]
    return (
        f"{proposal.number}: {proposal.probability:.1%}, {proposal.reasons}\n"
        f"  person-{roots[0]} {sides[0]}\n  person-{roots[1]} {sides[1]}"
    )


def judge_proposal(store: CustomerStore, proposal: Proposal, at: int, *, is_accepted: bool) -> None:
    """Join two people, or note that they are two.

    Raises
    ------
    InvalidRequest
        If together they would break a limit; the proposal still waits then.
    """
    with store.write() as session:
        store.people.begin(session, at)
        verdict = ACCEPTED if is_accepted else REFUSED
        changed = session.run(
            "UPDATE proposals SET verdict = ?, judged_at = ? WHERE verdict IS NULL AND number = ?",
            (verdict, at, proposal.number),
        )
        if not changed:
            raise InvalidRequest(f"proposal {proposal.number}: it no longer waits")
        if is_accepted:
            store.join_within(session, proposal.node, proposal.other, at, STEWARD)
        write_audit(session, at, verdict, proposal.node, proposal.other, None, "steward")
