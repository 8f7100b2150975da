"""What other products said of an incident's hosts about its time is found, rarest first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hauberk.pipeline import IncidentView, look_up, scan
from hauberk.pipeline.interface import ScanOptions
from hauberk.pipeline.surrounding import alerts_around, each_around
from hauberk.store import Home
from hauberk.triage import Incident

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def alert(hours: float, name: str, host: str) -> str:
    time = int((NOON + timedelta(hours=hours)).timestamp())
    return f"{time},{name},10.0.0.9,{host},W-Any-Thg,x,-"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lines = [
        *[alert(hour / 4, "Wazuh: Database update", "Mail") for hour in range(-40, 40)],
        alert(-20, "AMiner: Service stopped.", "mail"),
        alert(-40, "AMiner: Too early.", "mail"),
        alert(1, "AMiner: Elsewhere.", "vpn"),
    ]
    file = tmp_path / "some_alerts.txt"
    file.write_text("time,name,ip,host,short,time_label,event_label\n" + "\n".join(lines) + "\n")
    scan(ScanOptions(paths=[file], home=tmp_path / "home"))
    return tmp_path / "home"


def incident_of(home: Path) -> Incident:
    view = look_up(home, "1")
    assert isinstance(view, IncidentView)
    hour = timedelta(hours=1)
    return replace(view.incident, entities=["host:mail"], start=NOON - hour, end=NOON + hour)


def test_alerts_of_its_hosts_are_found_from_a_day_before_to_a_day_after(home: Path) -> None:
    incident = incident_of(home)
    with Home.open(home, read_only=True) as opened:
        found = alerts_around(opened, incident)
    told = found.select("product", "title", "host", "count").rows()
    assert told == [
        ("AMiner", "Service stopped.", "mail", 1),
        ("Wazuh", "Database update", "mail", 80),
    ]
    assert found["first"][1] == NOON - timedelta(hours=10)


def test_each_alert_can_be_had_with_its_record(home: Path) -> None:
    incident = incident_of(home)
    with Home.open(home, read_only=True) as opened:
        found = each_around(opened, incident, ["raw_data"]).collect()
    assert found.height == 81
    assert all(b"ail," in raw for raw in found["raw_data"])


def test_an_incident_is_looked_up_with_what_was_said_around_it(home: Path) -> None:
    view = look_up(home, "1")
    assert isinstance(view, IncidentView)
    assert not view.alerts.is_empty()
