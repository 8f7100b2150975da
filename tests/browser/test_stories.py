"""What is one story: merged, taken back, split and detached with the keyboard, then ranked anew."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.browser.conftest import attack
from tests.browser.people import Person, broken_rules
from tests.serve.systems import System, system, wait

from hauberk.errors import HomeBusyError
from hauberk.pipeline import ScanOptions, scan
from hauberk.store import Home, verify
from hauberk.triage import GroupingKind


def uids(ada: Person) -> list[str]:
    """Incidents in the whole queue, as the page shows them."""
    ada.go("/?state=all&below=1")
    links = "all => all.map(a => a.getAttribute('href').split('/').pop())"
    found: list[str] = ada.page.eval_on_selector_all("#queue [data-stop]", links)
    return found


def until(ada: Person, path: str, ready: Callable[[Any], bool], what: str) -> None:
    """Look at a page again and again until the console has read the new ranking."""

    def shown() -> bool:
        ada.go(path)
        return ready(ada.page)

    wait(shown, what)


def tab_to(page: Any, matched: str) -> None:
    """With the Tab key alone, forward from where the keyboard is."""
    for _ in range(150):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", matched):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not get to {matched}")


def history(page: Any) -> str:
    return str(page.inner_text(".history"))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[System]:
    """A console beside a home with an incident on each of two hosts; scans rank anew."""
    with system(tmp_path_factory.mktemp("system")) as made:
        (made.logs / "log.json").write_text(attack("ws07") + attack("ws08", 5))
        scan(ScanOptions([made.logs], made.home))
        made.start(watch=False)
        wait(lambda: "/setup/" in made.said(), "the link")
        yield made


@pytest.fixture(scope="module")
def pair(ada: Person) -> tuple[str, str]:
    """The incidents of the two hosts."""
    found = {}
    for uid in uids(ada):
        ada.go(f"/incidents/{uid}")
        found[ada.page.inner_text("h1").partition(" on ")[2][:4]] = uid
    return found["ws07"], found["ws08"]


@pytest.fixture
def ranked(up: System) -> Callable[[], None]:
    """Wait until the ledger has one act of grouping more, and scan again."""

    def follow() -> None:
        wait(lambda: len(grouped(up)) == len(known) + 1, "the act to be in the ledger")
        wait(again, "the home to be free")
        known.extend(grouped(up)[-1:])

    def again() -> bool:
        with contextlib.suppress(HomeBusyError):
            scan(ScanOptions([up.logs], up.home))
            return True
        return False

    known = grouped(up)
    return follow


def grouped(up: System) -> list[str]:
    """Acts of grouping that the ledger has, by kind."""
    with Home.open(up.home, read_only=True) as home:
        kinds = [str(one["type"]).removeprefix("console.") for one in home.ledger.entries()]
    return [one for one in kinds if one in set(GroupingKind)]


def test_two_incidents_are_merged_with_the_keyboard_and_the_page_follows_the_ranking(
    ada: Person, pair: tuple[str, str], ranked: Callable[[], None], axe: str
) -> None:
    first, second = pair
    page, keys = ada.page, ada.page.keyboard
    ada.go(f"/incidents/{first}")
    keys.press("c")
    tab_to(page, "details.regroup summary")
    keys.press("Enter")
    tab_to(page, "#other")
    keys.type(f"{ada.address}/incidents/{second}")
    tab_to(page, "#merge-reason")
    keys.type("one intruder on both")
    tab_to(page, "form[action$=merge] button")
    assert not broken_rules(page, axe)
    keys.press("Enter")
    page.wait_for_selector(".history >> text=one intruder on both")
    assert "not in this ranking yet" in page.inner_text("main")
    ranked()
    until(ada, f"/incidents/{first}", lambda it: "ranked so" in history(it), "the merge")
    assert re.search(r"ada merged .*ws08.* into this", history(page), re.DOTALL) is not None
    assert "in the ledger" in history(page)
    assert "not in this ranking yet" not in page.inner_text("main")
    assert "ws07, ws08" in page.inner_text("p.who")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert not broken_rules(page, axe), theme
    assert uids(ada) == [first]
    ada.go(f"/incidents/{second}")
    assert page.url.endswith(f"/incidents/{first}?was={second}")
    assert f"{second} goes on in this incident" in page.inner_text("[role=alert]")


def test_a_merge_is_taken_back_with_the_keyboard_and_there_are_two_again(
    ada: Person, pair: tuple[str, str], ranked: Callable[[], None], axe: str
) -> None:
    first, second = pair
    page, keys = ada.page, ada.page.keyboard
    ada.go(f"/incidents/{first}")
    keys.press("c")
    tab_to(page, ".history summary")
    keys.press("Enter")
    tab_to(page, ".history input[name=reason]")
    keys.type("two after all")
    assert not broken_rules(page, axe)
    keys.press("Enter")
    page.wait_for_selector(".history >> text=two after all")
    assert "not in this ranking yet" in page.inner_text("main")
    ranked()
    wait(lambda: sorted(uids(ada)) == sorted(pair), "two incidents")
    for uid, host in ((first, "ws07"), (second, "ws08")):
        ada.go(f"/incidents/{uid}")
        assert host in page.inner_text("p.who"), uid
    ada.go(f"/incidents/{first}")
    assert "taken back" in history(page)
    assert "Take it back" not in page.inner_text("main")
    assert not broken_rules(page, axe)


@pytest.mark.parametrize(("which", "many", "said"), [(0, 1, "detached"), (1, 2, "split off")])
def test_findings_are_taken_out_with_the_keyboard_and_go_on_elsewhere(
    which: int, many: int, said: str, ada: Person, pair: tuple[str, str],
    ranked: Callable[[], None], axe: str,
) -> None:  # fmt: skip
    page, keys, path = ada.page, ada.page.keyboard, f"/incidents/{pair[which]}"
    before = uids(ada)
    ada.go(path)
    for _ in range(many):
        tab_to(page, ".timeline li:not(.beside) input[name=finding]:not(:checked)")
        keys.press("Space")
    chosen = page.eval_on_selector_all("[name=finding]:checked", "all => all.map(a => a.value)")
    assert len(chosen) == many
    tab_to(page, "details.regroup summary")
    keys.press("Enter")
    tab_to(page, "#split-reason")
    keys.type(f"an update, {said}")
    assert not broken_rules(page, axe)
    tab_to(page, "#take-out button")
    keys.press("Enter")
    page.wait_for_selector(f".history >> text=an update, {said}")
    assert "not in this ranking yet" in page.inner_text("main")
    ranked()
    until(ada, path, lambda it: "ranked so" in history(it).partition("an update")[2], said)
    noun = "finding" if many == 1 else "findings"
    assert f"{said} {many} {noun}" in history(page)
    left = page.eval_on_selector_all(".timeline li:not(.beside) input", "l => l.map(a => a.value)")
    assert left
    assert not set(left) & set(chosen)
    assert not broken_rules(page, axe)
    if many == 1:  # a single one may be too little to be told of by itself
        return
    holding = []
    for new in set(uids(ada)) - set(before):  # what was taken out earlier may be told of by now too
        ada.go(f"/incidents/{new}")
        assert not broken_rules(page, axe)
        holding.append(set(page.eval_on_selector_all(
            ".timeline li:not(.beside) input", "l => l.map(a => a.value)"
        )))  # fmt: skip
    assert set(chosen) in holding


def test_the_ledger_holds_what_was_grouped_and_no_browser_complained(
    ada: Person, pair: tuple[str, str], up: System
) -> None:
    assert grouped(up) == ["merged", "undone", "detached", "split"]
    assert verify(up.home).ok
    assert ada.said == []
