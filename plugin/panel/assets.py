"""Style sheets and scripts of the panel, read once and handed out compressed, so that a proxy needs to do nothing."""

import gzip
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flask import Response, request

FOLDER = Path(__file__).parent / "static"
STYLES = ("vendor/pico/pico.min.css", "panel.css")
SCRIPTS = ("launch.js", "vendor/htmx/htmx.min.js", "times.js", "drafts.js", "panel.js")
NAMES = STYLES + SCRIPTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file; its address carries `version`, so that browsers may keep it for good."""

    content: bytes
    compressed: bytes
    media_type: str
    version: str


def load(folder: Path = FOLDER, names: Sequence[str] = NAMES) -> dict[str, Asset]:
    """Files of a folder by name; all of the panel's if none are named."""
    return {name: _read(folder / name) for name in names}


def _read(path: Path) -> Asset:
    return made(path.name, path.read_bytes())


def made(name: str, content: bytes) -> Asset:
    """A file that lies somewhere else."""
    return Asset(
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
        media_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
        version=sha256(content).hexdigest()[:12],
    )


def compressed(response: Response) -> Response:
    """An answer in words, packed where the browser takes that.

    Nothing secret stands in a view, so its length gives nothing away (BREACH, CVE-2013-3587): tokens go in headers.
    """
    if request.accept_encodings.quality("gzip") > 0 and response.mimetype == "text/html" and response.data:
        response.set_data(gzip.compress(response.data, 5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


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
