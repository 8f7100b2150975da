"""A watch: what is written is told, stored once, and found again after a kill."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from hauberk.errors import HauberkError
from hauberk.pipeline import Pace, ScanOptions, WatchOptions, scan, watch
from hauberk.store import Home, verify
from hauberk.triage import Incident


def record(number: int, command: str) -> str:
    return json.dumps(
        {
            "@timestamp": f"2026-03-02T10:{number // 60 % 60:02}:{number % 60:02}Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": "ws07.corp.example",
                "record_id": number,
                "event_data": {
                    "Image": r"C:\Windows\System32\vssadmin.exe",
                    "CommandLine": command,
                    "User": r"CORP\jlee",
                },
            },
        }
    )


class Heard:
    """Remembers what it was told, and stops the watch once it has heard enough."""

    def __init__(self, stop: threading.Event, records: int) -> None:
        self.rules: list[str] = []
        self.ranked: list[str] = []
        self.said: list[str] = []
        self._stop = stop
        self._records = records

    def findings(self, found: pl.DataFrame) -> None:
        self.rules += found["rule_uid"].to_list()

    def incidents(self, ranked: Sequence[Incident]) -> None:
        self.ranked += [one.title for one in ranked]

    def unread(self, source: str, reason: str) -> None:
        self.said.append(f"{source}: {reason}")

    def fault(self, said: str) -> None:
        self.said.append(said)

    def pace(self, pace: Pace) -> None:
        if pace.records >= self._records:
            self._stop.set()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_a_watch_tells_what_a_scan_of_the_same_files_finds(logs: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    heard = Heard(stop, records=40)
    commands = ["vssadmin delete shadows /all" if n % 10 == 3 else f"dir {n}" for n in range(40)]

    def write() -> None:
        for number, command in enumerate(commands):
            with (logs / f"{number % 2}.json").open("a") as file:
                file.write(record(number, command) + "\n")
            time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    pace = watch(WatchOptions([logs], tmp_path / "live", judge_every=1.0), heard, stop)
    writer.join()
    assert (pace.records, pace.events, pace.rejected) == (40, 40, 0)
    assert heard.said == []
    scanned = scan(ScanOptions([logs], tmp_path / "scanned"))
    rules = scanned.findings.filter(pl.col("kind") == "rule")["rule_uid"].unique().to_list()
    assert rules
    assert set(rules) <= set(heard.rules)
    assert heard.ranked
    assert verify(tmp_path / "live").ok


def test_a_finding_is_told_before_anything_is_committed(logs: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    (logs / "a.json").write_text(record(1, "vssadmin delete shadows /all") + "\n")
    home = tmp_path / "home"
    seen: list[int] = []

    class Eager(Heard):
        def findings(self, found: pl.DataFrame) -> None:
            super().findings(found)
            with Home.open(home, read_only=True) as opened:
                seen.append(opened.lake.count())

    heard = Eager(stop, records=1)
    watch(WatchOptions([logs], home, judge_every=60), heard, stop)
    assert seen[0] == 0
    with Home.open(home, read_only=True) as opened:
        assert opened.lake.count() == 1


def test_a_watch_over_silent_files_writes_nothing(logs: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    (logs / "a.json").write_text(record(1, "vssadmin delete shadows /all") + "\n")
    home = tmp_path / "home"
    made: list[int] = []

    class Patient(Heard):
        def pace(self, pace: Pace) -> None:
            if not self.ranked:
                return  # the round that judges it is still to come
            with Home.open(home, read_only=True) as opened:
                made.append(opened.records.last_commit())
            if len(made) == 4:
                stop.set()

    watch(WatchOptions([logs], home, judge_every=0.1), Patient(stop, records=1), stop)
    with Home.open(home, read_only=True) as opened:
        assert opened.records.last_commit() == made[-1]
    assert made[1:] == made[1:2] * 3, "commits of rounds in which there was nothing to judge"


def stored(home: Path) -> int:
    """Events that a home holds; none before there is one."""
    if not (home / "records.sqlite3").exists():
        return 0
    try:
        with Home.open(home, read_only=True) as opened:
            return opened.lake.count()
    except HauberkError:
        return 0  # it is being made


def test_killed_at_any_moment_nothing_is_lost_or_doubled(logs: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    chance = random.Random(5)
    written = 0
    run = "from hauberk.cli import main; main()"
    command = [sys.executable, "-c", run, "watch", logs, "--home", home, "--every", "2"]
    committed: list[int] = []
    for _ in range(3):
        with subprocess.Popen(
            [str(one) for one in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            until = None  # some time after its first commit
            while until is None or time.monotonic() < until:
                if until is None and stored(home) > (committed or [0])[-1]:
                    until = time.monotonic() + chance.uniform(0, 4)
                with (logs / "a.json").open("a") as file:
                    for _ in range(chance.randrange(1, 30)):
                        file.write(record(written, f"dir {written}") + "\n")
                        written += 1
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
        committed.append(stored(home))
    assert committed[-1] < written
    stop = threading.Event()
    threading.Timer(4, stop.set).start()
    watch(WatchOptions([logs], home, judge_every=60), Heard(stop, records=10**9), stop)
    with Home.open(home, read_only=True) as opened:
        lines = [
            row
            for event_class in opened.lake.event_classes()
            for row in opened.lake.scan(event_class, ["process.cmd_line"]).collect().to_series()
        ]
    assert sorted(lines) == sorted(f"dir {number}" for number in range(written))
    assert verify(home).ok
