"""Telemetry that tries to be more than text, in the one reader that would obey it: Chromium."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

pytest.importorskip("fastapi", reason="the extra `console` is not installed")
pytest.importorskip("axe_playwright_python", reason="axe is not installed")
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import sync_playwright
from tests.browser.people import CHROMIUM, OFFLINE, Person
from tests.console.conftest import attack_log
from tests.console.hostile import CANARY, PAYLOADS, hostile_home, shape
from tests.serve.systems import System, system, wait

from hauberk.pipeline import ScanOptions, scan
from hauberk.reports import write_html

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on this machine"),
    pytest.mark.slow,
]

OF_EACH = 3
"""Pages of one kind that are opened."""

WATCHED = """
window.__set_off = [];
addEventListener("securitypolicyviolation",
  one => __set_off.push(one.violatedDirective + one.blockedURI));
for (const name of ["alert", "confirm", "prompt", "open"])
  window[name] = () => __set_off.push(name);
"""
"""What is told of a page from within: what the content policy stopped, and what was called."""

ACTIVE = """
() => [...document.querySelectorAll("*")].flatMap(one => {
  const found = [...one.attributes].filter(a =>
    /^on|^style$|^srcdoc$/i.test(a.name) || /^\\s*(javascript|data|vbscript):/i.test(a.value)
      && ["href", "src", "action", "formaction", "xlink:href"].includes(a.name));
  const named = ["IFRAME", "OBJECT", "EMBED", "BASE", "IMG"].includes(one.tagName);
  return found.length || named ? [one.outerHTML.slice(0, 200)] : [];
})
"""
"""Elements that would do something, as the browser parsed them."""


class Canary:
    """Listens where payloads point to; `asked` is what came."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[System]:
    """A console on the hostile home."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "s").mkdir()
    with system(folder / "s") as made:
        hostile_home(folder, canary.port).rename(made.home)
        made.start(watch=False)
        wait(lambda: "/setup/" in made.said(), "the link")
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield browser
        browser.close()


class Reader(Person):
    """Somebody who opens pages, and keeps what each of them tried."""

    def watched(self) -> "Reader":
        self.sit_down()
        self.tried: list[tuple[str, str]] = []
        self.context.add_init_script(WATCHED)
        self.context.on("request", lambda one: self._asked(one.url))
        self.context.on("page", lambda one: self.tried.append(("page", one.url)))
        self.page.on("dialog", self._dialog)
        self.page.on("download", lambda one: self.tried.append(("download", one.url)))
        self.page.on("websocket", lambda one: self.tried.append(("websocket", one.url)))
        return self

    def _asked(self, url: str) -> None:
        own = urlsplit(self.address)
        at = urlsplit(url)
        if (at.scheme, at.netloc) != (own.scheme, own.netloc):
            self.tried.append(("request", url))

    def _dialog(self, dialog: Any) -> None:
        self.tried.append(("dialog", dialog.message))
        dialog.dismiss()

    def untouched(self, where: str) -> str:
        """Assert that nothing of the page was more than text; its text."""
        page = self.page
        assert page.evaluate(f"window.{CANARY}") is None, where
        assert page.evaluate("window.__set_off") == [], where
        assert page.evaluate(ACTIVE) == [], where
        assert CANARY not in str(self.context.cookies()), where
        assert self.tried == [], where
        assert self.said == [], where
        return str(page.evaluate("document.documentElement.textContent"))


@pytest.fixture(scope="module")
def reader(console: System, chromium: Any) -> Iterator[Reader]:
    """Somebody who may read all that an analyst and an administrator may; signed in."""
    made = Reader("ada", f"https://localhost:{console.port}", chromium).watched()
    made.set_up(next(word for word in console.said().split() if "/setup/" in word))
    made.sign_in()
    yield made
    made.context.close()


def test_what_is_set_off_is_noticed(chromium: Any) -> None:
    """The other tests of this file could not fail otherwise."""
    for text in (
        *PAYLOADS[:3],
        f"<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">{PAYLOADS[0]}",
        "<script>alert(1)</script>",
        "<p style='color: red'>",
        "<link rel=stylesheet href=https://127.0.0.1:9/x.css>",
        "<a href=javascript:void(0)>",
    ):
        made = Reader("eve", "data:", chromium).watched()
        made.page.goto(f"data:text/html,{quote('<p>' + text)}")
        with pytest.raises(AssertionError):
            made.untouched(text)
        made.page.goto("data:text/html,<p>what is only text")
        made.tried.clear()
        made.said.clear()
        assert made.untouched("text") == "what is only text"
        made.context.close()


def test_payloads_in_every_field_are_text_on_every_page_in_chromium(reader: Reader) -> None:
    """All pages that links lead to, a few of each kind; with evidence opened in its place."""
    page, taken, shown = reader.page, Counter[str](), set[str]()
    reader.go("/?state=all&below=1")
    links = "all => all.map(a => a.getAttribute('href'))"
    rule = "/detections/rules/00000000-0000-4000-8000-00000000000"
    waiting = ["/account", page.url.removeprefix(reader.address), f"{rule}0", f"{rule}1"]
    waiting += [*page.eval_on_selector_all("#queue [data-stop]", links)[:20:5]]
    seen = set[str]()
    while waiting:
        path = waiting.pop(0)
        if path in seen or taken[shape(path)] >= OF_EACH:
            continue
        seen.add(path)
        answer = page.request.fetch(f"{reader.address}{path}", method="GET")
        assert answer.status == 200, path
        if "text/html" not in answer.headers["content-type"]:
            continue
        taken[shape(path)] += 1
        reader.go(path)
        if shape(path) == "/incidents/*":
            for link in page.query_selector_all(".timeline [data-stop]")[:3]:
                link.click()
            page.click("a[hx-get$=around]")
            page.wait_for_selector(".events .raw")
            page.wait_for_selector("#alerts *")
            page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        if CANARY in reader.untouched(path):
            shown.add(shape(path))
        waiting += [
            one for one in page.eval_on_selector_all("a[href]", links) if one.startswith("/")
        ]
    evidence = "/incidents/*/findings/*"
    assert {"/", "/incidents/*", evidence, "/detections", "/detections/rules/*", "/health"} <= shown
    assert {"/hunt", "/audit", "/people", "/settings", "/models"} <= set(taken)


def test_payloads_in_addresses_and_in_the_search_are_text_in_chromium(reader: Reader) -> None:
    page = reader.page
    asked = ("/?text=", "/?state=", "/detections?text=", "/detections?technique=", "/hunt?saved=",
             "/incidents/", "/sign-in?back=", "/audit?page=", "/nowhere/")  # fmt: skip
    for number, payload in enumerate(PAYLOADS):
        for path in (asked[number % len(asked)], asked[(number + 4) % len(asked)]):
            answer = reader.go(f"{path}{quote(payload[:180], safe='')}")
            if answer.status >= 400:  # which Chromium complains of, and rightly
                reader.said = [one for one in reader.said if "Failed to load" not in one]
            reader.untouched(path + payload)
    reader.go("/?state=all&below=1")
    for number, payload in enumerate(PAYLOADS[:4]):
        page.fill("#search", f"no-such-word-{number} {payload}")
        page.wait_for_url(f"**no-such-word-{number}*")
        page.wait_for_selector("#queue >> text=Nothing here matches")
        reader.untouched(payload)


def test_payloads_in_what_people_write_and_hunt_for_are_text_in_chromium(reader: Reader) -> None:
    page = reader.page
    for table in ("events", "findings", "email_activity"):
        reader.go("/hunt")
        page.fill("#sql", f'SELECT * FROM "{table}" LIMIT 40')
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("table.grid")
        assert CANARY in reader.untouched(table)
    page.fill("#sql", f'SELECT 1 AS "{PAYLOADS[0]}", \'{PAYLOADS[2]}\' AS "<svg onload=alert(1)>"')
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("table.grid >> text=onload")
    page.fill("input[name=title]", PAYLOADS[0])
    page.click("form.saving button")
    page.wait_for_url("**/hunt?saved=*")
    assert PAYLOADS[0] in reader.untouched("a saved hunt")
    reader.go("/?state=all&below=1")
    page.click("#queue [data-stop] >> nth=0")
    page.wait_for_selector("#comment")
    path = urlsplit(page.url).path
    page.fill("#comment", PAYLOADS[2])
    page.click("form[action$=comment] button")
    page.wait_for_selector(".history >> text=</textarea>")
    page.fill("#reason", PAYLOADS[0])
    page.check("#verdict input[value=false]")
    page.click("text=Decide and close")
    page.wait_for_selector("text=decided: false")
    for where in (path, "/audit"):
        reader.go(where)
        reader.untouched(where)
    reader.go("/detections?here=fired")
    page.click("table [data-stop] >> nth=0")
    page.fill("#tests", f"User|contains={PAYLOADS[0]}")
    page.fill("#reason", PAYLOADS[1])
    page.click("text=Try on history")
    page.wait_for_selector("text=What it would have hidden")
    reader.untouched("a trial")
    page.click("text=Put in force")
    page.wait_for_url("**/detections/suppressions")
    assert PAYLOADS[0] in reader.untouched("suppressions")


def test_payloads_are_text_in_the_report_that_opens_offline(tmp_path: Path, chromium: Any) -> None:
    logs = [attack_log(tmp_path / f"{at}.json", one) for at, one in enumerate(PAYLOADS)]
    found = scan(ScanOptions(logs, tmp_path / "home", budget=1000))
    assert found.above
    with (tmp_path / "report.html").open("w") as file:
        write_html(found, file)
    made = Reader("ada", "file://", chromium).watched()
    made.page.goto((tmp_path / "report.html").as_uri())
    made.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert CANARY in made.untouched("the report")
    made.context.close()


def test_nothing_was_asked_of_where_payloads_point(reader: Reader, canary: Canary) -> None:
    assert canary.asked == []
    assert reader.tried == []
