"""A scan that is stopped, killed or run twice: what is stored is what an undisturbed one stores."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from hauberk.store import Home, verify

SMALL_PORTIONS = """
import sys
import hauberk.pipeline.committing as committing
committing.PORTION_EVENTS = {events}
"""

SIGNALLED_WITHIN_A_COMMIT = """
import os, signal
from hauberk.store import Home
real = Home.commit
def commit(self, commit):
    print("committing", flush=True)
    for _ in range({times}):
        os.kill(os.getpid(), signal.{name})
    number = real(self, commit)
    print("committed", number, flush=True)
    return number
Home.commit = commit
"""

RUN = """
from hauberk.cli import main
main(sys.argv[1:])
"""

Incidents = list[tuple[str, float, datetime, datetime, bool, str]]

COMMANDS = {
    1000: r"rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 612 C:\Users\Public\a.dmp full",
    1003: "vssadmin delete shadows /all /quiet",
    1007: "wevtutil cl Security",
}


def record(number: int) -> str:
    command = COMMANDS.get(number, f"winword.exe report{number % 50}.docx")
    seconds = number // 4
    return json.dumps(
        {
            "@timestamp": f"2026-03-02T{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
            f":{seconds % 60:02d}.{number % 4}00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": "ws07.corp.example" if number in COMMANDS else f"ws{number % 9}",
                "event_data": {
                    "Image": "C:\\Windows\\System32\\" + command.split()[0],
                    "CommandLine": command,
                    "ParentImage": r"C:\Windows\System32\cmd.exe",
                    "User": rf"CORP\user{number % 12}",
                },
            },
        }
    )


def write_logs(folder: Path, files: int, each: int) -> Path:
    folder.mkdir()
    for file in range(files):
        rows = (record(file * each + row) for row in range(each))
        (folder / f"{file:03d}.json").write_text("\n".join(rows) + "\n")
    return folder


def command(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", "import sys\n" + code + RUN, *map(str, arguments)]


def scan_in_portions(logs: Path, home: Path, events: int) -> list[str]:
    return command(SMALL_PORTIONS.format(events=events), "scan", logs, "--home", home, "-q")


def contents(path: Path) -> tuple[pl.DataFrame, pl.DataFrame, Incidents]:
    """Events, findings and incidents of a home, in an order that does not depend on commits."""
    with Home.open(path, read_only=True) as home:
        events = pl.concat(
            home.lake.scan(event_class, ["metadata.uid", "time", "record.offset", "raw_data"])
            for event_class in home.lake.event_classes()
        )
        findings = home.records.findings().sort("uid")
        incidents = sorted(
            (one.uid, one.probability, one.start, one.end, one.above_budget, json.dumps(one.body))
            for one in home.records.incidents()
        )
        return events.collect().sort("metadata.uid"), findings, incidents


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_commit_that_is_under_way_and_says_what_is_kept(
    name: str, code: int, tmp_path: Path
) -> None:
    logs = write_logs(tmp_path / "logs", files=2, each=30)
    home = tmp_path / "home"
    # One is told to everybody in a process group again and again by an impatient user.
    trap = SIGNALLED_WITHIN_A_COMMIT.format(name=name, times=3)
    ended = subprocess.run(
        command(trap, "scan", logs, "--home", home), capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == code
    assert ended.stderr.startswith("stopped: what was committed is kept")
    assert len(ended.stderr.splitlines()) == 1
    assert "committed 1" in ended.stdout
    report = verify(home)
    assert report.ok
    assert report.counts["events"] == 60


def test_a_second_scan_into_the_same_home_names_the_process_that_works_there(
    tmp_path: Path,
) -> None:
    logs = write_logs(tmp_path / "logs", files=1, each=3)
    with Home.open(tmp_path / "home"):
        ended = subprocess.run(
            command("", "scan", logs, "--home", tmp_path / "home"),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert ended.returncode == 4
    assert f"process {os.getpid()} works in this home" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing_of_what_is_found(tmp_path: Path) -> None:
    seed = int(os.environ.get("HAUBERK_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"HAUBERK_TEST_SEED={seed}")
    dice = random.Random(seed)
    logs = write_logs(tmp_path / "logs", files=60, each=1000)
    began = time.monotonic()
    undisturbed = subprocess.run(scan_in_portions(logs, tmp_path / "a", 3000), timeout=600)
    whole = time.monotonic() - began
    assert undisturbed.returncode == 10
    killed = 0
    for _ in range(10):
        with subprocess.Popen(scan_in_portions(logs, tmp_path / "b", 3000)) as process:
            try:
                process.wait(dice.uniform(0.1, 0.9) * whole)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
    assert killed >= 3
    last = subprocess.run(scan_in_portions(logs, tmp_path / "b", 3000), timeout=600)
    assert last.returncode == 10
    events, findings, incidents = contents(tmp_path / "b")
    expected_events, expected_findings, expected_incidents = contents(tmp_path / "a")
    assert expected_events.height == 60_000
    assert events.equals(expected_events)
    assert expected_findings.height >= 3
    assert findings.equals(expected_findings, null_equal=True)
    assert incidents == expected_incidents
    report = verify(tmp_path / "b")
    assert report.ok, report.faults
    assert report.counts["batches"] == 60
