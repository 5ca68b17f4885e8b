"""Sessions of the pages: a key is sent once, and a signed cookie speaks for it from then on.

The cookie holds the key's id and when it ends, never the key. What signs it goes over the hash of
the secret too: a session ends with its key, and with its secret after a rotation.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from features.served.pseudonyms import derive_key
from serving.access.keys import Key, Secret, hash_key

COOKIE = "almanac_session"
LASTS = timedelta(hours=12)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PURPOSE = b"sessions of the pages"
Headers = Iterable[tuple[bytes, bytes]]


class Sessions:
    """Writes and reads the cookies of one workspace.

    Parameters
    ----------
    load_key : callable
        Returns the workspace's secret; it is asked for when the first session is.

    Examples
    --------
    >>> Sessions(lambda: b"k").read("alm.1.x", {}, datetime(2026, 1, 1)) is None
    True
    """

    def __init__(self, load_key: Callable[[], bytes]) -> None:
        self._load_key = load_key

    @cached_property
    def _key(self) -> bytes:
        return derive_key(self._load_key(), _PURPOSE)

    def write(self, key: Key, text: str, now: datetime) -> tuple[str, datetime]:
        """Return the cookie of who sent the key `text`, and when it ends."""
        ends = now + LASTS if key.expires_at is None else min(now + LASTS, key.expires_at)
        until = int(ends.timestamp())
        return f"{key.key_id}.{until}.{self._sign(key.key_id, until, hash_key(text))}", ends

    def read(self, cookie: str, keys: Mapping[str, Key], now: datetime) -> Key | None:
        """Return the key that a cookie speaks for; None where it is none, or has ended."""
        key_id, _, rest = cookie.partition(".")
        until, _, signature = rest.partition(".")
        key = keys.get(key_id)
        if key is None or not key.is_live(now) or not (until.isascii() and until.isdecimal()):
            return None
        if len(until) > 12 or now.timestamp() >= int(until):
            return None
        for secret in _list_live(key, now):
            made = self._sign(key_id, int(until), secret.sha256)
            if hmac.compare_digest(made.encode(), signature.encode("utf-8", "surrogatepass")):
                return key
        return None

    def _sign(self, key_id: str, until: int, sha256: str) -> str:
        return hmac.digest(self._key, f"{key_id}.{until}.{sha256}".encode(), "sha256").hex()


def read_cookie(headers: Headers, name: str = COOKIE) -> str | None:
    """Return the value of a cookie of a request; None where it is not there.

    Examples
    --------
    >>> read_cookie([(b"cookie", b"a=1; almanac_session=x.1.y")])
    'x.1.y'
    """
    for header, value in headers:
        if header == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(name)
            except CookieError:
                return None
            if found is not None:
                return found.value
    return None


def is_same_origin(headers: Headers) -> bool:
    """Say whether a browser sent this from one of our own pages.

    A browser states it in Sec-Fetch-Site; an older one names the page's origin. Who states neither
    is no browser, and has no need of a cookie.

    Examples
    --------
    >>> is_same_origin([(b"host", b"a:3000"), (b"origin", b"http://a:3000")])
    True
    >>> is_same_origin([(b"host", b"a"), (b"sec-fetch-site", b"cross-site")]), is_same_origin([])
    (False, False)
    """
    stated = {name: value.decode("latin-1") for name, value in headers}
    site = stated.get(b"sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin, host = stated.get(b"origin"), stated.get(b"host")
    return bool(host) and origin is not None and urlsplit(origin).netloc == host


def _list_live(key: Key, now: datetime) -> Iterator[Secret]:
    return (one for one in key.secrets if one.expires_at is None or now < one.expires_at)
