"""Pages from templates: escaped by default, undefined names refused."""

from collections.abc import Collection
from importlib import resources
from urllib.parse import urlencode

import jinja2
from fastapi import Request
from starlette.responses import HTMLResponse

from hauberk import __version__
from hauberk.events import technique_name
from hauberk.reports import (
    bits,
    block,
    count,
    entity_phrases,
    moment,
    percent,
    plain,
    span,
    tactic_titles,
)

from .guard import console_of
from .permissions import Permission
from .sessions import Visitor

THEMES = ("auto", "dark", "light")
NAVIGATION = (
    ("/", "Queue", Permission.READ_INCIDENTS),
    ("/detections", "Detections", Permission.READ_DETECTIONS),
    ("/hunt", "Hunt", Permission.HUNT),
    ("/models", "Models", Permission.READ_MODELS),
    ("/measures", "Measures", Permission.READ_HEALTH),
    ("/health", "Sources and health", Permission.READ_HEALTH),
    ("/audit", "Audit", Permission.READ_AUDIT),
    ("/people", "People", Permission.READ_PEOPLE),
    ("/settings", "Settings", Permission.READ_SETTINGS),
)


def _environment() -> jinja2.Environment:
    folder = resources.files(__package__).joinpath("templates")
    made = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
    )
    made.filters.update(
        bits=bits, percent=percent, plain=plain, moment=moment, technique=technique_name,
        phrases=entity_phrases, tactics=tactic_titles, urlencode_pairs=urlencode, block=block,
    )  # fmt: skip
    made.globals.update(count=count, span=span, version=__version__, may=Permission)
    return made


_PAGES = _environment()


def page(request: Request, template: str, status: int = 200, **context: object) -> HTMLResponse:
    """A page for whoever asks."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    console = console_of(request)
    theme = request.cookies.get("hauberk-theme", "auto")
    can = visitor.permissions if visitor else frozenset()
    text = _PAGES.get_template(template).render(
        visitor=visitor,
        csrf=visitor.csrf if visitor else "",
        can=can,
        theme=theme if theme in THEMES else "auto",
        navigation=[(path, name) for path, name, needed in NAVIGATION if needed in can],
        landing=first_page(can) if visitor else "/",
        here=request.url.path,
        live=console.version,
        **context,
    )
    return HTMLResponse(text, status)


def first_page(can: Collection[Permission]) -> str:
    """The first page that somebody with these permissions may see."""
    return next((path for path, _, needed in NAVIGATION if needed in can), "/account")


def home_of(visitor: Visitor) -> str:
    """The first page that somebody may see."""
    return first_page(visitor.account.permissions)
