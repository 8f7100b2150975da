"""Settings: what is in force, where it comes from, how it is changed."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hauberk.console.guard import Here, needs
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.console.settings import overview

router = APIRouter()


@router.get("/settings", dependencies=needs(Permission.READ_SETTINGS))
def shown(request: Request, console: Here) -> Response:
    """The page."""
    return page(
        request,
        "settings.html.j2",
        all=overview(console.reading.path),
        lengths=console.sessions.lengths,
        providers=[one.settings for one in console.sign_on.providers.values()],
    )
