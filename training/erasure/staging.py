"""Where new files are made before they take the place of old ones, and old ones go before they go.

Everything below is one rename from its place: a crash leaves the old file or the new one, never
half of either, and whatever lies here can be thrown away.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from features.schema import TABLES

FOLDER = ".erasing"
"""Below the workspace, thus on its file system."""
_PARTIAL = re.compile(r"^\..+?(?:\.(\d+))?\.partial$")
_SCRATCH = re.compile(rf"^\.(?:{'|'.join(TABLES)})-[a-z0-9_]{{8}}$")


class Staging:
    """The folder of unfinished work of one erasure.

    Parameters
    ----------
    root : Path
        The workspace. What an erasure that was cut short left here is removed.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self._made = 0
        self.close()

    def make_path(self) -> Path:
        """Return a path that nothing lies at; its folder is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made += 1
        return self.folder / f"{self._made}"

    def write_text(self, target: Path, text: str) -> None:
        """Put `text` in the place of `target` by one rename."""
        staged = self.make_path()
        staged.write_text(text, encoding="utf-8")
        staged.replace(target)

    def discard(self, path: Path) -> None:
        """Take a file or folder away by one rename, then remove its bytes."""
        gone = self.make_path()
        path.rename(gone)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()

    def close(self) -> None:
        """Remove the folder with whatever is left in it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every finished file below `root` in a fixed order; no link is followed or yielded."""
    for folder, folders, names in os.walk(root):
        unfinished = {FOLDER, *filter(_PARTIAL.match, folders)}
        folders[:] = sorted(set(folders) - unfinished)
        paths = (Path(folder) / name for name in sorted(names))
        yield from (path for path in paths if not path.is_symlink())


def find_links_outside(root: Path) -> list[Path]:
    """Return the links below `root` that lead out of it: what they lead to is not erased from."""
    real = root.resolve()
    paths = (
        Path(folder) / name
        for folder, folders, names in os.walk(root)
        for name in sorted([*folders, *names])
    )
    return [p for p in paths if p.is_symlink() and not p.resolve().is_relative_to(real)]


def find_partials(root: Path) -> tuple[list[Path], list[Path]]:
    """Return what crashed writers left below `root`, and what writers are still at.

    What is unfinished is named `.NAME.partial` or `.NAME.PID.partial`, and in the folder of a table
    that is being built `.TABLE-RANDOM`. With a number it is busy while a process of that number
    runs; without one nobody is at it, as nothing else may write during an erasure.

    Returns
    -------
    abandoned, busy : list of Path
    """
    abandoned: list[Path] = []
    busy: list[Path] = []
    for folder, folders, names in os.walk(root):
        for name in sorted([*folders, *names]):
            match = _PARTIAL.match(name)
            if match is None and not (name in folders and _SCRATCH.match(name)):
                continue
            is_busy = match is not None and match[1] is not None and _is_running(int(match[1]))
            (busy if is_busy else abandoned).append(Path(folder) / name)
            if name in folders:
                folders.remove(name)
    return abandoned, busy


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
