"""The way of a model, from a folder to live and back, as a user walks it."""

import json
import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hauberk.cli import acting, main
from hauberk.models import Artifact
from hauberk.store import Home

MAKING = Path(__file__).parents[1] / "models" / "making.py"
made: dict[str, Any] = runpy.run_path(str(MAKING))
tiny_model: Callable[..., Artifact] = made["tiny_model"]
TUESDAY = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAUBERK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HAUBERK_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(acting, "clock", lambda: TUESDAY)


@pytest.fixture
def staffed(tmp_path: Path) -> Path:
    assert run("people", "add", "sam", "--role", "security") == 0
    for name, role in (("pia", "privacy"), ("lea", "legal"), ("ada", "model owner")):
        assert run("people", "add", name, "--role", role, "--as", "sam") == 0
    key = tmp_path / "signing.pem"
    assert run("models", "key", "new", key) == 0
    trust = ("models", "key", "trust", f"{key}.pub", "--holder", "ada", "--as", "sam")
    assert run(*trust) == 0
    tiny_model(tmp_path / "model")
    assert run("models", "register", tmp_path / "model", "--as", "ada") == 0
    assert run("models", "sign", "tiny-domains", "--key", key) == 0
    return key


def test_a_model_goes_from_folder_to_live_and_back(
    staffed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "submit", "tiny-domains") == 0
    assert "lacks a signature of security" in capsys.readouterr().out
    for name in ("sam", "pia"):
        condition = "max_findings_per_day=50"
        approve = ("models", "approve", "tiny-domains", "--as", name, "--condition", condition)
        assert run(*approve) == 0
    assert "granted by sam, pia" in capsys.readouterr().out
    for _ in range(3):
        assert run("models", "promote", "tiny-domains", "--as", "sam") == 0
    assert run("models", "verify", "domain") == 0
    assert run("models", "history", "domain", "--at", "2026-03-03T14:02") == 0
    told = capsys.readouterr().out
    assert "tiny-domains@1.0.0 judged at 2026-03-03 14:02:00 UTC" in told
    assert "approved by sam" in told
    assert run("models", "history", "domain", "--at", "2026-03-03T09:00") == 0
    assert "rules alone judged" in capsys.readouterr().out
    assert run("models", "rollback", "domain", "--reason", "too loud") == 0
    assert "rules alone judges" in capsys.readouterr().out
    assert run("verify") == 0


def test_what_was_asked_for_is_there_for_machines(
    staffed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("models", "show", "tiny-domains", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["board"]["granted"] is False
    assert facts["risk"]["axes"]["likelihood"]["arithmetic"].startswith("1 + 4 x (")
    assert run("models", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["stage"] == "candidate"
    assert run("people", "list", "--json") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == [
        "sam", "pia", "lea", "ada",
    ]  # fmt: skip


def test_a_promotion_without_approval_says_what_is_missing(
    staffed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "promote", "tiny-domains", "--as", "sam") == 0
    assert run("models", "promote", "tiny-domains", "--as", "sam") == 8
    assert "approval: not granted" in capsys.readouterr().err


def test_a_tampered_model_is_refused_with_its_own_exit_code(
    staffed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = next((tmp_path / "home" / "models").glob("*/weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert run("models", "verify", "tiny-domains") == 8
    assert "files: weights.safetensors: was altered" in capsys.readouterr().out


def test_a_private_key_that_others_may_read_is_refused(
    staffed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "keys" / "sam.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    assert run("models", "promote", "tiny-domains", "--as", "sam") == 2
    assert "chmod 600" in capsys.readouterr().err


def test_the_policy_can_be_shown_checked_and_adopted(
    staffed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("people", "add", "cem", "--role", "compliance", "--as", "sam") == 0
    capsys.readouterr()
    assert run("policy", "show", "--text") == 0
    text = capsys.readouterr().out
    file = tmp_path / "policy.toml"
    file.write_text(text.replace("days = 180", "days = 90"))
    assert run("policy", "check", file) == 0
    assert "at most 90 days" in capsys.readouterr().out
    assert run("policy", "adopt", file, "--as", "sam") == 8
    assert "lacks a signature of compliance" in capsys.readouterr().err
    assert run("policy", "adopt", file, "--as", "sam", "--as", "cem") == 0
    file.write_text(text.replace("quorum = 2", "quorums = 2", 1))
    assert run("policy", "check", file) == 8
    assert "change.quorum" in capsys.readouterr().err


def test_every_command_has_help_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ("models", "people", "policy"):
        assert run(group, "--help") == 0
        assert "Examples:" in capsys.readouterr().out


def findings(home: Path) -> list[str]:
    with Home.open(home, read_only=True) as opened:
        return sorted(set(opened.records.findings()["title"]))


def test_what_is_done_to_models_is_judged_by_hauberks_own_rules(
    staffed: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert findings(home) == ["Trust in Models Changed"]
    weights = next((home / "models").glob("*/weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert run("models", "verify", "tiny-domains") == 8
    assert "Unsigned or Altered Model Refused" in findings(home)


def test_a_promotion_tried_at_night_is_refused_and_found(
    staffed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "clock", lambda: TUESDAY.replace(hour=23))
    assert run("models", "promote", "tiny-domains", "--as", "sam") == 8
    assert "Promotion of a Model Outside of Hours" in findings(tmp_path / "home")


def test_verify_names_a_changed_weight_file(
    staffed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify") == 0
    assert "4 persons, 1 models, 0 votes" in capsys.readouterr().out
    weights = next((tmp_path / "home" / "models").glob("*/weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert run("verify") == 5
    assert "weights.safetensors: changed" in capsys.readouterr().out


def test_a_vote_can_be_signed_where_the_home_is_not(
    staffed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "vote.json"
    capsys.readouterr()
    assert run("models", "ballot", "tiny-domains", "--for", "sam", "--out", request) == 0
    assert run("people", "enter", request) == 8
    assert "one signature, of the person who votes" in capsys.readouterr().err
    assert run("people", "sign", request, "--as", "pia") == 0
    assert run("people", "enter", request) == 8
    request.write_text(json.dumps({**json.loads(request.read_text()), "signatures": []}))
    assert run("people", "sign", request, "--as", "sam", "--home", "elsewhere") == 2
    assert run("people", "sign", request, "--as", "sam") == 0
    assert "decision: approve" in capsys.readouterr().out
    body = json.loads(request.read_text())
    changed = {**body, "statement": {**body["statement"], "decision": "reject"}}
    request.write_text(json.dumps(changed))
    assert run("people", "enter", request) == 8
    assert "does not hold" in capsys.readouterr().err
    request.write_text(json.dumps(body))
    assert run("people", "enter", request) == 0
    assert run("models", "show", "tiny-domains", "--json") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.index("{") :])["board"]["approved_by"] == ["sam"]


def test_a_policy_is_signed_by_several_on_their_own_machines(
    staffed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("people", "add", "cem", "--role", "compliance", "--as", "sam") == 0
    capsys.readouterr()
    assert run("policy", "show", "--text") == 0
    file, request = tmp_path / "policy.toml", tmp_path / "policy.json"
    file.write_text(capsys.readouterr().out.replace("days = 180", "days = 90"))
    assert run("policy", "draft", file, "--out", request) == 0
    assert run("people", "sign", request, "--as", "sam") == 0
    assert run("people", "enter", request) == 8
    assert run("people", "sign", request, "--as", "cem") == 0
    assert run("people", "enter", request) == 0
    capsys.readouterr()
    assert run("policy", "show") == 0
    assert "at most 90 days" in capsys.readouterr().out
