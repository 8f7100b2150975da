"""Files that want to harm the reader."""

from pathlib import Path

import pytest

from hauberk.detect.sigma import load_rules
from hauberk.detect.sigma.reading import MAX_FILE, UnreadableDocumentError, documents, rule_files

GOOD = """
title: good
id: 11111111-1111-4111-8111-111111111111
logsource: {product: windows, service: sysmon}
detection: {sel: {F: x}, condition: sel}
"""
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("bomb", BOMB.encode(), "values"),
        ("cycle", b"a: &a [*a]\n", "alias to itself"),
        ("deep flow", b"a: " + b"[" * 100_000, "nested"),
        ("deep flow with values", b"a: " + b"[x," * 200_000, "nested|YAML"),
        ("deep mappings", b"a: " + b"{a: " * 100_000, "nested|YAML"),
        ("deep blocks", b"\n".join(b" " * i + b"a:" for i in range(1000)), "nested|YAML"),
        ("deep dashes", b"- " * 100_000 + b"x", "nested"),
        ("broken", b"title: [", "YAML"),
        ("not text", b"\xff\xfe\x00\xd8" * 10, "YAML|read"),
        ("control", b"title: \x00", "YAML"),
        ("python", b"!!python/object/apply:os.system ['true']", "YAML"),
        ("doubled key", b"title: a\ntitle: b\n", "twice"),
        ("list as key", b"? [a]\n: b\n", "plain text"),
        ("bad timestamp", b"date: 2020-99-99\n", "read|YAML"),
    ],
)
def test_a_harmful_file_is_refused_and_costs_no_other_rule(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / "bad.yml").write_bytes(data)
    (tmp_path / "good.yml").write_text(GOOD)
    rules = load_rules([tmp_path])
    assert [rule.title for rule in rules.rules] == ["good"]
    (refusal,) = rules.refusals
    assert any(part in refusal.reason for part in reason.split("|")), refusal.reason
    assert refusal.path.endswith("bad.yml")


def test_a_file_that_is_too_long_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "long.yml").write_bytes(b"#" * (10 << 20))
    (tmp_path / "good.yml").write_text(GOOD)
    rules = load_rules([tmp_path])
    assert len(rules.rules) == 1
    assert str(MAX_FILE) in rules.refusals[0].reason


def test_documents_know_their_lines() -> None:
    first, second = documents(b"a: 1\n---\n\nb: 2\nc: 3\n")
    assert (first.line, second.line) == (1, 4)
    assert second.lines == {"b": 4, "c": 5}


def test_a_document_that_is_broken_says_where() -> None:
    with pytest.raises(UnreadableDocumentError) as caught:
        list(documents(b"a: 1\nb: [\n"))
    assert caught.value.line == 3


def test_samples_and_hidden_files_are_no_rules(tmp_path: Path) -> None:
    for name in ("a.yml", "a.samples.yml", ".b.yml", "c.yaml", "d.txt"):
        (tmp_path / name).write_text(GOOD)
    assert [path.name for path in rule_files([tmp_path])] == ["a.yml", "c.yaml"]
