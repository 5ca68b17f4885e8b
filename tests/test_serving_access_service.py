"""The service as it really runs, over TLS and with keys."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import subprocess
import sys
import time

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from features.errors import ProjectError
from features.project import load_project
from serving.access.callers import open_audit
from serving.access.keyfile import add_key, change_key
from serving.access.keys import make_key, rotate_key
from serving.access.scopes import Scope
from serving.access.settings import find_keys_file
from serving.launch import address, end, start, wait_until_alive
from serving.settings import read_settings
from tests.test_serving_launch import free_port

PLACE = "/v1/forecasts/levels"


def now():
    return dt.datetime.now(dt.UTC)


def write_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "almanac.example.org")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - dt.timedelta(days=1))
        .not_valid_after(now() + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write_project(folder, published, lines=""):
    path = folder / "almanac.toml"
    path.write_text(
        f'[project]\nworkspace = "{published.parent}"\n[access]\nkeys_file = "keys.json"\n'
        f"[serving]\nport = {free_port()}\nworkers = 2\n{lines}"
    )
    return load_project(path)


@pytest.fixture(scope="module")
def project(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    write_certificate(folder)
    lines = '[serving.tls]\ncertificate = "tls.crt"\nkey = "tls.key"\n'
    return write_project(folder, published, lines)


@pytest.fixture(scope="module")
def key(project):
    key, text = make_key("test", (Scope.MERCHANDISING,), now(), requests_per_minute=100_000)
    add_key(find_keys_file(project), key)
    return key.key_id, text


@pytest.fixture(scope="module")
def url(project, key):
    settings = read_settings(project)
    service = start(project)
    try:
        wait_until_alive(service, settings)
        yield address(settings)
    finally:
        end(service, settings.drain_seconds)


@pytest.fixture
def ask(url, project):
    context = ssl.create_default_context(cafile=str(project.path.parent / "tls.crt"))

    def ask(text):
        """Ask with new connections, so that both workers are met."""
        headers = {"authorization": f"Bearer {text}"}
        return {
            httpx.get(f"{url}{PLACE}", headers=headers, verify=context).status_code
            for _ in range(6)
        }

    return ask


def test_the_port_speaks_tls_alone_and_says_so(url, project):
    assert url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=str(project.path.parent / "tls.crt"))
    answer = httpx.get(f"{url}/livez", verify=context)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with pytest.raises(httpx.HTTPError):
        httpx.get(url.replace("https", "http"))
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)  # a certificate that nobody vouches for


def test_every_worker_sees_new_rotated_and_revoked_keys_within_a_second(ask, project, key):
    key_id, text = key
    file = find_keys_file(project)
    assert ask(text) == {200}
    assert ask("alm_" + "0" * 12 + "_x") == {401}
    other, another = make_key("other", (Scope.CAMPAIGNS,), now())
    add_key(file, other)
    overlap = dt.timedelta(hours=1)
    new = change_key(file, key_id, lambda key: rotate_key(key, now(), overlap))
    time.sleep(1.0)
    assert [ask(one) for one in (another, text, new)] == [{403}, {200}, {200}]
    change_key(file, key_id, lambda key: rotate_key(key, now(), dt.timedelta()))
    time.sleep(1.0)
    assert [ask(one) for one in (text, new)] == [{401}, {401}]
    refused = {(entry.key_id, entry.status) for entry in open_audit(project).read_last(24)}
    assert {(other.key_id, 403), (None, 401)} <= refused


def run_service(project):
    environment = {**os.environ, "ALMANAC_PROJECT": str(project.path)}
    return subprocess.run(
        [sys.executable, "-c", "import serving.service"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_bentoml_alone_does_not_open_an_unguarded_service_to_others(tmp_path, published):
    ended = run_service(write_project(tmp_path, published, 'host = "0.0.0.0"\n'))
    assert ended.returncode != 0
    assert "almanac keys create" in ended.stderr.splitlines()[-1]


def test_with_a_damaged_file_of_keys_nothing_starts(tmp_path, published):
    project = write_project(tmp_path, published)
    find_keys_file(project).write_text("{")
    ended = run_service(project)
    assert ended.returncode != 0
    assert "the keys cannot be read" in ended.stderr.splitlines()[-1]


def test_a_certificate_that_is_not_there_is_said_so(tmp_path, published):
    lines = '[serving.tls]\ncertificate = "x.crt"\nkey = "x.key"\n'
    with pytest.raises(ProjectError, match="certificate: there is no file"):
        read_settings(write_project(tmp_path, published, lines))
