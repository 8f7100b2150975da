"""What is measured of a home's incidents, from stamps that the tests set themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from hauberk.events import findings_frame
from hauberk.reports import measure, print_measures
from hauberk.store import Commit, Home, StoredIncident

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def incident(uid: str, start: datetime, supersedes: Sequence[str] = ()) -> StoredIncident:
    body: dict[str, object] = {"findings": [], "supersedes": list(supersedes)}
    return StoredIncident(uid, 0.9, start, start, above_budget=True, body=body)


def act(kind: str, by: str, minutes: float, uid: str = "", **said: str) -> dict[str, object]:
    at = (START + timedelta(minutes=minutes)).isoformat()
    return {"type": f"console.{kind}", "by": by, "at": at, "incident": uid, **said}


def told(home: Home, clock: Clock, minutes: float, *incidents: StoredIncident) -> None:
    clock.now = START + timedelta(minutes=minutes)
    facts = {"told": [one.uid for one in incidents], "budget": 5.0}
    home.commit(Commit(incidents=incidents, facts=facts))


def home_of(path: Path, acts: Sequence[dict[str, object]]) -> Path:
    clock = Clock()
    with Home.open(path, clock=clock) as home:
        told(home, clock, 10, incident("a", START), incident("b", START + timedelta(minutes=4)))
        told(home, clock, 70, incident("c", START + timedelta(minutes=60)))
        home.commit(Commit(entries=acts))
    return path


ACTS = [
    act("signed-in", "ann", 12),
    act("assigned", "ann", 15, "a", after="ann"),
    act("comment", "ann", 25, "a", text="hm"),
    act("verdict", "ann", 30, "a", verdict="true"),
    act("comment", "ann", 90, "b", text="back from lunch"),
    act("verdict", "ann", 94, "b", verdict="false"),
    act("verdict", "bo", 100, "c", verdict="true"),
]


def test_times_are_counted_from_the_telling(tmp_path: Path) -> None:
    found = measure(home_of(tmp_path / "home", ACTS))
    assert (found.told, found.decided, found.incidents) == (3, 3, 3)
    assert (found.to_detect.n, found.to_detect.median) == (3, 600)  # 10, 6, 10 minutes
    assert found.to_acknowledge.median == 30 * 60  # 5, 80, 30
    assert found.to_respond.median == 30 * 60  # 20, 84, 30
    assert found.verdicts == {"true": 2, "benign but expected": 0, "false": 1}
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.precision.low < 0.3
    assert (found.budget, found.budget_days) == (5.0, 1)
    assert found.budget_used == pytest.approx(3 / 5)


def test_minutes_are_those_between_acts_and_no_pause_for_lunch(tmp_path: Path) -> None:
    found = measure(home_of(tmp_path / "home", ACTS))
    # ann: 3 + 10 + 5 minutes on a, 4 on b; of bo nothing is known but that c was judged.
    assert found.minutes_in_all == 22
    assert (found.minutes.n, found.minutes.median) == (3, 4)


def test_a_span_takes_in_what_was_told_within_it(tmp_path: Path) -> None:
    home = home_of(tmp_path / "home", ACTS)
    later = measure(home, since=START + timedelta(minutes=60))
    assert (later.told, later.decided) == (1, 1)
    assert measure(home, until=START).told == 0


def test_acts_on_what_an_incident_supersedes_are_its_own(tmp_path: Path) -> None:
    clock = Clock()
    with Home.open(tmp_path / "home", clock=clock) as home:
        told(home, clock, 5, incident("old", START))
        clock.now = START + timedelta(minutes=9)
        heir = incident("new", START, ["old"])
        commit = Commit(
            incidents=[heir], gone_incidents=["old"], facts={"told": ["new"]},
            entries=[act("verdict", "ann", 8, "old", verdict="true")],
        )  # fmt: skip
        home.commit(commit)
    found = measure(tmp_path / "home")
    assert (found.told, found.decided, found.to_respond.median) == (1, 1, 180)


def test_an_empty_home_says_that_nothing_is_known(tmp_path: Path) -> None:
    with Home.open(tmp_path / "home") as home:
        home.commit(Commit())
    found = measure(tmp_path / "home")
    assert found.to_detect.n == found.told == found.alerts == 0
    assert found.to_detect.median is None
    console = Console(record=True, width=120)
    print_measures(found, console)
    text = console.export_text()
    assert "nobody has judged one yet" in text
    assert "too few to go by" in text


def test_findings_are_counted_when_they_are_stored(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "uid": "f", "time": START, "end_time": START, "detector": "d", "detector_version": "1",
        "kind": "rule", "rule_uid": "r", "title": "t", "message": "m", "severity_id": 1,
        "techniques": [], "entities": [], "evidence": [], "count": 1, "surprise": 0.1,
        "reasons": [],
    }  # fmt: skip
    with Home.open(tmp_path / "home") as home:
        home.commit(Commit(findings=findings_frame([row])))
        home.commit(Commit(findings=findings_frame([row])))
    assert measure(tmp_path / "home").alerts == 1
