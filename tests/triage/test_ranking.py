"""What a story's parts are worth beside each other."""

import pytest

from hauberk.events import FindingKind
from hauberk.triage.ranking import PRIOR_BITS, prior_bits, separate_tactics

from .test_judge import finding, incidents_of


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
