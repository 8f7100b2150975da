"""What people merge and take apart, on real homes: noted, obeyed from then on, and lifted."""

from pathlib import Path
from typing import Any

import pytest

from hauberk.pipeline import ScanOptions, groupings_of, holder, leave, scan
from hauberk.pipeline.groupings import PARTS
from hauberk.store import Home, verify
from hauberk.triage import Incident

from .test_verdicts import log, ranked


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two incidents, on two hosts, two days apart."""
    scan(ScanOptions([log(tmp_path / "a.json")], tmp_path / "home"))
    scan(ScanOptions([log(tmp_path / "b.json", "ws09", 4)], tmp_path / "home"))
    return tmp_path / "home"


def say(home: Path, kind: str, one: Incident, **said: str) -> str:
    act = f"act-{kind}-{len(said)}"
    entry = {"type": f"console.{kind}", "act": act, "by": "ann", "incident": one.uid, **said}
    assert leave(home, "cli", [entry])
    return act


def again(home: Path) -> list[Incident]:
    """The ranking of a scan that brings nothing new."""
    scan(ScanOptions([home.parent / "a.json"], home))
    return ranked(home)


def test_a_merge_reaches_the_ranking_survives_and_is_lifted(home: Path) -> None:
    first, second = sorted(ranked(home), key=lambda one: one.start)
    act = say(home, "merged", second, other=first.uid, reason="one intruder")
    assert {one.uid for one in ranked(home)} == {first.uid, second.uid}
    (merged,) = again(home)
    assert (merged.uid, merged.supersedes) == (second.uid, [first.uid])
    assert merged.probability >= max(first.probability, second.probability)
    with Home.open(home, read_only=True) as opened:
        assert getattr(holder(opened, first.uid), "uid", "") == second.uid
        facts: Any = opened.records.commits()[-1].facts["groupings"]
        entries = list(opened.ledger.entries())
        replayed = groupings_of(opened, until=facts["until"])
        before = groupings_of(opened, until=facts["positions"][0])
    assert [entries[at]["type"] for at in facts["positions"]] == ["console.merged"]
    assert [one.position for one in replayed.standing] == facts["positions"]
    assert not before.standing
    scan(ScanOptions([log(home.parent / "c.json", "ws31", 20)], home))
    assert {one.uid for one in ranked(home)} >= {second.uid}
    assert len(ranked(home)) == 2
    say(home, "undone", merged, undoes=act, reason="two after all")
    assert {first.uid, second.uid} <= {one.uid for one in again(home)}
    assert verify(home).ok


def test_findings_that_are_split_off_stand_alone_and_the_uid_stays(home: Path) -> None:
    whole = max(ranked(home), key=lambda one: len(one.findings))
    chosen = whole.reasons[0].finding_uid
    say(home, "split", whole, findings=chosen, reason="an update")
    after = again(home)
    left = next(one for one in after if one.uid == whole.uid)
    assert chosen not in left.findings
    apart = next(one for one in after if chosen in one.findings)
    assert list(apart.findings) == [chosen]
    assert again(home) == after


def test_what_an_act_is_about_is_noted_from_the_home_and_not_from_the_act(home: Path) -> None:
    one, other = ranked(home)[:2]
    say(home, "split", one, findings=f"{other.findings[0]} nonsense", reason="x")
    say(home, "detached", one, findings=" ".join(one.findings), reason="all of it")
    say(home, "merged", one, other=one.uid, reason="x")
    say(home, "merged", one, other="0", reason="x", more="x")
    before = ranked(home)
    with Home.open(home, read_only=True) as opened:
        noted = [entry for entry in opened.ledger.entries() if entry["type"] == PARTS]
    assert len(noted) == 4
    assert not any("named" in entry for entry in noted)
    assert again(home) == before


def test_the_inbox_brings_no_parts_of_its_own(home: Path) -> None:
    one, other = ranked(home)[:2]
    forged = {"type": PARTS, "by": "ann", "named": [other.findings[0]], "kept": [one.findings[0]]}
    leave(home, "cli", [forged])
    with Home.open(home, read_only=True) as opened:
        assert not [entry for entry in opened.ledger.entries() if entry["type"] == PARTS]
