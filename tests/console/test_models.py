"""The pages of models: what they show to whom, and what comes of signatures, good and forged."""

import json
import re
import runpy
import shutil
from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.governance import PersonalKey, encoded, make_key
from hauberk.models import Occurrence, Stage, keep, read_registry, verify_models
from hauberk.pipeline import STATEMENT_REFUSED
from hauberk.store import Home, verify

MODELS = Path(__file__).parent.parent / "models"
Office: Any = runpy.run_path(str(MODELS / "office.py"))["Office"]
MARKUP = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="session")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which a signed candidate waits for votes."""
    folder = tmp_path_factory.mktemp("governed") / "office"
    office = Office.open(folder)
    with office.home:
        office.people().signing_key().signed()
    return folder


@pytest.fixture
def office(governed: Path, tmp_path: Path) -> Any:
    """The home of the console, closed, with everybody's keys."""
    shutil.copytree(governed, tmp_path / "office")
    made = Office.open(tmp_path / "office")
    made.home.close()
    return made


@pytest.fixture
def home(office: Any) -> Path:
    return Path(office.folder / "home")


@pytest.fixture
def clock(clock: Any, office: Any) -> Any:
    clock.now = office.clock.now
    return clock


def registry_of(home: Path) -> Any:
    with Home.open(home, read_only=True) as opened:
        return read_registry(opened)


def digest(home: Path) -> str:
    return str(registry_of(home).named("tiny-domains").artifact)


def asked(answer: Any) -> tuple[str, dict[str, Any]]:
    """Type and statement that a page asks to be signed."""
    assert answer.status_code == 200, answer.text
    kind = re.search(r'data-kind="([^"]+)"', answer.text)
    text = re.search(r'id="statement"[^>]*>(.*?)</pre>', answer.text, re.DOTALL)
    assert kind is not None
    assert text is not None
    statement: dict[str, Any] = json.loads(unescape(text[1]))
    return kind[1], statement


def signed(key: PersonalKey, kind: str, statement: Mapping[str, Any]) -> str:
    signature = key.sign(kind, dict(statement)).as_json()
    return json.dumps({"type": kind, "statement": statement, "signatures": [signature]})


def voted(person: Any, key: PersonalKey, uid: str, **fields: str) -> Any:
    """Ask for a vote, sign it, send it."""
    path = f"/models/versions/{uid}/vote"
    kind, statement = asked(person.post(path, decision="approve", days="30", **fields))
    return person.post(path, signed=signed(key, kind, statement))


def promoted(person: Any, key: PersonalKey, uid: str, **fields: str) -> Any:
    path = f"/models/versions/{uid}/promote"
    kind, statement = asked(person.post(path, reason="it holds", **fields))
    return person.post(path, signed=signed(key, kind, statement))


def test_votes_lead_to_a_grant_and_promotions_to_live_and_a_rollback_down_again(
    person: Callable[..., Any], office: Any, home: Path, clock: Any
) -> None:
    uid = digest(home)
    sam = person(Role.RISK_BOARD, Role.MODEL_OWNER, name="sam")
    pia = person(Role.APPROVER, name="pia")
    rex = person(Role.RESPONDER, name="rex")
    page = sam.browser.get(f"/models/versions/{uid}").text
    assert "Not granted." in page
    assert "approval" in page or "It lacks" in page
    assert voted(sam, office.keys["sam"], uid, max_findings_per_day="50").status_code == 303
    assert voted(pia, office.keys["pia"], uid, comment="read it").status_code == 303
    page = pia.browser.get(f"/models/versions/{uid}").text
    assert "Granted</b> by sam, pia" in page
    assert "at most 50 findings a day" in page
    for stage in (Stage.SHADOW, Stage.CANARY, Stage.LIVE):
        clock.move(minutes=1)
        assert promoted(sam, office.keys["sam"], uid).status_code == 303
        assert registry_of(home).versions[uid].stage is stage
    assert "Roll back domain" in rex.browser.get("/models").text
    assert rex.post("/models/tasks/domain/rollback", reason="too loud").status_code == 303
    registry = registry_of(home)
    assert registry.versions[uid].stage is Stage.RETIRED
    assert registry.versions[uid].moves[-1].reason == "too loud (rex, in the console)"
    assert not registry.faults
    audit = sam.browser.get("/audit").text
    assert "about tiny-domains@1.0.0" in audit
    assert "about domain" in audit
    assert "Rules alone" in rex.browser.get("/models").text
    assert rex.post("/models/tasks/domain/rollback", reason="again").status_code == 409
    assert verify_models(home, verify(home)).ok


