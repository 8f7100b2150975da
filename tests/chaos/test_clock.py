"""Clocks that jump, the sender's and ours: everything is stored once, judged, and told."""

import json
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from tests.chaos.watching import lines_of, wait

from hauberk.errors import UsageError
from hauberk.pipeline import Pace, WatchOptions, watch
from hauberk.store import Home, verify
from hauberk.triage import Incident


def stored(home: Path, many: int) -> bool:
    """Whether so many records are in the lake."""
    try:
        return sum(lines_of(home).values()) == many
    except UsageError:  # the watch has not made its home yet
        return False


class Heard:
    """Remembers which hosts it was told of."""

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        self.said: list[str] = []
        self.last = Pace()

    def findings(self, found: pl.DataFrame) -> None:
        self.hosts.update(str(one) for one in found["entities"].explode().to_list())

    def incidents(self, ranked: Sequence[Incident]) -> None: ...

    def unread(self, source: str, reason: str) -> None:
        self.said.append(reason)

    def fault(self, said: str) -> None:
        self.said.append(said)

    def pace(self, pace: Pace) -> None:
        self.last = pace


def record(host: str, time: str) -> str:
    data = {"Image": r"C:\Windows\System32\vssadmin.exe", "User": r"CORP\kim",
            "CommandLine": "vssadmin delete shadows /all /quiet"}  # fmt: skip
    winlog = {"channel": "Microsoft-Windows-Sysmon/Operational", "event_id": 1,
              "computer_name": host, "event_data": data}  # fmt: skip
    return json.dumps({"@timestamp": time, "winlog": winlog})


YEARS = ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-03-02T10:00:00Z",
         "2100-01-01T00:00:00Z", "2026-03-02T09:00:00Z", "9999-12-31T23:59:59Z",
         "0001-01-01T00:00:00Z", "")  # fmt: skip


def test_event_times_of_any_year_silence_no_rule_and_lose_no_record(
    home_path: Path, tmp_path: Path
) -> None:
    log = tmp_path / "a.json"
    lines = [record(f"ws{number}", time) for number, time in enumerate(YEARS)]
    log.write_text("".join(one + "\n" for one in lines))
    stop, heard = threading.Event(), Heard()
    thread = threading.Thread(
        target=watch, args=(WatchOptions([log], home_path, judge_every=0.5), heard, stop)
    )
    thread.start()
    try:
        wait(lambda: len(heard.hosts & {f"host:ws{n}" for n in range(8)}) == 8, "all findings")
        wait(lambda: heard.last.round_seconds, "a round")
    finally:
        stop.set()
        thread.join()
    assert heard.said == []
    assert lines_of(home_path) == Counter(lines)
    assert verify(home_path).ok


@pytest.mark.parametrize("jump", [timedelta(days=-20_000), timedelta(days=27_000)])
def test_a_wall_clock_that_jumps_between_commits_changes_nothing_but_their_times(
    home_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    away = [timedelta()]
    opening = Home.open

    def jumping(path: Path, **given: object) -> Home:
        return opening(path, **{**given, "clock": lambda: datetime.now(UTC) + away[0]})  # type: ignore[arg-type]

    monkeypatch.setattr(Home, "open", jumping)
    log = tmp_path / "a.json"
    lines = [record(f"ws{number}", "2026-03-02T10:00:00Z") for number in range(6)]
    log.write_text("".join(one + "\n" for one in lines[:2]))
    stop, heard = threading.Event(), Heard()
    thread = threading.Thread(
        target=watch, args=(WatchOptions([log], home_path, judge_every=0.5), heard, stop)
    )
    thread.start()
    try:
        for at in (2, 4, 6):
            wait(partial(stored, home_path, at), "their commit")
            away[0] = jump if at == 2 else timedelta()
            with log.open("a") as file:
                file.writelines(one + "\n" for one in lines[at : at + 2])
    finally:
        stop.set()
        thread.join()
    assert heard.said == []
    assert lines_of(home_path) == Counter(lines)
    assert verify(home_path).ok
