"""A watch whose records' server goes away waits for it, and loses nothing of what came."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hauberk.pipeline import WatchOptions, watch
from hauberk.store import Home, verify

WAIT = 60.0


class Heard:
    """A listener that remembers what it was told of faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, said: str) -> None:
        self.faults.append(said)

    def findings(self, found: pl.DataFrame) -> None: ...
    def incidents(self, ranked: object) -> None: ...
    def unread(self, source: str, reason: str) -> None: ...
    def pace(self, pace: object) -> None: ...


def lines(first: int, count: int) -> str:
    return "".join(
        f"Mar  1 12:00:{number % 60:02} web1 sshd[{number}]: Failed password for root"
        f" from 192.0.2.{number % 250} port {1000 + number} ssh2\n"
        for number in range(first, first + count)
    )


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def stored(home: Path) -> int:
    with Home.open(home, read_only=True) as opened:
        return sum(one.records for one in opened.records.accounting())


def test_lines_that_come_while_the_database_is_gone_are_stored_when_it_is_back(
    home_path: Path, tmp_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAUBERK_DATABASE_URL", postgres.url(postgres.database()))
    log = tmp_path / "auth.log"
    log.write_text(lines(0, 50))
    Home.open(home_path).close()
    stop, heard = threading.Event(), Heard()
    options = WatchOptions([log], home_path, judge_every=1)
    thread = threading.Thread(target=watch, args=(options, heard, stop))
    thread.start()
    try:
        until(lambda: stored(home_path) == 50)
        postgres.stop()
        try:
            with log.open("a") as file:
                file.write(lines(50, 50))
            until(lambda: bool(heard.faults))
            time.sleep(3)  # longer than a commit waits
        finally:
            postgres.start()
        until(lambda: stored(home_path) == 100)
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join()
    assert "cannot be reached" in heard.faults[0]
    assert "the database can be reached again" in heard.faults
    assert verify(home_path).ok
