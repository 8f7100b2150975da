"""What whole days add up to is held against the days of others."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import FindingKind, findings_frame
from hauberk.triage import Triage, evidence_bits, learned, triage
from hauberk.triage.days import DAY, surprise_of

from .test_judge import finding, host_days

SMALL = [f"small{number}" for number in range(10)]
CELLS = host_days(40, 5)


def working_day(host: int, day: int, rules: list[str], p: float = 0.1) -> list[dict[str, object]]:
    return [
        finding(rule, day * 1440 + 40 * place, [f"host:h{host}"], p)
        for place, rule in enumerate(rules)
    ]


def administrators(hosts: int = 4) -> list[dict[str, object]]:
    """Some hosts on which ten unlikely things happen every day."""
    return [
        row
        for host in range(hosts)
        for day in range(5)
        for row in working_day(host, day, SMALL[host % 3 :])
    ]


def most_probable(made: Triage) -> float:
    return max(one.probability for one in made.incidents)


def test_what_administrators_do_every_day_is_no_incident() -> None:
    made = triage(findings_frame(administrators()), CELLS)
    assert most_probable(made) < 0.05


def test_the_same_things_on_one_host_that_never_did_them_stay_what_they_are() -> None:
    alone = triage(findings_frame(working_day(9, 3, SMALL)), CELLS)
    among = triage(findings_frame([*administrators(), *working_day(9, 3, SMALL)]), CELLS)
    assert most_probable(alone) > most_probable(among)


def test_an_attack_stands_out_among_administrators() -> None:
    steps = [
        finding(rule, 3 * 1440 + 20 * place, ["host:h30"], 2e-4, (technique,))
        for place, (rule, technique) in enumerate(
            [("dump", "T1003.001"), ("move", "T1021.002"), ("wipe", "T1490"), ("lock", "T1486")]
        )
    ]
    made = triage(findings_frame([*administrators(), *steps]), CELLS)
    assert made.incidents[0].probability > 0.9
    assert "host:h30" in made.incidents[0].entities
    assert all(one.probability < 0.5 for one in made.incidents[1:])


def test_hosts_of_one_story_do_not_vouch_for_each_other() -> None:
    spread = [
        finding(f"step{step}", 3 * 1440 + step, [f"host:h{host}", "user:eve"], 2e-4)
        for host in range(8)
        for step in range(3)
    ]
    made = triage(findings_frame(spread), CELLS)
    assert len(made.incidents[0].findings) == len(spread)
    assert made.incidents[0].probability > 0.3


def test_few_days_say_nothing_about_sums() -> None:
    others = [f"other{number}" for number in range(10)]
    rows = working_day(0, 0, SMALL, p=0.01) + working_day(1, 0, others, p=0.01)
    made = triage(findings_frame(rows), host_days(2, 1))
    raw = findings_frame(rows).select(evidence_bits(pl.col("surprise")))["surprise"].sum()
    kept = made.findings.select(evidence_bits(pl.col("surprise")))["surprise"].sum()
    assert kept == pytest.approx(raw, rel=0.2)


def test_the_sums_of_a_scan_are_there_for_the_next() -> None:
    before = triage(findings_frame(administrators()), CELLS)
    assert DAY in before.exposure.hits["rule"].to_list()
    later = working_day(3, 7, SMALL)
    cells = host_days(40, 8).filter(pl.col("day") == CELLS["day"].max() + pl.duration(days=3))
    known = triage(findings_frame(later), cells, before.exposure)
    assert most_probable(known) < 0.05


def test_a_cloud_is_held_against_its_own_principals() -> None:
    role = "principal:arn:aws:sts::1:assumed-role/ci"
    cells = pl.concat(
        [CELLS, CELLS.filter(pl.col("host") == "host:h1").with_columns(host=pl.lit(role))]
    )
    rows = [
        finding("deploy", day * 1440, [f"{role}/session-{day}"], 0.1, (), FindingKind.RULE)
        for day in range(5)
    ]
    made = triage(findings_frame(rows), cells)
    hits = made.exposure.hits.filter(pl.col("rule") == "deploy")
    assert hits["host"].unique().to_list() == [role]
    last = made.findings.sort("time")["surprise"][-1]
    assert last > 0.2


@settings(deadline=None)
@given(st.floats(0.001, 33))
def test_bits_turn_back_into_the_surprise_they_came_from(bits: float) -> None:
    p = pl.DataFrame({"p": surprise_of(np.array([bits]))})
    assert p.select(evidence_bits(pl.col("p")))["p"][0] == pytest.approx(bits, abs=0.01)


def test_a_baseline_teaches_what_its_days_add_up_to() -> None:
    usual = learned(findings_frame(administrators()), CELLS)
    assert usual.hits["weight"].min() == 1.0
    later = working_day(3, 7, SMALL)
    cells = host_days(40, 8).filter(pl.col("day") == CELLS["day"].max() + pl.duration(days=3))
    assert most_probable(triage(findings_frame(later), cells, usual)) < 0.05


def test_a_day_that_is_told_again_counts_once() -> None:
    rows = findings_frame(administrators())
    once = triage(rows, CELLS)
    again = triage(rows, CELLS.clear(), once.exposure)
    sums = again.exposure.hits.filter(pl.col("rule") == DAY)
    assert sums.height == sums.select("host", "day").n_unique()
    assert sums.height == once.exposure.hits.filter(pl.col("rule") == DAY).height
