"""Rule sets from folders and from the cache."""

from pathlib import Path

import orjson
import pytest

from hauberk.detect.sigma import built_in_rules, load_rules
from hauberk.detect.sigma.program import decode, encode

RULE = """
title: T
id: {uid}
status: test
level: critical
tags: [attack.t1059.001, attack.T1105, attack.execution, cve.2020-1]
logsource: {{product: Windows, category: process_creation}}
detection: {{sel: {{F|contains: [x, 'y*z'], G: null}}, not: {{H: 1}}, condition: sel and not not}}
"""
UIDS = [f"11111111-1111-4111-8111-11111111111{i}" for i in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "rules" / "deep"
    rules.mkdir(parents=True)
    text = (
        RULE.format(uid=UIDS[0]).replace("not: {H", "filter: {H").replace("not not", "not filter")
    )
    (rules / "a.yml").write_text(text)
    (rules / "b.yml").write_text(
        text.replace(UIDS[0], UIDS[1]) + "---" + text.replace(UIDS[0], UIDS[2])
    )
    (rules / "c.yml").write_text(text)
    (rules / "d.yml").write_text("title: correlated\ncorrelation: {type: event_count}\n")
    return tmp_path / "rules"


def test_a_rule_keeps_what_it_says_of_itself(folder: Path) -> None:
    rule = load_rules([folder]).rules[0]
    assert (rule.uid, rule.level, rule.status) == (UIDS[0], "critical", "test")
    assert rule.techniques == ("T1059.001", "T1105")
    assert rule.source.product == "windows"
    assert rule.line == 2


def test_refusals_say_which_file_and_why(folder: Path) -> None:
    rules = load_rules([folder])
    assert [rule.uid for rule in rules.rules] == UIDS
    reasons = {Path(refusal.path).name: refusal.reason for refusal in rules.refusals}
    assert "id of another rule" in reasons["c.yml"]
    assert reasons["d.yml"] == "correlation: rules names no rule"


def test_the_cache_gives_the_same_rules(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fresh = load_rules([folder], cache=cache)
    assert len(list(cache.iterdir())) == 1
    assert load_rules([folder], cache=cache) == fresh
    assert decode(encode(fresh), fresh.digest) == fresh


def test_a_changed_rule_is_compiled_again(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = load_rules([folder], cache=cache)
    (folder / "deep" / "a.yml").write_text((folder / "deep" / "a.yml").read_text() + "\n")
    after = load_rules([folder], cache=cache)
    assert after.digest != before.digest
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"[]", b"null", b'{"version": "0"}',
        None,  # an atom out of range
    ],
)  # fmt: skip
def test_a_damaged_cache_is_not_believed(
    folder: Path, tmp_path: Path, damage: bytes | None
) -> None:
    cache = tmp_path / "cache"
    fresh = load_rules([folder], cache=cache)
    (stored,) = cache.iterdir()
    if damage is None:
        content = orjson.loads(stored.read_bytes())
        content["rules"][0][8] = 99_999
        damage = orjson.dumps(content)
    stored.write_bytes(damage)
    assert load_rules([folder], cache=cache) == fresh


def test_a_cache_that_cannot_be_written_is_no_fault(folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert len(load_rules([folder], cache=blocked / "cache").rules) == 3


def test_a_placeholder_is_filled_in_where_given(tmp_path: Path) -> None:
    text = RULE.format(uid=UIDS[0]).split("detection")[0]
    text += "detection: {sel: {F|expand|endswith: 'x%who%'}, condition: sel}\n"
    (tmp_path / "a.yml").write_text(text)
    assert not load_rules([tmp_path]).rules
    given = load_rules([tmp_path], placeholders={"who": ("ann", "bob")})
    assert {atom.predicate.text for atom in given.atoms} == {"xann", "xbob"}


def test_the_rules_that_come_with_hauberk_all_compile() -> None:
    assert not built_in_rules().refusals
