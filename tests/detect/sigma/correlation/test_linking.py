"""References, and what becomes of those that lead nowhere."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.detect.sigma import RuleSet, load_rules
from hauberk.detect.sigma.correlation.detecting import in_order
from hauberk.detect.sigma.program import decode, encode

Correlated = Callable[..., RuleSet]
COUNT = "type: event_count, timespan: 1m, condition: {gte: 2}"


def one(title: str, section: str, **more: object) -> str:
    extra = "".join(f"{key}: {value}\n" for key, value in more.items())
    return f"title: {title}\n{extra}correlation: {{{section}}}\n---\n"


def test_rules_are_found_by_name_and_by_id(tmp_path: Path) -> None:
    uid = "AAAAAAAA-1111-4111-8111-111111111111"
    (tmp_path / "a.yml").write_text(
        f"title: A\nid: {uid}\nlogsource: {{product: linux}}\n"
        "detection: {s: {F: 1}, condition: s}"
    )
    (tmp_path / "b.yml").write_text(
        one("N", f"rules: [{uid}], {COUNT}", name="n") + one("M", f"rules: [n], {COUNT}")
    )
    rules = load_rules([tmp_path])
    assert not rules.refusals
    assert rules.correlations[0].rules == (uid.lower(),)
    assert [found.title for found in in_order(reversed(rules.correlations))] == ["N", "M"]


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("rules: [nobody], " + COUNT, "refers to nobody, and no rule has that id or name"),
        ("rules: [a], timespan: 1m, condition: {gte: 2}", "type is missing"),
        ("rules: [a], type: outlier, timespan: 1m", "'outlier' is unknown"),
        (COUNT, "rules names no rule"),
        ("rules: [a], type: event_count, condition: {gte: 2}", "timespan is missing"),
        ("rules: [a], type: event_count, timespan: 5, condition: {gte: 2}", "not a number and a"),
        ("rules: [a], type: event_count, timespan: 0m, condition: {gte: 2}", "none of 1s to 10y"),
        ("rules: [a], type: event_count, timespan: 1m", "condition is missing"),
        ("rules: [a], type: event_count, timespan: 1m, condition: {}", "compares with no number"),
        ("rules: [a], type: event_count, timespan: 1m, condition: {gte: x}", "'x' is no number"),
        ("rules: [a], type: event_count, timespan: 1m, condition: {ge: 1}", "ge is no part"),
        ("rules: [a], type: event_count, timespan: 1m, condition: a", "needs a temporal"),
        ("rules: [a], type: value_count, timespan: 1m, condition: {gte: 1}", "needs a field"),
        (
            "rules: [a], type: value_percentile, timespan: 1m, condition: {gte: 1, field: F}",
            "needs a percentile",
        ),
        ("rules: [a], type: temporal, timespan: 1m, condition: {gte: 2}", "it can never match"),
        ("rules: [a, a], " + COUNT, "names a rule twice"),
        ("rules: [a], window: 3, " + COUNT, "window is no key"),
        ("rules: [a], generate: often, " + COUNT, "generate is neither"),
        ("rules: [a], aliases: [x], " + COUNT, "aliases are not"),
        ("rules: [a], aliases: {x: {nobody: F}}, " + COUNT, "the alias x: refers to nobody"),
        ("type: temporal, timespan: 1m, condition: a and", "ends where a rule was expected"),
        ("type: temporal, timespan: 1m, condition: (a or b", "closing bracket"),
        ("type: temporal, timespan: 1m, condition: not a", "no rule matches at all"),
        ("type: temporal, timespan: 1m, condition: a & b", "'&', which says nothing"),
        ("type: temporal, rules: [a], timespan: 1m, condition: a or b", "names b, which rules"),
        ("type: temporal, rules: [a, b], timespan: 1m, condition: a", "names b, which the cond"),
    ],
)  # fmt: skip
def test_a_faulty_correlation_is_refused_alone(
    correlated: Correlated, section: str, reason: str
) -> None:
    rules = correlated(one("faulty", section) + one("sound", "rules: [a], " + COUNT))
    (refusal,) = rules.refusals
    assert reason in refusal.reason
    assert refusal.line == 30
    assert [found.title for found in rules.correlations] == ["sound"]
    assert len(rules.rules) == 4


def test_circles_are_refused_with_what_leads_into_them(correlated: Correlated) -> None:
    rules = correlated(
        one("M", f"rules: [n], {COUNT}", name="m")
        + one("N", f"rules: [m], {COUNT}", name="n")
        + one("O", f"rules: [o], {COUNT}", name="o")
        + one("P", f"rules: [o], {COUNT}")
        + one("sound", f"rules: [a], {COUNT}")
    )
    assert [refusal.reason for refusal in rules.refusals] == [
        "refers to itself: M → N → …", "refers to itself: M → N → …",
        "refers to itself: O → …", "refers to o, which was refused",
    ]  # fmt: skip
    assert [found.title for found in rules.correlations] == ["sound"]


def test_a_tower_of_correlations_ends_somewhere(correlated: Correlated) -> None:
    text = one("0", f"rules: [a], {COUNT}", name="n0")
    for number in range(1, 30):
        text += one(str(number), f"rules: [n{number - 1}], {COUNT}", name=f"n{number}")
    rules = correlated(text)
    assert len(rules.correlations) == 12
    assert "12 deep" in rules.refusals[0].reason


def test_a_reference_to_a_refused_rule_says_so(correlated: Correlated) -> None:
    bad = "title: bad\nname: bad\nlogsource: {product: linux}\ndetection: {condition: x}\n---\n"
    rules = correlated(bad + one("t", f"rules: [bad], {COUNT}"))
    assert rules.refusals[1].reason == "refers to bad, which was refused"


def test_a_name_of_several_rules_names_none(correlated: Correlated) -> None:
    again = "title: T\nname: a\nlogsource: {product: linux}\ndetection: {s: {F: 1}, condition: s}\n"
    rules = correlated(again + "---\n" + one("t", f"rules: [a], {COUNT}"))
    assert rules.refusals[0].reason == "refers to a, a name that several rules bear"


def test_what_only_correlations_read_is_silent(correlated: Correlated) -> None:
    rules = correlated(
        one("n", f"rules: [a, b], {COUNT}", name="n")
        + one("m", f"rules: [b, n], generate: true, {COUNT}")
        + one("o", f"rules: [n], {COUNT}")
    )
    assert [rule.name for rule in rules.rules if rule.silent] == ["a"]
    assert [found.silent for found in rules.correlations] == [False, False, False]


def test_stored_correlations_are_the_same(correlated: Correlated) -> None:
    rules = correlated(
        one("n", f"rules: [a], group-by: [x], aliases: {{x: {{a: F}}}}, {COUNT}", level="high")
        + one("m", "type: temporal, timespan: 1w, condition: a and not (b or c)")
    )
    assert decode(encode(rules), rules.digest) == rules
