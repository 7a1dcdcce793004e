"""Style sheets, scripts and the icon: read once, named after their content, so that browsers keep them for ever."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ferryman.web.routing import Route

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
_PREFIX = "/assets"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    path: str  # /assets/ferryman.0123456789ab.css
    content_type: str
    content: bytes


@functools.cache
def assets() -> dict[str, Asset]:
    """Every file, by its plain name."""
    return {file.name: _read(file) for file in sorted(_FOLDER.iterdir())}


def _read(file: Path) -> Asset:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(f"{_PREFIX}/{file.stem}.{digest}{file.suffix}", _TYPES[file.suffix], content)


async def _send(request: web.Request) -> web.Response:
    found = next((each for each in assets().values() if each.path == f"{_PREFIX}/{request.match_info['name']}"), None)
    if found is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(body=found.content, content_type=found.content_type, charset="utf-8", headers=headers)


ROUTES = (Route("GET", f"{_PREFIX}/{{name}}", _send, needs="nothing"),)
