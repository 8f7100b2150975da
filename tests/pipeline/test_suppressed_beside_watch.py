"""A suppression that is made in the console beside a watch holds for what comes after it."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from hauberk.events import FindingKind
from hauberk.pipeline import (
    ScanOptions,
    WatchOptions,
    draft,
    known_rules,
    leave,
    list_suppressions,
    scan,
    watch,
)
from hauberk.store import Commit, Home

BEGUN = datetime(2026, 3, 2, 10, tzinfo=UTC)


class Heard:
    def __init__(self) -> None:
        self.titles: list[str] = []

    def findings(self, found: pl.DataFrame) -> None:
        self.titles += found["title"].to_list()

    def incidents(self, ranked: object) -> None: ...
    def unread(self, source: str, reason: str) -> None: ...
    def fault(self, said: str) -> None: ...
    def pace(self, pace: object) -> None: ...


def line(number: int) -> str:
    event = {
        "@timestamp": (BEGUN + timedelta(hours=number)).isoformat(),
        "winlog": {
            "channel": "Microsoft-Windows-Sysmon/Operational",
            "event_id": 1,
            "computer_name": "ws07",
            "record_id": number,
            "event_data": {
                "Image": r"C:\Windows\System32\vssadmin.exe",
                "CommandLine": "vssadmin delete shadows /all /quiet",
                "User": r"CORP\jlee",
            },
        },
    }
    return json.dumps(event) + "\n"


def until(said: str, holds: object) -> None:
    deadline = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_what_comes_after_it_is_hidden_and_what_came_before_was_told(tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "log.json"
    with Home.open(home) as opened:
        opened.commit(Commit())
    log.write_text(line(0))
    stop, heard = threading.Event(), Heard()
    thread = threading.Thread(target=watch, args=(WatchOptions([log], home), heard, stop))
    thread.start()
    try:
        until("told", lambda: heard.titles)
        with Home.open(home, read_only=True) as opened:
            until("stored", lambda: opened.records.findings().height)
            uids = opened.records.findings()["rule_uid"].unique().to_list()
        before = len(heard.titles)
        rules = {one.uid: one for one in known_rules(home).rules}
        for uid in uids:
            tests = {"selection": {"User|contains": "jlee"}, "condition": "selection"}
            made = draft(
                rules[uid], tests, owner="nobody", reason="ours", since=None,
                until=datetime.now(UTC) + timedelta(days=1),
            )  # fmt: skip
            said = {"suppression": json.dumps(made.as_entry())}
            leave(home, "console", [{"type": "console.suppressed", "by": "ada", **said}])
        until("in force", lambda: len(list_suppressions(home)) == len(uids))
        time.sleep(1)  # the commit is there before the judge has read it
        with log.open("a") as file:
            file.write(line(1))
        with Home.open(home, read_only=True) as opened:
            hidden = pl.col("kind") == FindingKind.SUPPRESSED
            until("hidden", lambda: opened.records.findings().filter(hidden).height == len(uids))
    finally:
        stop.set()
        thread.join()
    assert len(heard.titles) == before
    assert {one.owner for one, _ in list_suppressions(home)} == {"ada"}


def test_an_act_that_says_no_suppression_hides_nothing_and_stops_nothing(tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "log.json"
    acts = [
        {"type": "console.suppressed", "by": "eve", **said}
        for said in ({}, {"suppression": "["}, {"suppression": "[1]"}, {"suppression": "{}"})
    ]
    with Home.open(home) as opened:
        opened.commit(Commit(entries=acts))
    log.write_text(line(0))
    assert scan(ScanOptions(paths=[log], home=home)).incidents
    assert list_suppressions(home) == []
