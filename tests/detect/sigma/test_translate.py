"""What each modifier, value type and condition of Sigma means."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hauberk.detect.sigma import RuleSet

Fires = Callable[[Mapping[str, object], Mapping[str, object]], bool]


def one(key: str, value: object) -> dict[str, object]:
    return {"sel": {key: value}, "condition": "sel"}


CASES: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("F", "Abc", ["abc", "ABC"], ["abcd", "", None, "xabc"]),
    ("F", "a*c", ["ac", "ABBC", "a\nc"], ["acd", "bac"]),
    ("F", "a?c", ["abc", "a\nc"], ["ac", "abbc"]),
    ("F", r"a\*c", ["a*c"], ["abc", r"a\*c"]),
    ("F", r"a\?c", ["a?c"], ["abc"]),
    ("F", r"a\\*", ["a\\", "a\\b"], ["a*", "ab"]),
    ("F", r"a\b", ["a\\b"], ["ab"]),
    ("F", "*", ["", "x", 0, False], [None]),
    ("F", "", [""], [None, " ", "x"]),
    ("F", None, [None, []], ["", "x", 0]),
    ("F", ["a", "b"], ["A", "b"], ["c", "ab"]),
    ("F", 4688, [4688, "4688", 4688.0], ["04688", "46880", True, None]),
    ("F", "4688", [4688, "4688"], [468]),
    ("F", 1, [1, "1"], [True, "true"]),
    ("F", True, [True, "true", "TRUE"], [1, "1", False]),
    ("F", "x", [["y", "X"], ["x"]], [["y"], []]),
    ("F|cased", "Abc", ["Abc"], ["abc"]),
    ("F|cased|contains", "Abc", ["xAbcx"], ["xabcx"]),
    ("F|contains", "BC", ["abcd", "bc"], ["b c", None]),
    ("F|contains", "a*c", ["xabbcx"], ["xca"]),
    ("F|contains", ["aa", "bb"], ["xaax", "bb"], ["ab"]),
    ("F|contains|all", ["aa", "bb"], ["bbaa"], ["aa", "bb"]),
    ("F|startswith", "ab", ["ABc", "ab"], ["xab"]),
    ("F|endswith", "ab", ["cAB", "ab"], ["abx"]),
    ("F|endswith", ["\\cmd.exe", "\\b.exe"], ["C:\\CMD.exe"], ["cmd.exe"]),
    ("F|re", "^a.c$", ["abc"], ["ABC", "a\nc", "xabc"]),
    ("F|re", "b+", ["abbc"], ["ac", "B"]),
    ("F|re|i", "^a.c$", ["abc", "ABC"], ["ac"]),
    ("F|re|s", "^a.c$", ["a\nc"], ["A\nC"]),
    ("F|re|m", "^b$", ["a\nb\nc"], ["abc"]),
    ("F|re|i|m|s", "^B.c$", ["a\nb\nC"], ["ac"]),
    ("F|re", "[0-9]{3}", [1234], [12]),
    ("F|cidr", "10.0.0.0/8", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "x", "", None]),
    ("F|cidr", "2001:db8::/32", ["2001:db8::1", "2001:DB8:0::5%eth0"], ["2001:db9::1", "10.0.0.1"]),
    ("F|cidr", ["10.0.0.0/8", "127.0.0.0/8"], ["127.0.0.1"], ["8.8.8.8"]),
    ("F|lt", 5, [4, "4", 4.5, "-1", "0x4"], [5, "5", "x", None, True]),
    ("F|lte", 5, [5, "5.0"], [5.1]),
    ("F|gt", 5, [6, "6"], [5, "", "nan"]),
    ("F|gte", 5.5, [5.5, "1e3"], [5]),
    ("F|neq", "a", ["b", None], ["A"]),
    ("F|neq", ["a", "b"], ["c"], ["a", "B"]),
    ("F|contains|neq", "a", ["b"], ["xax"]),
    ("F|base64", "foo", ["Zm9v"], ["foo"]),
    ("F|base64|contains", "foobar", ["x Zm9vYmFy y"], ["foobar"]),
    ("F|base64offset|contains", "foobar", ["Zm9vYmFy", "xmb29iYXx", "AAZvb2Jhc"], ["foobar"]),
    ("F|wide|base64offset|contains", "ab", ["YQBiA", "EAYg"], ["ab"]),
    ("F|utf16|base64", "ab", ["//5hAGIA"], ["YQBiAA=="]),
    ("F|utf16be|base64", "ab", ["AGEAYg=="], ["YQBiAA=="]),
    ("F|windash|contains", " -x", ["a -x", "a /x", "a –x", "a —x", "a ―x"], ["a x"]),
    ("F|windash|contains|all", [" -x", " -y"], ["a /x -y"], ["a -x", "a /y"]),
    ("F|minute", 30, ["2024-05-06T07:30:00Z"], ["2024-05-06T07:31:00Z", "x", None]),
    ("F|hour", 7, ["2024-05-06T07:30:00.123Z", "2024-05-06 07:00:00"], ["2024-05-06T08:00:00Z"]),
    ("F|day", 6, ["2024-05-06T07:30:00Z", 1714980600, 1714980600000], ["2024-05-07T07:30:00Z"]),
    ("F|week", 19, ["2024-05-06T07:30:00Z"], ["2024-05-05T07:30:00Z"]),
    ("F|month", 5, ["2024-05-06T07:30:00Z"], ["2024-06-06T07:30:00Z"]),
    ("F|year", 2024, ["2024-05-06T07:30:00Z"], ["2023-05-06T07:30:00Z"]),
    ("F", "straße", ["STRASSE".replace("SS", "ß")], ["strase"]),
    ("F|contains", "ΑΣ", ["αςα", "ΑΣΑ", "ας"], ["α"]),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "hits", "misses"), CASES)
def test_a_value_is_asked_as_sigma_says(
    fires: Fires, key: str, value: object, hits: list[object], misses: list[object]
) -> None:
    for held in hits:
        assert fires(one(key, value), {"F": held}), f"{key}: {value!r} should match {held!r}"
    for held in misses:
        assert not fires(one(key, value), {"F": held}), f"{key}: {value!r} against {held!r}"


def test_a_missing_field_is_null_and_does_not_exist(fires: Fires) -> None:
    assert fires(one("F", None), {"G": 1})
    assert not fires(one("F|exists", True), {"G": 1})
    assert fires(one("F|exists", False), {"G": 1})
    assert fires(one("F|exists", True), {"F": None})
    assert not fires(one("F|exists", False), {"F": ""})


@pytest.mark.parametrize(
    ("key", "left", "right", "expected"),
    [
        ("F|fieldref", "A", "a", True),
        ("F|fieldref", 1, "1", True),
        ("F|fieldref", "a", "b", False),
        ("F|fieldref", None, None, False),
        ("F|fieldref", ["x", "a"], "a", True),
        ("F|fieldref|startswith", "abc", "AB", True),
        ("F|fieldref|startswith", "cab", "ab", False),
        ("F|fieldref|endswith", "cab", "ab", True),
        ("F|fieldref|contains", "xabx", "ab", True),
        ("F|fieldref|contains", "ab", "xabx", False),
    ],
)
def test_a_field_is_compared_with_another(
    fires: Fires, key: str, left: object, right: object, expected: bool
) -> None:
    assert fires(one(key, "G"), {"F": left, "G": right}) is expected
    assert not fires(one(key, "G"), {"F": left})


def test_keywords_are_looked_for_in_every_value(fires: Fires) -> None:
    rule = {"keywords": ["mimi*tz", 42], "condition": "keywords"}
    assert fires(rule, {"A": "x", "B": "the MIMIkatz tool"})
    assert fires(rule, {"A": ["x", "mimitz"]})
    assert fires(rule, {"A": 1421})
    assert not fires(rule, {"A": "mimi", "B": "tz", "C": None, "D": 41})
    both = {"keywords": {"|all": ["aa", "bb"]}, "condition": "keywords"}
    assert fires(both, {"A": "xaa", "B": "bbx"})
    assert not fires(both, {"A": "aa"})
    regex = {"keywords": {"|re": "a.c"}, "condition": "keywords"}
    assert fires(regex, {"A": 1, "B": "xabcx"})
    assert not fires(regex, {"A": "ac"})


FIELDS = {"A": "1", "B": "2", "C": "3"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a", True),
        ("x", False),
        ("a and b", True),
        ("a and x", False),
        ("a or x", True),
        ("not a", False),
        ("not x", True),
        ("a and not x", True),
        ("not (a and x)", True),
        ("not (a or x)", False),
        ("not a or b and not x", True),
        ("(a or x) and (x or b)", True),
        ("1 of them", True),
        ("all of them", False),
        ("1 of sel_*", False),
        ("all of good_*", True),
        ("1 of good_* and not 1 of sel_*", True),
        ("any of them", True),
        (["x", "a"], True),
    ],
)
def test_conditions_join_selections(fires: Fires, condition: object, expected: bool) -> None:
    rule = {
        "a": {"A": 1}, "b": {"B": 2}, "x": {"A": 9}, "good_1": {"A": 1, "B": 2},
        "good_2": [{"A": 9}, {"C": 3}], "sel_1": {"A": 2}, "sel_2": {"A": 1, "B": 3},
        "condition": condition,
    }  # fmt: skip
    assert fires(rule, FIELDS) is expected


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        (one("F|foo", "x"), "foo"),
        (one("F|re", "(?=a)b"), "RE2"),
        (one("F|re", r"(a)\1"), "RE2"),
        (one("F|re", "("), "invalid"),
        (one("F|cidr", "10.0.0.1/8"), "CIDR"),
        (one("F|expand", "%admins%"), "placeholder admins"),
        ({"sel": {"F": 1}, "condition": "sel | count() > 5"}, "event_count correlation"),
        ({"sel": {"F": 1}, "condition": "other"}, "other"),
        ({"sel": {"F": 1}, "condition": "sel and"}, "condition"),
        ({"sel": {"F": 1}}, "condition"),
        ({"sel": {}, "condition": "sel"}, "empty"),
        ({"sel": {"F": {"G": 1}}, "condition": "sel"}, "type"),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_a_reason(
    rules_of: Callable[..., RuleSet], detection: Mapping[str, object], reason: str
) -> None:
    rules = rules_of(detection, one("F", "x"))
    assert [rule.title for rule in rules.rules] == ["rule 1"]
    (refusal,) = rules.refusals
    assert reason in refusal.reason
    assert refusal.rule_id.endswith("0000")
    assert refusal.line >= 1
