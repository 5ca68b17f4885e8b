"""Keys: made, rotated, revoked; kept in a file that two may change at once."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import almanac
from features.errors import InvalidRequest, UnknownName
from features.project import load_project
from serving.access.audit import BURST, AuditLog, Entry
from serving.access.callers import open_access
from serving.access.keyfile import KeyFile, KeysDamaged, add_key, change_key, read_keys
from serving.access.keys import is_match, make_key, rotate_key
from serving.access.scopes import Scope
from serving.logs import LOGGER

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)


class Ticks:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "almanac.toml"
    path.write_text("[project]\n", encoding="utf-8")
    return path


@pytest.fixture
def run(project):
    def run(*words, code=0):
        result = CliRunner().invoke(almanac.app, ["keys", *words, "--project", str(project)])
        if code == 0 and result.exception is not None:
            raise result.exception
        assert result.exit_code == code
        return result

    return run


def test_a_key_has_256_bits_and_only_its_hash_is_kept():
    key, text = make_key("shop", (Scope.CAMPAIGNS,), NOW)
    assert re.fullmatch(r"alm_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text)  # 43 × 6 bits ≥ 256
    assert [secret.sha256 for secret in key.secrets] == [hashlib.sha256(text.encode()).hexdigest()]
    assert is_match(key, text, NOW)
    assert not is_match(key, text[:-1] + ("A" if text[-1] != "A" else "B"), NOW)
    assert not is_match(None, text, NOW)
    assert not is_match(None, "", NOW)  # what unknown ids are compared with is nobody's key


def test_after_a_rotation_two_secrets_live_until_the_old_one_ends():
    key, old = make_key("shop", (Scope.CAMPAIGNS,), NOW)
    key, new = rotate_key(key, NOW, timedelta(hours=24))
    just_before, after = NOW + timedelta(hours=23, minutes=59), NOW + timedelta(hours=24)
    assert [is_match(key, text, just_before) for text in (old, new)] == [True, True]
    assert [is_match(key, text, after) for text in (old, new)] == [False, True]
    key, newest = rotate_key(key, NOW, timedelta(hours=1))  # never three
    assert [is_match(key, text, NOW) for text in (old, new, newest)] == [False, True, True]


def test_what_has_ended_is_not_rotated_back_to_life():
    key, _ = make_key("shop", (Scope.CAMPAIGNS,), NOW, expires_days=1)
    with pytest.raises(InvalidRequest, match="expired"):
        rotate_key(key, NOW + timedelta(days=1), timedelta())


def test_the_command_line_makes_lists_rotates_and_revokes(run, project):
    made = run("create", "--name", "shop", "--scope", "campaigns", "--scope", "ingest")
    text = made.stdout.strip()  # the key alone, so that it can be piped
    key_id = text.split("_")[1]
    file = project.parent / ".almanac" / "access" / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    key = read_keys(file)[key_id]
    assert key.scopes == (Scope.CAMPAIGNS, Scope.INGEST)
    assert is_match(key, text, datetime.now(UTC))

    new = run("rotate", key_id, "--overlap-hours", "2").stdout.strip()
    key = read_keys(file)[key_id]
    assert [is_match(key, one, datetime.now(UTC)) for one in (text, new)] == [True, True]
    left = key.secrets[1].expires_at - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)

    run("revoke", key_id)
    listed = run("list").stdout
    assert f"{key_id}  revoked  campaigns ingest" in listed
    told = listed + file.read_text() + run("audit").stdout
    assert all(one.split("_", 2)[2] not in told for one in (text, new))
    actions = [json.loads(line)["action"] for line in run("audit").stdout.splitlines()]
    assert actions == ["key-created", "key-rotated", "key-revoked"]
    assert isinstance(run("revoke", key_id, code=1).exception, InvalidRequest)
    assert isinstance(run("revoke", "0" * 12, code=1).exception, UnknownName)
    run("create", "--name", "shop", "--scope", "everything", code=2)


MAKE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from serving.access.keyfile import add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
for _ in range(25):
    add_key(Path(sys.argv[1]), make_key("k", (Scope.METRICS,), datetime.now(UTC))[0])
"""


def test_two_who_make_keys_at_once_lose_none(tmp_path):
    file = tmp_path / "keys.json"
    both = [subprocess.Popen([sys.executable, "-c", MAKE, str(file)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(read_keys(file)) == 50
    assert not list(tmp_path.glob(".keys*"))  # nothing half-written is left


def test_a_change_is_seen_within_a_second_and_not_before(tmp_path):
    file, ticks = tmp_path / "keys.json", Ticks()
    keys = KeyFile(file, ticks)
    assert not keys.keys
    key, _ = make_key("shop", (Scope.METRICS,), NOW)
    add_key(file, key)
    assert not keys.keys  # the file is not looked at for every request
    ticks.now = 1.0
    assert list(keys.keys) == [key.key_id]
    change_key(file, key.key_id, lambda key: (rotate_key(key, NOW, timedelta())[0], None))
    ticks.now = 2.0
    assert keys.keys[key.key_id].secrets != key.secrets


@pytest.mark.parametrize("content", [b"{", b'{"keys": []', b'{"keys": [{}]}', b"\xff", None])
def test_a_damaged_file_keeps_the_last_good_keys_and_says_so(tmp_path, content, caplog):
    file, ticks = tmp_path / "keys.json", Ticks()
    key, _ = make_key("shop", (Scope.METRICS,), NOW)
    add_key(file, key)
    keys = KeyFile(file, ticks)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    ticks.now = 1.0
    with caplog.at_level(logging.ERROR, LOGGER):
        assert list(keys.keys) == [key.key_id]
    assert [record.fields["state"] for record in caplog.records] == ["last good keys kept"]
    if content is not None:
        with pytest.raises(KeysDamaged, match="almanac keys create"):
            KeyFile(file)


def test_the_end_of_the_last_key_does_not_open_everything(project, run):
    text = run("create", "--name", "a", "--scope", "admin").stdout.strip()
    run("revoke", text.split("_")[1])
    access = open_access(load_project(project))
    assert access.is_asked
    access.close()


def test_a_flood_of_refusals_does_not_fill_the_disk(tmp_path):
    ticks = Ticks()
    audit = AuditLog(tmp_path / "audit.jsonl", ticks)
    for _ in range(10_000):
        audit.write(Entry(NOW, "refused", status=401))
    audit.write(Entry(NOW, "erasure", status=200))
    assert len(audit.read_last(20_000)) == BURST + 1
    ticks.now = 60.0
    audit.write(Entry(NOW, "refused", status=401))
    (last,) = audit.read_last(1)
    assert last.left_out == 10_000 - BURST


def test_what_a_crash_cut_off_is_passed_over(tmp_path):
    audit = AuditLog(tmp_path / "audit.jsonl")
    audit.write(Entry(NOW, "erasure"))
    with audit.path.open("ab") as file:
        file.write(b'{"time":"2026\n')
    audit.write(Entry(NOW, "export"))
    assert [entry.action for entry in audit.read_last(9)] == ["erasure", "export"]
