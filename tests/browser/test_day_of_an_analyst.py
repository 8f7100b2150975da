"""From the first run to a verdict in the ledger, in Chromium, beside a watch that is running."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.browser.people import Person, broken_rules
from tests.serve.systems import System, hauberk, wait

from hauberk.store import Home


@pytest.fixture(scope="module")
def bo(ada: Person, person: Callable[[str], Person]) -> Person:
    """An analyst whom the administrator invites, and who signs in at a browser of their own."""
    ada.go("/people")
    ada.page.fill("#name", "bo")
    ada.page.check("fieldset input[value=analyst]")
    ada.page.click("text=Make a link")
    link = ada.page.inner_text(".notice code")
    made = person("bo")
    made.set_up(link)
    made.sign_in()
    return made


@pytest.fixture(scope="module")
def told(bo: Person, attacked: Callable[[str], None]) -> str:
    """An attack that has come into a queue which was open: the address of its incident."""
    bo.go("/")
    bo.page.wait_for_selector("#live:text-is('live')")
    assert "Nothing was found yet" in bo.page.inner_text("#queue")
    attacked("ws07")
    bo.page.wait_for_selector("#queue [data-stop]")  # by itself
    return str(bo.page.get_attribute("#queue [data-stop]", "href"))


def entries(up: System, kind: str) -> list[dict[str, Any]]:
    with Home.open(up.home, read_only=True) as home:
        return [one for one in home.ledger.entries() if one["type"] == f"console.{kind}"]


def test_an_invited_analyst_does_not_get_to_the_people(bo: Person, ada: Person) -> None:
    assert bo.go("/people").status == 403
    assert "needs the permission" in bo.page.inner_text("main")
    assert ada.go("/people").status == 200
    assert "bo" in ada.page.inner_text("main")
    bo.said.clear()  # of the answer 403


def test_an_incident_comes_by_itself_and_is_judged_with_the_keyboard_alone(
    bo: Person, told: str, up: System
) -> None:
    page, keys = bo.page, bo.page.keyboard
    bo.go("/")
    keys.press("/")
    keys.type("no such host")
    page.wait_for_selector("text=Nothing here matches")
    page.fill("#search", "")
    keys.type("ws07")
    page.wait_for_selector("#queue [data-stop]")
    keys.press("Escape")
    keys.press("?")
    page.wait_for_selector("dialog[open]")
    keys.press("Escape")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    keys.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    keys.press("t")
    keys.press("j")
    keys.press("Enter")
    page.wait_for_selector("#verdict")
    keys.press("j")
    page.wait_for_function("document.activeElement.matches('.timeline [data-stop]')")
    keys.press("Enter")
    page.wait_for_selector(".events .raw summary")
    page.focus(".events .raw summary")
    keys.press("Enter")
    assert "ws07.corp.example" in page.inner_text(".events pre >> nth=0")
    keys.press("v")
    keys.press("Space")
    assert page.is_checked("#verdict input[value=true]")
    while page.evaluate("document.activeElement.id") != "reason":
        keys.press("Tab")
    keys.type("nobody of ours did that")
    while page.evaluate("document.activeElement.className") != "main":
        keys.press("Tab")
    keys.press("Enter")
    page.wait_for_selector("text=decided: true")
    wait(lambda: entries(up, "verdict"), "the verdict to be in the ledger")
    one = entries(up, "verdict")[0]
    assert (one["by"], one["verdict"]) == ("bo", "true")
    assert told.endswith(one["incident"])
    proved = hauberk("verify", "--home", up.home)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    bo.go("/")
    page.wait_for_selector("text=Nothing here matches")  # of what is open


def test_who_looks_at_an_incident_is_told_that_another_decided(
    bo: Person, ada: Person, told: str
) -> None:
    ada.go(told)
    ada.page.wait_for_selector("#live:text-is('live')")
    bo.go(told)
    bo.page.click("form[action$=state] button")
    bo.page.wait_for_selector(".history >> text=moved it from")
    ada.page.wait_for_selector("#changed:visible")
    ada.page.check("#verdict input[value=false]")
    ada.page.fill("#reason", "a test of the backup")
    ada.page.click("text=Decide and close")
    ada.page.wait_for_selector(".notice[role=alert]")
    assert "decided: false" not in ada.page.inner_text(".history")
    ada.said.clear()  # of the answer 409


def test_a_hunt_is_asked_saved_and_found_by_another(bo: Person, told: str) -> None:
    page = bo.page
    bo.go("/hunt")
    page.fill("#sql", "SELECT process.name AS program, count(*) AS n FROM process_activity "
              "GROUP BY ALL ORDER BY program")  # fmt: skip
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("table.grid")
    assert "vssadmin.exe" in page.inner_text("table.grid")
    assert page.locator("table.bars rect").count() == 3
    with page.expect_download() as came:
        page.click("text=As JSON lines")
    rows = [json.loads(one) for one in came.value.path().read_text().splitlines()]
    assert {one["program"] for one in rows} >= {"vssadmin.exe", "wevtutil.exe"}
    page.fill("input[name=title]", "programs")
    page.click("form.saving button")
    page.wait_for_selector("a:text-is('programs')")
    assert bo.go("/hunt").status == 200
    page.click("a:text-is('programs')")
    page.wait_for_load_state()
    assert "process_activity" in page.input_value("#sql")


def test_a_suppression_is_tried_on_history_and_put_in_force(
    bo: Person, told: str, up: System
) -> None:
    page = bo.page
    bo.go("/detections?here=fired")
    page.click("table [data-stop] >> nth=0")
    page.fill("#tests", "User|contains=ws07")
    page.fill("#reason", "the restore test of March")
    page.click("text=Try on history")
    page.wait_for_selector("text=What it would have hidden")
    assert "1 of 1 firing" in page.inner_text("[aria-label=Trial]")
    page.click("text=Put in force")
    page.wait_for_url("**/detections/suppressions")
    wait(lambda: entries(up, "suppressed"), "the suppression to be in the ledger")


def shape(path: str) -> str:
    """An address with what names one thing put aside: pages of one kind have one shape."""
    plain = re.split(r"[?#]", path, maxsplit=1)[0]
    return re.sub(r"/[^/]*\d[^/]*|/[^/]{24,}", "/*", plain)


def test_every_page_that_can_be_got_to_is_accessible_and_fits_a_narrow_screen(
    ada: Person, told: str, axe: str
) -> None:
    """All pages that links lead to, beginning at the navigation: no list of ours to be kept."""
    page = ada.page
    ada.go("/account")
    waiting, seen = ["/account", told], set[str]()
    while waiting:
        path = waiting.pop(0)
        if shape(path) in seen:
            continue
        seen.add(shape(path))
        answer = page.request.get(f"{ada.address}{path}")
        assert answer.status == 200, path
        if "text/html" not in answer.headers["content-type"]:
            continue
        page.set_viewport_size({"width": 1280, "height": 900})
        assert ada.go(path).status == 200
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert not broken_rules(page, axe), (path, theme)
        page.set_viewport_size({"width": 320, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
        waiting += [one for one in links if one.startswith("/") and shape(one) not in seen]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    assert {"/", "/detections", "/hunt", "/health", "/audit", "/people"} <= seen
    assert {shape(told), f"{shape(told)}/findings/*", "/detections/rules/*"} <= seen


def test_pages_before_signing_in_are_accessible_too(
    ada: Person, person: Callable[[str], Person], axe: str
) -> None:
    ada.go("/people")
    ada.page.fill("#name", "cy")
    ada.page.check("fieldset input[value=viewer]")
    ada.page.click("text=Make a link")
    link = ada.page.inner_text(".notice code")
    cy = person("cy")
    for where in ("/sign-in", link.removeprefix(cy.address), "/setup/none"):
        cy.go(where)
        for theme in ("light", "dark"):
            cy.page.emulate_media(color_scheme=theme)
            assert not broken_rules(cy.page, axe), (where, theme)
        cy.page.set_viewport_size({"width": 320, "height": 800})
        assert cy.page.evaluate("document.documentElement.scrollWidth") <= 320, where


def test_without_scripts_everything_works_but_live_updates(
    ada: Person, person: Callable[[str], Person], attacked: Callable[[str], None]
) -> None:
    attacked("ws08")
    found = "/?state=all&below=1&text=ws08"
    ada.go(found)
    ada.page.wait_for_selector("#queue [data-stop]")
    plain = person("ada").sit_down(java_script_enabled=False)
    plain.app = ada.app
    plain.sign_in()
    plain.go("/?state=all&below=1")
    plain.page.fill("#search", "ws08")
    plain.page.click("form.filters button:text-is('Filter')")
    plain.page.click("#queue [data-stop] >> nth=0")
    plain.page.click(".timeline [data-stop] >> nth=0")
    assert "ws08" in plain.page.inner_text("main")
    plain.page.go_back()
    plain.page.check("#verdict input[value=false]")
    plain.page.fill("#reason", "an exercise")
    plain.page.click("text=Decide and close")
    plain.page.wait_for_selector("text=decided: false")


def test_no_browser_complained_of_anything(ada: Person, bo: Person) -> None:
    """Of no script, and of nothing that the content policy forbids."""
    assert ada.said == []
    assert bo.said == []
