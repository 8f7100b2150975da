"""The console as an ASGI application."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from hauberk.errors import HauberkError

from .console import Console
from .guard import Forbidden, SignInNeeded, check_routes, is_api
from .pages import page
from .routes import ROUTERS
from .shield import SAFE, Shield


def application(console: Console, hosts: Collection[str]) -> FastAPI:
    """The application; `hosts` are the names that it answers to.

    Raises TypeError where a route names no permission.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        console.start()
        yield
        console.stop()

    app = FastAPI(
        title="Hauberk", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.state.console = console
    app.state.open_by = Counter[str]()
    for router in ROUTERS:
        # One by one: a router that is included whole hides its routes from whoever looks.
        app.router.routes.extend(router.routes)
    check_routes(app)
    app.add_middleware(Shield, hosts=hosts)
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(Forbidden, _forbidden)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HauberkError, _faulty)
    return app


async def _sign_in(request: Request, error: Exception) -> Response:
    """To the sign-in page; whoever cannot follow there is told by the status."""
    assert isinstance(error, SignInNeeded)
    if is_api(request):
        return _problem(401, "Send an API token, or sign in.", {"WWW-Authenticate": "Bearer"})
    path = f"/sign-in?{urlencode({'back': error.back})}"
    if "HX-Request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    if request.url.path == "/live" or request.method not in SAFE:
        return _message(request, 401, "Signed out", "Your session has ended. Sign in again.")
    return RedirectResponse(path, 303)


async def _forbidden(request: Request, error: Exception) -> Response:
    return _message(request, 403, "Not allowed", str(error))


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if is_api(request):
        said = "There is no such thing here." if error.status_code == 404 else error.detail
        return _problem(error.status_code, said, error.headers)
    if error.status_code == 404:
        return _message(request, 404, "Not here", "There is no such page, or it is gone.")
    return _message(request, error.status_code, "That did not work", error.detail)


async def _misread(request: Request, error: Exception) -> Response:
    if is_api(request):
        assert isinstance(error, RequestValidationError)
        told = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
            for one in error.errors()[:8]
        )
        return _problem(422, told[:1000])
    return _message(request, 400, "Not understood", "This address or form is not one of ours.")


async def _faulty(request: Request, error: Exception) -> Response:
    return _message(request, 503, "The home cannot be read", str(error))


def _problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """What the API says where it cannot do what was asked (RFC 9457)."""
    problem = {"title": HTTPStatus(status).phrase, "status": status, "detail": text}
    return JSONResponse(problem, status, dict(headers or {}), "application/problem+json")


def _message(request: Request, status: int, title: str, text: str) -> Response:
    if is_api(request):
        return _problem(status, text)
    return page(request, "message.html.j2", status, title=title, text=text)
