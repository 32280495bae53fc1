"""Style sheets and scripts of the panel, read once and handed out compressed, so that a proxy needs to do nothing."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flask import Response, request

FOLDER = Path(__file__).parent / "static"
NAMES = ("vendor/pico/pico.min.css", "vendor/htmx/htmx.min.js", "panel.css", "panel.js")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file; its address carries `version`, so that browsers may keep it for good."""

    content: bytes
    compressed: bytes
    media_type: str
    version: str


def load() -> dict[str, Asset]:
    """All of them by name."""
    return {name: _read(FOLDER / name) for name in NAMES}


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
        media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        version=sha256(content).hexdigest()[:12],
    )


def answer(assets: Mapping[str, Asset], name: str) -> Response:
    """The file of this name, compressed where the browser takes that; `KeyError` if there is none."""
    asset = assets[name]
    takes_gzip = request.accept_encodings.quality("gzip") > 0
    response = Response(asset.compressed if takes_gzip else asset.content, content_type=asset.media_type)
    if takes_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
