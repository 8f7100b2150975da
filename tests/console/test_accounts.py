"""First run, links, signing in, and what a guesser gets."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from hauberk.console import Console, totp
from hauberk.console.accounts import Refused
from hauberk.console.permissions import Role
from hauberk.store import Home

PASSWORD = "plaited mail of rings"
SAME_SITE = {"sec-fetch-site": "same-origin"}


def kinds(console: Console) -> list[str]:
    from hauberk.console import acts  # noqa: PLC0415

    with console.database.read() as connection:
        return [one.kind for one in reversed(acts.latest(connection, 100))]


def test_the_first_link_makes_the_first_administrator_and_only_once(
    console: Console, clock: Any, browser: Callable[[], TestClient]
) -> None:
    old = console.accounts.first_link(clock())
    token = console.accounts.first_link(clock())
    assert old is not None
    assert token is not None
    somebody = browser()
    assert somebody.get(f"/setup/{old}").status_code == 410
    page = somebody.get(f"/setup/{token}")
    form = page.text.split('name="csrf" value="')[1].split('"')[0]
    secret = console.accounts.invitation(token, clock()).secret
    assert totp.shown(secret) in page.text
    fields = {
        "csrf": form, "name": "Ada", "password": PASSWORD, "again": PASSWORD, "analyst": "1",
        "code": totp.code_at(secret, totp.step_of(clock())),
    }  # fmt: skip
    for wrong in ({"code": "000000"}, {"again": "other"}, {"password": "short", "again": "short"}):
        answer = somebody.post(f"/setup/{token}", data={**fields, **wrong}, headers=SAME_SITE)
        assert answer.status_code == 400
    assert not console.accounts.all()
    made = somebody.post(f"/setup/{token}", data=fields, headers=SAME_SITE)
    assert made.status_code == 303
    assert [(one.name, one.roles) for one in console.accounts.all()] == [
        ("ada", (Role.ADMINISTRATOR, Role.ANALYST))
    ]
    assert somebody.get(f"/setup/{token}").status_code == 410
    assert console.accounts.first_link(clock()) is None


def test_no_secret_is_readable_in_the_database(
    console: Console, person: Callable[..., Any]
) -> None:
    somebody = person(Role.ANALYST)
    data = b"".join(
        path.read_bytes() for path in console.reading.path.glob("console.sqlite3*")
    )  # fmt: skip
    token = somebody.browser.cookies["__Host-hauberk"]
    for secret in (PASSWORD.encode(), somebody.secret, totp.shown(somebody.secret).encode(), token):
        assert (secret if isinstance(secret, bytes) else secret.encode()) not in data
    for path in [*console.reading.path.glob("console.sqlite3"), *(console.reading.path / "console").iterdir()]:  # fmt: skip  # noqa: E501
        assert path.stat().st_mode & 0o077 == 0


def test_a_link_expires(console: Console, clock: Any) -> None:
    token = console.accounts.invite("bo", [Role.VIEWER], "test", clock())
    clock.move(hours=24)
    with pytest.raises(Refused, match="expired"):
        console.accounts.invitation(token, clock())


def test_each_of_the_three_is_needed_and_the_answer_does_not_say_which_was_wrong(
    person: Callable[..., Any], clock: Any
) -> None:
    somebody = person(Role.ANALYST, signed_in=False)
    said = set()
    for wrong in ({"name": "nobody"}, {"password": "x" * 20}, {"code": "000000"}):
        answer = somebody.sign_in(**wrong)
        assert answer.status_code == 401
        assert "__Host-hauberk=" not in answer.headers.get("set-cookie", "")
        said.add(answer.text.split('role="alert">')[1].split("<")[0])
    assert said == {"Name, password and code do not belong together."}
    clock.move(seconds=31)
    assert somebody.sign_in().status_code == 303


def test_a_code_that_was_used_signs_nobody_else_in(person: Callable[..., Any]) -> None:
    somebody = person(Role.ANALYST, signed_in=False)
    code = somebody.code()
    assert somebody.sign_in(code=code).status_code == 303
    somebody.browser.cookies.clear()
    assert somebody.sign_in(code=code).status_code == 401


def test_failures_make_one_wait_longer_and_longer(person: Callable[..., Any], clock: Any) -> None:
    somebody = person(Role.ANALYST, signed_in=False)
    for _ in range(3):
        assert "belong together" in somebody.sign_in(password="wrong wrong wrong").text
    assert "Wait 6 seconds" in somebody.sign_in().text  # right, and not even looked at
    waits = []
    for _ in range(12):
        text = somebody.sign_in(password="wrong wrong wrong").text
        seconds = int(text.split("Wait ")[1].split(" ")[0])
        waits.append(seconds)
        clock.move(seconds=seconds)
        assert "belong together" in somebody.sign_in(password="wrong wrong wrong").text
    assert waits == sorted(waits)
    assert waits[1] > waits[0]
    assert waits[-1] == 15 * 60 + 1
    clock.move(minutes=16)
    assert somebody.sign_in().status_code == 303


def test_names_that_nobody_has_wait_alike(browser: Callable[[], TestClient]) -> None:
    stranger = browser()
    token = stranger.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    fields = {"csrf": token, "name": "ghost", "password": "x", "code": "1"}
    answers = [stranger.post("/sign-in", data=fields, headers=SAME_SITE).text for _ in range(4)]
    assert "Wait 6 seconds" in answers[3]


def test_after_signing_in_one_goes_nowhere_but_here(person: Callable[..., Any], clock: Any) -> None:
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"):
        somebody = person(Role.ANALYST, signed_in=False, name=f"a{abs(hash(back))}")
        assert somebody.sign_in(back=back).headers["location"] == "/"
        clock.move(seconds=31)


def test_sessions_end_by_idleness_and_by_age_and_by_sign_out(
    person: Callable[..., Any], clock: Any
) -> None:
    somebody = person(Role.ANALYST)
    clock.move(minutes=29)
    assert somebody.browser.get("/").status_code == 200
    clock.move(minutes=31)
    assert somebody.browser.get("/").status_code == 303
    assert somebody.sign_in().status_code == 303
    for _ in range(36):
        assert somebody.browser.get("/").status_code == 200
        clock.move(minutes=20)
    assert somebody.browser.get("/").status_code == 303
    assert somebody.sign_in().status_code == 303
    token = somebody.browser.cookies["__Host-hauberk"]
    assert somebody.post("/sign-out").status_code == 303
    somebody.browser.cookies.set("__Host-hauberk", token)
    assert somebody.browser.get("/").status_code == 303


def test_what_a_page_asks_by_itself_keeps_no_session_alive(
    person: Callable[..., Any], clock: Any
) -> None:
    somebody = person(Role.ANALYST)
    for _ in range(4):
        clock.move(minutes=10)
        answer = somebody.browser.get("/", headers={"X-Hauberk-Live": "1"})
    assert answer.status_code == 303


def test_tokens_change_and_a_copied_one_ends_the_session(
    console: Console, person: Callable[..., Any], clock: Any
) -> None:
    somebody = person(Role.ANALYST)
    first = somebody.browser.cookies["__Host-hauberk"]
    clock.move(minutes=16)
    answer = somebody.browser.get("/")
    cookie = answer.headers["set-cookie"]
    assert all(one in cookie for one in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    second = somebody.browser.cookies["__Host-hauberk"]
    assert second != first

    def ask(token: str) -> int:
        somebody.browser.cookies.clear()
        headers = {"cookie": f"__Host-hauberk={token}"}
        return int(somebody.browser.get("/", headers=headers).status_code)

    assert ask(first) == 200  # on its way when the token changed
    clock.move(minutes=2)
    assert ask(first) == 303
    assert ask(second) == 303
    assert "session-copied" in kinds(console)


def test_the_last_who_changes_people_stays(console: Console, person: Callable[..., Any]) -> None:
    boss = person(Role.ADMINISTRATOR, name="boss")
    assert boss.post("/people/boss/disabled", disabled="1").status_code == 409
    assert boss.post("/people/boss/roles", role="viewer").status_code == 409
    assert console.accounts.all()[0].disabled is None


def test_an_administrator_invites_changes_and_disables(
    console: Console, person: Callable[..., Any], clock: Any
) -> None:
    boss, ann = person(Role.ADMINISTRATOR, name="boss"), person(Role.VIEWER, name="ann")
    page = boss.post("/people", name="Eve<b>", role=["analyst"])
    assert page.status_code == 409
    page = boss.post("/people", name="eve", role=["analyst", "viewer"])
    token = page.text.split("https://localhost/setup/")[1].split("<")[0]
    assert console.accounts.invitation(token, clock()).roles == (Role.VIEWER, Role.ANALYST)
    assert boss.post("/people", name="x", role=["root"]).status_code == 409
    assert ann.post("/incidents/x/comment", text="x").status_code == 403
    assert boss.post("/people/ann/roles", role=["analyst"]).status_code == 303
    assert ann.post("/incidents/x/comment", text="x").status_code == 404  # at once
    assert boss.post("/people/ann/disabled", disabled="1").status_code == 303
    assert ann.browser.get("/").status_code == 303
    assert kinds(console)[-4:] == ["signed-in", "invited", "roles", "disabled"]


def test_what_concerns_security_gets_into_the_ledger(
    console: Console, person: Callable[..., Any]
) -> None:
    person(Role.ADMINISTRATOR, name="boss")
    console.handover.hand_over()
    with Home.open(console.reading.path, read_only=True) as home:
        types = [str(entry["type"]) for entry in home.ledger.entries()]
    wanted = ["console.invited", "console.account-made", "console.signed-in"]
    assert [one for one in types if one.startswith("console.")] == wanted


def change(somebody: Any, **changed: str) -> Any:
    fields = {
        "password": PASSWORD, "code": somebody.code(), "new": "another good long one",
        "again": "another good long one",
    }  # fmt: skip
    return somebody.post("/account/password", **{**fields, **changed})


def test_one_changes_ones_own_password_by_password_and_code(
    person: Callable[..., Any], console: Console, clock: Any
) -> None:
    somebody = person(Role.ANALYST)
    for wrong in (
        {"password": "x" * 20}, {"code": "000000"}, {"again": "something else"},
        {"new": "short", "again": "short"}, {"new": "analyst analyst", "again": "analyst analyst"},
    ):  # fmt: skip
        assert change(somebody, **wrong).status_code == 409
    first = somebody.browser.cookies["__Host-hauberk"]
    somebody.browser.cookies.clear()
    assert somebody.sign_in().status_code == 303
    clock.move(seconds=31)
    done = change(somebody)
    assert done.status_code == 200
    assert "Others are signed out" in done.text
    assert console.sessions.visitor(first, clock()) is None
    assert "password-changed" in kinds(console)
    clock.move(seconds=31)
    assert change(somebody).status_code == 409  # the old one is gone
    somebody.browser.cookies.clear()
    assert somebody.sign_in(password="another good long one").status_code == 303


def test_guessing_the_old_password_makes_one_wait(person: Callable[..., Any]) -> None:
    somebody = person(Role.ANALYST)
    for _ in range(3):
        assert "belong together" in change(somebody, password="wrong wrong wrong").text
    assert "Wait" in change(somebody).text


def test_one_sees_ones_sessions_and_ends_the_others(
    person: Callable[..., Any], console: Console, clock: Any
) -> None:
    somebody, other = person(Role.ANALYST), person(Role.VIEWER)
    first = somebody.browser.cookies["__Host-hauberk"]
    assert "End all others" not in somebody.browser.get("/account").text
    somebody.browser.cookies.clear()
    somebody.sign_in()
    assert "End all others" in somebody.browser.get("/account").text
    assert somebody.post("/account/sessions/end").status_code == 303
    assert console.sessions.visitor(first, clock()) is None
    assert somebody.browser.get("/account").status_code == 200
    assert other.browser.get("/account").status_code == 200
    assert kinds(console)[-1] == "sessions-ended"
