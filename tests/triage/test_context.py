"""What was said of an incident's hosts about its time stands beside it and counts for nothing."""

import polars as pl
import pytest

from hauberk.events import findings_frame
from hauberk.triage import Incident, triage

from .test_judge import NO_CELLS, finding

ATTACK = [
    finding("dump", 0, ["host:ws1"], 1e-5, ("T1003.001",)),
    finding("move", 30, ["host:ws1"], 1e-5, ("T1021.002",)),
    finding("wipe", 55, ["host:ws1"], 1e-5, ("T1490",)),
]


def incidents_of(*more: dict[str, object]) -> list[Incident]:
    return triage(findings_frame([*ATTACK, *more]), NO_CELLS).incidents


def test_a_weak_finding_on_a_host_of_a_likely_incident_stands_in_its_timeline() -> None:
    before = finding("stop", -20 * 60, ["host:ws1"], 0.2, ("T1489",))
    alone, (first, *others) = incidents_of()[0], incidents_of(before)
    assert others == []
    assert first.findings[0] == before["uid"]
    assert list(first.context) == [before["uid"]]
    assert first.probability == alone.probability
    assert first.probability > 0.5
    assert (first.start, first.techniques) == (alone.start, alone.techniques)
    assert (first.narrative, first.event_count) == (alone.narrative, alone.event_count)
    assert first.uid == alone.uid


@pytest.mark.parametrize(
    "other",
    [
        finding("stop", -26 * 60, ["host:ws1"], 0.2),
        finding("stop", 30 * 60, ["host:ws1"], 0.2),
        finding("stop", -60, ["host:ws7"], 0.2),
        finding("stop", -20 * 60, ["host:ws1"], 0.003),
    ],
    ids=[
        "more than a day before",
        "more than a day after",
        "of another host",
        "a story of its own",
    ],
)
def test_nothing_else_is_context(other: dict[str, object]) -> None:
    found = incidents_of(other)
    assert len(found) == 2
    assert all(list(one.context) == [] for one in found)


def test_an_unlikely_incident_has_no_context() -> None:
    rows = [finding("odd", 0, ["host:ws1"], 0.01), finding("stop", -20 * 60, ["host:ws1"], 0.2)]
    found = triage(findings_frame(rows), NO_CELLS).incidents
    assert len(found) == 2
    assert found[0].probability < 0.5


def test_what_is_beside_a_host_that_the_incident_only_carries_along_stays_apart() -> None:
    carried = finding("seen", 20, ["host:ws1", "host:ws2"], 0.3)
    late = finding("stop", -20 * 60, ["host:ws2"], 0.2)
    found = incidents_of(carried, late)
    assert len(found) == 2


def test_every_finding_is_still_in_one_incident() -> None:
    more = [finding(f"weak{hour}", hour * 60, ["host:ws1"], 0.3) for hour in range(-60, 60, 7)]
    found = incidents_of(*more)
    uids = [uid for one in found for uid in one.findings]
    assert sorted(uids) == sorted(str(row["uid"]) for row in [*ATTACK, *more])
    assert pl.Series(uids).n_unique() == len(uids)