def test_forged_and_foreign_signatures_are_refused_and_told(
    person: Callable[..., Any], office: Any, home: Path, tmp_path: Path, console: Console
) -> None:
    uid = digest(home)
    sam, pia = person(Role.RISK_BOARD, name="sam"), person(Role.APPROVER, name="pia")
    path = f"/models/versions/{uid}/vote"
    kind, statement = asked(sam.post(path, decision="approve", days="30"))
    good = signed(office.keys["sam"], kind, statement)
    stranger = make_key("sam", tmp_path / "stranger.pem")
    cases = {
        signed(stranger, kind, statement): "has no key",
        signed(office.keys["sam"], kind, {**statement, "artifact": "0" * 64}): "another statement",
        signed(office.keys["sam"], "model.revoked", statement): "another statement",
        signed(office.keys["pia"], kind, statement): "the signature of sam",
        good.replace('"comment": ""', '"comment": "x"'): "does not hold",
        signed(office.keys["sam"], kind, {**statement, "home": "x"}): "another home",
        signed(office.keys["sam"], kind, {**statement, "report": "0" * 64}): "",
        "{}": "other parts",
        "x": "no JSON",
        "": "no signed statement",
        "[" * 5000: "no JSON",
    }
    for text, why in cases.items():
        answer = sam.post(path, signed=text)
        if why:
            assert answer.status_code == 409, text
            assert why in unescape(answer.text), (text, why)
    assert pia.post(path, signed=good).status_code == 409
    assert [one.report for one in registry_of(home).versions[uid].votes] == ["0" * 64]
    assert sam.post(path, signed=good).status_code == 303
    again = sam.post(path, signed=good)
    assert again.status_code == 409
    assert "played again" in again.text
    page = sam.browser.get(f"/models/versions/{uid}").text
    assert "given for another report" in page
    assert "A statement of yours was refused" in page
    console.handover.hand_over()
    with Home.open(home, read_only=True) as opened:
        refused = [e for e in opened.ledger.entries() if e["type"] == STATEMENT_REFUSED]
        titles = opened.records.findings()["title"].to_list()
    assert {one["by"] for one in refused} == {"sam"}
    assert sum(bool(one["forged"]) for one in refused) == 4
    assert "Console Acts Forged or Missing" in titles


def test_a_key_is_offered_added_by_a_person_and_votes_then(
    person: Callable[..., Any], office: Any, home: Path, tmp_path: Path
) -> None:
    uid = digest(home)
    nia, sam = person(Role.APPROVER, name="nia"), person(Role.RISK_BOARD, name="sam")
    key = make_key("nia", tmp_path / "browser.pem")
    page = nia.browser.get(f"/models/versions/{uid}").text
    assert "The registry knows no person nia" in page
    assert nia.post("/account/signing-key", public_key="no key").status_code == 400
    assert nia.post("/account/signing-key", public_key=encoded(key.public)).status_code == 303
    assert sam.post("/models/people/nia/key").status_code == 409  # no role was chosen
    kind, statement = asked(sam.post("/models/people/nia/key", role="privacy"))
    assert statement["roles"] == ["privacy"]
    refused = nia.post("/models/people/nia/key", signed=signed(key, kind, statement))
    assert refused.status_code == 409
    good = signed(office.keys["sam"], kind, statement)
    assert sam.post("/models/people/nia/key", signed=good).status_code == 303
    assert "nia" in registry_of(home).authority.people
    assert "made the key" not in sam.browser.get("/models/people").text
    assert voted(nia, key, uid).status_code == 303
    uid_of_key = registry_of(home).authority.people["nia"].keys[0].uid
    path = "/models/people/nia/revoke-key"
    kind, statement = asked(sam.post(path, key=uid_of_key, reason="lost"))
    assert sam.post(path, signed=signed(office.keys["sam"], kind, statement)).status_code == 303
    assert "no key of nia that counts" in nia.browser.get("/account/signing-key").text


