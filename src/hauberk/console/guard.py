"""Who may call which route: every route has one `Needs`, and the application refuses others."""

import hmac
import secrets
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import parse_qsl, quote

from fastapi import Depends, FastAPI, Request, params
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from .console import Console
from .permissions import Permission
from .sessions import Visitor
from .shield import SAFE, set_cookie
from .tokens import TooManyFailures

SESSION_COOKIE = "__Host-hauberk"
FORM_COOKIE = "__Host-hauberk-form"
SIGN_ON_COOKIE = "__Host-hauberk-sign-on"
"""Which browser began a single sign-on: the answer comes from another site, so Lax."""

API = "/api/"
"""Where addresses of the API begin: there, and nowhere else, API tokens are looked at."""

LIVE_HEADER = "x-hauberk-live"
"""Marks requests that a page makes by itself."""

_MAX_FIELDS = 256
_MAX_FIELD = 8000


class SignInNeeded(Exception):  # noqa: N818  # no error: the way to the sign-in page
    """Nobody is signed in; `back` is where they wanted to go."""

    def __init__(self, back: str) -> None:
        self.back = back
        super().__init__(back)


class Forbidden(Exception):  # noqa: N818  # answered by a page
    """Somebody asked for what they may not; the text says what is lacking."""


class Form:
    """Fields of a form that was sent, as text: bounded, without control characters."""

    def __init__(self, body: bytes) -> None:
        self._fields: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
            )
        except ValueError:  # more fields than any form of ours has
            pairs = []
        for name, value in pairs:
            kept = value[:_MAX_FIELD].encode("utf-8", "replace").decode()
            clean = "".join(one for one in kept if one in "\n\t" or one.isprintable())
            self._fields.setdefault(name, []).append(clean)

    def __contains__(self, name: str) -> bool:
        """Whether a field was sent."""
        return name in self._fields

    def one(self, name: str) -> str:
        """A field's value; empty where it is not there."""
        return self._fields.get(name, [""])[0]

    def many(self, name: str) -> list[str]:
        """All values of a field."""
        return self._fields.get(name, [])

    def number(self, name: str) -> int:
        """A field as a whole number; -1 where it is none."""
        text = self.one(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1


def console_of(request: Request) -> Console:
    """The console that a request is for."""
    console = request.app.state.console
    assert isinstance(console, Console)
    return console


async def form_of(request: Request) -> Form:
    """The form that a request carries."""
    return Form(await request.body())


def visitor_of(request: Request) -> Visitor:
    """Who asks; only on routes that need somebody to be signed in."""
    visitor = request.state.visitor
    assert isinstance(visitor, Visitor)
    return visitor


Here = Annotated[Console, Depends(console_of)]
Sent = Annotated[Form, Depends(form_of)]
Who = Annotated[Visitor, Depends(visitor_of)]


class Needs:
    """Lets a request pass whose visitor has the permission, and that no other site forged."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        """Raises SignInNeeded or Forbidden."""
        console = console_of(request)
        token = request.cookies.get(SESSION_COOKIE, "")
        bearer = request.headers.get("authorization") if is_api(request) else None
        visitor: Visitor | None
        if bearer is not None:
            if token:
                raise HTTPException(400, "Send a token or a session, not both.")
            visitor = await run_in_threadpool(_token_holder, request, bearer)
        else:
            by_hand = LIVE_HEADER not in request.headers
            visitor = await run_in_threadpool(
                console.sessions.visitor, token, console.clock(), by_hand=by_hand
            )
        request.state.visitor = visitor
        if visitor is not None and visitor.token is not None:
            set_cookie(request, SESSION_COOKIE, visitor.token)
        if self.permission is not Permission.PUBLIC:
            if visitor is None:
                raise SignInNeeded(_back(request))
            if self.permission not in visitor.permissions:
                raise Forbidden(f"This needs the permission to {self.permission}.")
        # A token is no cookie: no other site can make a browser send it.
        if request.method not in SAFE and bearer is None:
            await self._check_forgery(request, visitor)

    async def _check_forgery(self, request: Request, visitor: Visitor | None) -> None:
        given = request.headers.get("x-csrf-token") or (await form_of(request)).one("csrf")
        if self.permission is Permission.PUBLIC:
            held = request.cookies.get(FORM_COOKIE, "")
            right = bool(held) and hmac.compare_digest(held.encode(), given.encode())
        else:
            right = visitor is not None and visitor.holds(given)
        if not right:
            raise Forbidden("This form is not from this session. Go back, reload, and try again.")


def is_api(request: Request) -> bool:
    """Whether this is asked of the API."""
    return request.url.path.startswith(API)


def address_of(request: Request) -> str:
    """The network address that a request came from."""
    return request.client.host if request.client else ""


def _token_holder(request: Request, header: str) -> Visitor:
    """Who sent an API token. Raises HTTPException."""
    console = console_of(request)
    scheme, _, token = header.partition(" ")
    ask = {"WWW-Authenticate": "Bearer"}
    if scheme.casefold() != "bearer":
        raise HTTPException(401, "Send an API token: Authorization: Bearer hbk_...", ask)
    try:
        found = console.tokens.holder(token.strip(), address_of(request), console.clock())
    except TooManyFailures as error:
        raise HTTPException(429, str(error), {"Retry-After": str(error.seconds)}) from error
    if found is None:
        raise HTTPException(401, "This token is none, or has ended.", ask)
    return found


def needs(permission: Permission) -> list[params.Depends]:
    """The dependencies of a route that needs this permission."""
    return [Depends(Needs(permission))]


def new_secret() -> str:
    """What only one browser has."""
    return secrets.token_urlsafe(32)


def form_token(request: Request) -> str:
    """The token of forms that nobody is signed in for: the same in a cookie and in the form."""
    held = request.cookies.get(FORM_COOKIE, "")
    if len(held) != 43 or not held.replace("-", "").replace("_", "").isalnum():
        held = new_secret()
    set_cookie(request, FORM_COOKIE, held, strict=True)
    return held


def permission_of(route: BaseRoute) -> Permission:
    """The permission that a route names. Raises TypeError where it names none, or several."""
    found = list(_needs_of(route))
    if len(found) != 1:
        raise TypeError(f"{getattr(route, 'path', route)} names {len(found)} permissions, not one")
    return found[0].permission


def _needs_of(route: BaseRoute) -> Iterator[Needs]:
    if isinstance(route, APIRoute):
        for one in route.dependencies:
            if isinstance(one.dependency, Needs):
                yield one.dependency


def check_routes(app: FastAPI) -> None:
    """Refuse an application that has a route without a permission. Raises TypeError."""
    for route in app.routes:
        permission_of(route)


def _back(request: Request) -> str:
    if request.method not in SAFE:
        return "/"
    query = f"?{request.url.query}" if request.url.query else ""
    return quote(f"{request.url.path}{query}", safe="/?=&%")


def is_local(path: str) -> bool:
    """Whether a path leads nowhere but to this console."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return plain and path.startswith("/") and not path.startswith("//")
