"""API tokens of one's own: what they are for, how long they last, when they were used."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Refused
from hauberk.console.console import Console
from hauberk.console.guard import Here, Sent, Who, needs
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.console.sessions import Visitor
from hauberk.console.tokens import DAYS, READ_ONLY, SCOPES

router = APIRouter()

Uid = Annotated[str, Path(max_length=32, pattern=r"^[0-9a-z-]+$")]


@router.get("/account/tokens", dependencies=needs(Permission.OWN_ACCOUNT))
def shown(request: Request, console: Here, who: Who) -> Response:
    """The page."""
    return _page(request, console, who)


@router.post("/account/tokens", dependencies=needs(Permission.OWN_ACCOUNT))
def make(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Make a token; it is shown this once."""
    try:
        token = console.tokens.make(
            who, sent.one("title"), sent.many("scope"), sent.number("days"), console.clock()
        )
    except Refused as refused:
        return _page(request, console, who, notice=str(refused), status=409)
    return _page(request, console, who, token=token)


@router.post("/account/tokens/{uid}/revoke", dependencies=needs(Permission.OWN_ACCOUNT))
def revoke(request: Request, console: Here, who: Who, uid: Uid) -> Response:
    """End one of one's own."""
    try:
        console.tokens.revoke(uid, who.name, console.clock(), of=who.name)
    except Refused as refused:
        return _page(request, console, who, notice=str(refused), status=409)
    return RedirectResponse("/account/tokens", 303)


def _page(
    request: Request, console: Console, who: Visitor, *, notice: str = "", token: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    return page(
        request,
        "tokens.html.j2",
        status,
        tokens=console.tokens.all(console.clock(), who.name),
        scopes=[(one, one in READ_ONLY) for one in SCOPES if one in who.permissions],
        days=DAYS,
        notice=notice,
        token=token,
    )
