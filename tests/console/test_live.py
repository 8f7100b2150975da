"""Pages that stay open are told of changes, and told when their session has ended."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.console.routes import live
from hauberk.store import Commit, Home


def told(console: Console, visitor: Any, until: int, between: Any) -> list[str]:
    """The first parts of the stream, with something done after the first."""

    async def read() -> list[str]:
        parts: list[str] = []
        async for part in live._changes(console, visitor, Counter()):
            parts.append(part)
            if len(parts) == 1:
                between()
            if len(parts) == until:
                break
        return parts

    return asyncio.run(asyncio.wait_for(read(), 20))


@pytest.fixture
def visitor(console: Console, person: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.001)
    ann = person(Role.ANALYST, name="ann")
    found = console.sessions.visitor(ann.browser.cookies["__Host-hauberk"], ann.clock())
    assert found is not None
    return found


def test_a_commit_and_an_act_are_told(console: Console, visitor: Any) -> None:
    def commit() -> None:
        with Home.open(console.reading.path) as home:
            home.commit(Commit(entries=[{"type": "test"}]))
        console.reading.look()

    first, second = told(console, visitor, 2, commit)
    assert first.startswith("event: changed\n")
    assert first != second

    def act() -> None:
        console.changes += 1

    assert len(set(told(console, visitor, 2, act))) == 2


def test_a_page_whose_session_ends_is_told_so(console: Console, visitor: Any, clock: Any) -> None:
    parts = told(console, visitor, 9, lambda: clock.move(minutes=31))
    assert parts[-1].startswith("event: ended")
    assert len(parts) == 2


def test_a_fault_of_the_home_is_shown_and_the_old_queue_stays(
    console: Console, person: Any, incident: str
) -> None:
    ann = person(Role.ANALYST, name="bea")
    records = console.reading.path / "records.sqlite3"
    kept = records.rename(records.with_suffix(".away"))
    console.reading.look()
    page = ann.browser.get("/").text
    assert "This list is not up to date" in page
    assert incident in page
    answer = ann.browser.get(f"/incidents/{incident}")
    assert answer.status_code == 503
    assert "this is no home" in answer.text
    kept.rename(records)
    console.reading.look()
    assert "not up to date" not in ann.browser.get("/").text
