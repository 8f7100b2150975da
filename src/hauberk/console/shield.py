"""What holds for every request and every answer, whichever page it is about (pure ASGI)."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 << 10
"""Bytes of a form."""

SAFE = frozenset({"GET", "HEAD"})

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Only files of our own; nothing inline, no frames, no other hosts."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it browsers send forms with the origin `null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Shield:
    """Refuses what no page of ours sends, and puts the headers on every answer.

    `hosts` are the names that the console is reached by: a page elsewhere whose name was made to
    point here (DNS rebinding) carries another.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(one.casefold() for one in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        state = scope.setdefault("state", {})

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                for cookie in state.get("cookies", ()):
                    headers.append("Set-Cookie", cookie)
            await send(message)

        refused = self._refused(scope)
        await (refused or self._app)(scope, receive, shielded)

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) > 1:  # which one counts is not ours to guess
            return PlainTextResponse("Say one host.", 400)
        host = headers.get("host", "")
        if host.rpartition(":")[0].strip("[]").casefold() not in self._hosts and (
            host.strip("[]").casefold() not in self._hosts
        ):
            return PlainTextResponse("This console is not known by that name.", 421)
        if scope["method"] in SAFE:
            return None
        if "transfer-encoding" in headers or not headers.get("content-length", "0").isdecimal():
            return PlainTextResponse("Say how long the body is.", 411)
        if int(headers.get("content-length", "0")) > MAX_BODY:
            return PlainTextResponse("Too much.", 413)
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        foreign = site != "same-origin" if site else origin not in (None, f"https://{host}")
        if foreign:
            return PlainTextResponse("This came from another site.", 403)
        return None


def set_cookie(request: Request, name: str, value: str, *, strict: bool = False) -> None:
    """Have the answer set a cookie that scripts cannot read; an empty value removes it."""
    site = "Strict" if strict else "Lax"
    gone = "" if value else "; Max-Age=0"
    cookie = f"{name}={value}; Path=/; Secure; HttpOnly; SameSite={site}{gone}"
    state = request.scope.setdefault("state", {})
    state["cookies"] = [*state.get("cookies", ()), cookie]
