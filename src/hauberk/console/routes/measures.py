"""Measures: how soon incidents are told and decided, how rightly, and what it costs people."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hauberk.console.guard import Here, needs
from hauberk.console.measures import WIDTH, panels
from hauberk.console.pages import page
from hauberk.console.permissions import Permission

router = APIRouter()

PATIENCE_SECONDS = 2.0
"""How long the first look waits for what is being measured."""


@router.get("/measures", dependencies=needs(Permission.READ_HEALTH))
def shown(request: Request, console: Here) -> Response:
    """The page."""
    found = console.measuring.look(console.reading.index.commit)
    if found is None:
        found = console.measuring.wait(PATIENCE_SECONDS)
    return page(
        request,
        "measures.html.j2",
        found=found,
        panels=panels(found.spans) if found else [],
        width=WIDTH,
        fault=console.measuring.fault,
        commit=console.reading.index.commit,
    )
