"""Messages that were rejected: kept with the reason, to be looked at and sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from features.identity.identifiers import IdentityRules
from features.segment.messages import Rejected
from serving.customers.counters import count_up
from serving.customers.database import Session, in_parts, mark_places
from serving.customers.marks import Marker
from serving.customers.message_keys import hash_bytes

_LONGEST_BODY = 64 * 1024
LETTERS = "dead_letters"
_COLUMNS = "letter, received_at, source, reason, detail, pointer, message_id, body"


@dataclass(frozen=True)
class DeadLetter:
    """One message that was rejected.

    Attributes
    ----------
    letter : int
    received_at : int
        Microseconds.
    source : str
        The path or file it came by.
    reason, detail : str
    pointer, message_id : str or None
    body : str or None
        JSON; None where it could not be read as JSON, and so is not kept: what stands in it could
        not be found again to be erased.
    """

    letter: int
    received_at: int
    source: str
    reason: str
    detail: str
    pointer: str | None
    message_id: str | None
    body: str | None


def write_dead_letter(
    session: Session,
    content: bytes,
    rejected: Rejected,
    *,
    around: bytes | None,
    received_at: int,
    source: str,
    marker: Marker,
    rules: IdentityRules,
) -> None:
    """Keep one rejected message; the same one for the same reason is kept once.

    Parameters
    ----------
    session : Session
    content : bytes
        The message.
    rejected : Rejected
    around : bytes or None
        What its batch states around it; it is kept with the message.
    received_at : int
        Microseconds.
    source : str
    marker : Marker
    rules : IdentityRules
    """
    body, marks = _read_body(content, around, marker, rules)
    message_id = rejected.message_id
    if message_id is not None:
        marks.add(marker.mark(message_id))
    key = _hash(rejected.reason, source, body or content.decode("utf-8", "replace"))
    if session.rows("SELECT 1 FROM dead_letters WHERE hash = ?", (key,)):
        return
    letter = count_up(session, LETTERS)
    session.run(
        "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            letter,
            received_at,
            source,
            rejected.reason,
            rejected.detail,
            rejected.pointer,
            None if body is None else message_id,
            body,
            key,
        ),
    )
    session.run_many(
        "INSERT INTO dead_letter_marks VALUES (?, ?)", [(mark, letter) for mark in marks]
    )


def read_dead_letters(
    session: Session, *, reason: str | None = None, after: int = 0, limit: int = 1000
) -> list[DeadLetter]:
    """Return rejected messages, the oldest first."""
    where, values = "letter > ?", [after]
    if reason is not None:
        where += " AND reason = ?"
        values.append(reason)  # type: ignore[arg-type]
    found = session.rows(
        f"SELECT {_COLUMNS} FROM dead_letters WHERE {where} ORDER BY letter LIMIT {int(limit)}",
        values,
    )
    return [DeadLetter(*row) for row in found]


def count_dead_letters(session: Session) -> dict[str, int]:
    """Return how many messages wait, by reason."""
    return dict(
        session.rows("SELECT reason, COUNT(*) FROM dead_letters GROUP BY reason ORDER BY reason")
    )


def remove_dead_letters(session: Session, letters: Sequence[int]) -> None:
    """Remove some messages, as when they were applied after all."""
    for part in in_parts(list(letters)):
        places = mark_places(part)
        for table in (LETTERS, "dead_letter_marks"):
            session.run(f"DELETE FROM {table} WHERE letter IN ({places})", list(part))


def find_marked(session: Session, marks: Sequence[str]) -> list[int]:
    """Return the messages in which one of the marked identifiers stands."""
    found: set[int] = set()
    for part in in_parts(list(marks)):
        places = mark_places(part)
        found.update(
            row[0]
            for row in session.rows(
                f"SELECT letter FROM dead_letter_marks WHERE mark IN ({places})", list(part)
            )
        )
    return sorted(found)


def _read_body(
    content: bytes, around: bytes | None, marker: Marker, rules: IdentityRules
) -> tuple[str | None, set[str]]:
    if len(content) > _LONGEST_BODY:
        return None, set()
    try:
        document = msgspec.json.decode(content)
        if around is not None and isinstance(document, dict):
            document = _put_within(document, msgspec.json.decode(around))
        # Encoded anew: escapes would hide what stands in it.
        text = msgspec.json.encode(document).decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None, set()
    marks = marker.mark_document(document, rules)
    return (None, set()) if marks is None else (text, marks)


def _put_within(document: dict[str, Any], around: dict[str, Any]) -> dict[str, Any]:
    """Return a message with what was stated around it; its own members win."""
    outer, own = around.get("context"), document.get("context")
    whole = {**around, **document}
    if isinstance(outer, dict) and (own is None or isinstance(own, dict)):
        whole["context"] = {**outer, **(own or {})}
    return whole


def _hash(*parts: str) -> int:
    return hash_bytes("\0".join(parts).encode())
