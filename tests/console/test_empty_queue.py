"""An empty queue says why it is empty: nothing was read, is being read, or is within the budget."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import event
from tests.reports.outputs.conftest import incident, say

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.pipeline import ScanOptions, scan
from hauberk.store import Home

SINCE = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home into which nothing was read."""
    path = tmp_path / "home"
    with Home.open(path):
        pass
    return path


@pytest.fixture
def queue(person: Callable[..., Any], console: Console) -> Callable[..., str]:
    analyst = person(Role.ANALYST)

    def shown(**wanted: str) -> str:
        console.reading.look()
        page = str(analyst.browser.get("/", params=wanted).text)
        return page.partition('class="empty">')[2].partition("</p>")[0]

    return shown


def written_by(home: Path, pid: int) -> None:
    (home / "owner").write_text(f"{pid}\n")
    os.utime(home / "owner", (SINCE.timestamp(), SINCE.timestamp()))


def read(home: Path, tmp_path: Path, records: int) -> None:
    log = tmp_path / "some.log"
    lines = [event("notepad.exe a.txt", "notepad.exe", minute) for minute in range(records)]
    log.write_text("".join(f"{one}\n" for one in lines))
    scan(ScanOptions(paths=[log], home=home))


def test_a_home_into_which_nothing_was_read_asks_for_logs(
    console: Console, queue: Callable[..., str]
) -> None:
    console.handover.hand_over()  # what people did is no log that was read
    assert queue() == "Nothing was found yet. Scan or watch some logs into this home."


def test_while_a_watch_writes_the_home_the_queue_says_since_when_and_how_much_came(
    home: Path, tmp_path: Path, queue: Callable[..., str]
) -> None:
    written_by(home, os.getppid())
    began = "A watch or a scan has run since 2026-03-02 10:00:00 UTC; "
    assert queue() == f"{began}0 records read so far. Nothing was found yet."
    (home / "owner").unlink()
    read(home, tmp_path, 2)
    written_by(home, os.getppid())
    assert queue() == f"{began}2 records read so far. Nothing was found yet."


@pytest.mark.parametrize("left", ["gone", "console", "junk"])
def test_a_writer_that_is_gone_or_the_console_itself_is_no_watch(
    home: Path, tmp_path: Path, queue: Callable[..., str], left: str
) -> None:
    read(home, tmp_path, 1)
    if left == "junk":
        (home / "owner").write_text("me")
    else:
        written_by(home, os.getpid() if left == "console" else 2**22 + 1)
    assert "1 record read; no watch runs now. Nothing was found in them." in queue()


def test_what_is_below_the_budget_alone_is_told_until_it_is_asked_for(
    home: Path, queue: Callable[..., str]
) -> None:
    say(home, incidents=[incident("a", above_budget=False)])
    assert "Nothing is above the budget yet." in queue()
    assert queue(below="1") == ""
    assert queue(below="1", text="no such word") == "Nothing here matches."
