"""Samples beside rules, and the command that checks both."""

from pathlib import Path

import pytest

from hauberk.detect.sigma import check_samples, load_rules
from hauberk.detect.sigma.check import main

RULE = """
title: T
id: 11111111-1111-4111-8111-111111111111
logsource: {product: windows, category: process_creation}
detection: {sel: {Image|endswith: 'a.exe'}, condition: sel}
"""
GOOD = """
positive:
  - {Image: 'C:/a.exe'}
  - {_logsource: {product: windows, service: security, event_code: 4688}, NewProcessName: 'a.exe'}
negative:
  - {Image: b.exe}
"""


def faults(folder: Path, samples: str | None, rule: str = RULE) -> list[str]:
    (folder / "r.yml").write_text(rule)
    if samples is not None:
        (folder / "r.samples.yml").write_text(samples)
    return [f"{f.line}: {f.reason}" for f in check_samples(load_rules([folder]))]


def test_good_samples_have_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (None, "1: has no samples beside it"),
        (["{Image: a.exe}", ""], "3: needs at least one negative sample"),
        (["", "{Image: b}"], "2: needs at least one positive sample"),
        (["{Image: b}", "{Image: b}"], "2: positive sample 1: the rule does not fire"),
        (["{Image: a.exe}", "{Image: b}, {Image: a.exe}"], "3: negative sample 2: the rule fires"),
        (["x", "{Image: b}"], "2: positive sample 1: is not a mapping of field names to values"),
        (
            ["{Image: {x: a.exe}}", "{Image: b}"],
            "2: positive sample 1: the field Image is neither a value nor a list of values",
        ),
        ("positives: []", "1: expected the keys positive and negative alone"),
        ("[", "2: is not YAML: did not find expected node content"),
    ],
)  # fmt: skip
def test_faults_of_samples_are_named(
    tmp_path: Path, samples: str | list[str] | None, fault: str
) -> None:
    if isinstance(samples, list):
        samples = f"\npositive: [{samples[0]}]\nnegative: [{samples[1]}]\n"
    assert fault in faults(tmp_path, samples)


def test_a_rule_that_can_never_fire_is_a_fault(tmp_path: Path) -> None:
    rule = RULE.replace("process_creation", "no_such_category")
    assert any("can never fire" in fault for fault in faults(tmp_path, GOOD, rule))


def test_event_ids_in_samples_choose_the_log(tmp_path: Path) -> None:
    rule = RULE.replace("category: process_creation", "service: security")
    rule = rule.replace("Image|endswith: 'a.exe'", "EventID: 4624, LogonType: 10")
    samples = (
        "positive: [{EventID: 4624, LogonType: '10'}]\n"
        "negative: [{EventID: 4625, LogonType: 10}, {EventID: 4624, LogonType: 3}]"
    )
    assert faults(tmp_path, samples, rule) == []


def test_samples_of_a_category_have_the_names_of_sigma(tmp_path: Path) -> None:
    rule = RULE.replace("product: windows, category: process_creation", "category: dns")
    rule = rule.replace("Image|endswith: 'a.exe'", "record_type: TXT")
    samples = """
positive:
  - {record_type: TXT}
  - {_logsource: {product: zeek, service: dns}, qtype_name: TXT}
negative: [{record_type: A}]
"""
    assert faults(tmp_path, samples, rule) == []


def test_the_command_prints_faults_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.yml").write_text(RULE)
    (tmp_path / "r.samples.yml").write_text(GOOD)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 rules, 0 faults\n"
    (tmp_path / "bad.yml").write_text("title: x\n")
    (tmp_path / "stray.samples.yml").write_text(GOOD)
    assert main([str(tmp_path), str(tmp_path / "missing")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any("bad.yml:1: " in line for line in lines)
    assert any("stray.samples.yml:1: stands beside no rule" in line for line in lines)
    assert any("missing: there is no such" in line for line in lines)


def test_the_built_in_rules_have_good_samples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out
