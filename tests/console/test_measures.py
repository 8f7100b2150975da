"""The measures page: what the ledger says, drawn."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hauberk.console import Console
from hauberk.console.measures import DAYS, FRESH_SECONDS, WIDTH, panels
from hauberk.console.permissions import Role
from hauberk.reports import measure, measures_within


def test_the_page_says_what_the_command_says(
    console: Console, person: Callable[..., Any], incident: str
) -> None:
    ann = person(Role.ANALYST, name="ann")
    ann.post(f"/incidents/{incident}/verdict", verdict="true", reason="it was one", seen="0")
    console.handover.hand_over()
    console.reading.look()
    console.measuring.look(console.reading.index.commit)
    found = console.measuring.wait(30)
    assert found is not None
    assert found.spans[0] == measure(console.reading.path)
    page = ann.browser.get("/measures").text
    assert "100%" in page
    assert "too few to go by" in page
    assert "1 told, 1 decided" in page


def test_what_was_measured_is_kept_until_it_is_old(console: Console, clock: Any) -> None:
    console.measuring.look(1)
    first = console.measuring.wait(30)
    assert console.measuring.look(2) is first
    clock.move(seconds=FRESH_SECONDS + 1)
    console.measuring.look(1)
    assert console.measuring.wait(30) is first
    console.measuring.look(2)
    again = console.measuring.wait(30)
    assert again is not first
    assert again is not None
    assert again.commit == 2


def test_a_fault_is_told_and_the_page_stands(
    console: Console, person: Callable[..., Any], tmp_path: Path
) -> None:
    ann = person(Role.VIEWER)
    console.measuring._home = tmp_path / "nowhere"
    ann.browser.get("/measures")
    assert "could not be measured" in ann.browser.get("/measures").text


def test_bars_stay_within_their_box_and_name_what_they_rest_on(home: Path) -> None:
    spans = measures_within(home, [(None, None), (datetime(2030, 1, 1, tzinfo=UTC), None)] * 2)
    assert spans[1].told == 0
    for panel in panels(spans):
        assert len(panel.bars) == len(DAYS)
        for bar in panel.bars:
            assert 0 <= bar.low <= bar.high <= WIDTH
            assert 0 <= bar.value <= WIDTH
            assert bar.note


def test_spans_that_are_measured_together_say_what_each_says_alone(home: Path) -> None:
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert measures_within(home, [(since, None), (None, since)]) == [
        measure(home, since), measure(home, None, since),
    ]  # fmt: skip
