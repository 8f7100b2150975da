"""Questions of gold: asked now and then, looking like any incident, deciding nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.pipeline import label_quality, mark_gold

from .test_stories import console, home, seen, two, uids

__all__ = ["console", "home", "two"]  # fixtures


@pytest.fixture
def asked(console: Console, person: Callable[..., Any]) -> tuple[Any, str]:
    """Somebody who is asked, and the incident, which another closed as true long ago."""
    gold, other = uids(console)
    bo, ann = person(Role.ANALYST, name="bo"), person(Role.ANALYST, name="ann")
    bo.post(f"/incidents/{gold}/verdict", verdict="true", reason="seen on disk", seen="0")
    console.handover.hand_over()
    mark_gold(console.reading.path, gold, threat=True, by="lead", reason="a red team's")
    console.questions.rate = 1
    console.reading.look()
    assert gold not in ann.browser.get("/").text
    ann.post(f"/incidents/{other}/verdict", verdict="false", reason="an update", seen="0")
    console.handover.hand_over()
    console.reading.look()
    return ann, gold


def test_who_is_asked_sees_an_incident_that_nobody_has_touched(
    asked: tuple[Any, str],
    console: Console,
) -> None:
    ann, gold = asked
    queue, page = ann.browser.get("/").text, ann.browser.get(f"/incidents/{gold}").text
    assert gold in queue
    for text in (queue, page):
        assert "seen on disk" not in text
        assert "gold" not in text.lower()
    assert '<span class="badge">new</span>' in page
    assert "Nobody has done anything yet" in page
    assert " checked" not in page.split('id="verdict"', 1)[1].split("</form>", 1)[0]
    console.questions.rate = 1000
    assert gold not in ann.browser.get("/").text
    assert "seen on disk" in ann.browser.get(f"/incidents/{gold}").text


def test_what_they_decide_is_an_answer_and_looks_like_a_verdict(
    asked: tuple[Any, str],
    console: Console,
) -> None:
    ann, gold = asked
    path = f"/incidents/{gold}"
    before = console.cases.case(gold)[0]
    assert ann.post(f"{path}/verdict", verdict="false", reason=" ", seen="0").status_code == 409
    fields = {"verdict": "false", "reason": "a backup", "seen": seen(console, gold)}
    assert ann.post(f"{path}/verdict", **fields).status_code == 303
    assert console.cases.case(gold)[0] == before
    assert console.cases.case(gold)[1][-1].kind == "answer"
    page = ann.browser.get(path).text
    assert '<span class="badge closed">closed</span> <span class="badge">false</span>' in page
    assert "decided: false" in page
    assert "seen on disk" not in page
    assert gold not in ann.browser.get("/").text
    console.handover.hand_over()
    quality = {one.name: one for one in label_quality(console.reading.path).analysts}
    assert (quality["ann"].gold.n, quality["ann"].gold.value) == (1, 0.0)


def test_others_are_not_asked_and_see_what_is(
    asked: tuple[Any, str],
    person: Callable[..., Any],
) -> None:
    _, gold = asked
    somebody = person(Role.VIEWER)
    assert gold not in somebody.browser.get("/").text
    assert "seen on disk" in somebody.browser.get(f"/incidents/{gold}").text
