"""API tokens: made once, kept as digests, bounded, counted, revoked."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from hauberk.console import Console
from hauberk.console.permissions import Permission, Role

READS = Permission.READ_INCIDENTS.value


def made(somebody: Any, *scopes: str, days: str = "7", title: str = "ci") -> str:
    page = somebody.post("/account/tokens", title=title, scope=list(scopes) or READS, days=days)
    assert page.status_code == 200, page.text
    token: str = page.text.split("<code>hbk_")[-1].split("</code>")[0]
    return f"hbk_{token}"


def ask(program: TestClient, token: str, path: str = "/api/v1/incidents") -> Any:
    return program.get(path, headers={"authorization": f"Bearer {token}"})


def test_a_token_is_shown_once_and_kept_as_a_digest(
    person: Callable[..., Any], browser: Callable[[], TestClient], console: Console
) -> None:
    analyst = person(Role.ANALYST)
    token = made(analyst)
    assert ask(browser(), token).json()["found"] == 1
    assert token not in analyst.browser.get("/account/tokens").text
    data = b"".join(one.read_bytes() for one in console.reading.path.glob("console.sqlite3*"))
    assert token.encode() not in data


def test_only_reading_is_proposed_and_only_what_one_may_do_oneself_is_given(
    person: Callable[..., Any],
) -> None:
    page = person(Role.ANALYST).browser.get("/account/tokens").text
    boxes = [one.split(">")[0] for one in page.split('name="scope" value="')[1:]]
    assert {one.split('"')[0]: "checked" in one for one in boxes} == {
        "read incidents": True,
        "read evidence": True,
        "read detections": True,
        "read health": True,
        "work on incidents": False,
        "judge incidents": False,
        "hunt": False,
    }
    viewer = person(Role.VIEWER)
    for scope in ("judge incidents", "change people", "no such", "public"):
        refused = viewer.post("/account/tokens", title="x", scope=[READS, scope], days="7")
        assert refused.status_code == 409
    assert viewer.post("/account/tokens", title="x", scope=[], days="7").status_code == 409
    for days in ("0", "366", "", "-1"):
        assert viewer.post("/account/tokens", title="x", scope=READS, days=days).status_code == 409


def test_a_token_ends_at_its_time_or_when_somebody_revokes_it(
    person: Callable[..., Any], browser: Callable[[], TestClient], console: Console, clock: Any
) -> None:
    analyst, boss, other = person(Role.ANALYST), person(Role.ADMINISTRATOR), person(Role.VIEWER)
    first, second, third = (made(analyst, title=str(one)) for one in range(3))
    uids = {one.title: one.uid for one in console.tokens.all(clock())}
    assert other.post(f"/account/tokens/{uids['0']}/revoke").status_code == 409
    assert other.post(f"/people/tokens/{uids['0']}/revoke").status_code == 403
    assert ask(browser(), first).status_code == 200
    assert analyst.post(f"/account/tokens/{uids['0']}/revoke").status_code == 303
    assert ask(browser(), first).status_code == 401
    assert "testclient" not in boss.browser.get("/people").text
    assert ask(browser(), second).status_code == 200
    assert "testclient" in boss.browser.get("/people").text  # where it was used from
    assert boss.post(f"/people/tokens/{uids['1']}/revoke").status_code == 303
    assert ask(browser(), second).status_code == 401
    clock.move(days=7)
    assert ask(browser(), third).status_code == 401
    assert not console.tokens.all(clock())


def test_a_token_and_a_session_together_are_refused_and_no_cookie_comes_of_a_token(
    person: Callable[..., Any], browser: Callable[[], TestClient]
) -> None:
    analyst = person(Role.ANALYST)
    token = made(analyst)
    both = ask(analyst.browser, token)
    assert both.status_code == 400
    assert "not both" in both.json()["detail"]
    assert "set-cookie" not in ask(browser(), token).headers
    assert ask(browser(), token, "/").status_code == 303
    for other in ("Basic aGJrOg==", token, f"Bearer {token} x", "Bearer", f"Bearer {token[4:]}"):
        said = browser().get("/api/v1/incidents", headers={"authorization": other})
        assert said.status_code == 401


def test_a_session_may_ask_the_api_and_changes_with_its_own_token_alone(
    person: Callable[..., Any], incident: str
) -> None:
    analyst = person(Role.ANALYST)
    where = f"/api/v1/incidents/{incident}/comment"
    assert analyst.browser.get("/api/v1/incidents").status_code == 200
    assert analyst.browser.post(where, json={"text": "x"}).status_code == 403
    csrf = analyst.browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    said = analyst.browser.post(where, json={"text": "x"}, headers={"x-csrf-token": csrf})
    assert said.status_code == 200


def test_tokens_that_are_none_are_counted_and_the_right_one_still_works(
    person: Callable[..., Any], browser: Callable[[], TestClient], console: Console, clock: Any
) -> None:
    token = made(person(Role.ANALYST))
    stranger = browser()
    said = [ask(stranger, f"hbk_{'x' * 43}").status_code for _ in range(33)]
    assert said == [401] * 30 + [429] * 3
    assert int(ask(stranger, "hbk_no").headers["retry-after"]) <= 6
    assert ask(stranger, token).status_code == 200
    clock.move(seconds=6)
    assert ask(stranger, "hbk_no").status_code == 401


def test_what_outlives_a_session_needs_a_fresh_sign_in(
    person: Callable[..., Any], clock: Any, console: Console
) -> None:
    analyst = person(Role.ANALYST)
    clock.move(minutes=16)
    refused = analyst.post("/account/tokens", title="ci", scope=READS, days="7")
    assert refused.status_code == 409
    assert "Sign in again" in refused.text
    assert analyst.post("/account/passkeys/options").status_code == 409
    assert not console.tokens.all(clock())


def test_a_new_link_ends_the_tokens_of_whoever_takes_it(
    person: Callable[..., Any], browser: Callable[[], TestClient], console: Console, clock: Any
) -> None:
    analyst = person(Role.ANALYST)
    token = made(analyst)
    link = console.accounts.renew("analyst", "boss", clock())
    assert ask(browser(), token).status_code == 200
    secret = console.accounts.invitation(link, clock()).secret
    from hauberk.console import totp  # noqa: PLC0415

    code = totp.code_at(secret, totp.step_of(clock()))
    console.accounts.accept(link, "", analyst.password, analyst.password, code, (), clock())
    assert ask(browser(), token).status_code == 401


@pytest.mark.parametrize("act", ["token-made", "token-revoked"])
def test_making_and_revoking_is_entered(
    act: str, person: Callable[..., Any], console: Console, clock: Any
) -> None:
    analyst = person(Role.ANALYST)
    token = made(analyst)
    uid = console.tokens.all(clock())[0].uid
    analyst.post(f"/account/tokens/{uid}/revoke")
    from hauberk.console import acts  # noqa: PLC0415

    with console.database.read() as connection:
        entered = [one for one in acts.latest(connection, 9) if one.kind == act]
    assert [one.body["by"] for one in entered] == ["analyst"]
    assert token not in str(entered)
