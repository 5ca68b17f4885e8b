"""A fitted model as plain files with a manifest: never a pickle, never code.

A model is `dict[str, bytes]` (LightGBM text, JSON, Parquet); this module writes such a dict to a
folder together with `manifest.json`, and reads it back only when every byte is what the manifest
says.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightgbm as lgb

from features.errors import ArtifactError, NotTrained
from features.schema import schema_hash

FORMAT = 1
MANIFEST = "manifest.json"
POINTER, CHALLENGER_POINTER = "current.json", "challenger.json"
"""Which folder of a kind answers, and which one is tried beside it."""
LARGE_BYTES = 64 * 2**20
"""Above this, a file that a caller can do without in memory is left on disk."""


@dataclass(frozen=True)
class LargeFile:
    """A file of a model that was left on disk, unread: `digest` is what its SHA-256 should be."""

    path: Path
    digest: str

    def check(self) -> None:
        """Raise ArtifactError if its bytes are not those that were written."""
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ArtifactError(f"{self.path}: {error.strerror}; promote again") from None
        if digest != self.digest:
            raise _damaged(self.path)


@dataclass(frozen=True)
class Artifact:
    """A model folder that was checked against its manifest; `large` files are yet to be."""

    directory: Path
    kind: str
    digest: str
    configuration: dict[str, Any]
    files: dict[str, bytes]
    large: dict[str, LargeFile] = field(default_factory=dict)

    def json(self, name: str) -> Any:
        """Return the file `name` parsed as JSON."""
        return json.loads(self.files[name])


def write_artifact(
    directory: Path,
    kind: str,
    files: Mapping[str, bytes],
    configuration: Mapping[str, Any],
    *,
    code_version: str,
) -> str:
    """Write `files` and their manifest to `directory`, whole or not at all.

    Parameters
    ----------
    directory : Path
        Must not exist; it appears complete, by one rename.
    kind : str
        'demand' or 'promotion'.
    files : mapping of name to bytes
        Flat names, no folders.
    configuration : mapping
        JSON-able settings that made the model; together with the data they remake it.
    code_version : str
        Version of Almanac that wrote it.

    Returns
    -------
    str
        SHA-256 of the manifest: equal for equal models, as the manifest holds no clock.

    Raises
    ------
    ArtifactError
        If `directory` is there already.
    """
    if directory.exists():
        raise ArtifactError(f"{directory} is there already; a published model is never overwritten")
    manifest = {
        "kind": kind,
        "format": FORMAT,
        "code_version": code_version,
        "schema_hash": schema_hash(),
        "configuration": dict(configuration),
        "files": {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True).encode()
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        (partial / MANIFEST).write_bytes(text)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return hashlib.sha256(text).hexdigest()


def load_artifact(directory: Path, kind: str, *, on_disk: Collection[str] = ()) -> Artifact:
    """Read a model folder after checking its kind, format, schema and every checksum.

    Parameters
    ----------
    directory : Path
    kind : str
        'demand' or 'promotion'.
    on_disk : collection of str
        Files that, above `LARGE_BYTES`, are neither read nor checked: whoever reads them checks.

    Raises
    ------
    ArtifactError
        Naming the file and what differs; nothing of a damaged folder is ever returned.
    """
    try:
        text = (directory / MANIFEST).read_bytes()
        manifest = json.loads(text)
        large = {
            name: LargeFile(directory / name, digest)
            for name, digest in manifest["files"].items()
            if name in on_disk and (directory / name).stat().st_size > LARGE_BYTES
        }
        files = {
            name: (directory / name).read_bytes() for name in manifest["files"] if name not in large
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{directory}: not a model of Almanac: {error}") from None
    expected = {"kind": kind, "format": FORMAT, "schema_hash": schema_hash()}
    for key, value in expected.items():
        if manifest.get(key) != value:
            raise ArtifactError(
                f"{directory}: {key} is {manifest.get(key)!r}, "
                f"this version of Almanac needs {value!r}; train again"
            )
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != manifest["files"][name]:
            raise _damaged(directory / name)
    digest = hashlib.sha256(text).hexdigest()
    return Artifact(directory, kind, digest, manifest["configuration"], files, large)


@contextmanager
def refuse_damage(name: str, what: str) -> Iterator[None]:
    """Turn all that a damaged or missing file of a model raises into one error.

    Parameters
    ----------
    name : str
        Of the model's first file.
    what : str
        What it should hold, such as 'a response model'.

    Raises
    ------
    ArtifactError
        In place of what reading JSON, arrays or LightGBM's text raises.
    """
    try:
        yield
    except (
        *(AttributeError, EOFError, KeyError, TypeError, ValueError),
        lgb.basic.LightGBMError,
    ) as error:
        raise ArtifactError(f"{name}: not {what}: {error}; train again") from None


@dataclass(frozen=True)
class Pointer:
    """Which version of a kind is published: the champion, or the challenger beside it."""

    version: str
    directory: str
    digest: str
    run_id: str


def write_pointer(published: Path, kind: str, pointer: Pointer, name: str = POINTER) -> None:
    """Make `pointer` the published version of `kind`, by one atomic rename."""
    target = published / kind / name
    partial = target.with_name(f".{name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(asdict(pointer), indent=2, sort_keys=True), encoding="utf-8")
    partial.replace(target)


def read_pointer(published: Path, kind: str, name: str = POINTER) -> Pointer:
    """Return the published version of `kind`.

    Raises
    ------
    NotTrained
        If nothing was published yet.
    ArtifactError
        If the pointer is damaged.
    """
    path = published / kind / name
    try:
        return Pointer(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotTrained(
            f"no {kind} champion is published in {published}; "
            f"run `almanac train {kind}`, then `almanac promote {kind}`"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"{path}: damaged: {error}; promote again") from None


def load_published(
    published: Path, kind: str, name: str = POINTER, *, on_disk: Collection[str] = ()
) -> tuple[Pointer, Artifact]:
    """Load the published champion of `kind`, refusing bytes that are not those published.

    Parameters
    ----------
    published : Path
    kind : str
    name : str
        Of the pointer; that of the other one loads the challenger.
    on_disk : collection of str
        As for `load_artifact`.
    """
    pointer = read_pointer(published, kind, name)
    artifact = load_artifact(published / kind / pointer.directory, kind, on_disk=on_disk)
    if artifact.digest != pointer.digest:
        raise ArtifactError(
            f"{artifact.directory}: not the version that was published; promote again"
        )
    return pointer, artifact


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"{path}: damaged, its checksum is not the manifest's; promote again")
