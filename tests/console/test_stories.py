"""Merging, splitting and taking back in the console, until the ranking follows."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.pipeline import ScanOptions, scan
from hauberk.store import Home, verify

from .conftest import CHEAP, Clock, hidden, incident_log


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an incident each on two hosts, two days apart; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("two")
    for number, (host, day) in enumerate((("ws07", 2), ("ws09", 4))):
        log = incident_log(folder / f"{number}.json", host, day)
        scan(ScanOptions([log], folder / "home"))
    return folder / "home"


@pytest.fixture
def home(two: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two, tmp_path / "home"))


@pytest.fixture
def console(home: Path, clock: Clock) -> Iterator[Console]:
    made = Console.of(home, clock=clock, cost=CHEAP)
    made.reading.look()
    yield made
    made.database.close()


def uids(console: Console) -> list[str]:
    return sorted(console.reading.index.incidents["uid"])


def seen(console: Console, uid: str) -> str:
    return str(console.cases.case(uid)[0].last_act)


def ranked(console: Console) -> None:
    """Acts reach the home, the next scan ranks, and the console looks."""
    console.handover.hand_over()
    log = incident_log(console.reading.path.parent / "again.json", "ws07", 2)
    scan(ScanOptions([log], console.reading.path))
    console.reading.look()


def test_a_merge_waits_is_followed_redirects_and_is_taken_back(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first, second = uids(console)
    titles = {one: console.reading.incident(one).title for one in (first, second)}  # type: ignore[union-attr]
    path = f"/incidents/{first}"
    fields = {"other": f"https://localhost/incidents/{second}", "reason": "one intruder"}
    assert ann.post(f"{path}/merge", **fields, seen=seen(console, first)).status_code == 303
    page = ann.browser.get(path).text
    assert "the next one follows it" in page
    assert "not in the ledger yet" in page
    assert "the next ranking follows" in ann.browser.get(f"/incidents/{second}").text
    console.handover.hand_over()
    assert uids(console) == [first, second]
    ranked(console)
    assert uids(console) == [first]
    page = ann.browser.get(path).text
    assert "ranked so" in page
    assert "the next one follows it" not in page
    assert titles[second].split()[0] in page
    assert "1 former incident goes on here" in page
    moved = ann.browser.get(f"/incidents/{second}")
    assert (moved.status_code, moved.headers["location"]) == (303, f"{path}?was={second}")
    assert f"{second} goes on in this incident" in ann.browser.get(moved.headers["location"]).text
    late = ann.post(f"/incidents/{second}/verdict", verdict="false", reason="x", seen="0")
    assert late.status_code == 409
    assert "Nothing was done" in late.text
    assert not console.cases.case(first)[0].verdict
    act = hidden(ann.browser.get(path).text, "act")
    undone = {"act": act, "reason": "two after all", "seen": seen(console, first)}
    assert ann.post(f"{path}/undo", **undone).status_code == 303
    again = ann.post(f"{path}/undo", **{**undone, "seen": seen(console, first)})
    assert "undone already" in again.text
    ranked(console)
    assert uids(console) == [first, second]
    assert "taken back" in ann.browser.get(path).text
    assert verify(console.reading.path).ok


def test_what_is_split_off_has_its_own_page_and_the_history_says_so(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first = uids(console)[0]
    before = console.reading.incident(first)
    assert before is not None
    path, chosen = f"/incidents/{first}", [one.finding_uid for one in before.reasons[:1]]
    nothing = ann.post(f"{path}/split", reason="x", seen=seen(console, first))
    assert "Choose the findings first" in nothing.text
    everything = ann.post(
        f"{path}/split", finding=list(before.findings), reason="x", seen=seen(console, first)
    )
    assert "Something has to be left" in everything.text
    why = ann.post(f"{path}/split", finding=chosen, reason=" ", seen=seen(console, first))
    assert "Say why" in why.text
    done = ann.post(f"{path}/split", finding=chosen, reason="an update", seen=seen(console, first))
    assert done.status_code == 303
    ranked(console)
    after = console.reading.incident(first)
    assert after is not None
    assert chosen[0] not in after.findings
    assert len(uids(console)) == 3
    page = ann.browser.get(path).text
    assert "detached 1 finding" in page
    assert "an update" in page


def test_of_two_who_group_at_once_the_second_is_told(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first, second = uids(console)
    fields = {"other": second, "reason": "one intruder"}
    assert ann.post(f"/incidents/{first}/merge", **fields, seen="0").status_code == 303
    stale = ann.post(f"/incidents/{first}/merge", **fields, seen="0")
    assert stale.status_code == 409
    assert "Somebody else changed" in stale.text
    other = ann.post(f"/incidents/{second}/verdict", verdict="false", reason="x", seen="0")
    assert "Somebody else changed" in other.text


def test_a_merge_into_what_was_closed_opens_it_again(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first, second = uids(console)
    path = f"/incidents/{first}"
    ann.post(f"{path}/verdict", verdict="false", reason="a test", seen="0")
    assert console.cases.case(first)[0].state == "closed"
    ann.post(f"{path}/merge", other=second, reason="bury it", seen=seen(console, first))
    case, history = console.cases.case(first)
    assert (case.state, case.verdict) == ("in progress", "")
    assert history[-1].said["reopened"] == "false"
    assert "which opened it again" in ann.browser.get(path).text


def test_only_who_judges_may_group(console: Console, person: Callable[..., Any]) -> None:
    somebody = person(Role.RESPONDER)
    first, second = uids(console)
    for path, fields in (
        ("merge", {"other": second}), ("split", {"finding": "x"}), ("undo", {"act": "x"}),
    ):  # fmt: skip
        answer = somebody.post(f"/incidents/{first}/{path}", **fields, reason="x", seen="0")
        assert answer.status_code == 403
    page = somebody.browser.get(f"/incidents/{first}").text
    assert "Merge, take out" not in page
    assert 'name="finding"' not in page


def test_nothing_that_is_not_there_is_merged_or_undone(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first = uids(console)[0]
    path = f"/incidents/{first}"
    for other in ("nobody", first, "", first[:3]):
        answer = ann.post(f"{path}/merge", other=other, reason="x", seen="0")
        assert answer.status_code == 409, other
    answer = ann.post(f"{path}/undo", act="0" * 24, reason="x", seen="0")
    assert "nothing of that kind" in answer.text
    assert not console.cases.case(first)[1]


def test_acts_of_grouping_reach_rules_and_ledger(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first, second = uids(console)
    ann.post(f"/incidents/{first}/merge", other=second, reason="x", seen="0")
    console.handover.hand_over()
    with Home.open(console.reading.path, read_only=True) as home:
        kinds = [str(one["type"]) for one in home.ledger.entries()]
    at = kinds.index("console.merged")
    assert kinds[at + 1] == "groupings.parts"


def test_what_has_grown_since_its_verdict_asks_to_be_looked_at_again(
    console: Console, person: Callable[..., Any]
) -> None:
    ann = person(Role.ANALYST, name="ann")
    first, second = uids(console)
    path = f"/incidents/{second}"
    ann.post(f"{path}/verdict", verdict="false", reason="a test", seen="0")
    assert second not in ann.browser.get("/").text
    assert "grown since it was judged" not in ann.browser.get(path).text
    log = incident_log(console.reading.path.parent / "more.json", "ws09", 4, minute=20, more=True)
    scan(ScanOptions([log], console.reading.path))
    console.reading.look()
    assert second in uids(console)
    page = ann.browser.get(path).text
    assert "This has grown since it was judged" in page
    queue = ann.browser.get("/").text
    assert second in queue
    assert "grown since, look again" in queue
    assert first in queue
    ann.post(f"{path}/verdict", verdict="true", reason="it was one", seen=seen(console, second))
    assert second not in ann.browser.get("/").text
