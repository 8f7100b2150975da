"""What a story's parts are worth beside each other."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import FindingKind, findings_frame
from hauberk.triage import weighing
from hauberk.triage.ranking import (
    PRIOR_BITS,
    likely,
    log_odds,
    prior_bits,
    separate_tactics,
    told,
)

from .test_judge import finding, incidents_of

TECHNIQUES = [(), ("T1003.001",), ("T1021.002",), ("T1490",), ("T1059", "T1003")]
SAID = st.tuples(
    st.sampled_from(["dump", "move", "wipe"]),
    st.sampled_from([FindingKind.RULE, FindingKind.RARITY]),
    st.integers(0, 3),
    st.sampled_from([0.5, 0.01, 1e-3, 1e-6, 1e-12]),
    st.sampled_from(TECHNIQUES),
    st.integers(-1, 2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SAID, min_size=1, max_size=24, unique_by=lambda one: one[:3]))
def test_what_is_likely_is_what_would_be_told_as_such(
    said: list[tuple[str, FindingKind, int, float, tuple[str, ...], int]],
) -> None:
    rows = [
        finding(rule, minute, ["host:a", "user:b"], p, techniques, kind)
        for rule, kind, minute, p, techniques, _ in said
    ]
    frame = findings_frame(rows).with_columns(
        pl.Series("cluster", [one[-1] for one in said]), pl.lit(value=False).alias("context")
    )
    all_told = told(frame).values()
    for least in (0.02, 0.5, 0.9):
        uids = {
            uid
            for one in all_told
            if log_odds(one.probability) >= log_odds(least)
            for uid in one.findings
        }
        assert likely(frame, least) == uids


def test_stories_are_whole_however_many_rows_are_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [finding("dump", minute, ["host:a"], 10.0**-minute) for minute in range(1, 12)]
    frame = findings_frame(rows).with_columns(
        pl.Series("cluster", [0, 2, 0, 1, 2, 2, -1, 2, 0, 2, 5]),
        pl.lit(value=False).alias("context"),
    )
    wanted = [(number, [row["uid"] for row in of]) for number, of in weighing.stories(frame)]
    assert [(number, len(uids)) for number, uids in wanted] == [(0, 3), (1, 1), (2, 5), (5, 1)]
    for at_once in (1, 2, 3, 5, 7):
        monkeypatch.setattr(weighing, "_ROWS_AT_ONCE", at_once)
        found = [(number, [row["uid"] for row in of]) for number, of in weighing.stories(frame)]
        assert found == wanted


@pytest.mark.parametrize(
    ("techniques", "tactics"),
    [
        ([], 0),
        (["T1078"], 1),  # serves four
        (["T1078", "T1078.004"], 1),
        (["T1078", "T1021"], 2),
        (["T1543.003", "T1547.001"], 2),
        (["T1486", "T1490", "T1489"], 1),
        (["T1566.001", "T1204.002", "T1003.001", "T1021.002", "T1486"], 5),
    ],
)
def test_a_technique_supports_one_tactic(techniques: list[str], tactics: int) -> None:
    assert separate_tactics(techniques) == tactics


def test_the_prior_falls_with_what_is_watched_and_not_below_a_small_estate() -> None:
    assert prior_bits(0) == prior_bits(16) == PRIOR_BITS
    assert prior_bits(64) == PRIOR_BITS - 2


def test_one_moment_that_rules_and_behaviour_tell_of_counts_once_and_a_half() -> None:
    rule = finding("share", 0, ["ip:10.0.0.1", "ip:10.0.0.2"], 1e-3)
    rare = finding("rare", 0.5, ["ip:10.0.0.1", "ip:10.0.0.2"], 1e-3, (), FindingKind.RARITY)
    later = finding("rare", 30, ["ip:10.0.0.1", "ip:10.0.0.2"], 1e-3, (), FindingKind.RARITY)
    at_once, apart = (incidents_of([rule, other])[0] for other in (rare, later))
    bits = [sorted(reason.bits for reason in one.reasons) for one in (at_once, apart)]
    assert bits[0][0] == pytest.approx(bits[1][0] / 2)
    assert bits[0][1] == bits[1][1]


def test_one_analytic_on_many_hosts_at_once_is_one_story() -> None:
    at_once = [finding("lock", host / 10, [f"host:w{host}"], 1e-4) for host in range(6)]
    apart = [finding("lock", 10 * host, [f"host:w{host}"], 1e-4) for host in range(6)]
    assert len(incidents_of(at_once)) == 1
    assert len(incidents_of(apart)) == 6
