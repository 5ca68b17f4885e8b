"""By what a message is known again: its id, and a digest of what it says."""

from __future__ import annotations

import hashlib

import msgspec

from features.segment.messages import EventRow, Message

FROM_TABLES = 0
"""Digest of what came from tables, and so is not told."""


class Keys(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """By what a message is known again.

    Attributes
    ----------
    hashes : list of int
        Of the ids of its rows, the first one its own.
    digest : int
        Of what it says, but for its times, which differ with the sender's clock; 0 = not told, of
        what came from tables.
    """

    hashes: list[int]
    digest: int


def hash_bytes(content: bytes) -> int:
    """Return 64 bits of BLAKE2b as a signed integer, which every database can hold."""
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def make_keys(message: Message) -> Keys:
    """Return by what a message is known again.

    Two ids that shared a hash would be told apart by their text, and the second one refused.
    """
    rows = list_rows(message)
    said = msgspec.msgpack.encode(
        (
            message.type, message.identifiers, message.previous, message.traits, message.consent,
            message.order, [row[2:] for row in message.rows],
        )
    )  # fmt: skip
    return Keys([hash_bytes(row.event_id.encode()) for row in rows], hash_bytes(said) or 1)


def list_rows(message: Message) -> tuple[EventRow, ...]:
    """Return the rows of a message; one without gets a row that is hidden, to keep its id."""
    if message.rows:
        return message.rows
    return (EventRow(message.message_id, message.occurred_at, None, message.type),)


def is_same(before: tuple[str, int], message: Message, keys: Keys) -> bool:
    """Say whether a message is the one that was taken before; what came from tables may be."""
    event_id, digest = before
    is_told = digest != FROM_TABLES and keys.digest != FROM_TABLES
    return event_id == message.message_id and (digest == keys.digest or not is_told)
