"""People: who may sign in, and as what."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Refused, read_name, read_roles
from hauberk.console.console import Console
from hauberk.console.guard import Here, Sent, Who, needs
from hauberk.console.pages import page
from hauberk.console.permissions import ROLES, Permission

router = APIRouter()

Name = Annotated[str, Path(max_length=64)]
Uid = Annotated[str, Path(max_length=32, pattern=r"^[0-9a-z-]+$")]


@router.get("/people", dependencies=needs(Permission.READ_PEOPLE))
def shown(request: Request, console: Here) -> Response:
    """The page."""
    return _page(request, console)


@router.post("/people", dependencies=needs(Permission.CHANGE_PEOPLE))
def invite(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Invite somebody; the link is shown this once."""
    try:
        name, roles = read_name(sent.one("name")), read_roles(sent.many("role"))
        token = console.accounts.invite(name, roles, who.name, console.clock())
    except Refused as refused:
        return _page(request, console, notice=str(refused), status=409)
    return _page(request, console, link=_link(request, token), of=name)


@router.post("/people/{name}/renew", dependencies=needs(Permission.CHANGE_PEOPLE))
def renew(request: Request, console: Here, who: Who, name: Name) -> Response:
    """A link to set password and app anew, shown this once."""
    try:
        token = console.accounts.renew(name, who.name, console.clock())
    except Refused as refused:
        return _page(request, console, notice=str(refused), status=409)
    return _page(request, console, link=_link(request, token), of=name)


@router.post("/people/{name}/roles", dependencies=needs(Permission.CHANGE_PEOPLE))
def give_roles(request: Request, console: Here, sent: Sent, who: Who, name: Name) -> Response:
    """Give somebody these roles in place of theirs."""

    def done() -> None:
        roles = read_roles(sent.many("role"))
        console.accounts.give_roles(name, roles, who.name, console.clock())

    return _changed(request, console, done)


@router.post("/people/{name}/disabled", dependencies=needs(Permission.CHANGE_PEOPLE))
def disable(request: Request, console: Here, sent: Sent, who: Who, name: Name) -> Response:
    """Let somebody sign in no more, or again."""

    def done() -> None:
        disabled = sent.one("disabled") == "1"
        console.accounts.disable(name, who.name, console.clock(), disabled=disabled)

    return _changed(request, console, done)


@router.post("/people/tokens/{uid}/revoke", dependencies=needs(Permission.CHANGE_PEOPLE))
def revoke_token(request: Request, console: Here, who: Who, uid: Uid) -> Response:
    """End anybody's API token."""
    return _changed(request, console, lambda: console.tokens.revoke(uid, who.name, console.clock()))


def _changed(request: Request, console: Console, change: Callable[[], None]) -> Response:
    try:
        change()
    except Refused as refused:
        return _page(request, console, notice=str(refused), status=409)
    return RedirectResponse("/people", 303)


def _link(request: Request, token: str) -> str:
    return f"https://{request.headers['host']}/setup/{token}"


def _page(
    request: Request,
    console: Console,
    *,
    notice: str = "",
    link: str = "",
    of: str = "",
    status: int = 200,
) -> Response:
    return page(
        request,
        "people.html.j2",
        status,
        people=console.accounts.all(),
        tokens=console.tokens.all(console.clock()),
        identities=console.sign_on.identities(),
        table=[(role, sorted(allowed)) for role, allowed in ROLES.items()],
        notice=notice,
        link=link,
        of=of,
    )
