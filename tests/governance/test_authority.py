"""Who may do what follows from signed statements alone; what is not covered changes nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import UsageError
from hauberk.governance import (
    Authority,
    PersonalKey,
    PolicyError,
    add_key,
    add_person,
    adopt_policy,
    default_policy,
    give_roles,
    load_key,
    make_key,
    read_policy,
    remove_person,
    revoke_key,
)
from hauberk.store import Entry

HOME = "hauberk.home/test"
THEN = datetime(2026, 3, 3, 10, tzinfo=UTC)


class Town:
    """An authority that takes acts as they come, a minute apart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority, self.size = folder, Authority(HOME), 0
        self.keys: dict[str, PersonalKey] = {}

    @property
    def now(self) -> datetime:
        return THEN + timedelta(minutes=self.size)

    def key(self, name: str) -> PersonalKey:
        if name not in self.keys:
            self.keys[name] = make_key(name, self.folder / f"{name}.pem")
        return self.keys[name]

    def take(self, body: dict[str, Any]) -> bool:
        """Take an act; whether it was founded."""
        faults = len(self.authority.faults)
        self.authority.take(Entry(self.size, str(body["type"]), self.now, body))
        self.size += 1
        return len(self.authority.faults) == faults

    def add(self, name: str, *roles: str, by: str) -> bool:
        public = self.key(name).public
        return self.take(add_person(HOME, self.now, name, roles, public, self.key(by)))

    @property
    def fault(self) -> str:
        return self.authority.faults[-1].reason


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path)
    assert town.add("sam", "security", by="sam")
    assert town.add("cem", "compliance", by="sam")
    return town


def test_the_first_person_needs_a_role_that_may_change_people(tmp_path: Path) -> None:
    town = Town(tmp_path)
    assert not town.add("pia", "privacy", by="pia")
    assert town.authority.people == {}


def test_nobody_adds_people_without_the_right_to(town: Town) -> None:
    assert not town.add("eve", "security", by="cem")
    assert "takes a signature of security" in town.fault
    assert not town.add("eve", "security", by="eve")
    assert "there is no person eve" in town.fault


def test_a_role_that_the_policy_does_not_know_is_refused(town: Town) -> None:
    assert not town.add("eve", "emperor", by="sam")


def test_a_statement_that_was_changed_after_signing_changes_nothing(town: Town) -> None:
    body: Any = add_person(
        HOME, town.now, "eve", ["legal"], town.key("eve").public, town.key("sam")
    )
    body["statement"]["roles"] = ["security"]
    assert not town.take(body)
    assert "does not hold" in town.fault


def test_a_signature_for_one_act_is_none_for_another(town: Town) -> None:
    body: Any = give_roles(HOME, town.now, "cem", ["legal"], town.key("sam"))
    body["type"] = "person.left"
    assert not town.take(body)


def test_an_act_for_another_home_changes_nothing(town: Town) -> None:
    body = give_roles("hauberk.home/other", town.now, "cem", ["security"], town.key("sam"))
    assert not town.take(body)
    assert "another home" in town.fault


def test_who_has_left_signs_no_more(town: Town) -> None:
    assert town.add("eva", "security", by="sam")
    assert town.take(remove_person(HOME, town.now, "sam", town.key("eva")))
    assert not town.add("tom", "legal", by="sam")
    assert "has left" in town.fault


def test_a_revoked_key_signs_no_more_whatever_time_it_names(town: Town) -> None:
    old = town.key("sam")
    new = make_key("sam", town.folder / "new.pem")
    assert town.take(add_key(HOME, town.now, "sam", new.public, old))
    uid = town.authority.people["sam"].keys[0].uid
    since = town.now - timedelta(minutes=1)
    assert town.take(revoke_key(HOME, town.now, "sam", uid, since, "lost", new))
    assert not town.take(give_roles(HOME, THEN, "cem", ["legal"], old))
    assert "was revoked" in town.fault
    assert town.take(give_roles(HOME, town.now, "cem", ["legal"], new))


