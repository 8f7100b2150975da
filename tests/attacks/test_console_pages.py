"""Telemetry, and people, that try to get markup into somebody else's browser."""

from pathlib import Path
from urllib.parse import quote

import pytest

pytest.importorskip("fastapi", reason="the extra `console` is not installed")
pytest.importorskip("argon2", reason="the extra `console` is not installed")

from starlette.testclient import TestClient
from tests.console.conftest import CHEAP, PASSWORD, Clock, Person, attack_log
from tests.console.hostile import Markup, inert

from hauberk.console import Console, application
from hauberk.console.permissions import Role
from hauberk.pipeline import ScanOptions, scan

PAYLOADS = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}</textarea></title></select>",
    "javascript:alert(1)",
    "</pre></dl><a href=//evil.example hx-get=/people hx-trigger=load>x</a>",
    "\x1b]0;owned\x07\u202egnp.exe",
]


def check(page: str, where: str) -> Markup:
    """What is `inert`, and asks for nothing that no page of ours does."""
    read = inert(page, where)
    if "<html" in page:
        assert read.tags["script"] in {2, 3}, where  # a third where people sign
    for _, name, value in read.attributes:
        if name in {"href", "src", "action", "hx-get", "hx-post"}:
            local = value.startswith("#") and value[1:].isalpha()
            assert local or (value.startswith("/") and value[1:2] != "/"), (where, value)
            assert "evil" not in value, where
        if name.startswith("hx-"):
            assert name in {
                "hx-get", "hx-target", "hx-swap", "hx-push-url", "hx-trigger", "hx-sync",
            }, (where, name)  # fmt: skip
            assert value != "/people", where
    assert "\x1b" not in page, where
    assert "\u202e" not in page, where
    return read


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_every_field_is_inert_on_every_page(payload: str, tmp_path: Path) -> None:
    clock = Clock()
    folder = tmp_path / "logs"
    folder.mkdir()
    log = attack_log(folder / f"{payload.replace('/', '_')}.json", payload)
    scan(ScanOptions(paths=[log], home=tmp_path / "home"))
    console = Console.of(tmp_path / "home", clock=clock, cost=CHEAP)
    console.reading.look()
    assert console.reading.index.incidents.height
    token = console.accounts.invite("ann", tuple(Role), "test", clock())
    secret = console.accounts.invitation(token, clock()).secret
    browser = TestClient(
        application(console, ["localhost"]), base_url="https://localhost", follow_redirects=False
    )
    ann = Person("ann", secret, browser, clock)
    console.accounts.accept(token, "", PASSWORD, PASSWORD, ann.code(), (), clock())
    clock.move(seconds=31)
    assert ann.sign_in().status_code == 303

    uid = str(console.reading.index.incidents["uid"][0])
    path = f"/incidents/{uid}"
    assert ann.post(f"{path}/comment", text=payload).status_code == 303
    answer = ann.post(f"{path}/verdict", verdict="true", reason=payload, seen="0")
    assert answer.status_code == 303
    incident = console.reading.incident(uid)
    assert incident is not None
    last = console.cases.case(uid)[0].last_act
    console.stories.merge(uid, "other", payload, "ann", last, clock(), payload)
    last = console.cases.case(uid)[0].last_act
    console.stories.take_out(uid, [payload], 9, payload, "ann", last, clock())
    pages = [
        "/?state=all&below=1", "/health", "/audit", "/people", "/account", "/measures", path,
        f"{path}?was={quote(payload, safe='')}", f"{path}/around",
        *(f"{path}/findings/{one}" for one in incident.findings),
    ]  # fmt: skip
    shown = ""
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code == 200, page
        shown += check(answer.text, page).text
        part = browser.get(page, headers={"HX-Request": "true"})
        check(part.text, f"part of {page}")
    telling = payload.split("\x1b", maxsplit=1)[0] or "owned"
    assert telling in shown  # it is told, as text
    quoted = quote(payload, safe="")
    for page in (f"/?text={quoted}", f"/?who={quoted}", f"/?state={quoted}", f"/{quoted}"):
        check(browser.get(page).text, page)
    for where, fields in (
        ("/people", {"name": payload, "role": "viewer"}),
        (f"{path}/assign", {"assignee": payload, "seen": "2"}),
        (f"{path}/merge", {"other": payload, "reason": payload, "seen": "2"}),
        (f"{path}/split", {"finding": payload, "reason": payload, "seen": "2"}),
        (f"{path}/undo", {"act": payload, "reason": payload, "seen": "2"}),
        (f"/people/{quoted}/renew", {}),
    ):
        check(ann.post(where, **fields).text, where)
    browser.cookies.clear()
    check(browser.get(f"/sign-in?back={quoted}").text, "sign-in")
    check(ann.sign_in(name=payload).text, "failed sign-in")
    console.database.close()


def test_no_page_fetches_anything_from_elsewhere() -> None:
    folder = Path(__file__).parents[2] / "src" / "hauberk" / "console"
    texts: dict[str, str] = {
        str(path): path.read_text("utf-8")
        for part in ("templates", "static")
        for path in (folder / part).iterdir()
        if path.name not in ("htmx.min.js", "htmx-LICENSE.txt")
    }
    assert len(texts) > 10
    for name, text in texts.items():
        named = text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in named, name
        assert "https:" not in named, name
        assert "|safe" not in text.replace("""' aria-current="page"'|safe""", ""), name