def test_administrators_change_nobody_in_the_registry(
    person: Callable[..., Any], office: Any, home: Path
) -> None:
    admin = person(Role.ADMINISTRATOR, name="sam")
    assert admin.post("/models/people/pia/key").status_code == 403
    assert admin.browser.get("/models").status_code == 403


def test_who_owns_a_model_is_told_that_their_vote_does_not_count(
    person: Callable[..., Any], office: Any, home: Path
) -> None:
    uid = digest(home)
    ada = person(Role.RISK_BOARD, Role.MODEL_OWNER, name="ada")
    assert "You are owner of this model" in ada.browser.get(f"/models/versions/{uid}").text
    assert voted(ada, office.keys["ada"], uid).status_code == 303
    page = unescape(ada.browser.get(f"/models/versions/{uid}").text)
    assert "conflict of interest: ada is" in page


def test_a_promotion_that_cannot_be_is_not_offered_and_not_taken(
    person: Callable[..., Any], office: Any, home: Path, clock: Any
) -> None:
    uid = digest(home)
    ada = person(Role.MODEL_OWNER, name="ada")
    assert "Promote to shadow</button>" in ada.browser.get(f"/models/versions/{uid}").text
    clock.now = clock.now.replace(hour=22)
    assert ada.sign_in().status_code == 303
    page = ada.browser.get(f"/models/versions/{uid}").text
    assert "Promote to shadow</button>" not in page
    assert "07:00 to 17:00 UTC" in page
    answer = promoted(ada, office.keys["ada"], uid)
    assert answer.status_code == 409
    assert "hours of promotion" in unescape(answer.text)


def test_forms_that_make_no_sense_are_refused(
    person: Callable[..., Any], home: Path, office: Any
) -> None:
    uid, sam = digest(home), person(Role.RISK_BOARD, Role.MODEL_OWNER, name="sam")
    vote, rollback = f"/models/versions/{uid}/vote", "/models/tasks/domain/rollback"
    assert sam.post(vote, days="4000").status_code == 409
    assert sam.post(vote, days="30", max_findings_per_day="-1").status_code == 409
    assert sam.post(vote, days="30", max_canary_share="7").status_code == 409
    assert sam.post(f"/models/versions/{uid}/promote", share="no").status_code == 409
    assert sam.post(f"/models/versions/{uid}/revoke", reason=" ").status_code == 409
    assert sam.post(rollback, reason=" ").status_code == 409
    assert sam.post(rollback, reason="x").status_code == 409
    assert sam.post("/models/tasks/none/rollback", reason="x").status_code == 404
    assert sam.browser.get(f"/models/versions/{'0' * 64}").status_code == 404


def test_a_model_is_revoked_by_signature_alone(
    person: Callable[..., Any], office: Any, home: Path
) -> None:
    uid, rex = digest(home), person(Role.RESPONDER, name="pia")
    path = f"/models/versions/{uid}/revoke"
    kind, statement = asked(rex.post(path, reason="was altered"))
    refused = rex.post(path, signed=signed(office.keys["pia"], kind, statement))
    assert "takes a signature of" in refused.text
    sam = person(Role.RESPONDER, name="sam")
    kind, statement = asked(sam.post(path, reason="was altered"))
    assert sam.post(path, signed=signed(office.keys["sam"], kind, statement)).status_code == 303
    assert registry_of(home).versions[uid].revoked is not None
    assert "sam revoked it: was altered" in sam.browser.get(f"/models/versions/{uid}").text


