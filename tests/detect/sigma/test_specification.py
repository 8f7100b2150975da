"""Every element of the Sigma specification 2.1, by one example matched against events.

The ids of the cases are the lines of the table in docs/sigma.md; a test holds both equal.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from hauberk.detect.sigma import Engine, RuleSet, load_rules
from hauberk.detect.sigma.rows import RowFields
from hauberk.events import LogKey

Row = Mapping[str, object]
KEY = LogKey("windows", "sysmon", "1")
B64 = base64.b64encode
LINES = re.MULTILINE


def field(modifiers: str, value: object) -> dict[str, object]:
    return {"sel": {f"F{modifiers}": value}, "condition": "sel"}


def named(condition: str) -> dict[str, object]:
    """Selections a1, a2, b, _c, each true where the event has a field of its name."""
    names = ("a1", "a2", "b", "_c")
    return {**{name: {f"F{name}": 1} for name in names}, "condition": condition}


def has(*names: str) -> Row:
    return {f"F{name}": 1 for name in names}


# id of the element: detection, an event on which it fires, one on which it does not
MATCHING: dict[str, tuple[Mapping[str, object], Row, Row]] = {
    "value: text, whatever its case": (field("", "Abc"), {"F": "aBC"}, {"F": "abcd"}),
    "value: number": (field("", 5), {"F": "5"}, {"F": 55}),
    "value: list, any of it": (field("", ["a", "b"]), {"F": "b"}, {"F": "c"}),
    "value: map, all of it": (
        {"sel": {"F": 1, "G": 2}, "condition": "sel"}, {"F": 1, "G": 2}, {"F": 1},
    ),
    "value: list of maps, any of it": (
        {"sel": [{"F": 1}, {"G": 2}], "condition": "sel"}, {"G": 2}, {"G": 1},
    ),
    "value: null": (field("", None), {"G": 1}, {"F": ""}),
    "value: empty text": (field("", ""), {"F": ""}, {"G": 1}),
    "wildcard: *": (field("", "a*c"), {"F": "abbc"}, {"F": "ab"}),
    "wildcard: ?": (field("", "a?c"), {"F": "abc"}, {"F": "ac"}),
    "escape: \\*": (field("", r"a\*c"), {"F": "a*c"}, {"F": "abc"}),
    "escape: \\?": (field("", r"a\?c"), {"F": "a?c"}, {"F": "abc"}),
    "escape: \\\\*": (field("", r"a\\*"), {"F": r"a\bc"}, {"F": "a*"}),
    "escape: plain \\": (field("", r"C:\x"), {"F": r"C:\x"}, {"F": "C:x"}),
    "keywords: any": ({"sel": ["ab", "cd"], "condition": "sel"}, {"X": "xcdx"}, {"X": "ac"}),
    "keywords: |all": (
        {"sel": {"|all": ["ab", "cd"]}, "condition": "sel"}, {"X": "ab", "Y": "cd"}, {"X": "ab"},
    ),
    "modifier: all": (field("|contains|all", ["a", "b"]), {"F": "ba"}, {"F": "a"}),
    "modifier: startswith": (field("|startswith", "ab"), {"F": "ABc"}, {"F": "cab"}),
    "modifier: endswith": (field("|endswith", "ab"), {"F": "cab"}, {"F": "abc"}),
    "modifier: contains": (field("|contains", "ab"), {"F": "cabc"}, {"F": "acb"}),
    "modifier: exists": (field("|exists", True), {"F": None}, {"G": 1}),
    "modifier: cased": (field("|cased", "Ab"), {"F": "Ab"}, {"F": "ab"}),
    "modifier: neq": (field("|neq", 5), {"F": 6}, {"F": 5}),
    "modifier: neq of a text": (field("|neq", "a"), {"F": "b"}, {"F": "A"}),
    "modifier: windash, -": (field("|windash|contains", " -f"), {"F": "x /f"}, {"F": "x f"}),
    "modifier: windash, en dash": (field("|windash|contains", " -f"), {"F": "x –f"}, {"F": "x"}),
    "modifier: windash, em dash": (field("|windash|contains", " /f"), {"F": "x —f"}, {"F": "x"}),
    "modifier: windash, bar": (field("|windash|contains", " -f"), {"F": "x ―f"}, {"F": "x"}),
    "modifier: windash of a dash": (field("|windash|contains", " –f"), {"F": "x -f"}, {"F": "x"}),
    "modifier: re": (field("|re", "a[bc]+d$"), {"F": "xabcd"}, {"F": "xABCD"}),
    "modifier: re|i": (field("|re|i", "^ab"), {"F": "ABc"}, {"F": "cab"}),
    "modifier: re|m": (field("|re|m", "^b$"), {"F": "a\nb\nc"}, {"F": "abc"}),
    "modifier: re|s": (field("|re|s", "a.b"), {"F": "a\nb"}, {"F": "ab"}),
    "modifier: base64": (
        field("|base64|contains", "foo bar"), {"F": f"x{B64(b'foo bar').decode()}"}, {"F": "foo"},
    ),
    "modifier: base64offset": (
        field("|base64offset|contains", "http://"),
        {"F": B64(b"xyhttp://a").decode()}, {"F": B64(b"ftp://a").decode()},
    ),
    "modifier: utf16le": (
        field("|utf16le|base64offset|contains", "ping"),
        {"F": B64("x ping".encode("utf-16-le")).decode()}, {"F": B64(b"x ping").decode()},
    ),
    "modifier: wide": (
        field("|wide|base64offset|contains", "ping"),
        {"F": B64("x ping".encode("utf-16-le")).decode()}, {"F": B64(b"x ping").decode()},
    ),
    "modifier: utf16be": (
        field("|utf16be|base64offset|contains", "ping"),
        {"F": B64("x ping".encode("utf-16-be")).decode()},
        {"F": B64(b"x ping").decode()},
    ),
    "modifier: utf16": (
        field("|utf16|base64offset|contains", "ping"),
        {"F": B64("\ufeffping".encode("utf-16-le")).decode()},
        {"F": B64("ping".encode("utf-16-le")).decode()},
    ),
    "modifier: lt": (field("|lt", 5), {"F": 4.5}, {"F": 5}),
    "modifier: lte": (field("|lte", 5), {"F": "5"}, {"F": 6}),
    "modifier: gt": (field("|gt", 5), {"F": "6"}, {"F": 5}),
    "modifier: gte": (field("|gte", 5), {"F": 5}, {"F": "x"}),
    "modifier: minute": (field("|minute", 7), {"F": "2026-03-02T09:07:00Z"}, {"F": "09:07"}),
    "modifier: hour": (field("|hour", 9), {"F": "2026-03-02T09:07:00Z"}, {"F": "2026-03-02"}),
    "modifier: day": (field("|day", 2), {"F": "2026-03-02T09:07:00Z"}, {"F": "2026-02-03"}),
    "modifier: week": (field("|week", 10), {"F": "2026-03-02T09:07:00Z"}, {"F": "2026-02-02"}),
    "modifier: month": (field("|month", 3), {"F": "2026-03-02T09:07:00Z"}, {"F": "2026-02-03"}),
    "modifier: year": (field("|year", 2026), {"F": "2026-03-02 09:07:00"}, {"F": "2025-03-02"}),
    "modifier: cidr, IPv4": (field("|cidr", "10.0.0.0/8"), {"F": "10.9.8.7"}, {"F": "11.0.0.1"}),
    "modifier: cidr, IPv6": (field("|cidr", "fe80::/10"), {"F": "fe80::1"}, {"F": "::1"}),
    "modifier: fieldref": (field("|fieldref", "G"), {"F": "a", "G": "A"}, {"F": "a", "G": "b"}),
    "modifier: fieldref|neq": (
        field("|fieldref|neq", "G"), {"F": "a", "G": "b"}, {"F": "a", "G": "a"},
    ),
    "modifier: fieldref|startswith": (
        field("|fieldref|startswith", "G"), {"F": "abc", "G": "ab"}, {"F": "cab", "G": "ab"},
    ),
    "modifier: fieldref|endswith": (
        field("|fieldref|endswith", "G"), {"F": "cab", "G": "ab"}, {"F": "abc", "G": "ab"},
    ),
    "modifier: fieldref|contains": (
        field("|fieldref|contains", "G"), {"F": "cabc", "G": "ab"}, {"F": "acb", "G": "ab"},
    ),
    "modifier: expand": (field("|expand", "%who%"), {"F": "adm_ann"}, {"F": "%who%"}),
    "placeholder: without expand it is text": (field("", "%who%"), {"F": "%who%"}, {"F": "bob"}),
    "condition: and": (named("a1 and b"), has("a1", "b"), has("a1")),
    "condition: or": (named("a1 or b"), has("b"), has("a2")),
    "condition: not": (named("a1 and not b"), has("a1"), has("a1", "b")),
    "condition: brackets": (named("a1 and (a2 or b)"), has("a1", "b"), has("b")),
    "condition: not binds closer than and, and than or": (
        named("a1 or not a2 and b"), has("b"), has("a2", "b"),
    ),
    "condition: 1 of them": (named("1 of them"), has("b"), has("_c")),
    "condition: any of them": (named("any of them"), has("b"), has("_c")),
    "condition: all of them": (named("all of them"), has("a1", "a2", "b"), has("a1", "b")),
    "condition: 1 of pattern": (named("1 of a*"), has("a2"), has("b")),
    "condition: all of pattern": (named("all of a*"), has("a1", "a2"), has("a1", "b")),
    "condition: not 1 of pattern": (named("b and not 1 of a*"), has("b"), has("b", "a2")),
    "condition: pattern of hidden selections": (named("1 of _*"), has("_c"), has("b")),
    "condition: nested": (
        named("(1 of a* or _c) and not (b and not _c)"), has("a1"), has("a1", "b"),
    ),
    "condition: list, any of it": (
        {**named("x"), "condition": ["a1", "b"]}, has("b"), has("a2"),
    ),
}  # fmt: skip


def compiled(tmp_path: Path, detection: Mapping[str, object], **more: object) -> RuleSet:
    rule = {
        "title": "T",
        "logsource": {"product": "windows", "category": "process_creation"},
        "detection": detection,
        **more,
    }
    (tmp_path / "r.yml").write_text(yaml.safe_dump(rule, allow_unicode=True), "utf-8")
    return load_rules([tmp_path], placeholders={"who": ("bob", "adm_*")})


@pytest.mark.parametrize("element", MATCHING)
def test_an_element_matches_what_it_should_and_nothing_else(tmp_path: Path, element: str) -> None:
    detection, event, other = MATCHING[element]
    rules = compiled(tmp_path, detection)
    assert not rules.refusals, rules.refusals[0].reason
    engine = Engine(rules)
    assert list(engine.match(KEY, RowFields([event]))) == [(0, (0,))]
    assert not list(engine.match(KEY, RowFields([other])))


REFUSED: dict[str, tuple[Mapping[str, object], str]] = {
    "refused: placeholder without a value": (field("|expand", "%nobody%"), "placeholder nobody"),
    "refused: | count() by x > n": (
        {"sel": {"F": 1}, "condition": "sel | count() by User > 5"}, "the event_count correlation",
    ),
    "refused: | count(field) by x > n": (
        {"sel": {"F": 1}, "condition": "sel | count(F) by User > 5"}, "the value_count correlation",
    ),
    "refused: | sum, avg, min, max": (
        {"sel": {"F": 1}, "condition": "sel | sum(F) by User > 5"}, "the value_sum correlation",
    ),
    "refused: | near": (
        {"sel": {"F": 1}, "condition": "sel | near other"}, "the temporal correlation",
    ),
    "refused: unknown modifier": (field("|foo", 1), "foo"),
    "refused: regular expression that is not linear": (field("|re", "(?=a)b"), "RE2"),
}  # fmt: skip


@pytest.mark.parametrize("element", REFUSED)
def test_what_is_not_taken_is_refused_with_its_reason(tmp_path: Path, element: str) -> None:
    detection, reason = REFUSED[element]
    (refusal,) = compiled(tmp_path, detection).refusals
    assert reason in refusal.reason
    assert refusal.line == 1


def test_a_rule_of_another_taxonomy_is_refused(tmp_path: Path) -> None:
    (refusal,) = compiled(tmp_path, field("", 1), taxonomy="ecs").refusals
    assert "taxonomy 'ecs'" in refusal.reason


FILTERED = """
title: Rule
id: aaaaaaaa-1111-4111-8111-111111111111
name: rule
logsource: {product: windows, category: process_creation}
detection: {sel: {F: 1}, condition: sel}
---
title: Other
logsource: {product: windows, service: security}
detection: {sel: {F: 1}, condition: sel}
---
title: Filter
id: bbbbbbbb-1111-4111-8111-111111111111
"""


def filtered(tmp_path: Path, text: str) -> RuleSet:
    (tmp_path / "r.yml").write_text(FILTERED + text)
    return load_rules([tmp_path])


def fires(rules: RuleSet, event: Row) -> bool:
    return bool(list(Engine(rules).match(KEY, RowFields([event]))))


@pytest.mark.parametrize(
    ("element", "references"),
    [
        ("filter: rules by id", "[AAAAAAAA-1111-4111-8111-111111111111]"),
        ("filter: rules by name", "rule"),
        ("filter: rules: any", "any"),
        ("filter: rules: []", "[]"),
    ],
)
def test_a_filter_narrows_rules_of_its_log_source(
    tmp_path: Path, element: str, references: str
) -> None:
    rules = filtered(
        tmp_path,
        f"logsource: {{product: windows, category: process_creation}}\nfilter:\n"
        f"  rules: {references}\n  selection: {{User|startswith: adm_}}\n"
        "  condition: not selection\n",
    )
    assert not rules.refusals
    assert rules.filters[0].rules == ("aaaaaaaa-1111-4111-8111-111111111111",)
    assert (rules.filters[0].line, rules.filters[0].title) == (15, "Filter")
    assert fires(rules, {"F": 1, "User": "ann"})
    assert not fires(rules, {"F": 1, "User": "ADM_ann"})


def test_a_filter_without_not_keeps_what_it_selects(tmp_path: Path) -> None:
    rules = filtered(
        tmp_path,
        "logsource: {product: windows}\nfilter:\n  rules: any\n"
        "  sel_a: {User: ann}\n  sel_b: {Host: pc}\n  condition: 1 of sel_*\n",
    )
    assert len(rules.filters[0].rules) == 2
    assert fires(rules, {"F": 1, "User": "ann"})
    assert not fires(rules, {"F": 1, "User": "bob"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("logsource: {product: linux}\nfilter: {rules: rule, s: {F: 1}, condition: s}",
         "does not narrow rule: its log source is another"),
        ("logsource: {product: windows}\nfilter: {rules: [nobody], s: {F: 1}, condition: s}",
         "refers to nobody, and no rule has that id or name"),
        ("logsource: {product: windows}\nfilter: {s: {F: 1}, condition: s}", "rules is missing"),
        ("logsource: {product: windows}\nfilter: {rules: any, s: {F: 1}}", "one condition"),
        ("filter: {rules: any, s: {F: 1}, condition: s}", "needs a logsource"),
        ("logsource: {product: windows}\nfilter: {rules: any, s: {F|foo: 1}, condition: s}", "foo"),
    ],
)  # fmt: skip
def test_a_faulty_filter_is_refused_and_narrows_nothing(
    tmp_path: Path, text: str, reason: str
) -> None:
    rules = filtered(tmp_path, text)
    assert reason in rules.refusals[0].reason
    assert rules.refusals[0].line >= 14
    assert fires(rules, {"F": 1, "User": "ADM_ann"})


COLLECTION = """
action: global
title: Common
id: cccccccc-1111-4111-8111-111111111111
logsource: {product: windows, category: process_creation}
level: high
detection: {condition: sel}
---
detection: {sel: {F: 1}}
---
action: repeat
detection: {sel: {F: 2}}
---
action: reset
---
title: Alone
logsource: {product: windows, category: process_creation}
detection: {sel: {F: 3}, condition: sel}
---
action: unknown
---
detection: {sel: {F: 4}}
"""


def test_collections_are_made_whole(tmp_path: Path) -> None:
    """collection: action: global, repeat, reset."""
    (tmp_path / "r.yml").write_text(COLLECTION)
    rules = load_rules([tmp_path])
    assert [(rule.title, rule.level) for rule in rules.rules] == [
        ("Common", "high"), ("Common", "high"), ("Alone", "medium"),
    ]  # fmt: skip
    assert len({rule.uid for rule in rules.rules}) == 3
    assert [fires(rules, {"F": number}) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert [(refusal.line, refusal.reason[:10]) for refusal in rules.refusals] == [
        (20, "the action"), (22, "Sigma rule"),
    ]  # fmt: skip


OTHERS = (
    "filter: rules by id", "filter: rules by name", "filter: rules: any", "filter: rules: []",
    "filter: without not", "filter: dangling or of another log source",
    "collection: several documents", "collection: action global, repeat, reset",
)  # fmt: skip


def test_the_table_of_the_documentation_names_every_element() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sigma.md").read_text("utf-8")
    table = text.partition("## Element by element")[2].replace("\\|", "\x00")
    listed = [one.replace("\x00", "|") for one in re.findall(r"^\| `([^`]+)` \|", table, LINES)]
    assert sorted(listed) == sorted([*MATCHING, *REFUSED, *OTHERS])
