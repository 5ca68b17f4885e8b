"""Proposals of who could be one person: made by a model, judged by a steward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pandas as pd

from features.errors import InvalidRequest, NotEnoughData
from features.identity.proposals import propose_matches
from serving.customers.people import write_audit
from serving.customers.profile_rows import read_traits
from serving.customers.store import CustomerStore

ACCEPTED, REFUSED = "accepted", "rejected"
STEWARD = "steward: accepted a proposal"


@dataclass(frozen=True)
class Proposal:
    """Two people who could be one.

    Attributes
    ----------
    number : int
        What a steward calls it by.
    root, other : int
    probability : float
    reasons : str
    """

    number: int
    root: int
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
    rows = [
        (*sorted((int(one["profile_a"]), int(one["profile_b"]))), float(one["probability"]),
         str(one["reasons"]), at)
        for one in matches.to_dict("records")
    ]  # fmt: skip
    with store.write() as session:
        session.run("DELETE FROM proposals WHERE verdict IS NULL")
        session.run_many(
            "INSERT INTO proposals (node, other, probability, reasons, at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (node, other) DO NOTHING",
            rows,
        )
    return len(list_proposals(store))


def read_people(store: CustomerStore) -> pd.DataFrame:
    """Return a row a person with the traits that are texts or numbers, as text; key `profile`."""
    rows: list[dict[str, Any]] = []
    roots = store.session.rows(
        "SELECT DISTINCT n.root FROM traits t JOIN nodes n ON n.node = t.node ORDER BY n.root"
    )
    for (root,) in roots:
        traits = read_traits(store.session, root)
        told = {
            name: str(value)
            for name, value in traits.items()
            if isinstance(value, (str, int, float)) and not isinstance(value, bool)
        }
        rows.append({"profile": root, **told})
    return pd.DataFrame(rows)


def list_proposals(store: CustomerStore) -> list[Proposal]:
    """Return the proposals that wait, the surest first; people who were joined since are left."""
    found = store.session.rows(
        "SELECT a.root, b.root, MAX(probability), MIN(reasons) FROM proposals p "
        "JOIN nodes a ON a.node = p.node JOIN nodes b ON b.node = p.other "
        "WHERE verdict IS NULL AND a.root <> b.root GROUP BY a.root, b.root"
    )
    ordered = sorted(found, key=lambda row: (-row[2], row[0], row[1]))
    return [Proposal(number, *row) for number, row in enumerate(ordered, start=1)]


def describe_proposal(store: CustomerStore, proposal: Proposal) -> str:
    """Return both people side by side, and why they are proposed."""
    sides = [
        msgspec.json.encode(read_traits(store.session, root), order="sorted").decode()
        for root in (proposal.root, proposal.other)
    ]
    return (
        f"{proposal.number}: {proposal.probability:.1%}, {proposal.reasons}\n"
        f"  person-{proposal.root} {sides[0]}\n  person-{proposal.other} {sides[1]}"
    )


def judge_proposal(store: CustomerStore, proposal: Proposal, at: int, *, is_accepted: bool) -> None:
    """Join two people, or note that they are two.

    Raises
    ------
    InvalidRequest
        If together they would break a limit; the proposal still waits then.
    """
    if is_accepted:
        store.join(proposal.root, proposal.other, at, STEWARD)
    verdict = ACCEPTED if is_accepted else REFUSED
    with store.write() as session:
        changed = session.run(
            "UPDATE proposals SET verdict = ?, judged_at = ? WHERE verdict IS NULL AND "
            "node IN (SELECT node FROM nodes WHERE root IN (?, ?)) AND "
            "other IN (SELECT node FROM nodes WHERE root IN (?, ?))",
            (verdict, at, *(proposal.root, proposal.other) * 2),
        )
        if not changed:
            raise InvalidRequest(f"proposal {proposal.number}: it no longer waits")
        write_audit(session, at, verdict, proposal.root, proposal.other, None, "steward")