def test_gates_risk_drift_lineage_and_policy_are_shown(
    person: Callable[..., Any], office: Any, home: Path, clock: Any
) -> None:
    uid, viewer = digest(home), person(Role.VIEWER)
    with Home.open(home, clock=clock) as opened:
        for value, day in ((0.05, 1), (0.12, 2), (0.31, 3)):
            clock.move(days=day)
            measured = Occurrence(
                "measure", clock(), value <= 0.2, model="tiny-domains", digest=uid,
                metric="input_ks", value=value, bound=0.2, samples=900,
            )  # fmt: skip
            keep(opened, (), [measured])
    assert viewer.sign_in().status_code == 303
    page = unescape(viewer.browser.get(f"/models/versions/{uid}").text)
    assert "tpr_at_fpr_1pct 0.93 [0.9, 0.95]" in page
    assert "robust_tpr (lower end) at least 0.3" in page
    assert "Risk 17.08 of 125" in page
    assert "beyond 0.2" in page
    assert "3 measures, 1 beyond the bound; 900 samples" in page
    assert "licence CC0-1.0" in page
    assert "# tiny-domains" in page
    assert "Votes are given by" in page
    for action in ("vote", "promote", "revoke"):
        assert f"/{action}" not in page
    policy = viewer.browser.get("/models/policy").text
    assert "as shipped" in policy.lower()
    assert "compliance" in policy
    people = viewer.browser.get("/models/people").text
    assert "model owner" in people
    assert "Revoke" not in people


def test_markup_of_models_is_text_on_every_page(
    person: Callable[..., Any], office: Any, home: Path, tmp_path: Path
) -> None:
    made = runpy.run_path(str(MODELS / "making.py"))
    report = made["report_json"]()
    report["gates"][0]["question"] = report["gates"][0]["bound"] = MARKUP
    report["gates"][0]["measured"][MARKUP] = 1.0
    artifact = made["write_artifact"](
        tmp_path / "evil",
        model=made["model_json"](version=MARKUP, estimator=MARKUP),
        data=made["data_json"](name=MARKUP, licence=MARKUP, purpose=MARKUP),
        report=report,
        card=f"# {MARKUP}\n</pre><script>alert(1)</script>",
        weights={"weights.safetensors": made["write_tensors"]({"a": made["np"].zeros(2)})},
    )
    with Home.open(home, clock=office.clock) as opened:
        runpy.run_path(str(MODELS / "office.py"))["register"](
            opened, artifact.folder, office.keys["ada"]
        )
        keep(opened, (), [Occurrence(
            "measure", office.clock(), metric=MARKUP, value=1.0, digest=artifact.digest,
            message=MARKUP,
        )])  # fmt: skip
    sam = person(Role.RISK_BOARD, Role.MODEL_OWNER, Role.APPROVER, name="sam")
    vote = f"/models/versions/{artifact.digest}/vote"
    answers = [
        sam.browser.get("/models"), sam.browser.get(f"/models/versions/{artifact.digest}"),
        sam.post(vote, days="30", comment=MARKUP), sam.post(vote, signed=MARKUP),
        sam.post("/models/tasks/domain/rollback", reason=MARKUP),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code in (200, 409)
        assert "<img" not in answer.text
        assert "<script>" not in answer.text
    assert "&lt;img" in answers[1].text
    assert "&lt;/pre&gt;&lt;script&gt;" in answers[1].text


def test_a_card_or_ledger_that_was_altered_is_told(
    person: Callable[..., Any], office: Any, home: Path
) -> None:
    uid, viewer = digest(home), person(Role.VIEWER)
    (home / "models" / uid / "card.md").write_text("all is well")
    assert "not the file that was registered" in viewer.browser.get(f"/models/versions/{uid}").text
