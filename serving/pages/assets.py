"""Files of the pages, `/assets/<hash>/<path>`: kept in memory, and by browsers for a year.

The hash is of all files together, so that a module's relative imports stay among files of one
version, and a new version has new addresses.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from serving.problems import Kind, Problem

FOLDER = Path(__file__).parent / "assets"
PATH = "/assets/{version}/{path:path}"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}
"""By suffix; a licence has none."""
FOREVER, ASK = "public, max-age=31536000, immutable", "no-cache"


@dataclass(frozen=True)
class Asset:
    """One file."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str


@dataclass(frozen=True)
class Assets:
    """Every file below `FOLDER`, and the hash of all."""

    files: Mapping[str, Asset]
    version: str

    def address(self, path: str) -> str:
        """Return where a file is.

        Raises
        ------
        KeyError
            If there is no such file: a template is wrong.
        """
        self.files[path]
        return f"/assets/{self.version}/{path}"


@cache
def load_assets(folder: Path = FOLDER) -> Assets:
    """Read every file that pages may ask for."""
    found, digest = {}, hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
            tag = hashlib.sha256(content).hexdigest()[:20]
            compressed = gzip.compress(content, 6, mtime=0)
            found[name] = Asset(content, compressed, TYPES[path.suffix], tag)
    return Assets(found, digest.hexdigest()[:16])


async def show(request: Request) -> Response:
    """Answer one file."""
    assets = load_assets()
    asset = assets.files.get(request.path_params["path"])
    if asset is None:
        raise Problem(Kind.NOT_FOUND, "There is no such file of the pages.")
    is_gzip = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{asset.tag}-gz"' if is_gzip else f'"{asset.tag}"'
    is_current = request.path_params["version"] == assets.version
    headers = {
        "ETag": tag,
        "Cache-Control": FOREVER if is_current else ASK,
        "Vary": "Accept-Encoding",
    }
    if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    if is_gzip:
        headers["Content-Encoding"] = "gzip"
    body = asset.compressed if is_gzip else asset.content
    return Response(body, headers={"Content-Type": asset.media_type, **headers})