def test_others_keys_are_revoked_only_by_who_may_change_people(town: Town) -> None:
    uid = town.authority.people["sam"].keys[0].uid
    body = revoke_key(HOME, town.now, "sam", uid, THEN, "because", town.key("cem"))
    assert not town.take(body)


def test_a_policy_is_changed_by_the_quorum_of_the_one_before(town: Town) -> None:
    before = default_policy()
    wanted = read_policy(before.text.replace("quorum = 2\nroles = [\"security\", \"compliance\"]",
                                             "quorum = 1\nroles = [\"security\"]"))  # fmt: skip
    alone = [town.key("sam")]
    assert not town.take(adopt_policy(HOME, town.now, wanted, before.digest, alone))
    assert "lacks a signature of compliance" in town.fault
    both = [*alone, town.key("cem")]
    assert town.take(adopt_policy(HOME, town.now, wanted, before.digest, both))
    assert town.authority.policy.change.quorum == 1
    assert town.take(adopt_policy(HOME, town.now, before, wanted.digest, alone))


def test_one_person_signing_twice_is_no_quorum(town: Town) -> None:
    assert town.take(give_roles(HOME, town.now, "sam", ["security", "compliance"], town.key("sam")))
    before = default_policy()
    twice = [town.key("sam"), town.key("sam")]
    wanted = read_policy(before.text + "\n# reviewed\n")
    assert not town.take(adopt_policy(HOME, town.now, wanted, before.digest, twice))
    assert "1 more of 2 persons" in town.fault


def test_an_altered_policy_text_is_not_adopted(town: Town) -> None:
    policy = read_policy(default_policy().text + "\n# reviewed\n")
    signers = [town.key("sam"), town.key("cem")]
    body: Any = adopt_policy(HOME, town.now, policy, default_policy().digest, signers)
    body["statement"]["text"] += "# and changed\n"
    assert not town.take(body)


@pytest.mark.parametrize(
    ("was", "now", "field"),
    [
        ("days = 180", "days = 0", "approval.days"),
        ("days = 180", "days = 180\ndaze = 1", "approval.daze"),
        ('trusted_by = ["security"]', 'trusted_by = ["nobody"]', "signing.trusted_by"),
        ("alpha = 0.01", "alpha = 2", "rollout.alpha"),
        ("risk_at_most = 125", "risk_at_most = 100", "tier"),
        ('name = "holdout"', 'name = "holdout"\nat_least = 0.9', "gate[0]"),
        ("exposure = 4", "exposure = 9", "capability.mail.exposure"),
        ('from = "07:00"', 'from = "late"', "promotion.from"),
        ("schema_version = 1", "schema_version = 2", "schema_version"),
    ],
)
def test_a_wrong_field_of_a_policy_is_named(was: str, now: str, field: str) -> None:
    text = default_policy().text
    assert was in text
    with pytest.raises(PolicyError) as caught:
        read_policy(text.replace(was, now, 1))
    assert field in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_no_text_makes_reading_a_policy_fail_otherwise(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["person.added", "person.roles", "person.key_revoked", "policy.adopted"]),
    JSON,
    JSON,
)
def test_no_entry_makes_the_fold_fail_or_founds_anything(
    kind: str, statement: object, signatures: object
) -> None:
    authority = Authority(HOME)
    authority.take(Entry(0, kind, THEN, {"statement": statement, "signatures": signatures}))
    assert authority.people == {}
    assert len(authority.faults) == 1


def test_a_private_key_lies_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ana.pem"
    make_key("ana", path, "a passphrase")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key("ana", path, "a passphrase").person == "ana"
    with pytest.raises(UsageError, match="HAUBERK_PASSPHRASE"):
        load_key("ana", path)
    with pytest.raises(UsageError, match="never overwritten"):
        make_key("ana", path)
