"""Correlations over stored hits: whatever the files' cut and order, the same is said, and again."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hauberk.detect.sigma import load_rules
from hauberk.pipeline import ScanOptions, hunt, replay, scan
from hauberk.store import Home

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

RULES = """
title: Looks around
name: looks_around
id: 11111111-1111-4111-8111-111111111111
level: low
tags: [attack.t1033]
logsource: {product: windows, category: process_creation}
detection: {s: {CommandLine|contains: [whoami, 'net group']}, condition: s}
---
title: Packs up
name: packs_up
id: 22222222-2222-4222-8222-222222222222
logsource: {product: windows, category: process_creation}
detection: {s: {CommandLine|startswith: rar}, condition: s}
---
title: Looks around a lot
name: a_lot
id: 33333333-3333-4333-8333-333333333333
correlation:
  {type: event_count, rules: looks_around, group-by: User, timespan: 10m, condition: {gte: 3}}
---
title: Looks around and packs up
id: 44444444-4444-4444-8444-444444444444
level: high
correlation: {type: temporal_ordered, rules: [a_lot, packs_up], group-by: User, timespan: 1d}
"""


def started(minute: float, command: str, user: str) -> str:
    time = (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    data = {"Image": r"C:\x.exe", "CommandLine": command, "User": user, "ProcessId": int(minute)}
    return json.dumps(
        {
            "@timestamp": time,
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "provider_name": "Microsoft-Windows-Sysmon",
                "event_id": 1,
                "computer_name": "ws07.corp.example",
                "event_data": {"UtcTime": time[:-1].replace("T", " "), **data},
            },
        }
    )


EVENTS = [
    *(started(minute, "whoami /all", "CORP\\jlee") for minute in (0, 4, 8)),
    *(started(minute, f"notepad {minute}", "CORP\\ann") for minute in range(10, 20)),
    started(60, "rar a x.rar docs", "CORP\\ann"),
    started(300, "rar a x.rar docs", "corp\\JLEE"),
    *(started(minute, "net group /domain", "CORP\\ann") for minute in (400, 401, 402)),
]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def correlated(home: Path) -> pl.DataFrame:
    with Home.open(home, read_only=True) as opened:
        found = opened.records.findings()
    return found.filter(pl.col("detector") == "sigma-correlation")


def scanned(tmp_path: Path, name: str, rules: Path, parts: Sequence[Sequence[str]]) -> Path:
    """A home that read the parts one after the other, each in a file and a scan of its own."""
    home = tmp_path / name
    for number, part in enumerate(parts):
        file = tmp_path / f"{name}-{number}.json"
        file.write_text("\n".join(part) + "\n")
        answer = scan(ScanOptions(paths=[file], home=home, rules=[rules]))
        assert not answer.faults
    return home


def told(found: pl.DataFrame) -> list[tuple[object, ...]]:
    return found.select("time", "end_time", "title", "message", "count").sort(pl.all()).rows()


def test_what_correlates_is_told_with_its_reasons(tmp_path: Path, rules: Path) -> None:
    found = correlated(scanned(tmp_path, "whole", rules, [EVENTS]))
    (row,) = found.rows(named=True)
    assert row["title"] == "Looks around and packs up"
    assert row["count"] == len(row["evidence"]) == 4
    assert row["techniques"] == ["T1033"]
    assert "user:jlee" in row["entities"]
    assert row["message"] == (
        "Looks around and packs up for User corp\\JLEE: "
        "Looks around a lot (1×), then Packs up (1×) within 1 day"
    )
    assert (row["end_time"] - row["time"]) == timedelta(minutes=300)


def test_rules_that_only_correlations_read_say_nothing_themselves(
    tmp_path: Path, rules: Path
) -> None:
    home = scanned(tmp_path, "whole", rules, [EVENTS])
    with Home.open(home, read_only=True) as opened:
        titles = set(opened.records.findings()["title"])
    assert not {"Looks around", "Packs up", "Looks around a lot"} & titles


@pytest.mark.slow
def test_files_in_any_order_and_cut_say_the_same(tmp_path: Path, rules: Path) -> None:
    whole = told(correlated(scanned(tmp_path, "whole", rules, [EVENTS])))
    pieces = [EVENTS[at : at + 4] for at in range(0, len(EVENTS), 4)]
    assert told(correlated(scanned(tmp_path, "pieces", rules, pieces))) == whole
    assert told(correlated(scanned(tmp_path, "late", rules, pieces[::-1]))) == whole
    assert told(correlated(scanned(tmp_path, "mixed", rules, [EVENTS[::-1]]))) == whole


def test_a_hunt_correlates_what_is_stored(tmp_path: Path, rules: Path) -> None:
    home = tmp_path / "home"
    file = tmp_path / "all.json"
    file.write_text("\n".join(EVENTS[::-1]) + "\n")
    scan(ScanOptions(paths=[file], home=home))
    found = hunt(home, load_rules([rules])).findings
    assert found["title"].to_list() == ["Looks around and packs up"]
    assert found["count"].to_list() == [4]


def test_a_correlated_finding_replays(tmp_path: Path, rules: Path) -> None:
    pieces = [EVENTS[9:], EVENTS[:9]]
    home = scanned(tmp_path, "pieces", rules, pieces)
    (uid,) = correlated(home)["uid"]
    answer = replay(home, uid)
    assert answer.same, [one for one in answer.comparisons if not one.same]
