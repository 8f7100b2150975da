"""A model is loaded with what its evidence and approvals give it, or refused by a named check."""

import runpy
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hauberk.errors import RefusedError
from hauberk.events import EventClass
from hauberk.governance import Conditions, adopt_policy, default_policy, read_policy
from hauberk.models import (
    Check,
    LoadedModel,
    Refusal,
    Stage,
    Task,
    enter,
    load,
    load_signing_key,
    make_signing_key,
    promote,
    read_registry,
    report_refusals,
    revoke,
    revoke_key,
    roster,
    sign,
    trust_key,
    vote,
)

made: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("office.py")))


def refused(office: Any) -> Refusal:
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, Refusal), found
    return found


def test_a_live_model_loads_with_its_limits(office: Any) -> None:
    version = office.live(conditions=Conditions(max_findings_per_day=50))
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, LoadedModel)
    assert found.digest == version.artifact
    assert found.conditions.max_findings_per_day == 50
    assert not found.observes_only
    assert found.signed_by.holder == "ada"
    assert set(found.decision.persons) == {"sam", "pia", "lea"}


def test_without_a_model_rules_stand_alone(office: Any) -> None:
    found = load(office.home, Task.MAIL)
    assert isinstance(found, Refusal)
    assert found.absent


@pytest.mark.parametrize(
    "name", ["model.json", "data.json", "report.json", "card.md", "weights.safetensors"]
)
def test_a_tampered_file_is_named(live_office: Any, name: str) -> None:
    office = live_office
    version = read_registry(office.home).named("tiny-domains")
    path = office.home.path / "models" / version.artifact / name
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    found = refused(office)
    assert found.check is Check.FILES
    assert found.failures[0].where == name
    report_refusals(office.home, (found,))
    events = office.home.lake.scan(EventClass.APPLICATION_LIFECYCLE).collect().to_dicts()
    last = max(events, key=lambda event: event["metadata.uid"])
    assert (last["api.operation"], last["status_id"], last["model.check"]) == ("load", 2, "files")
    assert name in last["message"]


def test_a_program_put_beside_the_weights_is_refused(live_office: Any) -> None:
    version = read_registry(live_office.home).named("tiny-domains")
    folder = live_office.home.path / "models" / version.artifact
    (folder / "hook.py").write_text("print('hello')")
    found = refused(live_office)
    assert found.failures[0].where == "hook.py"


def test_a_forged_signature_file_is_named(live_office: Any) -> None:
    version = read_registry(live_office.home).named("tiny-domains")
    folder = live_office.home.path / "models" / version.artifact
    (folder / "model.sig").write_text("{}")
    found = refused(live_office)
    assert (found.check, found.failures[0].where) == (Check.SIGNATURE, "model.sig")


def test_an_unsigned_model_rises_nowhere(office: Any) -> None:
    version = office.candidate()
    with pytest.raises(RefusedError, match=r"signature: model\.sig: it is not signed"):
        promote(office.home, office.keys["sam"], version)


def test_a_revoked_key_takes_its_models_down(live_office: Any) -> None:
    office = live_office
    uid = next(iter(read_registry(office.home).keys))
    hit = revoke_key(office.home, office.keys["sam"], uid, "it was on a lost laptop")
    assert [version.name for version in hit] == ["tiny-domains@1.0.0"]
    found = refused(office)
    assert found.check is Check.SIGNATURE
    assert "was revoked" in found.failures[0].what


def test_a_key_revoked_from_now_on_keeps_what_it_signed_before(live_office: Any) -> None:
    office = live_office
    office.clock.pass_by(hours=1)
    uid = next(iter(read_registry(office.home).keys))
    assert revoke_key(office.home, office.keys["ada"], uid, "rotated", office.clock()) == []
    assert isinstance(load(office.home, Task.DOMAIN), LoadedModel)


def test_a_revoked_model_is_never_loaded_again(live_office: Any) -> None:
    version = read_registry(live_office.home).named("tiny-domains")
    revoke(live_office.home, live_office.keys["sam"], version, "it leaks")
    assert refused(live_office).absent
    with pytest.raises(RefusedError, match="sam revoked it: it leaks"):
        promote(live_office.home, live_office.keys["sam"], version)


def test_an_expired_approval_refuses_and_says_when_it_ended(office: Any) -> None:
    office.live(days=30)
    office.clock.pass_by(days=29)
    assert isinstance(load(office.home, Task.DOMAIN), LoadedModel)
    office.clock.pass_by(days=2)
    found = refused(office)
    assert found.check is Check.EXPIRED
    assert "2026-04-02" in found.failures[0].what


