"""What one scan leaves for the next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hauberk.pipeline import ScanOptions, load_incident, scan
from hauberk.store import Home
from hauberk.triage import Incident

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def alerts(folder: Path, name: str, hours: float, title: str) -> Path:
    time = int((NOON + timedelta(hours=hours)).timestamp())
    file = folder / f"{name}_alerts.txt"
    head = "time,name,ip,host,short,time_label,event_label\n"
    file.write_text(f"{head}{time},AMiner: {title},10.0.0.9,mail,W-{name},x,-\n")
    return file


def stored(home: Path) -> list[Incident]:
    with Home.open(home, read_only=True) as opened:
        return [load_incident(one) for one in opened.records.incidents()]


def test_an_incident_keeps_its_uid_when_a_later_scan_finds_how_it_began(tmp_path: Path) -> None:
    home = tmp_path / "home"
    scan(ScanOptions(paths=[alerts(tmp_path, "late", 0, "Service stopped.")], home=home))
    before = stored(home)
    shown = scan(ScanOptions(paths=[alerts(tmp_path, "early", -3, "New log-on.")], home=home))
    after = stored(home)
    assert [len(one.findings) for one in before] == [1]
    assert [len(one.findings) for one in after] == [2]
    assert after[0].findings[0] != before[0].findings[0]
    assert [one.uid for one in after] == [one.uid for one in before]
    assert [one.uid for one in shown.incidents] == [one.uid for one in before]
