"""Model folders without the rows of some customers: a new folder, pointed at, then the old removed.

The model itself stays byte for byte what it was; only the rows it keeps of customers go. Wherever
this stops, the pointer (of `published/`) and the description (of an MLflow model) name a whole
folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.errors import ArtifactError, NotTrained
from models.artifact import CHALLENGER_POINTER, MANIFEST, POINTER, read_pointer, write_pointer
from training.erasure.rows import count_customers, is_row_file, write_without
from training.erasure.staging import Staging, walk_files
from training.history import HISTORY_FILE, move_history

ERASED = "erased"
"""Key of a manifest: what was erased from the folder, one entry an erasure."""
POINTERS = (POINTER, CHALLENGER_POINTER)
_DESCRIPTION = "MLmodel"
_DIGEST_SUFFIX = re.compile(r"-[0-9a-f]{8}$")


@dataclass(frozen=True)
class Bundle:
    """A folder that holds a model, wherever it lies."""

    directory: Path
    digest: str
    manifest: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Kind of model: 'demand' or 'promotion'."""
        return str(self.manifest["kind"])

    @property
    def mlflow_model(self) -> Path | None:
        """The description of the MLflow model that it belongs to; None for a published one."""
        description = self.directory.parents[1] / _DESCRIPTION
        return description if description.is_file() else None

    @property
    def erasures(self) -> tuple[dict[str, Any], ...]:
        """What was erased from it so far: `customers`, `at` and the digest `from`."""
        return tuple(self.manifest.get(ERASED, ()))


@dataclass(frozen=True)
class SmallerBundle:
    """A model folder from which customers were taken.

    Attributes
    ----------
    before, after : Bundle
        The folder that was there, and the one in its place.
    version : str
        The version that the pointer or the folder's name tells; '' for a copy in MLflow.
    rows : tuple of (str, int)
        Names of its files that changed, with the rows removed from each.
    """

    before: Bundle
    after: Bundle
    version: str
    rows: tuple[tuple[str, int], ...]


def find_bundles(root: Path) -> list[Bundle]:
    """Return every model folder below `root`, whether or not this version could load it."""
    return [
        bundle
        for path in walk_files(root)
        if path.name == MANIFEST and (bundle := _read_bundle(path.parent)) is not None
    ]


def _read_bundle(directory: Path) -> Bundle | None:
    try:
        text = (directory / MANIFEST).read_bytes()
        manifest = json.loads(text)
        is_bundle = isinstance(manifest["files"], dict) and isinstance(manifest["kind"], str)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Bundle(directory, hashlib.sha256(text).hexdigest(), manifest) if is_bundle else None


def erase_from_bundle(
    bundle: Bundle, customers: Collection[str], staging: Staging, moments: Mapping[str, str]
) -> SmallerBundle | None:
    """Put a folder without some customers in the place of a model folder; None if it has none.

    Parameters
    ----------
    bundle : Bundle
    customers : collection of str
    staging : Staging
    moments : mapping of str to str
        When each digest is erased from, as text: equal folders become equal folders.

    Raises
    ------
    SourceError
        If a file of the folder cannot be read; the folder is left as it was.
    """
    counts = {
        path.name: count_customers(path, customers)
        for path in sorted(bundle.directory.iterdir())
        if is_row_file(path)
    }
    rows = tuple((name, count) for name, (count, _) in counts.items() if count)
    if not rows:
        return None
    erasure = {
        "customers": len(set().union(*(found for _, found in counts.values()))),
        "at": moments[bundle.digest],
        "from": bundle.digest,
    }
    staged = _write_smaller(bundle, dict(rows), customers, erasure, staging.make_path())
    stem = _DIGEST_SUFFIX.sub("", bundle.directory.name)
    target = bundle.directory.with_name(f"{stem}-{staged.digest[:8]}")
    if not target.exists():
        staged.directory.rename(target)
    version = _repoint(bundle, target, staged.digest, staging)
    staging.discard(bundle.directory)
    return SmallerBundle(bundle, replace(staged, directory=target), version, rows)


def _write_smaller(
    bundle: Bundle,
    rows: Mapping[str, int],
    customers: Collection[str],
    erasure: Mapping[str, Any],
    target: Path,
) -> Bundle:
    shutil.copytree(bundle.directory, target, ignore=shutil.ignore_patterns(MANIFEST, *rows))
    checksums = dict(bundle.manifest["files"])
    for name in rows:
        write_without(bundle.directory / name, customers, target / name)
        # What did not match its checksum is damaged, and stays refused.
        if checksums.get(name) == _hash_file(bundle.directory / name):
            checksums[name] = _hash_file(target / name)
    manifest = {
        **bundle.manifest,
        "files": checksums,
        ERASED: [*bundle.erasures, dict(erasure)],
    }
    text = json.dumps(manifest, indent=2, sort_keys=True).encode()
    (target / MANIFEST).write_bytes(text)
    return Bundle(target, hashlib.sha256(text).hexdigest(), manifest)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _repoint(bundle: Bundle, target: Path, digest: str, staging: Staging) -> str:
    """Let whatever names the folder name `target`; return its version, or '' where none is told."""
    folder = bundle.directory.parent
    description = bundle.mlflow_model
    if description is not None:
        text = description.read_text(encoding="utf-8")
        here, there = (f"{folder.name}/{name}" for name in (bundle.directory.name, target.name))
        line = re.compile(rf"^(\s*path: ){re.escape(here)}$", re.MULTILINE)
        staging.write_text(description, line.sub(rf"\g<1>{there}", text))
        return ""
    named = _DIGEST_SUFFIX.sub("", bundle.directory.name).removeprefix("v")
    found = [_repoint_one(bundle, target, digest, name) for name in POINTERS]
    history = move_history(folder, bundle.directory.name, target.name, (bundle.digest, digest))
    if history is not None:
        staging.write_text(folder / HISTORY_FILE, history)
    return next((version for version in found if version is not None), named)


def _repoint_one(bundle: Bundle, target: Path, digest: str, name: str) -> str | None:
    """Let one pointer name `target` if it named the folder; return the version it tells then."""
    folder = bundle.directory.parent
    if not (folder / name).exists():
        return None
    try:
        pointer = read_pointer(folder.parent, folder.name, name)
    except (NotTrained, ArtifactError):
        return None  # damaged before, and no more damaged now: promote again
    if pointer.directory != bundle.directory.name:
        return None
    # A pointer whose digest is not the folder's is refused, and stays refused.
    after = digest if pointer.digest == bundle.digest else pointer.digest
    moved = replace(pointer, directory=target.name, digest=after)
    write_pointer(folder.parent, folder.name, moved, name)
    return pointer.version
