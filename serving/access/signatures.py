"""Webhooks are signed: whoever knows the shared secret may send."""

from __future__ import annotations

import hmac
import os

from starlette.requests import Request

from serving.customers.settings import CustomersSettings
from serving.problems import Kind, Problem

WEBHOOK = "POST /v1/webhook"
"""The operation that asks for a signature, not a key."""
SIGNATURE = "X-Signature"


def check_signature(request: Request, settings: CustomersSettings, body: bytes) -> None:
    """Refuse a webhook that is not signed: HMAC of its body with the shared secret, in hex.

    Segment's webhooks sign with SHA-1; SHA-256 is taken, too.

    Raises
    ------
    Problem
        401; also where the service knows no secret.
    """
    secret = os.environ.get(settings.webhook_secret_variable, "").encode()
    given = request.headers.get(SIGNATURE, "").strip().lower().removeprefix("sha256=")
    expected = [hmac.digest(secret, body, name).hex() for name in ("sha1", "sha256")]
    matches = [hmac.compare_digest(given.encode(), one.encode()) for one in expected]
    if not secret or not any(matches):
        raise Problem(
            Kind.UNAUTHORIZED,
            "Sign the body: X-Signature is its HMAC in hex, with the secret that the service has "
            f"in {settings.webhook_secret_variable}.",
        )
