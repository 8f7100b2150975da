"""Signing in: by password and code, by passkey, by single sign-on; signing out."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Account, Refused
from hauberk.console.console import Console
from hauberk.console.guard import (
    FORM_COOKIE,
    SESSION_COOKIE,
    SIGN_ON_COOKIE,
    Forbidden,
    Here,
    Sent,
    Who,
    address_of,
    form_token,
    is_local,
    needs,
    new_secret,
)
from hauberk.console.pages import first_page, page
from hauberk.console.passkeys import Place
from hauberk.console.permissions import Permission
from hauberk.console.shield import set_cookie

router = APIRouter()

ProviderName = Annotated[str, Path(max_length=40, pattern=r"^[0-9A-Za-z_-]+$")]
_MAX_ANSWER = 4000
"""Characters of a part of a provider's answer."""


def place_of(request: Request) -> Place:
    """Where the browser is."""
    return Place(request.headers["host"], address_of(request))


@router.get("/sign-in", dependencies=needs(Permission.PUBLIC))
def ask(
    request: Request, console: Here, back: Annotated[str, Query(max_length=500)] = "/"
) -> Response:
    """The form."""
    return _form(request, console, back)


@router.post("/sign-in", dependencies=needs(Permission.PUBLIC))
def sign_in(request: Request, console: Here, sent: Sent) -> Response:
    """Sign in by password and code, and go where they wanted to."""
    try:
        account = console.accounts.sign_in(
            sent.one("name"), sent.one("password"), sent.one("code"), address_of(request),
            console.clock(),
        )  # fmt: skip
    except Refused as refused:
        return _form(request, console, sent.one("back"), str(refused), sent.one("name")[:64])
    return _begun(request, console, account, "password", sent.one("back"))


@router.post("/sign-in/passkey/options", dependencies=needs(Permission.PUBLIC))
def passkey_options(request: Request, console: Here) -> Response:
    """What the browser asks its devices for (JSON)."""
    try:
        options = console.passkeys.ask_to_sign_in(
            request.cookies.get(FORM_COOKIE, ""), place_of(request), console.clock()
        )
    except Refused as refused:
        return Response(str(refused), 409, media_type="text/plain")
    return Response(options, media_type="application/json")


@router.post("/sign-in/passkey", dependencies=needs(Permission.PUBLIC))
def by_passkey(request: Request, console: Here, sent: Sent) -> Response:
    """Sign in by what a device answered."""
    holder = request.cookies.get(FORM_COOKIE, "")
    try:
        account = console.passkeys.sign_in(
            holder, sent.one("credential"), place_of(request), console.clock()
        )
    except Refused as refused:
        return _form(request, console, sent.one("back"), str(refused))
    return _begun(request, console, account, "passkey", sent.one("back"))


@router.get("/sign-in/with/{provider}", dependencies=needs(Permission.PUBLIC))
def elsewhere(
    request: Request,
    console: Here,
    provider: ProviderName,
    back: Annotated[str, Query(max_length=500)] = "/",
    invitation: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Go and sign in at a provider."""
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Forbidden("Begin at this console's own page: another site sent you here.")
    holder = new_secret()
    try:
        url = console.sign_on.begin(
            provider, f"https://{request.headers['host']}/sign-in/with/{provider}/back", holder,
            address_of(request), console.clock(),
            back=back if is_local(back) else "/", invitation=invitation,
        )  # fmt: skip
    except Refused as refused:
        return _form(request, console, back, str(refused))
    set_cookie(request, SIGN_ON_COOKIE, holder)
    return RedirectResponse(url, 303)


@router.get("/sign-in/with/{provider}/back", dependencies=needs(Permission.PUBLIC))
def come_back(request: Request, console: Here, provider: ProviderName) -> Response:
    """What a provider says of somebody who was sent there."""
    answer = {
        name: request.query_params[name]
        for name in ("state", "code", "iss", "error")
        if len(request.query_params.get(name, "")) in range(1, _MAX_ANSWER)
    }
    holder = request.cookies.get(SIGN_ON_COOKIE, "")
    set_cookie(request, SIGN_ON_COOKIE, "")
    try:
        account, back = console.sign_on.finish(
            provider, answer, holder, address_of(request), console.clock()
        )
    except Refused as refused:
        return _form(request, console, "/", str(refused))
    return _begun(request, console, account, f"oidc:{provider}", back)


@router.post("/sign-out", dependencies=needs(Permission.OWN_ACCOUNT))
def sign_out(request: Request, console: Here, who: Who) -> Response:
    """End the session; whoever came by single sign-on is offered to end that too."""
    console.sessions.end(who, console.clock())
    set_cookie(request, SESSION_COOKIE, "")
    provider = console.sign_on.providers.get(who.means.removeprefix("oidc:"))
    if provider is not None and who.means.startswith("oidc:"):
        link = provider.end_address(f"https://{request.headers['host']}/sign-in")
        if link:
            request.state.visitor = None
            return page(request, "signed_out.html.j2", title=provider.settings.title, link=link)
    return RedirectResponse("/sign-in", 303)


def _begun(request: Request, console: Console, account: Account, means: str, back: str) -> Response:
    token = console.sessions.begin(account, address_of(request), console.clock(), means)
    set_cookie(request, SESSION_COOKIE, token)
    where = back if is_local(back) else "/"
    return RedirectResponse(first_page(account.permissions) if where == "/" else where, 303)


def _form(
    request: Request, console: Console, back: str, fault: str = "", name: str = ""
) -> Response:
    return page(
        request,
        "sign_in.html.j2",
        401 if fault else 200,
        token=form_token(request),
        back=back if is_local(back) else "/",
        fault=fault,
        name=name,
        providers=[(one.settings.name, one.settings.title)
                   for one in console.sign_on.providers.values()],
    )  # fmt: skip
