"""The board's decision follows from votes: quorum, roles, conflicts, conditions, expiry."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from hauberk.errors import RefusedError
from hauberk.governance import Conditions, add_person, make_key, read_conditions
from hauberk.models import (
    Occurrence,
    Stage,
    assess_risk,
    cleared,
    enter,
    promote,
    read_registry,
    record_training,
    register,
    vote,
)


def decision(office: Any, version: Any) -> Any:
    registry = read_registry(office.home)
    now = registry.versions[version.artifact]
    answer = cleared(registry.authority, registry.keys, now, Stage.LIVE, office.clock())
    return answer.decision


def test_a_quorum_needs_every_role_of_the_tier(office: Any) -> None:
    version = office.signed()
    assert decision(office, version).tier.roles == ("security", "privacy")
    vote(office.home, office.keys["sam"], version, approve=True)
    vote(office.home, office.keys["lea"], version, approve=True)
    found = decision(office, version)
    assert not found.granted
    assert found.missing == ("a signature of privacy",)
    vote(office.home, office.keys["pia"], version, approve=True)
    assert decision(office, version).granted


def test_who_owns_a_model_has_no_vote_on_it(office: Any) -> None:
    key = make_key("max", office.folder / "keys" / "max.pem")
    body = add_person(
        office.home.origin, office.clock(), "max", ["security"], key.public, office.keys["sam"]
    )
    enter(office.home, body, Occurrence("add-person", office.clock()))
    artifact = office_tiny(office)
    register(office.home, artifact.folder, key)
    version = office.version(artifact.digest)
    vote(office.home, key, version, approve=True)
    vote(office.home, office.keys["pia"], version, approve=True)
    found = decision(office, version)
    assert not found.granted
    assert "conflict of interest: max is" in found.passed_over[0][1]


def test_who_trained_a_model_has_no_vote_on_it(office: Any) -> None:
    artifact = office_tiny(office)
    record_training(office.home, artifact.digest, "sam", recipe="a" * 64, seconds=3)
    register(office.home, artifact.folder, office.keys["ada"])
    version = office.version(artifact.digest)
    assert version.trainers == ("ada", "sam")
    for name in ("sam", "pia"):
        vote(office.home, office.keys[name], version, approve=True)
    found = decision(office, version)
    assert not found.granted
    assert "sam is trainer" in found.passed_over[0][1]


def test_the_strictest_condition_of_all_counts(office: Any) -> None:
    version = office.signed()
    demands = {
        "sam": Conditions(max_findings_per_day=100),
        "pia": Conditions(max_findings_per_day=50, max_canary_share=0.05),
    }
    for name, conditions in demands.items():
        vote(office.home, office.keys[name], version, approve=True, conditions=conditions)
    found = decision(office, version)
    assert found.conditions == Conditions(max_findings_per_day=50, max_canary_share=0.05)
    office.raised(version, Stage.CANARY)
    assert office.version(version.artifact).moves[-1].share == 0.05


def test_a_condition_that_the_policy_does_not_know_is_refused(office: Any) -> None:
    with pytest.raises(ValueError, match="allows no condition"):
        read_conditions({"only_on_mondays": True}, ("observe_only",))


def test_a_vote_that_lasts_too_long_is_refused(office: Any) -> None:
    version = office.signed()
    with pytest.raises(RefusedError, match="180 days"):
        vote(office.home, office.keys["sam"], version, approve=True, days=181)


def test_a_vote_for_another_report_does_not_count(office: Any) -> None:
    first, second = office.approved(), office.signed(version="1.0.1")
    assert decision(office, first).granted
    assert not decision(office, second).granted


def test_the_risk_register_grows_and_keeps_what_was(office: Any) -> None:
    version = office.signed()
    registry = read_registry(office.home)
    first = assess_risk(office.home, registry, version)
    office.clock.pass_by(days=1)
    assess_risk(office.home, registry, version)
    register_now = read_registry(office.home).assessments
    assert [entry.time.day for entry in register_now] == [3, 4]
    assert register_now[0].body["statement"]["risk"]["score"] == first["score"]


def test_no_promotion_outside_of_the_policys_hours(office: Any) -> None:
    version = office.approved()
    office.clock.pass_by(hours=10)
    with pytest.raises(RefusedError, match="hours of promotion"):
        promote(office.home, office.keys["sam"], version)


def test_who_may_not_promote_does_not(office: Any) -> None:
    version = office.approved()
    with pytest.raises(RefusedError, match="a promotion takes a signature of security or model"):
        promote(office.home, office.keys["pia"], version)


def office_tiny(office: Any) -> Any:
    made = runpy.run_path(str(Path(__file__).with_name("making.py")))
    return made["tiny_model"](office.folder / "other", version="2.0.0")
