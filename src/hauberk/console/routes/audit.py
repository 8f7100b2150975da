"""The audit trail: what people did, the ledger's checkpoint, and whether all of it holds."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from hauberk.console import acts
from hauberk.console.guard import Here, Who, needs
from hauberk.console.pages import page
from hauberk.console.permissions import Permission

router = APIRouter()

MAX_ACTS = 200


@router.get("/audit", dependencies=needs(Permission.READ_AUDIT))
def shown(request: Request, console: Here) -> Response:
    """The page."""
    with console.reading.open() as home:
        size, checkpoint = home.ledger.size, home.ledger.checkpoint()
    with console.database.read() as connection:
        latest = acts.latest(connection, MAX_ACTS)
        broken = acts.broken_link(connection)
    return page(
        request,
        "audit.html.j2",
        size=size,
        checkpoint=checkpoint or "",
        latest=latest,
        broken=broken,
        standing=console.handover.standing(),
        running=console.verifying.running,
        verified=console.verifying.last,
        most=MAX_ACTS,
    )


@router.post("/audit/verify", dependencies=needs(Permission.READ_AUDIT))
def begin(console: Here, who: Who) -> Response:
    """Begin a verification of the whole home, as `hauberk verify` does it."""
    if console.verifying.begin(who.name):
        with console.database.write() as connection:
            acts.enter(connection, console.clock(), "verification", who.name)
    return RedirectResponse("/audit", 303)
