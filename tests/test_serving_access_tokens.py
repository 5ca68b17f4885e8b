"""Tokens of an identity provider, with keys made here and a JWKS server on this machine."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from features.project import load_project
from serving.access import tokens
from serving.access.callers import open_access
from serving.access.keyfile import KeyFile, add_key
from serving.access.keys import make_key
from serving.access.scopes import Scope
from serving.access.settings import OidcSettings
from serving.access.tokens import ProviderKeys, Tokens, parse_keys
from serving.api import build_api
from serving.predictor import Predictor
from serving.settings import ServingSettings

ISSUER, AUDIENCE = "https://id.example.org/", "almanac"


def make_claims(**changes):
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann@example.com", "exp": now + 60, "nbf": now - 60,
        "scope": "openid campaigns metrics",
    }  # fmt: skip
    return {key: value for key, value in {**claims, **changes}.items() if value is not None}


class Provider:
    """Publishes keys, unless it is told to fail."""

    def __init__(self):
        self.private = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }
        self.algorithms = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
        self.asked, self.answer = 0, None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked += 1
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", provider.url)
                    self.end_headers()
                    return
                content = provider.jwks() if provider.answer is None else provider.answer
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def jwks(self):
        entries = []
        for kid, key in self.private.items():
            algorithm = jwt.get_algorithm_by_name(self.algorithms[kid])
            public = algorithm.to_jwk(key.public_key(), as_dict=True)
            entries.append({**public, "kid": kid, "use": "sig"})
        secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
        entries.append({"kty": "EC", "kid": "odd", "crv": "P-0", "x": "?", "y": "?"})
        entries.append({"kty": "oct", "kid": "oct", "k": secret, "alg": "HS256"})
        return json.dumps({"keys": entries}).encode()

    def sign(self, kid="rsa", **changes):
        return jwt.encode(
            make_claims(**changes), self.private[kid], self.algorithms[kid], headers={"kid": kid}
        )


@pytest.fixture(scope="module")
def provider():
    provider = Provider()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()
    provider.thread.join()


class Ticks:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def known(provider, ticks):
    provider.asked, provider.answer = 0, None
    settings = OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=provider.url)
    return Tokens(settings, ProviderKeys(settings, seconds=ticks))


def identify(known, token):
    return asyncio.run(known.identify(token))


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_a_good_token_is_somebody_with_scopes_under_a_pseudonym(known, provider, kid):
    holder, scopes = identify(known, provider.sign(kid))
    assert scopes == {Scope.CAMPAIGNS, Scope.METRICS}
    assert (
        holder == "oidc:" + hashlib.sha256(f"{ISSUER}\0ann@example.com".encode()).hexdigest()[:16]
    )


def test_scopes_may_come_as_a_list(known, provider):
    assert identify(known, provider.sign(scope=["admin", 7, "x"]))[1] == {Scope.ADMIN}
    assert identify(known, provider.sign(scope=None))[1] == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://id.example.org"},
        {"iss": None},
        {"sub": None},
    ],
)
def test_a_token_for_others_or_of_another_time_is_refused(known, provider, changes):
    assert identify(known, provider.sign(**changes)) is None


def test_clocks_may_differ_a_little(known, provider):
    assert identify(known, provider.sign(exp=int(time.time()) - 10)) is not None
    assert identify(known, provider.sign(exp=int(time.time()) - 40)) is None


def encode(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def forge(header, secret=None):
    signed = encode(header) + b"." + encode(make_claims(scope="admin"))
    signature = b"" if secret is None else hmac.digest(secret, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_forged_tokens_are_refused(known, provider):
    assert identify(known, provider.sign()) is not None  # the keys are loaded
    public = provider.private["rsa"].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    tokens = [
        forge({"alg": "none", "kid": "rsa"}),
        forge({"alg": "None", "kid": "rsa"}),
        forge({"alg": "HS256", "kid": "rsa"}, public),  # the public key as shared secret
        forge({"alg": "HS256", "kid": "oct"}, b"s" * 32),  # a secret that should not be published
        forge({"alg": "RS256", "kid": "oct"}, b"s" * 32),
        jwt.encode(make_claims(), stranger, "RS256", headers={"kid": "rsa"}),
        jwt.encode(make_claims(), provider.private["ec"], "ES256", headers={"kid": "rsa"}),
        jwt.encode(make_claims(), stranger, "PS256", headers={"kid": "rsa"}),
        provider.sign()[:-4] + "AAAA",
        provider.sign().rpartition(".")[0] + ".",
        "x" * 20_000,
        "a.b.c",
        "",
    ]
    assert [identify(known, token) for token in tokens] == [None] * len(tokens)


def test_the_provider_is_asked_seldom_and_its_last_good_keys_are_kept(known, provider, ticks):
    for _ in range(5):
        assert identify(known, provider.sign()) is not None
    assert provider.asked == 1
    for number in range(5):  # tokens with ids of keys that do not exist make us ask no more often
        token = jwt.encode(
            make_claims(), provider.private["rsa"], "RS256", headers={"kid": str(number)}
        )
        assert identify(known, token) is None
    assert provider.asked == 1
    for answer in (
        b"{",
        b'{"keys": []}',
        b"[]",
        b'{"keys": [1]}',
        b"x" * (tokens.MAX_KEYS_BYTES + 1),
    ):
        provider.answer = answer
        ticks.now += 1000.0
        assert identify(known, provider.sign()) is not None
    assert provider.asked == 6
    provider.answer = None


def test_a_provider_that_cannot_be_reached_lets_nobody_in_and_raises_nothing(provider, ticks):
    settings = OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url="http://127.0.0.1:9/jwks")
    assert (
        identify(Tokens(settings, ProviderKeys(settings, seconds=ticks)), provider.sign()) is None
    )


def test_a_provider_that_sends_us_elsewhere_is_not_followed(provider, ticks):
    provider.answer = None
    moved = provider.url.replace("/jwks", "/moved")
    settings = OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=moved)
    assert (
        identify(Tokens(settings, ProviderKeys(settings, seconds=ticks)), provider.sign()) is None
    )


def test_keys_may_lie_in_a_file(provider, tmp_path):
    (tmp_path / "jwks.json").write_bytes(provider.jwks())
    settings = OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks_file="jwks.json")
    known = Tokens(settings, ProviderKeys(settings, tmp_path / "jwks.json"))
    assert identify(known, provider.sign("ed")) is not None


def test_only_configured_algorithms_and_no_secret_are_taken(provider):
    assert set(parse_keys(provider.jwks(), ("RS256",))) == {"rsa"}
    assert set(parse_keys(provider.jwks(), ("RS256", "ES256", "EdDSA"))) == {"rsa", "ec", "ed"}


def test_over_http_a_token_is_as_good_as_a_key_and_both_may_be_used(
    provider, tmp_path, open_client
):
    provider.answer = None
    path = tmp_path / "almanac.toml"
    path.write_text(
        "[access]\nrequests_per_minute = 3\n"
        f'[access.oidc]\nissuer = "{ISSUER}"\naudience = "almanac"\njwks_url = "{provider.url}"\n'
    )
    access = open_access(load_project(path))
    api = build_api(
        Predictor.load(tmp_path), ServingSettings(), lambda: datetime.now(UTC), access=access
    )
    call = open_client(api)

    def ask(text=None, url="/metrics"):
        headers = {} if text is None else {"authorization": f"Bearer {text}"}
        return call("GET", url, headers=headers)

    assert ask().status_code == 401  # there are no keys, but nothing is open
    token = provider.sign()
    allowed = ask(token)
    assert (allowed.status_code, allowed.headers["ratelimit"]) == (200, '"key";r=2;t=20')
    assert ask(token, "/v1/forecasts").status_code == 403
    assert ask(provider.sign(exp=1)).status_code == 401
    assert ask(forge({"alg": "none", "kid": "rsa"})).status_code == 401
    # another token of the same holder shares their limit
    other = provider.sign("ec")
    assert [ask(other).status_code for _ in range(2)] == [200, 429]

    key, text = make_key("prometheus", (Scope.METRICS,), datetime.now(UTC))
    add_key(access.keys.path, key)
    access.keys = KeyFile(access.keys.path)
    assert ask(text).status_code == 200
    told = access.audit.path.read_text()
    assert "ann@example.com" not in told
    assert token not in told
    access.close()
