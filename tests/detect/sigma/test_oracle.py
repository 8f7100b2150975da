"""The engine against a naive reading of pySigma's condition tree, on random rules and events.

The oracle shares no code with the engine: it walks the tree for every event, compares strings
with Python's `re`, addresses with `ipaddress`, and knows no partitions, memories or automata.
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sigma.conditions as sc
import sigma.types as st
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sigma.rule import SigmaRule

from hauberk.detect.sigma import Engine, load_rules
from hauberk.detect.sigma.rows import RowFields
from hauberk.events import LogKey

KEY = LogKey("windows", "sysmon", "1")


def naive(tree: Any, row: Mapping[str, object]) -> bool:
    match tree:
        case sc.ConditionAND():
            return all(naive(child, row) for child in tree.args)
        case sc.ConditionOR():
            return any(naive(child, row) for child in tree.args)
        case sc.ConditionNOT():
            return not naive(tree.args[0], row)
        case sc.ConditionValueExpression():
            return any(asks(tree.value, value, keyword=True) for value in row.values())
        case _:
            value = tree.value
            if isinstance(value, st.SigmaExists):
                return (tree.field in row) == value.exists
            if isinstance(value, st.SigmaFieldReference):
                return refers(value, row.get(tree.field), row.get(value.field))
            return asks(value, row.get(tree.field))


def spelled(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def refers(reference: st.SigmaFieldReference, left: object, right: object) -> bool:
    lefts = left if isinstance(left, list) else [left]
    rights = right if isinstance(right, list) else [right]
    for a in lefts:
        for b in rights:
            if a is None or b is None:
                continue
            pattern = re.escape(spelled(b).lower())
            if reference.ends_with:
                pattern = ".*" + pattern
            if reference.starts_with:
                pattern += ".*"
            if re.fullmatch(pattern, spelled(a).lower(), re.DOTALL):
                return True
    return False


def asks(  # noqa: C901  # one case a type of value
    question: st.SigmaType, value: object, *, keyword: bool = False
) -> bool:
    if isinstance(question, st.SigmaExpansion):
        return any(asks(v, value, keyword=keyword) for v in question.values)
    if isinstance(value, list):
        return any(asks(question, v, keyword=keyword) for v in value or [None])
    if isinstance(question, st.SigmaNull):
        return value is None
    if value is None:
        return False
    text = spelled(value)
    match question:
        case st.SigmaString():
            flags = (
                re.DOTALL
                if isinstance(question, st.SigmaCasedString)
                else re.DOTALL | re.IGNORECASE
            )
            pattern = "".join(
                re.escape(part)
                if isinstance(part, str)
                else (".*" if part is st.SpecialChars.WILDCARD_MULTI else ".")
                for part in question.s
            )
            if keyword:
                return re.search(pattern, text, flags) is not None
            return re.fullmatch(pattern, text, flags) is not None
        case st.SigmaRegularExpression():
            flags = re.RegexFlag(0)
            for flag in question.flags:
                flags |= question.sigma_to_python_flags[flag]
            return re.search(str(question.regexp), text, flags) is not None
        case st.SigmaCompareExpression():
            try:
                number = float(text)
            except ValueError:
                return False
            if isinstance(value, bool):
                return False
            bound = question.number.number
            return {
                "LT": number < bound, "LTE": number <= bound,
                "GT": number > bound, "GTE": number >= bound,
            }[question.op.name]  # fmt: skip
        case st.SigmaCIDRExpression():
            try:
                return ipaddress.ip_address(text) in question.network
            except ValueError:
                return False
        case _:
            plain = question.boolean if isinstance(question, st.SigmaBool) else question.number  # type: ignore[attr-defined]
            return spelled(plain) in text if keyword else spelled(plain) == text.lower()


FIELDS = ("A", "B", "EventID")
ALPHABET = "abA\\-/ *?.\n1"
texts = some.text(ALPHABET, max_size=5)
numbers = some.integers(-2, 12) | some.sampled_from([0.5, 1.0, 2.5])
scalars = texts | numbers | some.booleans() | some.none()
addresses = some.sampled_from(["10.1.2.3", "192.168.0.9", "2001:db8::1", "::1", "not one"])
values = scalars | addresses | some.lists(texts | numbers, max_size=3)
rows = some.dictionaries(some.sampled_from(FIELDS), values, max_size=3)
regexes = some.sampled_from(
    ["a+b", "^a", "b$", "[ab]{2}", "a.b", r"\\-", "(a|b)1", "ab?a", "a{0,2}b"]
)


@some.composite
def items(draw: some.DrawFn) -> dict[str, object]:
    name = draw(some.sampled_from(["A", "B", ""]))
    kind = draw(
        some.sampled_from(
            ["", "contains", "startswith", "endswith", "cased", "cased|contains",
             "windash|contains", "contains|all", "neq", "contains|neq", "re", "re|i",
             "lt", "gte", "cidr", "exists",
             "fieldref", "fieldref|contains", "fieldref|startswith", "wide|base64offset|contains"]
        )
    )  # fmt: skip
    if kind == "":
        value: object = draw(scalars | some.lists(texts | numbers, min_size=1, max_size=3))
    elif kind.startswith("re"):
        value = draw(regexes)
    elif kind in ("lt", "gte"):
        value = draw(numbers)
    elif kind == "cidr":
        value = draw(some.sampled_from(["10.0.0.0/8", "192.168.0.0/16", "2001:db8::/32"]))
        name = name or "A"
    elif kind == "exists":
        value, name = draw(some.booleans()), name or "A"
    elif kind.startswith("fieldref"):
        value, name = draw(some.sampled_from(FIELDS)), name or "A"
    elif "base64" in kind:
        value = draw(some.text("ab1", min_size=2, max_size=4))
    else:
        value = draw(some.lists(texts, min_size=1, max_size=3))
    if name == "" and (value is None or kind == ""):
        name = "B"
    return {f"{name}|{kind}" if kind else name: value}


@some.composite
def detections(draw: some.DrawFn) -> dict[str, object]:
    names = ["s1", "s2", "t1"]
    selections: dict[str, object] = {}
    for name in names:
        parts = draw(some.lists(items(), min_size=1, max_size=3))
        if draw(some.booleans()):
            selections[name] = parts
        else:
            selections[name] = {key: value for part in parts for key, value in part.items()}
    if draw(some.booleans()):
        selections["t1"] = {"EventID": draw(some.sampled_from([1, 2, "1", "x"])), **draw(items())}
    condition = draw(
        some.sampled_from(
            ["s1", "s1 and s2", "s1 or s2", "s1 and not s2", "not s1", "1 of s*", "all of s*",
             "1 of them", "all of them", "not (s1 or t1) and s2", "t1", "s1 and (s2 or not t1)"]
        )
    )  # fmt: skip
    return {**selections, "condition": condition}


def document(number: int, detection: Mapping[str, object]) -> dict[str, object]:
    return {
        "title": f"r{number}",
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "logsource": {"product": "windows", "service": "sysmon"},
        "detection": dict(detection),
    }


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(some.lists(detections(), min_size=1, max_size=4), some.lists(rows, min_size=1, max_size=12))
def test_random_rules_fire_on_the_rows_that_a_naive_reading_says(
    tmp_path_factory: Any, drawn: list[dict[str, object]], events: list[dict[str, object]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("rules")
    # The event id is constant in a log: the partition's key, and what the rows say.
    events = [{**event, "EventID": 1} for event in events]
    trees: dict[str, Any] = {}
    for number, detection in enumerate(drawn):
        content = document(number, detection)
        (folder / f"{number}.yml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        try:
            parsed = SigmaRule.from_dict(content)
            trees[str(content["title"])] = [c.parsed for c in parsed.detection.parsed_condition]
        except Exception:  # noqa: BLE001  # what pySigma refuses is not compared
            continue
    rules = load_rules([folder])
    assert {rule.title for rule in rules.rules} == set(trees)
    engine = Engine(rules)
    expected = {
        (i, title)
        for i, row in enumerate(events)
        for title, parsed in trees.items()
        if any(naive(tree, row) for tree in parsed)
    }
    for _ in range(2):  # the second time from memory
        found = {
            (i, rules.rules[number].title)
            for i, fired in engine.match(KEY, RowFields(events))
            for number in fired
        }
        assert found == expected
