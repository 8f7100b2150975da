"""A folder of logs becomes ranked incidents, and what is stored stays true."""

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from hauberk.detect import DetectorSpec, State
from hauberk.errors import UnreadableInputError, UsageError
from hauberk.events import EventBatch, EventClass, FindingKind, findings_frame
from hauberk.pipeline import FindingView, IncidentView, Scan, ScanOptions, look_up, replay, scan
from hauberk.store import Home, verify

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def sysmon(event_id: int, minute: float, **data: object) -> str:
    """One Sysmon event in Winlogbeat's nested shape."""
    time = (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    return json.dumps(
        {
            "@timestamp": time,
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "provider_name": "Microsoft-Windows-Sysmon",
                "event_id": event_id,
                "computer_name": "ws07.corp.example",
                "event_data": {"UtcTime": time[:-1].replace("T", " "), **data},
            },
        }
    )


def started(minute: float, image: str, command: str, parent: str, **data: object) -> str:
    return sysmon(
        1, minute, Image=image, CommandLine=command, ParentImage=parent, User="CORP\\jlee",
        ProcessId=100 + int(minute), **data,
    )  # fmt: skip


ATTACK = [
    started(
        60, r"C:\Windows\System32\rundll32.exe",
        r"rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 612 C:\Users\Public\a.dmp full",
        r"C:\Windows\System32\cmd.exe",
    ),
    started(
        64, r"C:\Windows\System32\vssadmin.exe", "vssadmin delete shadows /all /quiet",
        r"C:\Windows\System32\cmd.exe",
    ),
    started(
        66, r"C:\Windows\System32\wevtutil.exe", "wevtutil cl Security",
        r"C:\Windows\System32\cmd.exe",
    ),
]  # fmt: skip

WORK = [
    started(
        minute, r"C:\Program Files\Office\winword.exe", f'winword.exe "report {minute}.docx"',
        r"C:\Windows\explorer.exe",
    )
    for minute in range(50)
]  # fmt: skip


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "sysmon.json").write_text("\n".join([*WORK, *ATTACK]) + "\n")
    return folder


def run(tmp_path: Path, *paths: Path, **options: object) -> Scan:
    return scan(ScanOptions(paths=paths, home=tmp_path / "home", **options))  # type: ignore[arg-type]


def test_an_attack_among_ordinary_work_is_the_first_incident(logs: Path, tmp_path: Path) -> None:
    answer = run(tmp_path, logs)
    first = answer.incidents[0]
    assert first.above_budget
    assert {"T1003.001", "T1490", "T1070.001"} <= set(first.techniques)
    assert "host:ws07" in first.entities
    assert "user:jlee" in first.entities
    assert first.start >= START + timedelta(minutes=59)


def test_every_record_is_accounted_for_and_the_home_verifies(logs: Path, tmp_path: Path) -> None:
    with (logs / "sysmon.json").open("a") as file:
        file.write('{"winlog": broken\n')
    answer = run(tmp_path, logs)
    accounts = answer.accounting
    assert accounts.records == len(WORK) + len(ATTACK) + 1
    assert accounts.rejected == 1
    assert all(one.balanced for one in accounts.formats)
    assert verify(tmp_path / "home").ok


def test_scanning_again_adds_nothing_and_says_the_same(logs: Path, tmp_path: Path) -> None:
    first = run(tmp_path, logs)
    second = run(tmp_path, logs)
    assert second.accounting.records == 0
    assert second.accounting.known == first.accounting.records
    assert [one.uid for one in second.incidents] == [one.uid for one in first.incidents]
    assert [one.probability for one in second.incidents] == [
        one.probability for one in first.incidents
    ]
    assert verify(tmp_path / "home").ok


def test_a_file_that_grew_is_read_from_where_it_was_left(logs: Path, tmp_path: Path) -> None:
    path = logs / "sysmon.json"
    whole = path.read_text()
    path.write_text("\n".join(WORK) + "\n")
    run(tmp_path, logs)
    path.write_text(whole)
    answer = run(tmp_path, logs)
    assert answer.accounting.known == len(WORK)
    assert answer.accounting.records == len(ATTACK)
    assert answer.incidents[0].above_budget


def test_the_same_logs_in_nested_archives_yield_the_same_incident(
    logs: Path, tmp_path: Path
) -> None:
    plain = run(tmp_path / "a", logs)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        tar.add(logs / "sysmon.json", "var/sysmon.json")
    packed = tmp_path / "evidence.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.tar.gz", inner.getvalue())
    nested = run(tmp_path / "b", packed)
    assert [one.techniques for one in nested.incidents] == [
        one.techniques for one in plain.incidents
    ]
    view = look_up(tmp_path / "b" / "home", "1")
    assert isinstance(view, IncidentView)
    sources = {str(event["record.source"]) for event in view.evidence.values()}
    assert sources == {f"{packed}!/inner.tar.gz!/var/sysmon.json"}


