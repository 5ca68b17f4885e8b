"""What was published of a kind, when and why: one line each time another version was pointed at."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from features.errors import ArtifactError, NotTrained
from models.artifact import Pointer, read_pointer

HISTORY_FILE = "history.jsonl"
Action = Literal["found", "publish", "follow", "rollback"]
PUBLISHED: tuple[Action, ...] = ("found", "publish", "follow")
"""What brought a version; a rollback goes back to one that was brought before."""


@dataclass(frozen=True)
class Entry:
    """One line: what was pointed at.

    Attributes
    ----------
    at : str
        RFC 3339.
    action : str
        `found` for what was published before there was a history.
    version, directory, digest, run_id : str
        As of the pointer.
    reason : str
        Why, in the words of whoever did it.
    registry : str
        'moved', or why the alias in the registry was not; '' where it was not to be moved.
    """

    at: str
    action: Action
    version: str
    directory: str
    digest: str
    run_id: str
    reason: str = ""
    registry: str = ""

    @property
    def pointer(self) -> Pointer:
        """What points at this version."""
        return Pointer(self.version, self.directory, self.digest, self.run_id)


def read_history(published: Path, kind: str) -> list[Entry]:
    """Return what was published, oldest first; a line that cannot be read is left out."""
    try:
        lines = (published / kind / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            entries.append(Entry(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # cut short by a crash
    return entries


def append_history(
    published: Path,
    kind: str,
    pointer: Pointer,
    action: Action,
    at: datetime,
    *,
    reason: str = "",
    registry: str = "",
) -> None:
    """Add a line, durable when this returns.

    Parameters
    ----------
    published : Path
    kind : str
    pointer : Pointer
        What is pointed at from now on.
    action : str
    at : datetime
        With a zone.
    reason, registry : str
        As of `Entry`.
    """
    entry = Entry(
        at.isoformat(timespec="seconds"),
        action,
        **asdict(pointer),
        reason=reason,
        registry=registry,
    )
    with (published / kind / HISTORY_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry), sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())


def begin_history(published: Path, kind: str, at: datetime) -> None:
    """Note what is published already, where there is no history yet: it can be gone back to."""
    if (published / kind / HISTORY_FILE).exists():
        return
    try:
        pointer = read_pointer(published, kind)
    except (NotTrained, ArtifactError):
        return
    append_history(published, kind, pointer, "found", at)


def find_target(entries: Sequence[Entry], current: str, version: str | None) -> Entry:
    """Return what a rollback goes back to.

    Parameters
    ----------
    entries : sequence of Entry
        Oldest first.
    current : str
        The version that is published.
    version : str or None
        Which one; None = the one that was published before the current one, so that going back
        twice goes back by two.

    Raises
    ------
    NotTrained
        If there is no such version.
    """
    brought = [entry for entry in entries if entry.action in PUBLISHED]
    known = list(dict.fromkeys(entry.version for entry in brought))
    if version is None:
        before = known[: known.index(current)] if current in known else known
        if not before:
            raise NotTrained(
                f"there is nothing to go back to: no version was published before {current}"
            )
        version = before[-1]
    found = [entry for entry in brought if entry.version == version]
    if not found:
        raise NotTrained(
            f"version {version} was never published here; published were: "
            f"{', '.join(known) or 'none'}"
        )
    return found[-1]


def move_history(folder: Path, before: str, after: str, digests: tuple[str, str]) -> str | None:
    """Return the history of a kind after a folder was replaced by another; None where it is alike.

    Parameters
    ----------
    folder : Path
        Of the kind, below `published/`.
    before, after : str
        Names of the two folders.
    digests : tuple of str
        Of the one that was there and of the one in its place.
    """
    entries = read_history(folder.parent, folder.name)
    moved = [
        replace(entry, directory=after, digest=digests[1])
        if (entry.directory, entry.digest) == (before, digests[0])
        else entry
        for entry in entries
    ]
    if moved == entries:
        return None
    return "".join(json.dumps(asdict(entry), sort_keys=True) + "\n" for entry in moved)
