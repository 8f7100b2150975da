"""Verdicts on a real home: noted with what they were given on, and ranked by again."""

import json
from pathlib import Path
from typing import Any

import pytest

from hauberk.pipeline import ScanOptions, leave, load_incident, rule_records, scan
from hauberk.pipeline.verdicts import verdicts_of
from hauberk.store import Home, verify
from hauberk.triage import Incident, odds_before


def log(path: Path, host: str = "ws07", day: int = 2) -> Path:
    commands = ("vssadmin delete shadows /all /quiet", "wevtutil cl Security")
    rows = [
        {
            "@timestamp": f"2026-03-{day:02}T10:0{at}:00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": 1,
                "computer_name": f"{host}.corp.example", "record_id": at,
                "event_data": {
                    "Image": "C:\\Windows\\System32\\cmd.exe", "CommandLine": command,
                    "User": f"CORP\\{host}-user",
                },
            },
        }
        for at, command in enumerate(commands)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an incident that three people found false, and a later one like it."""
    folder = tmp_path_factory.mktemp("judged")
    home = folder / "home"
    scan(ScanOptions([log(folder / "a.json")], home))
    (one,) = ranked(home)
    for by in ("ann", "bo", "kim"):
        verdict = {"type": "console.verdict", "by": by, "incident": one.uid, "verdict": "false"}
        assert leave(home, "cli", [{**verdict, "reason": "a test", "verdict_id": "1"}])
    scan(ScanOptions([log(folder / "b.json", "ws09", 4)], home))
    return home


def ranked(home: Path) -> list[Incident]:
    with Home.open(home, read_only=True) as opened:
        return [load_incident(one) for one in opened.records.incidents()]


def test_a_verdict_is_noted_with_what_it_was_given_on(judged: Path) -> None:
    with Home.open(judged, read_only=True) as opened:
        grounds: list[Any] = [
            one for one in opened.ledger.entries() if one["type"] == "labels.grounds"
        ]
        said = verdicts_of(opened)
    assert len(grounds) == 3
    shares = [share for _, share in grounds[0]["analytics"]]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert said.given["by"].to_list() == ["ann", "bo", "kim"]
    assert said.given["odds"].is_not_null().all()


def test_incidents_after_it_fall_and_say_why(judged: Path) -> None:
    for one in ranked(judged):
        assert one.reasons[-1].text.startswith("calibrated by 3 verdicts")
        assert one.reasons[-1].bits < 0


def test_the_ranking_names_its_verdicts_and_is_computed_again_from_the_ledger(
    judged: Path,
) -> None:
    with Home.open(judged, read_only=True) as opened:
        facts: Any = opened.records.commits()[-1].facts["verdicts"]
        entries = list(opened.ledger.entries())
        again = verdicts_of(opened, until=facts["until"])
        before = verdicts_of(opened, until=facts["positions"][0])
    kinds = [entries[at]["type"] for at in facts["positions"]]
    assert kinds == ["console.verdict"] * 3
    assert facts["used"] == 3
    assert again.given["position"].to_list() == facts["positions"]
    assert before.correction.used == 0
    for one in ranked(judged):
        assert one.reasons[-1].bits == again.correction.shift(odds_before(one))


def test_rules_are_listed_with_what_people_said_of_them(judged: Path) -> None:
    records = [one for one in rule_records(judged).values() if one.verdicts]
    assert records
    assert all(one.wrong > 0 == one.right and one.worth < 1 for one in records)


def test_a_scan_without_news_ranks_the_same(judged: Path, tmp_path: Path) -> None:
    before = ranked(judged)
    scan(ScanOptions([log(tmp_path / "b.json", "ws09", 4)], judged))
    assert ranked(judged) == before
    assert verify(judged).ok
