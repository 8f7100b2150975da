"""One's own account: password, passkeys, sessions; setting up by a link."""

from collections.abc import Callable
from typing import Annotated

import segno
from fastapi import APIRouter, Path, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from hauberk.console import totp
from hauberk.console.accounts import Refused
from hauberk.console.console import Console
from hauberk.console.guard import Here, Sent, Who, address_of, form_token, needs
from hauberk.console.pages import home_of, page
from hauberk.console.passwords import MIN_LENGTH
from hauberk.console.permissions import ROLES, Permission, Role
from hauberk.console.sessions import Visitor

from .sign_in import place_of

router = APIRouter()

Token = Annotated[str, Path(max_length=64)]
Uid = Annotated[str, Path(max_length=32, pattern=r"^[0-9a-z-]+$")]


@router.get("/account", dependencies=needs(Permission.OWN_ACCOUNT))
def account(request: Request, console: Here, who: Who) -> Response:
    """Who one is here, what one may do, and what one signs in with."""
    return _page(request, console, who)


@router.post("/account/password", dependencies=needs(Permission.OWN_ACCOUNT))
def change_password(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Change one's own password; every other session ends."""

    def done() -> None:
        console.accounts.change_password(
            who.name, sent.one("password"), sent.one("code"), sent.one("new"), sent.one("again"),
            session=who.session, address=address_of(request), now=console.clock(),
        )  # fmt: skip

    return _done(request, console, who, done, "Your password is changed. Others are signed out.")


@router.post("/account/sessions/end", dependencies=needs(Permission.OWN_ACCOUNT))
def end_others(console: Here, who: Who) -> Response:
    """End every other session of oneself."""
    console.sessions.end_others(who, console.clock())
    return RedirectResponse("/account", 303)


@router.post("/account/passkeys/options", dependencies=needs(Permission.OWN_ACCOUNT))
def passkey_options(request: Request, console: Here, who: Who) -> Response:
    """What the browser has a device make (JSON)."""
    try:
        options = console.passkeys.ask_to_register(who, place_of(request), console.clock())
    except Refused as refused:
        return Response(str(refused), 409, media_type="text/plain")
    return Response(options, media_type="application/json")


@router.post("/account/passkeys", dependencies=needs(Permission.OWN_ACCOUNT))
def add_passkey(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Keep what a device made."""

    def done() -> None:
        console.passkeys.register(
            who, sent.one("title"), sent.one("credential"), place_of(request), console.clock()
        )

    return _done(request, console, who, done, "The passkey is added.")


@router.post("/account/passkeys/{uid}/remove", dependencies=needs(Permission.OWN_ACCOUNT))
def remove_passkey(request: Request, console: Here, who: Who, uid: Uid) -> Response:
    """Take a passkey away."""

    def done() -> None:
        console.passkeys.remove(who, uid, console.clock())

    return _done(request, console, who, done, "The passkey is removed.")


def _done(
    request: Request, console: Console, who: Visitor, act: Callable[[], None], said: str
) -> Response:
    try:
        act()
    except Refused as refused:
        return _page(request, console, who, notice=str(refused), status=409)
    return _page(request, console, who, done=said)


def _page(
    request: Request, console: Console, who: Visitor, *, notice: str = "", done: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    titles = {name: one.settings.title for name, one in console.sign_on.providers.items()}
    return page(
        request,
        "account.html.j2",
        status,
        first=home_of(who),
        passkeys=console.passkeys.of(who.name),
        sessions=console.sessions.of(who, console.clock()),
        identities=[
            titles.get(one.provider, one.provider)
            for one in console.sign_on.identities()
            if one.account == who.name
        ],
        tokens=console.tokens.all(console.clock(), who.name),
        least=MIN_LENGTH,
        notice=notice,
        done=done,
    )


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
    providers = console.sign_on.providers.values() if invited.name else ()
    return page(
        request, "setup.html.j2", status,
        token=form_token(request), first=not invited.name, name=name or invited.name,
        secret=totp.shown(invited.secret), least=MIN_LENGTH, fault=fault,
        picture=Markup(drawn),  # noqa: S704  # lines that the library draws, no text of anybody's
        roles=invited.roles, known=list(ROLES), invitation=token,
        providers=[(one.settings.name, one.settings.title) for one in providers],
    )  # fmt: skip
