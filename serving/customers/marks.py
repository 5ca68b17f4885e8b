"""Marks of identifiers: keyed hashes that tell an identifier again without holding it.

A tombstone keeps the mark of what was erased, so that a replay is recognised; a dead letter keeps
the marks of what stands in it, so that an erasure finds it. The key never leaves the workspace, or
the environment where several machines share one; without it a mark says nothing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from features.errors import ProjectError
from features.identity.identifiers import KINDS, Identifier, IdentityRules
from features.served.pseudonyms import KEY_VARIABLE, load_key

_FEWEST_CHARACTERS = 32
_MOST_TEXTS = 400
_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")


class Marker:
    """Makes marks with one key.

    Parameters
    ----------
    key : bytes
        At least 32 characters.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _FEWEST_CHARACTERS:
            raise ProjectError(
                f"{KEY_VARIABLE}: expected a secret of {_FEWEST_CHARACTERS} characters or more, "
                f"got {len(key)}; make one with `openssl rand -hex 32`"
            )
        self._key = key

    def mark(self, value: str) -> str:
        """Return the mark of a cleaned value: HMAC-SHA256 in hex."""
        return hmac.digest(self._key, value.encode(), "sha256").hex()

    def mark_identifiers(self, identifiers: Iterable[Identifier]) -> dict[str, Identifier]:
        """Return identifiers by their mark; one value is one mark, whatever its kind."""
        return {self.mark(identifier.value): identifier for identifier in identifiers}

    def mark_document(self, document: Any, rules: IdentityRules) -> set[str] | None:
        """Return the marks of all in a JSON document that could be an identifier.

        Addresses within longer texts count, too. None where there is so much that not all of it
        is looked at: what stands in it could not be found again.
        """
        values: set[str] = set()
        texts = list(islice(_find_texts(document), _MOST_TEXTS + 1))
        if len(texts) > _MOST_TEXTS:
            return None
        for text in texts:
            cleaned = (rules.clean(kind, text) for kind in KINDS)
            values.update(value for value in cleaned if value is not None)
            values.update(found.lower() for found in _ADDRESS.findall(unquote(text)))
        return {self.mark(value) for value in values}


def load_marker(root: Path) -> Marker:
    """Return the marker of a workspace; its key is made when it is first needed.

    Raises
    ------
    ProjectError
        If the key is too short.
    """
    return Marker(load_key(root))


def _find_texts(document: Any) -> Iterator[str]:
    """Yield the texts and numbers of a document as text."""
    left = [document]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, (str, int, float)) and not isinstance(item, bool):
            yield str(item)
