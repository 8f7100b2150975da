"""The events behind findings."""

import json
from pathlib import Path

import polars as pl

from hauberk.pipeline import ScanOptions, load_incident, scan
from hauberk.pipeline.evidence import Ahead, evidence_ahead, evidence_of
from hauberk.store import Home


def log(path: Path) -> Path:
    commands = ("vssadmin delete shadows /all /quiet", "wevtutil cl Security", "whoami")
    rows = [
        {
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Hostname": "ws07",
            "@timestamp": f"2026-03-02T10:0{at}:00Z",
            "Image": "C:\\Windows\\System32\\cmd.exe",
            "CommandLine": command,
        }
        for at, command in enumerate(commands)
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_events_that_were_read_ahead_are_those_that_are_read_when_asked_for(
    tmp_path: Path,
) -> None:
    done = scan(ScanOptions([log(tmp_path / "a.json")], tmp_path / "home"))
    with Home.open(tmp_path / "home", read_only=True) as home:
        findings = home.records.findings()
        incidents = [load_incident(one) for one in home.records.incidents()]
        batches = {uid.partition(":")[0]: 1 for uid in findings["evidence"].explode().drop_nulls()}
        ahead = evidence_ahead(home, findings.clear(), batches)
        read = evidence_of(home, incidents, findings)
        assert read
        assert list(evidence_of(home, incidents, findings, ahead)) == list(read)
        assert evidence_of(home, incidents, findings, ahead) == read == done.evidence
        few = findings.filter(pl.col("uid") == findings["uid"][0])
        assert evidence_of(home, [], few, ahead) == evidence_of(home, [], few)
        assert evidence_ahead(home, findings, {}) == Ahead(frozenset(), {})
        assert evidence_of(home, incidents, findings, Ahead()) == read
