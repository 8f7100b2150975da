"""ATT&CK ids of any version."""

import pytest

from hauberk.events import Tactic, tactics_of, technique_name, technique_of, techniques


@pytest.mark.parametrize(
    ("other", "live"),
    [
        ("T1685", "T1562.001"),
        ("T1685.005", "T1070.001"),
        ("T1685.099", "T1562.001"),
        ("T1574.002", "T1574.001"),
        ("T1086", "T1059.001"),
        ("T1003.999", "T1003"),
        ("T1003.001", "T1003.001"),
    ],
)
def test_an_id_of_another_version_means_the_technique_that_it_stands_for(
    other: str, live: str
) -> None:
    found = technique_of(other)
    assert found is not None
    assert found.id == live
    assert technique_name(other) == techniques()[live].name


def test_an_id_that_no_version_has_keeps_its_place_without_a_tactic() -> None:
    assert technique_of("T9999.001") is None
    assert technique_name("T9999.001") == "T9999.001"
    assert tactics_of(["T9999.001", "T1685"]) == [Tactic.DEFENSE_EVASION]
