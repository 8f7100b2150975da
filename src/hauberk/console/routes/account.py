"""Signing in and out, setting up by a link, one's own account."""

from typing import Annotated

import segno
from fastapi import APIRouter, Path, Query, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from hauberk.console import totp
from hauberk.console.accounts import Refused
from hauberk.console.guard import (
    SESSION_COOKIE,
    Here,
    Sent,
    Who,
    form_token,
    is_local,
    needs,
)
from hauberk.console.pages import home_of, page
from hauberk.console.passwords import MIN_LENGTH
from hauberk.console.permissions import ROLES, Permission, Role
from hauberk.console.shield import set_cookie

router = APIRouter()

Token = Annotated[str, Path(max_length=64)]


@router.get("/sign-in", dependencies=needs(Permission.PUBLIC))
def ask(request: Request, back: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """The form."""
    return page(
        request, "sign_in.html.j2",
        token=form_token(request), back=back if is_local(back) else "/", fault="", name="",
    )  # fmt: skip


@router.post("/sign-in", dependencies=needs(Permission.PUBLIC))
def sign_in(request: Request, console: Here, sent: Sent) -> Response:
    """Sign in, and go where they wanted to."""
    address = request.client.host if request.client else ""
    back = sent.one("back") if is_local(sent.one("back")) else "/"
    try:
        account = console.accounts.sign_in(
            sent.one("name"), sent.one("password"), sent.one("code"), address, console.clock()
        )
    except Refused as refused:
        return page(
            request, "sign_in.html.j2", 401, token=form_token(request), back=back,
            fault=str(refused), name=sent.one("name")[:64],
        )  # fmt: skip
    token = console.sessions.begin(account, address, console.clock())
    set_cookie(request, SESSION_COOKIE, token)
    return RedirectResponse(back, 303)


@router.post("/sign-out", dependencies=needs(Permission.OWN_ACCOUNT))
def sign_out(request: Request, console: Here, who: Who) -> Response:
    """End the session."""
    console.sessions.end(who, console.clock())
    set_cookie(request, SESSION_COOKIE, "")
    return RedirectResponse("/sign-in", 303)


@router.get("/account", dependencies=needs(Permission.OWN_ACCOUNT))
def account(request: Request, who: Who) -> Response:
    """Who one is here, and what one may do."""
    return page(request, "account.html.j2", first=home_of(who))


@router.get("/setup/{token}", dependencies=needs(Permission.PUBLIC))
def opened(request: Request, console: Here, token: Token) -> Response:
    """What a one-time link leads to."""
    return _setup(request, console, token, "", "", 200)


@router.post("/setup/{token}", dependencies=needs(Permission.PUBLIC))
def set_up(request: Request, console: Here, sent: Sent, token: Token) -> Response:
    """Set password and app."""
    also = (Role.ANALYST,) if sent.one("analyst") else ()
    try:
        console.accounts.accept(
            token, sent.one("name"), sent.one("password"), sent.one("again"), sent.one("code"),
            also, console.clock(),
        )  # fmt: skip
    except Refused as refused:
        return _setup(request, console, token, sent.one("name")[:64], str(refused), 400)
    return RedirectResponse("/sign-in", 303)


def _setup(
    request: Request, console: Here, token: str, name: str, fault: str, status: int
) -> Response:
    try:
        invited = console.accounts.invitation(token, console.clock())
    except Refused as refused:
        return page(request, "message.html.j2", 410, title="No such link", text=str(refused))
    link = totp.link(invited.secret, invited.name, "Hauberk")
    drawn = segno.make(link, error="m").svg_inline(
        border=2, scale=4, dark="#000", light="#fff", omitsize=True
    )
    return page(
        request, "setup.html.j2", status,
        token=form_token(request), first=not invited.name, name=name or invited.name,
        secret=totp.shown(invited.secret), least=MIN_LENGTH, fault=fault,
        picture=Markup(drawn),  # noqa: S704  # lines that the library draws, no text of anybody's
        roles=invited.roles, known=list(ROLES),
    )  # fmt: skip
