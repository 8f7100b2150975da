"""A story keeps its uid while it grows, merges and splits."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hauberk.events import findings_frame
from hauberk.triage import Incident, Reason, triage
from hauberk.triage.identity import identified

from .test_judge import NO_CELLS, finding, incidents_of

_ANY = incidents_of([finding("any", 0, ["host:ws1"], 1e-3)])[0]


def story(uid: str, **bits: float) -> Incident:
    """An incident of findings with their bits, the first named the first in time."""
    reasons = [Reason(name, name, weight) for name, weight in bits.items() if weight > 0]
    return replace(_ANY, uid=uid, findings=list(bits), reasons=reasons)


def test_a_story_that_an_earlier_finding_joins_keeps_its_uid() -> None:
    rows = [finding("dump", 60, ["host:ws1"], 1e-4), finding("move", 90, ["host:ws1"], 1e-4)]
    before = triage(findings_frame(rows), NO_CELLS).incidents
    rows.append(finding("mail", 0, ["host:ws1"], 1e-3))
    alone = triage(findings_frame(rows), NO_CELLS).incidents
    after = triage(findings_frame(rows), NO_CELLS, former=before).incidents
    assert alone[0].uid != before[0].uid
    assert [one.uid for one in after] == [before[0].uid]
    assert after[0].supersedes == []


def test_a_story_that_outgrows_what_it_was_keeps_its_uid() -> None:
    after = identified([story("new", z=20.0, a=1.0)], [story("old", a=3.0)])
    assert [one.uid for one in after] == ["old"]


def test_of_stories_that_merge_the_heavier_keeps_its_uid_and_supersedes_the_other() -> None:
    former = [story("light", a=3.0), story("heavy", b=9.0)]
    after = identified([story("light", a=3.0, b=9.0)], former)
    assert [(one.uid, one.supersedes) for one in after] == [("heavy", ["light"])]


def test_what_was_superseded_stays_so_until_it_returns() -> None:
    merged = identified(
        [story("light", a=3.0, b=9.0)], [story("light", a=3.0), story("heavy", b=9.0)]
    )
    again = identified([story("light", a=3.0, b=9.0)], merged)
    assert [(one.uid, one.supersedes) for one in again] == [("heavy", ["light"])]
    apart = identified([story("heavy", b=9.0), story("light", a=3.0)], again)
    assert [(one.uid, one.supersedes) for one in apart] == [("heavy", []), ("light", [])]


def test_of_a_story_that_splits_the_heaviest_part_keeps_the_uid() -> None:
    former = [story("old", a=2.0, b=9.0)]
    after = identified([story("b", b=9.0), story("old", a=2.0)], former)
    assert after[0].uid == "old"
    assert after[1].uid not in {"old", "b"}
    assert after[1].supersedes == []


def test_a_story_that_shares_next_to_nothing_with_a_former_is_another() -> None:
    former = [story("old", a=9.0, b=9.0, c=0.0)]
    after = identified([story("old", c=0.0, z=9.0)], former)
    assert after[0].uid != "old"


_NAMES = st.sampled_from("abcdefgh")
_PARTS = st.lists(st.sets(_NAMES, min_size=1), max_size=5)
_BITS = st.dictionaries(_NAMES, st.floats(0, 20))


def _stories(parts: list[set[str]], bits: dict[str, float], prefix: str) -> list[Incident]:
    """Stories without a finding in common, each named after its first finding."""
    told: set[str] = set()
    found = []
    for part in parts:
        left = sorted(part - told)
        told |= part
        if left:
            found.append(story(f"{prefix}{left[0]}", **{name: bits.get(name, 0) for name in left}))
    return found


@given(_PARTS, _PARTS, _BITS, _BITS, st.sampled_from(["", "n"]))
def test_no_two_incidents_have_one_uid_and_none_that_lives_is_superseded(
    old: list[set[str]],
    new: list[set[str]],
    before: dict[str, float],
    now: dict[str, float],
    prefix: str,
) -> None:
    former, fresh = _stories(old, before, ""), _stories(new, now, prefix)
    after = identified(fresh, former)
    uids = [one.uid for one in after]
    assert len(set(uids)) == len(uids)
    assert not set(uids).intersection(uid for one in after for uid in one.supersedes)
    assert [one.findings for one in after] == [one.findings for one in fresh]
    assert [one.uid for one in identified(after, after)] == uids


@given(_PARTS, _BITS)
def test_what_has_not_changed_keeps_every_uid(
    parts: list[set[str]], bits: dict[str, float]
) -> None:
    former = _stories(parts, bits, "old")
    renamed = [replace(one, uid=f"new{place}") for place, one in enumerate(former)]
    assert [one.uid for one in identified(renamed, former)] == [one.uid for one in former]
