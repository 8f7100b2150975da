"""Samples of correlations: lists of events, and what is wrong with them."""

from pathlib import Path

import pytest

from hauberk.detect.sigma import check_samples, load_rules
from hauberk.detect.sigma.check import main

RULE = """
title: Base
name: base
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
---
title: Many
id: 11111111-1111-4111-8111-111111111111
correlation:
  {type: value_count, rules: base, group-by: [H], timespan: 5m, condition: {field: U, gte: 3}}
"""
NEGATIVE = "[{EventID: 4625, H: pc, U: ann}]"


def faults(folder: Path, positive: str, negative: str = NEGATIVE) -> list[str]:
    (folder / "r.yml").write_text(RULE)
    (folder / "r.samples.yml").write_text(f"positive: [{positive}]\nnegative: [{negative}]\n")
    return [f"{f.line}: {f.reason}" for f in check_samples(load_rules([folder]))]


@pytest.mark.parametrize(
    "positive",
    [
        "[{EventID: 4625, H: p, U: a}, {EventID: 4625, H: p, U: b}, {EventID: 4625, H: p, U: c}]",
        "[{EventID: 4625, H: pc, U: 'a{n}', _times: 3, _after: 100s}]",
        "[{_logsource: {product: windows, service: security}, EventID: 4625, H: pc, U: 'a{n}',"
        " _times: 3}]",
    ],
)  # fmt: skip
def test_a_list_of_events_is_a_sample(tmp_path: Path, positive: str) -> None:
    assert faults(tmp_path, positive) == []


@pytest.mark.parametrize(
    ("positive", "fault"),
    [
        ("", "1: needs at least one positive sample"),
        (NEGATIVE, "1: positive sample 1: the correlation does not match"),
        ("{EventID: 4625}", "1: positive sample 1: is not a list of events"),
        ("[x]", "1: positive sample 1: holds an event that is not a mapping of field names"),
        ("[{_times: 0}]", "1: positive sample 1: _times is no number from 1 to 10000"),
        ("[{_after: soon}]", "1: positive sample 1: _after is not a number and a unit, as 5m"),
        ("[{_logsource: x}]", "1: positive sample 1: _logsource is not a mapping"),
        (
            "[{EventID: 4625, H: pc, U: 'a{n}', _times: 3, _after: 3m}]",
            "1: positive sample 1: the correlation does not match",
        ),
    ],
)  # fmt: skip
def test_faults_of_samples_are_named(tmp_path: Path, positive: str, fault: str) -> None:
    assert [found[: len(fault)] for found in faults(tmp_path, positive)] == [fault]


def test_a_negative_sample_that_matches_is_a_fault(tmp_path: Path) -> None:
    many = "[{EventID: 4625, H: pc, U: 'a{n}', _times: 3}]"
    assert faults(tmp_path, many, many) == ["2: negative sample 1: the correlation matches"]


def test_a_correlation_without_samples_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.yml").write_text(RULE)
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "11111111-1111-4111-8111-111111111111: has no samples beside it" in out
    assert "1 rules and 1 correlations, 1 faults" in out
