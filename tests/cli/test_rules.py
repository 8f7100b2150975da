"""`hauberk rules` as a detection engineer meets it."""

import json
from pathlib import Path

import pytest
from tests.cli.commands import event, run

SHADOWS = """
title: Shadow Copies Gone
id: 5b5c1f40-9f3a-4a1e-8b53-1a2b3c4d5e6f
level: high
tags: [attack.impact, attack.t1490]
logsource: {product: windows, category: process_creation}
detection:
  image: {Image|endswith: '\\vssadmin.exe'}
  words: {CommandLine|contains|all: [delete, shadows]}
  other: {CommandLine|contains: resize}
  condition: image and words and not other
"""
SAMPLES = r"""
positive:
  - {Image: 'C:\Windows\System32\vssadmin.exe', CommandLine: vssadmin delete shadows /all}
negative:
  - {Image: 'C:\Windows\System32\vssadmin.exe', CommandLine: vssadmin list shadows}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "shadows.yml").write_text(SHADOWS)
    (folder / "shadows.samples.yml").write_text(SAMPLES)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    logs = tmp_path / "logs.json"
    lines = [
        event("vssadmin delete shadows /all /quiet", minute=1),
        event("notepad.exe a.txt", "notepad.exe", minute=2),
        event("vssadmin delete shadows /for=d:", minute=30),
    ]
    logs.write_text("\n".join(lines) + "\n")
    folder = tmp_path / "home"
    run("scan", logs, "--home", folder, "--quiet")
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def files(home: Path) -> list[Path]:
    """All but what SQLite keeps beside its database while somebody reads."""
    found = (path for path in home.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.name.startswith("records.sqlite3-"))


def test_list_says_what_a_rule_is_worth_here(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rules", "list", "--fired", "--technique", "T1490", "--home", home, "--json") == 0
    found = lines(capsys)
    assert found
    assert all(one["here"]["firings"] >= 1 for one in found)  # type: ignore[index]
    assert run("rules", "list", "no such title anywhere", "--home", home) == 0
    assert "0 of" in capsys.readouterr().out


def test_check_names_file_and_line_of_each_fault(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rules", "check", rules) == 0
    (rules / "broken.yml").write_text(
        "title: x\nlogsource: {product: windows}\ndetection:\n  a: [\n"
    )
    (rules / "lost.yml").write_text(
        SHADOWS.replace("process_creation", "no_such_category").replace("5b5c", "5b5d")
    )
    capsys.readouterr()
    assert run("rules", "check", rules, "--json") == 9
    faults = {Path(str(one["path"])).name: one for one in lines(capsys)}
    assert set(faults) == {"broken.yml", "lost.yml"}
    assert "is not YAML" in str(faults["broken.yml"]["reason"])
    assert "windows/no_such_category" in str(faults["lost.yml"]["reason"])


def test_samples_are_run_and_missing_ones_matter_only_when_strict(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rules / "bare.yml").write_text(SHADOWS.replace("5b5c", "5b5d"))
    assert run("rules", "test", rules) == 0
    assert "1 rules without samples" in capsys.readouterr().out
    assert run("rules", "test", rules, "--strict") == 9
    (rules / "shadows.samples.yml").write_text(SAMPLES.replace("list shadows", "delete shadows"))
    capsys.readouterr()
    assert run("rules", "test", rules) == 9
    assert "negative sample 1: the rule fires" in capsys.readouterr().out


def test_explain_shows_the_part_that_held_and_the_part_that_did_not(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.json"
    file.write_text(event("vssadmin list shadows") + "\n")
    assert run("rules", "explain", "Shadow Copies Gone", "--file", file, "--rules", rules) == 0
    text = capsys.readouterr().out
    assert "does not fire" in text
    assert "✓ Image ends with \\vssadmin.exe" in text
    assert "✗ CommandLine contains delete" in text
    assert "vssadmin list shadows" in text


def test_explain_takes_the_uid_of_a_finding(
    rules: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    run("rules", "list", "--fired", "--home", home, "--json")
    rule = str(lines(capsys)[0]["id"])
    run("rules", "hunt", "--rule", rule, "--home", home, "--json")
    finding = lines(capsys)[0]["finding_info"]
    assert isinstance(finding, dict)
    event_uid = finding["related_events"][0]["uid"]
    assert run("rules", "explain", rule, event_uid, "--home", home, "--json") == 0
    assert [one["fires"] for one in lines(capsys)] == [True]


def test_a_hunt_finds_what_a_new_rule_would_have_found_and_stores_nothing(
    rules: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(home)
    capsys.readouterr()
    arguments = ("rules", "hunt", "--rules", rules, "--only-new", "--home", home)
    assert run(*arguments, "--json") == 10
    found = lines(capsys)
    assert sum(int(str(one["count"])) for one in found) == 2
    assert run(*arguments, "--since", "2026-03-02T10:20", "--json") == 10
    assert sum(int(str(one["count"])) for one in lines(capsys)) == 1
    assert run(*arguments, "--until", "2026-03-02T10:00") == 0
    assert files(home) == before


def test_an_installed_tree_judges_every_later_scan(
    rules: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("rules", "update", "--from", rules, "--name", "ours", "--home", home)
    assert run(*arguments, "--dry-run", "--json") == 0
    assert not (home / "rules").exists()
    assert run(*arguments) == 0
    (rules / "shadows.yml").unlink()
    logs = tmp_path / "more.json"
    logs.write_text(event("vssadmin delete shadows /shadow=1", minute=50) + "\n")
    capsys.readouterr()
    run("scan", logs, "--home", home, "--json", "-", "--quiet")
    assert "Shadow Copies Gone" in capsys.readouterr().out
    assert run("verify", "--home", home) == 0


def test_coverage_is_a_layer_that_the_navigator_takes(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("rules", "coverage", "--rules", rules, "--navigator", "-") == 0
    layer = json.loads(capsys.readouterr().out)
    scores = {one["techniqueID"]: one["score"] for one in layer["techniques"]}
    assert layer["domain"] == "enterprise-attack"
    assert scores["T1490"] >= 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rules", "explain", "x"), "give either an event's uid or --file"),
        (("rules", "hunt", "--only-new"), "Give --rules DIR"),
        (("rules", "hunt", "--since", "yesterday"), "is no time"),
        (("rules", "check", "/no/such/tree"), "there is no such file or folder"),
        (("rules", "explain", "no such rule", "a:1"), "no rule is named"),
    ],
)
def test_wrong_use_says_what_is_wrong(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert says in " ".join(capsys.readouterr().err.split())
