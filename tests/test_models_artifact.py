"""Saved models: whole or not at all, checked byte by byte, the pointer swapped at once."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import ArtifactError, NotTrained
from features.schema import schema_hash
from models.artifact import (
    FORMAT,
    Pointer,
    load_artifact,
    load_published,
    read_pointer,
    write_artifact,
    write_pointer,
)

FILES = {"model.txt": b"tree\n", "levels.json": b'{"a": 1}'}
CONFIGURATION = {"leaves": 31, "quantiles": [0.1, 0.9]}


def save(directory: Path, files: dict[str, bytes] | None = None, kind: str = "demand") -> str:
    return write_artifact(
        directory, kind, FILES if files is None else files, CONFIGURATION, code_version="0.1.0"
    )


def test_what_is_written_is_read(tmp_path):
    digest = save(tmp_path / "v1")
    artifact = load_artifact(tmp_path / "v1", "demand")
    assert artifact.files == FILES
    assert (artifact.kind, artifact.digest) == ("demand", digest)
    assert artifact.configuration == CONFIGURATION
    assert artifact.json("levels.json") == {"a": 1}


def test_manifest_says_what_and_holds_no_clock(tmp_path):
    first, second = save(tmp_path / "v1"), save(tmp_path / "v2")
    assert first == second
    manifest = json.loads((tmp_path / "v1" / "manifest.json").read_text())
    assert set(manifest) == {
        "kind", "format", "code_version", "schema_hash", "configuration", "files"
    }  # fmt: skip
    assert (manifest["format"], manifest["schema_hash"]) == (FORMAT, schema_hash())


def test_digest_does_not_depend_on_the_order_of_files_and_does_on_their_bytes(tmp_path):
    first = save(tmp_path / "v1")
    assert save(tmp_path / "v2", dict(reversed(FILES.items()))) == first
    assert save(tmp_path / "v3", FILES | {"model.txt": b"tree"}) != first
    assert save(tmp_path / "v4", kind="promotion") != first


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}\.bin", fullmatch=True), st.binary(), max_size=4))
def test_any_bytes_survive(tmp_path_factory, files):
    directory = tmp_path_factory.mktemp("a") / "v"
    save(directory, files)
    assert load_artifact(directory, "demand").files == files


def test_nothing_is_overwritten(tmp_path):
    save(tmp_path / "v1")
    with pytest.raises(ArtifactError, match="is there already"):
        save(tmp_path / "v1", {})
    assert load_artifact(tmp_path / "v1", "demand").files == FILES


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "v1", {"a.txt": b"1", "no/such/folder.txt": b"2"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_changed_byte_is_found_and_named(tmp_path, name):
    save(tmp_path / "v1")
    path = tmp_path / "v1" / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ArtifactError, match=f"{name}: damaged"):
        load_artifact(tmp_path / "v1", "demand")


def test_missing_pieces(tmp_path):
    with pytest.raises(ArtifactError, match="not a model of Almanac"):
        load_artifact(tmp_path / "v1", "demand")
    save(tmp_path / "v1")
    (tmp_path / "v1" / "model.txt").unlink()
    with pytest.raises(ArtifactError, match=r"model\.txt"):
        load_artifact(tmp_path / "v1", "demand")
    (tmp_path / "v1" / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="not a model of Almanac"):
        load_artifact(tmp_path / "v1", "demand")
    (tmp_path / "v1" / "manifest.json").write_text("[]")
    with pytest.raises(ArtifactError, match="not a model of Almanac"):
        load_artifact(tmp_path / "v1", "demand")


@pytest.mark.parametrize(
    ("key", "value"), [("format", 99), ("schema_hash", "0" * 16), ("kind", "promotion")]
)
def test_another_format_schema_or_kind_is_refused(tmp_path, key, value):
    save(tmp_path / "v1")
    path = tmp_path / "v1" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ArtifactError, match=f"{key} is '?{value}"):
        load_artifact(tmp_path / "v1", "demand")


def publish(root: Path, version: str, files: dict[str, bytes]) -> Pointer:
    digest = save(root / "demand" / version, files)
    pointer = Pointer(version, version, digest, run_id=f"run-{version}")
    write_pointer(root, "demand", pointer)
    return pointer


def test_the_pointer_moves_from_one_champion_to_the_next(tmp_path):
    first = publish(tmp_path, "1", FILES)
    assert read_pointer(tmp_path, "demand") == first
    second = publish(tmp_path, "2", FILES | {"model.txt": b"better"})
    pointer, artifact = load_published(tmp_path, "demand")
    assert pointer == second
    assert artifact.files["model.txt"] == b"better"
    assert load_artifact(tmp_path / "demand" / "1", "demand").digest == first.digest
    assert {path.name for path in (tmp_path / "demand").iterdir()} == {"1", "2", "current.json"}


def test_nothing_published_says_what_to_run(tmp_path):
    with pytest.raises(NotTrained, match=r"almanac train demand.*almanac promote demand"):
        load_published(tmp_path, "demand")


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "1"}', '"x"'])
def test_damaged_pointer(tmp_path, text):
    publish(tmp_path, "1", FILES)
    (tmp_path / "demand" / "current.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"current\.json: damaged"):
        read_pointer(tmp_path, "demand")


def test_a_model_that_was_swapped_after_publication_is_refused(tmp_path):
    pointer = publish(tmp_path, "1", FILES)
    save(tmp_path / "demand" / "other", FILES | {"model.txt": b"another"})
    write_pointer(tmp_path, "demand", Pointer("1", "other", pointer.digest, run_id=pointer.run_id))
    with pytest.raises(ArtifactError, match="not the version that was published"):
        load_published(tmp_path, "demand")
