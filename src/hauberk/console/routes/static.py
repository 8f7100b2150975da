"""Files that pages are made of: the console's own, and htmx."""

from functools import cache
from importlib import resources

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hauberk import __version__
from hauberk.console.guard import needs
from hauberk.console.permissions import Permission
from hauberk.reports import page_style

router = APIRouter()

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILES = (
    "report.css",
    "console.css",
    "console.js",
    "htmx.min.js",
    "passkeys.js",
    "icon.svg",
    "signing.js",
)


@router.get("/static/{version}/{name}", dependencies=needs(Permission.PUBLIC))
def file(version: str, name: str) -> Response:
    """A file. Its address has our version in it, so that it may be kept."""
    if name not in _FILES or version != __version__:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_text(name), media_type=_TYPES[name.rpartition(".")[2]], headers=headers)


@cache
def _text(name: str) -> str:
    if name == "report.css":
        return page_style()
    return resources.files("hauberk.console").joinpath("static", name).read_text("utf-8")