def test_evidence_leads_back_to_the_bytes_in_the_file(logs: Path, tmp_path: Path) -> None:
    answer = run(tmp_path, logs)
    data = (logs / "sysmon.json").read_bytes()
    assert answer.evidence
    for event in answer.evidence.values():
        offset, length = event["record.offset"], event["record.length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        assert data[offset : offset + length] == event["raw_data"]


@pytest.mark.parametrize("original", ["there", "gone", "changed"])
def test_a_replay_is_the_same_from_the_file_or_from_the_lake(
    logs: Path, tmp_path: Path, original: str
) -> None:
    answer = run(tmp_path, logs)
    path = logs / "sysmon.json"
    if original == "gone":
        path.unlink()
    elif original == "changed":
        path.write_text("{}\n" + path.read_text())
    for uid in answer.incidents[0].findings:
        done = replay(tmp_path / "home", uid)
        assert done.same, [one for one in done.comparisons if not one.same]


class Counting:
    """Says of each host how many processes it has started, and says so again as there are more."""

    spec = DetectorSpec(
        "counting", "1", FindingKind.RARITY, "Processes of a host",
        {EventClass.PROCESS_ACTIVITY: ("device.hostname",)},
    )  # fmt: skip

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        events = batch.events(
            EventClass.PROCESS_ACTIVITY, ["metadata.uid", "time", "device.hostname"]
        )
        before = state["seen"] if state else events.clear()
        seen = pl.concat([before, events])
        rows: list[dict[str, object]] = [
            {
                "uid": "c0ffee", "time": seen["time"].min(), "end_time": seen["time"].max(),
                "detector": "counting", "detector_version": "1", "kind": FindingKind.RARITY.value,
                "rule_uid": "many", "title": "Processes", "message": f"{seen.height} processes",
                "severity_id": 4, "techniques": ["T1059"],
                "entities": [f"host:{seen['device.hostname'][0]}"],
                "evidence": seen["metadata.uid"].head(10).to_list(), "count": seen.height,
                "surprise": 1e-6 / seen.height,
                "reasons": [{"text": "processes", "value": str(seen.height), "bits": 20.0}],
            }
        ]  # fmt: skip
        return findings_frame(rows if events.height else []), {"seen": seen}


def test_a_finding_said_again_with_more_is_shown_and_replayed_as_it_was_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's own `scan` is the function; these are the modules.
    scanning, judging = (import_module(f"hauberk.pipeline.{name}") for name in ("scan", "judging"))
    monkeypatch.setattr(scanning, "detectors", lambda: [Counting()])
    monkeypatch.setattr(judging, "SLICE_EVENTS", 20)
    home = tmp_path / "home"
    for name, lines, seen in (("a.json", WORK[:40], 40), ("b.json", WORK[40:], 50)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        run(tmp_path, tmp_path / name)
        view = look_up(home, "c0ffee")
        assert isinstance(view, FindingView)
        assert view.finding["count"] == seen
    with Home.open(home, read_only=True) as opened:
        stored = opened.records.scan_findings().filter(pl.col("uid") == "c0ffee").collect()
    assert sorted(stored["count"].to_list()) == [40, 50]
    first = min(stored["commit"].to_list())
    for reference, count in (("c0ffee", 50), (f"c0ffee@{first}", 40)):
        done = replay(home, reference)
        assert done.same, [one for one in done.comparisons if not one.same]
        assert done.finding["count"] == count
    for reference in ("c0ffee@0", "c0ffee@x"):
        with pytest.raises(UsageError):
            replay(home, reference)
    assert verify(home).ok


def test_a_baseline_is_learned_from_and_yields_no_incident(logs: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "baseline.json"
    quiet.write_text("\n".join(ATTACK) + "\n")
    answer = run(tmp_path, logs / "sysmon.json", baseline=[quiet])
    assert answer.accounting.records == len(WORK) + len(ATTACK)
    assert all(str(event["record.source"]) != str(quiet) for event in answer.evidence.values())


def test_a_time_range_hides_what_lies_outside(logs: Path, tmp_path: Path) -> None:
    assert not run(tmp_path / "a", logs, until=START + timedelta(minutes=55)).above
    late = run(tmp_path / "b", logs, since=START + timedelta(minutes=65))
    assert all(one.start >= START + timedelta(minutes=65) for one in late.incidents)


def test_nothing_readable_is_an_error_that_names_it(tmp_path: Path) -> None:
    junk = tmp_path / "junk.bin"
    junk.write_bytes(bytes(range(256)) * 50)
    with pytest.raises(UnreadableInputError, match=r"junk\.bin.*binary"):
        run(tmp_path, junk)


def _gz_cut(logs: Path) -> Path:
    path = logs / "cut.json.gz"
    # Many records, so that what was read before the cut holds whole ones.
    packed = gzip.compress("\n".join(WORK * 400).encode())
    path.write_bytes(packed[: len(packed) // 2])
    return path


def _bomb(logs: Path) -> Path:
    path = logs / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.json", b"0" * (600 << 20))
    return path


def _unreadable(logs: Path) -> Path:
    path = logs / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("make", [_gz_cut, _bomb, _unreadable])
def test_one_bad_input_is_named_and_the_rest_is_scanned(
    logs: Path, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    bad = make(logs)
    answer = run(tmp_path, logs)
    told = {one.path: one.reason for one in answer.accounting.unread}
    assert any(bad.name in path for path in told), told
    assert answer.incidents[0].above_budget
    assert verify(tmp_path / "home").ok


def test_clocks_in_1970_and_2100_are_stored_and_move_nothing(logs: Path, tmp_path: Path) -> None:
    odd = [
        json.dumps({**json.loads(line), "@timestamp": time})
        for line in ATTACK[:1]
        for time in ("1970-01-01T00:00:00Z", "2199-12-31T00:00:00Z", "yesterday")
    ]
    (logs / "odd.json").write_text("\n".join(odd) + "\n")
    answer = run(tmp_path, logs)
    assert answer.accounting.events == len(WORK) + len(ATTACK) + len(odd)
    assert answer.accounting.first == START
    assert verify(tmp_path / "home").ok