def test_a_new_vote_prolongs_an_expired_approval(office: Any) -> None:
    version = office.live(days=30)
    office.clock.pass_by(days=31)
    for name in ("sam", "pia", "lea"):
        vote(office.home, office.keys[name], version, approve=True)
    assert isinstance(load(office.home, Task.DOMAIN), LoadedModel)


def test_a_rejection_takes_a_live_model_out_of_use(live_office: Any) -> None:
    version = read_registry(live_office.home).named("tiny-domains")
    live_office.clock.pass_by(days=1)
    vote(live_office.home, live_office.keys["pia"], version, approve=False, comment="new evidence")
    found = refused(live_office)
    assert found.check is Check.APPROVAL
    assert "rejected by pia" in found.failures[0].what


def test_a_key_for_other_tasks_signs_nothing_here(office: Any) -> None:
    path = office.folder / "keys" / "mail.pem"
    pem = make_signing_key(path)
    trust_key(office.home, office.keys["sam"], holder="ada", public=pem, tasks=[Task.MAIL])
    version = office.candidate()
    sign(office.home, version, load_signing_key(path))
    with pytest.raises(RefusedError, match="may not sign models that judge domain"):
        promote(office.home, office.keys["sam"], version)


@pytest.mark.parametrize("change", ["failed", "missing", "lied about"])
def test_a_gate_that_failed_or_is_missing_is_named(office: Any, change: str) -> None:
    report = made["report_json"]
    results = made["gates"]()
    if change == "failed":
        results[3] = made["gate"]("evasion", passed=False, robust_tpr=0.1)
    elif change == "lied about":
        results[3] = made["gate"]("evasion", passed=True, robust_tpr=0.1, detected_share=1)
    else:
        results = [one for one in results if one["gate"] != "evasion"]
    version = office.approved(report=report(results))
    with pytest.raises(RefusedError, match=r"gates: report.json, evasion: "):
        promote(office.home, office.keys["sam"], version)


def test_observe_only_makes_a_live_model_silent(office: Any) -> None:
    office.live(conditions=Conditions(observe_only=True))
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, LoadedModel)
    assert found.observes_only


def test_the_roster_has_live_canary_and_shadows(live_office: Any) -> None:
    office = live_office
    office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    office.raised(office.signed(version="1.2.0"), Stage.SHADOW)
    found = roster(office.home, Task.DOMAIN)
    assert isinstance(found.live, LoadedModel)
    assert isinstance(found.canary, LoadedModel)
    assert found.canary.share == 0.1
    assert [one.model.version for one in found.shadows if isinstance(one, LoadedModel)] == ["1.2.0"]
    assert found.refusals == ()


def test_a_ledger_entry_that_was_altered_refuses_everything(live_office: Any) -> None:
    with closing(sqlite3.connect(live_office.home.path / "records.sqlite3")) as connection:
        at, entry = connection.execute(
            "select position, entry from ledger_entries"
            " where instr(entry, cast('board.vote' as blob))"
        ).fetchone()
        connection.execute(
            "update ledger_entries set entry = ? where position = ?",
            (bytes(entry).replace(b'"approve"', b'"Approve"'), at),
        )
        connection.commit()
    found = refused(live_office)
    assert found.check is Check.LEDGER
    assert found.failures[0].where == f"ledger entry {at}"


def test_a_key_that_has_expired_signs_nothing_new(office: Any) -> None:
    path = office.folder / "keys" / "short.pem"
    pem = make_signing_key(path)
    trust_key(office.home, office.keys["sam"], holder="ada", public=pem, days=1)
    version = office.candidate()
    office.clock.pass_by(days=2)
    sign(office.home, version, load_signing_key(path))
    with pytest.raises(RefusedError, match="had expired when it signed"):
        promote(office.home, office.keys["sam"], version)


@pytest.mark.parametrize("recheck", [False, True])
def test_a_new_policy_voids_old_votes_for_loading_only_where_it_says_so(
    live_office: Any, recheck: bool
) -> None:
    office = live_office
    before = default_policy()
    text = before.text + "\n# reviewed\n"
    if recheck:
        text = text.replace("recheck_live = false", "recheck_live = true")
    policy = read_policy(text)
    signers = [office.keys["sam"], office.keys["cem"]]
    origin, now = office.home.origin, office.clock()
    enter(office.home, adopt_policy(origin, now, policy, before.digest, signers))
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, Refusal if recheck else LoadedModel)
    if isinstance(found, Refusal):
        assert "given for another policy" in found.failures[0].what
