"""Drafts of campaigns, kept below the workspace for a day: so that every worker finds them.

A draft holds customer ids. `almanac purge` removes the erased from it as from every file; who is
erased while it is kept is left out whenever it is read.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from features.errors import AlmanacError

FOLDER = "campaign-drafts"
"""Below the workspace: one folder a draft."""
KEPT_FOR = timedelta(hours=24)
MOST = 200
"""Drafts that are kept; of more the oldest go."""
_ABOUT, _MESSAGES = "draft.json", "messages.parquet"
_ID = re.compile(r"[0-9a-f]{32}")


class NoDraft(AlmanacError):
    """There is no such draft, or no longer."""


class DraftShelf:
    """The drafts of a workspace.

    Parameters
    ----------
    root : Path
        The workspace.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def new_id(self) -> str:
        """Return an id that nobody guesses."""
        return secrets.token_hex(16)

    def write(self, draft: str, about: bytes, messages: pd.DataFrame | None = None) -> None:
        """Put a draft down, or what became of it; each file appears whole or not at all.

        Parameters
        ----------
        draft : str
            From `new_id`.
        about : bytes
            What is answered of it, as JSON.
        messages : DataFrame, optional
            Its schedule; written first, so that a draft that says it is ready has one.
        """
        folder = self.folder / draft
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if messages is not None:
            partial = folder / f".{_MESSAGES}.{os.getpid()}.partial"
            messages.to_parquet(partial, index=False)
            partial.replace(folder / _MESSAGES)
        partial = folder / f".{_ABOUT}.{os.getpid()}.partial"
        partial.write_bytes(about)
        partial.replace(folder / _ABOUT)

    def read(self, draft: str) -> bytes:
        """Return what is answered of a draft.

        Raises
        ------
        NoDraft
        """
        return self._find(draft, _ABOUT).read_bytes()

    def read_messages(self, draft: str) -> pd.DataFrame:
        """Return the schedule of a draft.

        Raises
        ------
        NoDraft
        """
        return pd.read_parquet(self._find(draft, _MESSAGES))

    def drop(self, draft: str) -> None:
        """Remove a draft."""
        shutil.rmtree(self.folder / draft, ignore_errors=True)

    def prune(self, now: datetime) -> None:
        """Remove drafts that are past their day, and the oldest where there are too many."""
        found = sorted(self._list_dated(), reverse=True)
        last = (now - KEPT_FOR).timestamp()
        for place, (written_at, name) in enumerate(found):
            if place >= MOST or written_at < last:
                self.drop(name)

    def _list_dated(self) -> Iterable[tuple[float, str]]:
        with suppress(FileNotFoundError):
            for entry in self.folder.iterdir():
                with suppress(OSError):  # another worker prunes, too
                    yield entry.stat().st_mtime, entry.name

    def _find(self, draft: str, name: str) -> Path:
        path = self.folder / draft / name
        if not _ID.fullmatch(draft) or not path.is_file():
            raise NoDraft("there is no such draft: drafts are kept for a day; draft it anew")
        return path
