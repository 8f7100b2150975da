"""Every route as every role and as nobody, from the application's own table of routes."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from hauberk.console import Console
from hauberk.console.guard import check_routes, permission_of
from hauberk.console.permissions import ROLES, Permission, Role
from hauberk.console.routes import ROUTERS
from hauberk.console.tokens import SCOPES

ROUTES = [
    (method, route.path, permission_of(route))
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
PASSED = {200, 303, 404, 409, 410, 400, 401, 422}
"""Answers of routes that let somebody in: what they asked for may still be wrong."""


def address(path: str, incident: str) -> str:
    return (
        path.replace("{uid}", incident)
        .replace("{finding}", "none")
        .replace("{token}", "none")
        .replace("{name}", "nobody-of-that-name")
        .replace("{version}", "0")
        .replace("{provider}", "none")
    )


def token_of(console: Console, owner: Any, clock: Any, *scopes: Permission) -> str:
    """An API token of somebody who has just signed in."""
    held = owner.browser.cookies["__Host-hauberk"]
    visitor = console.sessions.visitor(held, clock())
    assert visitor is not None
    return console.tokens.make(visitor, "test", [one.value for one in scopes], 7, clock())


def test_the_table_of_routes_is_the_applications(app: FastAPI) -> None:
    told = [
        (method, route.path) for route in app.routes if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]  # fmt: skip
    assert told == [(method, path) for method, path, _ in ROUTES]
    assert len(told) > 20
    assert len(app.routes) == sum(len(router.routes) for router in ROUTERS)


def test_a_route_without_a_permission_is_refused() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/open-to-all", lambda: "", methods=["GET"])
    with pytest.raises(TypeError, match="/open-to-all names 0 permissions"):
        check_routes(app)


def test_every_role_has_its_permissions_and_no_role_is_forgotten() -> None:
    assert set(ROLES) == set(Role)
    used = {permission for _, _, permission in ROUTES}
    given = frozenset({Permission.PUBLIC}).union(*ROLES.values())
    assert used == given == set(Permission)


def test_who_changes_people_reads_no_telemetry_and_who_audits_changes_nothing() -> None:
    reads = {Permission.READ_INCIDENTS, Permission.READ_EVIDENCE}
    changes = {
        Permission.CHANGE_PEOPLE, Permission.JUDGE_INCIDENTS, Permission.WORK_INCIDENTS,
    }  # fmt: skip
    assert not ROLES[Role.ADMINISTRATOR] & reads
    assert not ROLES[Role.AUDITOR] & changes


@pytest.mark.parametrize("role", Role)
def test_each_role_gets_to_its_own_routes_and_to_no_others(
    role: Role, person: Callable[..., Any], incident: str
) -> None:
    somebody = person(role)
    for method, path, permission in ROUTES:
        if path in ("/sign-out", "/live", "/audit/verify"):
            continue
        where = address(path, incident)
        answer = somebody.browser.get(where) if method == "GET" else somebody.post(where)
        allowed = permission is Permission.PUBLIC or permission in ROLES[role]
        if permission is Permission.PUBLIC and method == "POST":
            assert answer.status_code == 403, (method, path)  # the token is not of that form
        elif allowed:
            assert answer.status_code in PASSED, (method, path, answer.text)
        else:
            assert answer.status_code == 403, (method, path)
            assert "needs the permission" in answer.text


def test_nobody_gets_to_public_routes_alone(
    browser: Callable[[], TestClient], incident: str
) -> None:
    stranger = browser()
    for method, path, permission in ROUTES:
        where = address(path, incident)
        answer = stranger.request(method, where, headers={"sec-fetch-site": "same-origin"})
        if permission is Permission.PUBLIC:
            # 401: no such provider, and no sign-in that was begun.
            assert answer.status_code in {200, 404, 410, 403, 401}, (method, path)
        elif path.startswith("/api/"):
            assert answer.status_code == 401, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
        elif method == "GET" and path != "/live":
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/sign-in?back=")
        else:
            assert answer.status_code == 401, (method, path)


def test_no_change_without_the_sessions_own_token(
    person: Callable[..., Any], incident: str
) -> None:
    everything, other = person(*Role, name="all"), person(Role.ANALYST)
    theirs = other.browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    for method, path, permission in ROUTES:
        if method == "POST" and permission is not Permission.PUBLIC:
            for token in ("", "x", theirs):
                answer = everything.browser.post(
                    address(path, incident), data={"csrf": token},
                    headers={"sec-fetch-site": "same-origin"},
                )  # fmt: skip
                assert answer.status_code == 403, (path, token)
                assert "not from this session" in answer.text


def test_no_change_that_comes_from_another_site(
    person: Callable[..., Any], incident: str, console: Console
) -> None:
    analyst = person(Role.ANALYST)
    token = analyst.browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
    ):
        answer = analyst.browser.post(
            f"/incidents/{incident}/comment", data={"csrf": token, "text": "x"}, headers=headers
        )
        assert answer.status_code == 403
    assert not console.cases.case(incident)[1]


def test_answers_carry_the_headers_whatever_they_are(browser: Callable[[], TestClient]) -> None:
    stranger = browser()
    for path in ("/", "/sign-in", "/static/0/none.js", "/no-such-page", "/setup/x"):
        headers = stranger.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_a_host_that_is_not_ours_is_refused(app: FastAPI) -> None:
    for host in ("evil.example", "localhost.evil.example", "evil.example:443"):
        assert TestClient(app, base_url=f"https://{host}").get("/sign-in").status_code == 421
    assert TestClient(app, base_url="https://localhost:8443").get("/sign-in").status_code == 200


def test_bodies_are_bounded(browser: Callable[[], TestClient]) -> None:
    stranger = browser()
    assert stranger.post("/sign-in", content=b"x" * 70_000).status_code == 413
    assert stranger.post("/sign-in", content=iter([b"x"])).status_code == 411


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_of_one_scope_gets_to_the_routes_of_that_scope_alone(
    scope: Permission,
    person: Callable[..., Any],
    browser: Callable[[], TestClient],
    console: Console,
    clock: Any,
    incident: str,
) -> None:
    token = token_of(console, person(*Role, name="all"), clock, scope)
    program = browser()
    program.headers["authorization"] = f"Bearer {token}"
    reached = 0
    for method, path, permission in ROUTES:
        answer = program.request(method, address(path, incident))
        if not path.startswith("/api/"):
            if permission is not Permission.PUBLIC:
                assert answer.status_code in {303, 401}, (method, path)
        elif permission in {scope, Permission.OWN_ACCOUNT}:
            assert answer.status_code in {200, 404, 422}, (method, path, answer.text)
            reached += permission is scope
        else:
            assert answer.status_code == 403, (method, path)
            assert "needs the permission" in answer.json()["detail"]
    assert reached


def test_the_scopes_are_what_routes_of_the_api_need() -> None:
    needed = {permission for _, path, permission in ROUTES if path.startswith("/api/")}
    assert needed == {*SCOPES, Permission.OWN_ACCOUNT}


def test_a_token_can_do_no_more_than_its_owner_still_may(
    person: Callable[..., Any],
    browser: Callable[[], TestClient],
    console: Console,
    clock: Any,
    incident: str,
) -> None:
    analyst = person(Role.ANALYST)
    person(Role.ADMINISTRATOR)
    token = token_of(console, analyst, clock, Permission.JUDGE_INCIDENTS)
    program = browser()
    program.headers["authorization"] = f"Bearer {token}"
    where = f"/api/v1/incidents/{incident}/verdict"
    assert program.post(where, json={}).status_code == 422
    console.accounts.give_roles("analyst", [Role.VIEWER], "test", clock())
    assert program.post(where, json={}).status_code == 403
    console.accounts.disable("analyst", "test", clock())
    assert program.post(where, json={}).status_code == 401
