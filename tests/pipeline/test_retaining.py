"""Retention keeps what incidents rest on and what a replay begins with, and lets the rest go."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hauberk.events import EventClass
from hauberk.pipeline import ScanOptions, kept_of, replay, retain, scan
from hauberk.store import Home, Policy, verify

COMMANDS = [
    "vssadmin delete shadows /all /quiet",
    "wevtutil cl Security",
    "bcdedit /set {default} recoveryenabled no",
]


def row(number: int, command: str) -> dict[str, object]:
    return {
        "@timestamp": f"2026-03-02T10:{number // 60:02}:{number % 60:02}Z",
        "winlog": {
            "channel": "Microsoft-Windows-Sysmon/Operational",
            "event_id": 1,
            "computer_name": "ws07",
            "record_id": number,
            "event_data": {
                "Image": rf"C:\Windows\System32\{command.split(maxsplit=1)[0]}.exe",
                "CommandLine": command,
                "OriginalFileName": f"{command.split(maxsplit=1)[0]}.exe",
                "User": r"CORP\jlee",
            },
        },
    }


def log(path: Path, first: int) -> Path:
    """What deletes shadow copies and logs, among hundreds of what is nothing."""
    rows = [row(first + n, f"notepad file{n}.txt") for n in range(300)]
    rows += [row(first + 300 + n, command) for n, command in enumerate(COMMANDS)]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def home(home_path: Path, tmp_path: Path) -> Path:
    for number in range(2):
        scan(ScanOptions(paths=[log(tmp_path / f"{number}.json", number * 600)], home=home_path))
        (tmp_path / f"{number}.json").unlink()  # a replay has the lake alone
    return home_path


def evidence(home: Home) -> set[str]:
    bodies: list[Any] = [one.body for one in home.records.incidents()]
    uids = [uid for body in bodies for uid in body["findings"]]
    return set(home.records.findings(uids=uids)["evidence"].explode().drop_nulls())


def test_evidence_of_incidents_outlives_the_days_of_its_class(home: Path) -> None:
    with Home.open(home) as opened:
        before = opened.lake.count()
        wanted = evidence(opened)
        retain(opened, Policy(default=30))
        opened.vacuum()
        left = opened.lake.scan(EventClass.PROCESS_ACTIVITY, ["metadata.uid"]).collect()
        assert before == 606
        assert wanted
        assert set(left["metadata.uid"]) == wanted
        findings = opened.records.findings()
    assert verify(home).ok
    of_rules = findings.filter(pl.col("detector") == "sigma")
    assert replay(home, of_rules["uid"][0]).same


def test_incidents_leave_with_their_findings_and_do_not_come_back(
    home: Path, tmp_path: Path
) -> None:
    policy = Policy(default=30, incidents=30)
    with Home.open(home) as opened:
        assert opened.records.incidents()
        retain(opened, policy)
        opened.vacuum()
        assert opened.records.incidents() == []
        assert opened.records.findings().is_empty()
        assert opened.lake.count() == 0
    assert verify(home).ok
    quiet = tmp_path / "quiet.json"
    quiet.write_text(json.dumps(row(5000, "notepad x.txt")) + "\n")
    scan(ScanOptions(paths=[quiet], home=home))
    with Home.open(home, read_only=True) as opened:
        assert opened.records.incidents() == []
        assert opened.lake.count() == 1
    assert verify(home).ok


def test_what_was_removed_is_not_read_again(home: Path, tmp_path: Path) -> None:
    with Home.open(home) as opened:
        retain(opened, Policy(default=30, incidents=30))
    scan(ScanOptions(paths=[log(tmp_path / "again.json", 0)], home=home))
    with Home.open(home, read_only=True) as opened:
        assert opened.lake.count() == 0


def test_states_that_a_replay_needs_stay_and_others_go(home: Path, tmp_path: Path) -> None:
    for number in range(4):
        quiet = tmp_path / f"quiet{number}.json"
        quiet.write_text(json.dumps(row(5000 + number, "notepad x.txt")) + "\n")
        scan(ScanOptions(paths=[quiet], home=home))
    with Home.open(home) as opened:
        before = set(opened.records.states())
        newest = {name: max(n for one, n in before if one == name) for name, _ in before}
        said = opened.records.findings().unique("detector")
        were = {uid: replay(home, uid).same for uid in said["uid"]}
        retain(opened, Policy())
        opened.vacuum()
        after = set(opened.records.states())
        assert after < before
        assert set(newest.items()) <= after
        assert kept_of(opened, Policy()).states == after
    assert verify(home).ok
    assert {uid: replay(home, uid).same for uid in said["uid"]} == were
    assert any(were.values())
