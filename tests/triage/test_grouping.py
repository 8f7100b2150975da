"""What people merge and take apart holds, hides nothing, and can be lifted."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import findings_frame
from hauberk.triage import (
    GROUPING_SCHEMA,
    GroupingKind,
    Groupings,
    Incident,
    Triage,
    TriageSettings,
    triage,
)

from .test_judge import NO_CELLS, finding

Row = dict[str, object]

DUMP = finding("dump", 0, ["host:ws1", "user:ann"], 1e-4, ("T1003.001",))
MOVE = finding("move", 5, ["host:ws1", "user:ann"], 1e-4, ("T1021.002",))
CRYPT = finding("crypt", 6, ["host:ws1", "user:ann"], 1e-3, ("T1486",))
MAIL = finding("mail", -2000, ["mailbox:bo@corp"], 1e-3, ("T1566.001",))
ONE_STORY, OTHER = [DUMP, MOVE, CRYPT], [MAIL]


def said(*acts: tuple[GroupingKind, str, str, list[Row], list[Row]]) -> Groupings:
    """Groupings: kind, incident, other, findings that are named, findings that are kept."""
    rows = [
        {
            "position": number,
            "act": f"a{number}",
            "at": datetime(2026, 3, 3, tzinfo=UTC),
            "by": "ann",
            "kind": kind.value,
            "incident": incident,
            "other": other,
            "named": [one["uid"] for one in named],
            "kept": [one["uid"] for one in kept],
        }
        for number, (kind, incident, other, named, kept) in enumerate(acts)
    ]
    return Groupings(pl.DataFrame(rows, schema=GROUPING_SCHEMA), len(rows))


def made(
    rows: list[Row], groupings: Groupings | None = None, former: list[Incident] | None = None,
    budget: float = 5.0,
) -> Triage:  # fmt: skip
    return triage(
        findings_frame(rows), NO_CELLS, settings=TriageSettings(budget=budget),
        former=former or [], groupings=groupings,
    )  # fmt: skip


def holding(incidents: list[Incident], row: Row) -> Incident:
    return next(one for one in incidents if row["uid"] in one.findings)


def merge(into: Incident, other: Incident, named: list[Row], kept: list[Row]) -> Groupings:
    return said((GroupingKind.MERGED, into.uid, other.uid, named, kept))


def test_what_was_merged_is_one_story_under_the_uid_that_it_was_merged_into() -> None:
    before = made([*ONE_STORY, *OTHER]).incidents
    light, heavy = holding(before, MAIL), holding(before, DUMP)
    assert light.uid != heavy.uid
    together = merge(light, heavy, ONE_STORY, OTHER)
    after = made([*ONE_STORY, *OTHER], together, before).incidents
    assert [(one.uid, one.supersedes) for one in after] == [(light.uid, [heavy.uid])]
    again = made([*ONE_STORY, *OTHER], together, after)
    assert [(one.uid, one.supersedes) for one in again.incidents] == [(light.uid, [heavy.uid])]


def test_a_merge_that_is_lifted_gives_both_their_uids_back() -> None:
    before = made([*ONE_STORY, *OTHER]).incidents
    light, heavy = holding(before, MAIL), holding(before, DUMP)
    merged = (GroupingKind.MERGED, light.uid, heavy.uid, ONE_STORY, OTHER)
    after = made([*ONE_STORY, *OTHER], said(merged), before).incidents
    lifted = said(merged, (GroupingKind.UNDONE, light.uid, "a0", [], []))
    apart = made([*ONE_STORY, *OTHER], lifted, after).incidents
    assert holding(apart, MAIL).uid == light.uid
    assert holding(apart, DUMP).uid == heavy.uid
    assert [one.supersedes for one in apart] == [[], []]


def test_a_merge_holds_for_findings_that_come_later() -> None:
    before = made([*ONE_STORY, *OTHER]).incidents
    together = merge(holding(before, DUMP), holding(before, MAIL), OTHER, ONE_STORY)
    late = finding("later", 30, ["host:ws1", "user:ann"], 1e-3, ("T1490",))
    after = made([*ONE_STORY, *OTHER, late], together, before).incidents
    assert len(after) == 1
    assert late["uid"] in after[0].findings


def test_what_was_split_off_is_a_story_of_its_own_and_leaves_the_uid_behind() -> None:
    before = made(ONE_STORY).incidents
    assert len(before) == 1
    cut = said((GroupingKind.SPLIT, before[0].uid, "", [DUMP, MOVE], [CRYPT]))
    after = made(ONE_STORY, cut, before).incidents
    assert holding(after, CRYPT).uid == before[0].uid
    assert holding(after, DUMP).uid == holding(after, MOVE).uid != before[0].uid
    again = made(ONE_STORY, cut, after).incidents
    assert {one.uid for one in again} == {one.uid for one in after}


def test_what_comes_later_stays_with_what_is_left_unless_it_hangs_on_what_went() -> None:
    before = made(ONE_STORY).incidents
    cut = said((GroupingKind.DETACHED, before[0].uid, "", [CRYPT], [DUMP, MOVE]))
    near_both = finding("both", 8, ["host:ws1"], 1e-3)
    hanging = finding("hang", 9, ["host:ws9"], 1e-3)
    bridge = {**CRYPT, "entities": ["host:ws1", "user:ann", "host:ws9"]}
    after = made([DUMP, MOVE, bridge, near_both, hanging], cut, before).incidents
    assert holding(after, near_both).uid == holding(after, DUMP).uid == before[0].uid
    assert holding(after, hanging).uid == holding(after, bridge).uid != before[0].uid


def test_the_later_word_holds_and_a_lifted_one_does_not() -> None:
    before = made([*ONE_STORY, *OTHER]).incidents
    heavy, light = holding(before, DUMP), holding(before, MAIL)
    merged = (GroupingKind.MERGED, heavy.uid, light.uid, OTHER, ONE_STORY)
    detached = (GroupingKind.DETACHED, heavy.uid, "", OTHER, ONE_STORY)
    nothing: list[Row] = []
    undone = (GroupingKind.UNDONE, heavy.uid, "a0", nothing, nothing)
    assert len(made([*ONE_STORY, *OTHER], said(merged, detached), before).incidents) == 2
    assert len(made([*ONE_STORY, *OTHER], said(detached, merged), before).incidents) == 1
    assert len(made([*ONE_STORY, *OTHER], said(merged, undone), before).incidents) == 2


def test_a_grouping_whose_findings_are_gone_changes_nothing() -> None:
    plain = made(ONE_STORY)
    gone = said(
        (GroupingKind.MERGED, "x", "y", OTHER, ONE_STORY),
        (GroupingKind.SPLIT, "x", "", OTHER, ONE_STORY),
        (GroupingKind.SPLIT, "x", "", [DUMP], []),
    )
    assert made(ONE_STORY, gone).incidents == plain.incidents


def test_a_merge_makes_nothing_less_likely_than_its_likeliest_part() -> None:
    # Twelve kinds that say the same technique leave little for one more that says it.
    crowd = [
        finding(f"weak{n}", -3000 + n, [f"host:x{n}"], 1e-2, ("T1059.001",)) for n in range(12)
    ]
    rows = [*ONE_STORY, *crowd]
    before = made(rows).incidents
    strong = holding(before, DUMP)
    acts = [
        (GroupingKind.MERGED, strong.uid, holding(before, one).uid, [one], ONE_STORY)
        for one in crowd
    ]
    after = made(rows, said(*acts), before).incidents
    merged = holding(after, DUMP)
    assert merged.probability >= max(one.probability for one in before) - 1e-12
    assert merged.uid == strong.uid


def test_the_parts_of_what_would_be_shown_are_shown() -> None:
    before = made(ONE_STORY, budget=1.0).incidents
    assert before[0].above_budget
    cut = said((GroupingKind.SPLIT, before[0].uid, "", [CRYPT], [DUMP, MOVE]))
    after = made(ONE_STORY, cut, before, budget=1.0).incidents
    assert len(after) == 2
    assert all(one.above_budget for one in after)


def test_what_was_detached_does_not_come_back_as_context() -> None:
    weak = finding("usual", 7, ["host:ws1"], 0.02)
    rows = [*ONE_STORY, weak]
    before = made(rows).incidents
    cut = said((GroupingKind.DETACHED, before[0].uid, "", [weak], ONE_STORY))
    after = made(rows, cut, before).incidents
    assert weak["uid"] not in holding(after, DUMP).findings


def test_groupings_teach_nothing() -> None:
    together = said((GroupingKind.MERGED, "x", "y", OTHER, ONE_STORY))
    plain, grouped = made([*ONE_STORY, *OTHER]), made([*ONE_STORY, *OTHER], together)
    assert grouped.findings.equals(plain.findings)
    hits = [one.exposure.hits.sort(pl.all()) for one in (plain, grouped)]
    assert hits[0].equals(hits[1])


ROWS = [
    finding(
        f"r{n}", 40 * n, [f"host:h{n % 4}", f"user:u{n % 3}"], 10.0 ** -(1 + n % 4),
        (f"T10{10 + n}",),
    )
    for n in range(12)
]  # fmt: skip
PICKED = st.lists(st.sampled_from(ROWS), max_size=4)
ACT = st.tuples(
    st.sampled_from(list(GroupingKind)[:3]), st.sampled_from(["p", "q"]), st.just("q"),
    PICKED, PICKED,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(ACT, max_size=5))
def test_whatever_is_said_every_finding_stands_in_one_incident_and_nothing_sinks(
    acts: list[tuple[GroupingKind, str, str, list[Row], list[Row]]],
) -> None:
    plain = made(ROWS)
    grouped = made(ROWS, said(*acts))
    everything = [uid for one in grouped.incidents for uid in one.findings]
    assert sorted(everything) == sorted(str(row["uid"]) for row in ROWS)
    assert len({one.uid for one in grouped.incidents}) == len(grouped.incidents)
    assert grouped.incidents == made(ROWS, said(*acts)).incidents
    if all(kind is GroupingKind.MERGED for kind, *_ in acts):
        for part in plain.incidents:
            whole = max(
                one.probability for one in grouped.incidents
                if set(part.findings) & set(one.findings)
            )  # fmt: skip
            assert whole >= part.probability or whole == pytest.approx(part.probability)
