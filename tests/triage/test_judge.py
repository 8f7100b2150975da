"""Findings become ranked incidents."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import FindingKind, finding_uid, findings_frame
from hauberk.triage import Incident, TriageSettings, evidence_bits, triage

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NO_CELLS = pl.DataFrame(schema={"host": pl.String, "day": pl.Date})


def finding(
    rule: str,
    minutes: float,
    entities: list[str],
    p: float,
    techniques: tuple[str, ...] = (),
    kind: FindingKind = FindingKind.RULE,
) -> dict[str, object]:
    time = START + timedelta(minutes=minutes)
    return {
        "uid": finding_uid(kind, rule, str(minutes), *entities),
        "time": time,
        "end_time": time,
        "detector": "test",
        "detector_version": "1",
        "kind": kind,
        "rule_uid": rule,
        "title": rule,
        "message": f"{rule} on {entities[0]}",
        "severity_id": 3,
        "techniques": list(techniques),
        "entities": entities,
        "evidence": [f"e:{minutes}"],
        "count": 1,
        "surprise": p,
        "reasons": [],
    }


def incidents_of(rows: list[dict[str, object]], budget: float = 5.0) -> list[Incident]:
    return triage(findings_frame(rows), NO_CELLS, settings=TriageSettings(budget=budget)).incidents


def host_days(hosts: int, days: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"host": f"host:h{host}", "day": (START + timedelta(days=day)).date()}
            for host in range(hosts)
            for day in range(days)
        ],
        schema=NO_CELLS.schema,
    )


def test_findings_that_share_a_host_within_hours_are_one_incident() -> None:
    found = incidents_of(
        [
            finding("dump", 0, ["host:ws1", "user:ann"], 1e-4, ("T1003.001",)),
            finding("move", 30, ["host:ws1", "host:srv2"], 1e-3, ("T1021.002",)),
            finding("wipe", 55, ["host:srv2"], 1e-4, ("T1490",)),
            finding("other", 10, ["host:ws9"], 1e-3, ("T1059",)),
        ]
    )
    assert [len(one.findings) for one in found] == [3, 1]
    assert found[0].tactics[0] == "credential-access"
    assert found[0].tactics[-1] == "impact"
    assert found[0].probability > 0.9 > found[1].probability


def test_the_log_odds_are_the_sum_of_the_parts_that_are_shown() -> None:
    one = incidents_of(
        [
            finding("dump", 0, ["host:ws1"], 1e-4, ("T1003.001",)),
            finding("dump2", 1, ["host:ws1"], 1e-3, ("T1003.002",)),
            finding("odd", 2, ["host:ws1"], 1e-2, (), FindingKind.RARITY),
        ]
    )[0]
    odds = one.prior_bits + one.tactic_bits + sum(reason.bits for reason in one.reasons)
    assert one.probability == pytest.approx(1 / (1 + 2**-odds))


def test_a_hub_joins_nothing() -> None:
    rows = [finding("logon", host, [f"host:ws{host}", "ip:10.0.0.1"], 1e-2) for host in range(30)]
    assert len(incidents_of(rows)) == 30


def test_the_same_rule_again_adds_nothing() -> None:
    once = incidents_of([finding("dump", 0, ["host:ws1"], 1e-3)])[0]
    often = incidents_of([finding("dump", m, ["host:ws1"], 1e-3) for m in range(50)])[0]
    assert often.probability == pytest.approx(once.probability)
    assert len(often.findings) == 50


def test_a_rule_that_fires_every_day_everywhere_sinks_by_itself() -> None:
    cells = host_days(10, 10)
    noisy = [
        finding("noisy", day * 1440 + host, [f"host:h{host}"], 2e-3)
        for day in range(10)
        for host in range(10)
    ]
    rare = [finding("rare", 5 * 1440 + 7, ["host:h3"], 2e-3)]
    judged = triage(findings_frame(noisy + rare), cells)
    surprise = judged.findings.group_by("rule_uid").agg(pl.col("surprise").median())
    by_rule = dict(surprise.iter_rows())
    assert by_rule["noisy"] > 0.4
    assert by_rule["rare"] <= 2e-3


def test_what_lies_in_a_likely_incident_vouches_for_itself_ten_times_less() -> None:
    cells = host_days(4, 10)
    attack = [
        finding(f"step{step}", day * 1440 + step, ["host:h0"], 1e-4, (technique,))
        for day in range(10)
        for step, technique in enumerate(("T1003.001", "T1021.002", "T1486", "T1490"))
    ]
    judged = triage(findings_frame(attack), cells)
    assert judged.incidents[0].probability > 0.5
    steps = judged.exposure.hits.filter(pl.col("rule").str.starts_with("step"))
    assert steps["weight"].max() == pytest.approx(0.1)


def test_a_day_shows_no_more_than_its_budget_and_the_cost_is_told() -> None:
    rows = [finding("critical", host, [f"host:ws{host}"], 1e-6, ("T1486",)) for host in range(9)]
    judged = triage(findings_frame(rows), NO_CELLS, settings=TriageSettings(budget=3))
    assert sum(one.above_budget for one in judged.incidents) == 3
    below = [one.probability for one in judged.incidents if not one.above_budget]
    assert judged.expected_misses == pytest.approx(sum(below))


def test_a_budget_of_half_an_incident_a_day_shows_one_every_second_day() -> None:
    rows = [finding("critical", 1440 * day, [f"host:w{day}"], 1e-6) for day in range(10)]
    assert sum(one.above_budget for one in incidents_of(rows, budget=0.5)) in {5, 6}


def test_a_finding_without_entities_or_time_is_still_reachable() -> None:
    bare = finding("bare", 0, ["host:x"], 0.5) | {"entities": [], "time": None}
    assert sum(len(one.findings) for one in incidents_of([bare])) == 1


def test_bits_grow_with_surprise_and_are_never_negative() -> None:
    ps = pl.DataFrame({"p": [1.0, 0.5, 0.3, 0.1, 0.01, 1e-6, 0.0]})
    bits = ps.select(evidence_bits(pl.col("p")))["p"].to_list()
    assert bits[0] == bits[1] == 0.0
    assert bits == sorted(bits)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 5000),
            st.lists(st.sampled_from(["host:1", "host:2", "user:u", "ip:10.9.9.9"]), max_size=3),
            st.sampled_from([0.5, 0.05, 1e-3, 1e-6]),
        ),
        max_size=30,
    )
)
def test_every_finding_is_in_exactly_one_incident(
    rows: list[tuple[str, int, list[str], float]],
) -> None:
    frame = [
        finding(rule, minutes, entities or ["host:1"], p) for rule, minutes, entities, p in rows
    ]
    unique = {str(row["uid"]): row for row in frame}
    found = incidents_of(list(unique.values()))
    assert sorted(uid for one in found for uid in one.findings) == sorted(unique)
