"""Suppressions: tried on history, answered for, kept in the ledger, and over some day."""

import json
from pathlib import Path

import pytest
from tests.cli.commands import event, run

from hauberk.store import Home

BACKUP = "vssadmin delete shadows /all /quiet"
REASON = ("--reason", "nightly backup")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    logs = tmp_path / "logs.json"
    logs.write_text(
        event(BACKUP, minute=1) + "\n" + event("vssadmin delete shadows /for=d:") + "\n"
    )
    folder = tmp_path / "home"
    run("scan", logs, "--home", folder, "--quiet")
    return folder


@pytest.fixture
def rule(home: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    run("rules", "list", "--fired", "--technique", "T1490", "--home", home, "--json")
    return str(json.loads(capsys.readouterr().out.splitlines()[0])["id"])


def rescanned(home: Path, tmp_path: Path, *commands: str) -> list[dict[str, object]]:
    """Findings of new events, suppressed ones as well, after another scan."""
    logs = tmp_path / "later.json"
    logs.write_text("".join(event(one, minute=40) + "\n" for one in commands))
    run("scan", logs, "--home", home, "--quiet")
    with Home.open(home, read_only=True) as opened:
        found = opened.records.findings()
    return found.filter(found["time"].dt.minute() == 40).to_dicts()


def test_a_trial_says_what_would_have_been_hidden_and_stores_nothing(
    home: Path, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--where", "CommandLine|contains=/all", *REASON, "--home", home)
    assert run("rules", "suppress", rule, *arguments, "--dry-run", "--json") == 0
    trial = json.loads(capsys.readouterr().out)
    assert (trial["hidden"], trial["kept"]) == (1, 1)
    assert trial["places"] == ["host:ws07"]
    assert trial["incidents"]
    run("rules", "suppressions", "--home", home, "--json")
    assert capsys.readouterr().out == ""


def test_a_suppressed_firing_is_kept_and_makes_no_incident(
    home: Path, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--where", "CommandLine|contains=/all", *REASON, "--home", home)
    assert run("rules", "suppress", rule, *arguments, "--expires", "2026-03-03", "--yes") == 0
    found = rescanned(home, tmp_path, BACKUP, "vssadmin delete shadows /for=e:")
    mine = {str(one["kind"]): one for one in found if one["rule_uid"] == rule}
    assert set(mine) == {"rule", "suppressed"}
    assert mine["suppressed"]["surprise"] == 1.0
    assert "nightly backup" in str(mine["suppressed"]["reasons"])
    capsys.readouterr()
    run("rules", "suppressions", "--home", home, "--json")
    assert json.loads(capsys.readouterr().out)["hidden"] == 1
    run("show", str(mine["suppressed"]["uid"]), "--home", home)
    assert "incident  " not in capsys.readouterr().out
    assert run("replay", str(mine["suppressed"]["uid"]), "--home", home) == 0
    assert run("verify", "--home", home) == 0


@pytest.mark.parametrize(
    "limits",
    [
        ("--expires", "2026-03-02T10:30"),
        ("--from", "2026-03-02T10:50", "--expires", "2026-03-03"),
        ("--hours", "11-9", "--expires", "2026-03-03"),
    ],
)
def test_a_suppression_holds_within_its_time_alone(
    home: Path, rule: str, tmp_path: Path, limits: tuple[str, ...]
) -> None:
    arguments = ("--where", "CommandLine|contains=/all", *REASON, "--home", home)
    assert run("rules", "suppress", rule, *arguments, *limits, "--yes") == 0
    kinds = {one["kind"] for one in rescanned(home, tmp_path, BACKUP) if one["rule_uid"] == rule}
    assert kinds == {"rule"}


def test_what_is_lifted_is_told_again(
    home: Path, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--where", "CommandLine|contains=/all", *REASON, "--home", home)
    run("rules", "suppress", rule, *arguments, "--expires", "2026-03-03", "--yes")
    capsys.readouterr()
    run("rules", "suppressions", "--home", home, "--json")
    uid = json.loads(capsys.readouterr().out)["uid"]
    assert run("rules", "unsuppress", uid[:6], "--reason", "gone", "--home", home) == 0
    kinds = {one["kind"] for one in rescanned(home, tmp_path, BACKUP) if one["rule_uid"] == rule}
    assert kinds == {"rule"}


def test_a_sigma_filter_is_a_suppression_too(
    home: Path, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "backup.yml"
    file.write_text(
        "title: Backup\nlogsource: {product: windows, category: process_creation}\n"
        "filter:\n  rules: any\n  backup: {CommandLine|contains: /all}\n  condition: not backup\n"
    )
    arguments = ("--filter", file, *REASON, "--home", home, "--dry-run", "--json")
    assert run("rules", "suppress", rule, *arguments) == 0
    assert json.loads(capsys.readouterr().out)["hidden"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--where", "User=x"), "needs an owner and a reason"),
        (REASON, "a rule is not suppressed as a whole"),
        (("--where", "User", *REASON), "is no FIELD=VALUE"),
        (("--where", "User|nosuch=x", *REASON), "cannot be compiled"),
        (("--where", "User=x", "--for", "900d", *REASON), "lasts 366 days at most"),
        (("--where", "User=x", "--hours", "noon", *REASON), "are no hours"),
        (("--where", "User=x", *REASON), "nobody is there to say yes"),
    ],
)
def test_a_suppression_that_nobody_can_answer_for_is_refused(
    home: Path, rule: str, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rules", "suppress", rule, *arguments, "--home", home) == 2
    assert says in " ".join(capsys.readouterr().err.split())
