import json
from datetime import UTC, datetime

import pytest

from features.errors import ArtifactError
from serving.profiles import Profile, Profiles, read_consent

ABOUT = json.dumps({"as_of": "2026-11-01T00:00:00Z", "time_zone": "America/Chicago"}).encode()


@pytest.fixture(scope="module")
def profiles(profile_files):
    return Profiles(profile_files["profiles.parquet"], profile_files["profiles.json"])


def test_known_and_unknown_customers(profiles):
    rows = profiles.find_rows(["c1", "nobody", "c0"])
    assert rows.tolist() == [1, -1, 0]
    assert profiles.profile(0) == Profile("America/New_York", "stated", None)
    assert profiles.profile(1) == Profile("Europe/Berlin", "stated", None)
    assert profiles.profile(-1) == Profile("America/Chicago", "project", None)
    assert profiles.as_of == datetime(2026, 11, 1, tzinfo=UTC)
    assert len(profiles) == 240


def test_a_customer_without_a_zone_gets_the_projects(profiles):
    assert profiles.profile(3) == Profile("America/Chicago", "project", None)


def test_segments_in_words(profiles):
    rows = profiles.find_rows(["c7", "nobody"])
    assert profiles.find_segments(rows) == ["region r2", "no region"]


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        (None, None),
        ("  ", None),
        ("email", {"email"}),
        ("Email|SMS, push", {"email", "sms", "push"}),
        ("no", set()),
        ("false", set()),
        ("fax", set()),
        ("whatever this is", set()),
        ("yes email", {"email"}),
    ],
)
def test_consent_is_read_with_caution(text, channels):
    found = read_consent(text)
    assert found == channels if channels is not None else found is None


def test_consent_to_all():
    assert read_consent("yes") >= {"email", "sms", "store", "mail"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(customer_id="same"), "twice"),
        (lambda table: table.assign(time_zone="Mars/Olympus"), "IANA"),
        (lambda table: table.drop(columns="customer_id"), "customer_id"),
    ],
)
def test_profiles_that_are_not_sound_are_refused(customer_table, change, message, tmp_path):
    changed = change(customer_table)
    changed.to_parquet(tmp_path / "profiles.parquet")
    with pytest.raises(ArtifactError, match=message):
        Profiles((tmp_path / "profiles.parquet").read_bytes(), ABOUT)


@pytest.mark.parametrize(
    "about", [b"", b"{}", b'{"as_of": 3, "time_zone": "UTC"}', b'{"as_of": "2026-11-01"}']
)
def test_a_broken_description_is_refused(profile_files, about):
    with pytest.raises(ArtifactError, match=r"profiles\.json"):
        Profiles(profile_files["profiles.parquet"], about)
