"""What each kind of correlation matches, by the specification and by what it leaves open."""

from collections.abc import Callable

import pytest

from .conftest import Hit

Matches = Callable[..., list[tuple[float, float, int]]]


def rule(
    kind: str, condition: str = "", rules: str = "[a]", span: str = "1m", more: str = ""
) -> str:
    last = f", condition: {condition}" if condition else ""
    return (
        f"title: t\ncorrelation: {{type: {kind}, rules: {rules}, group-by: [U], "
        f"timespan: {span}{more}{last}}}\n"
    )


def at(name: str, *seconds: float, user: str = "x", **fields: str) -> list[Hit]:
    return [(name, second, {"U": user, **fields}) for second in seconds]


def valued(*values: str | None) -> list[Hit]:
    return [("a", number, {"U": "x", "V": value}) for number, value in enumerate(values)]


def test_events_are_counted_in_windows_that_slide(matches: Matches) -> None:
    text = rule("event_count", "{gte: 3}")
    assert matches(text, *at("a", 50, 70, 110)) == [(50, 110, 3)]
    assert matches(text, *at("a", 50, 70, 111)) == []


def test_groups_are_counted_apart_without_regard_to_case(matches: Matches) -> None:
    text = rule("event_count", "{gte: 2}")
    assert matches(text, *at("a", 0), *at("a", 1, user="y")) == []
    assert matches(text, *at("a", 0), *at("a", 1, user="X")) == [(0, 1, 2)]


def test_an_event_without_a_field_to_group_by_is_in_no_group(matches: Matches) -> None:
    assert matches(rule("event_count", "{gte: 2}"), ("a", 0, {}), ("a", 1, {})) == []


def test_without_group_by_all_events_are_one_group(matches: Matches) -> None:
    text = rule("event_count", "{gte: 2}").replace("group-by: [U], ", "")
    assert matches(text, ("a", 0, {}), *at("a", 1)) == [(0, 1, 2)]


def test_a_match_grows_until_a_timespan_after_it_began(matches: Matches) -> None:
    text = rule("event_count", "{gte: 2}")
    assert matches(text, *at("a", 0, 10, 20, 70)) == [(0, 70, 4)]
    assert matches(text, *at("a", 0, 10, 20, 71, 80)) == [(0, 20, 3), (20, 80, 3)]


@pytest.mark.parametrize(
    ("condition", "counts"),
    [
        ("{gt: 2}", [3, 4]), ("{gte: 2}", [2, 3, 4]), ("{lt: 3}", [1, 2]), ("{lte: 1}", [1]),
        ("{eq: 3}", [3]), ("{neq: 3}", [1, 2, 4]), ("{gt: 1, lte: 3}", [2, 3]),
    ],
)  # fmt: skip
def test_conditions_compare_as_they_say(
    matches: Matches, condition: str, counts: list[int]
) -> None:
    text = rule("event_count", condition)
    found = [number for number in range(1, 5) if matches(text, *at("a", *range(number)))]
    assert found == counts


def test_an_upper_bound_is_judged_when_the_window_is_over(matches: Matches) -> None:
    text = rule("event_count", "{eq: 2}")
    assert matches(text, *at("a", 0, 1, 2)) == []
    assert matches(text, *at("a", 0, 60, 61)) == [(0, 60, 2)]


def test_several_rules_are_counted_together(matches: Matches) -> None:
    text = rule("event_count", "{gte: 2}", "[a, b]")
    assert matches(text, *at("a", 0), *at("b", 1), *at("c", 2)) == [(0, 1, 2)]


def test_values_are_counted_once_each_without_regard_to_case(matches: Matches) -> None:
    text = rule("value_count", "{field: V, gte: 3}")
    assert matches(text, *valued("k", "K", "l", "l", None)) == []
    assert matches(text, *valued("k", "K", "l", "m")) == [(0, 3, 4)]


def test_a_value_that_left_the_window_counts_no_more(matches: Matches) -> None:
    text = rule("value_count", "{field: V, gte: 2}")
    assert matches(text, *at("a", 0, V="k"), *at("a", 61, V="l")) == []
    assert matches(text, *at("a", 0, 40, V="k"), *at("a", 61, V="l")) == [(40, 61, 2)]


def test_several_fields_make_one_value(matches: Matches) -> None:
    text = rule("value_count", "{field: [V, W], gte: 3}")
    pairs = [("1", "1"), ("1", "2"), ("2", "1")]
    hits = [("a", n, {"U": "x", "V": one, "W": two}) for n, (one, two) in enumerate(pairs)]
    assert matches(text, *hits) == [(0, 2, 3)]


@pytest.mark.parametrize(
    ("kind", "condition", "values", "held"),
    [
        ("value_sum", "{field: V, gte: 6}", ["1", "2", "3"], True),
        ("value_sum", "{field: V, gt: 6}", ["1", "2", "3", "text", None], False),
        ("value_sum", "{field: V, gte: 0.3}", ["0.1", "0.2"], True),
        ("value_avg", "{field: V, eq: 2}", ["1", "2", "3", None], True),
        ("value_median", "{field: V, eq: 2}", ["1", "9", "2"], True),
        ("value_median", "{field: V, eq: 1.5}", ["1", "2"], True),
        ("value_percentile", "{field: V, percentile: 90, eq: 9.1}", [*"123456789", "10"], True),
        ("value_percentile", "{field: V, percentile: 100, eq: 3}", ["1", "3", "2"], True),
        ("value_avg", "{field: V, gte: 0}", ["text", None], False),
    ],
)  # fmt: skip
def test_values_are_summed_averaged_and_ranked(
    matches: Matches, kind: str, condition: str, values: list[str | None], held: bool
) -> None:
    assert bool(matches(rule(kind, condition), *valued(*values))) is held


def test_rules_in_proximity_match_in_any_order(matches: Matches) -> None:
    text = rule("temporal", rules="[a, b, c]")
    assert matches(text, *at("c", 0), *at("a", 20), *at("b", 60)) == [(0, 60, 3)]
    assert matches(text, *at("c", 0), *at("a", 20), *at("b", 61)) == []
    assert matches(text, *at("c", 0), *at("a", 20)) == []


def test_some_of_the_rules_may_be_enough(matches: Matches) -> None:
    text = rule("temporal", "{gte: 2}", "[a, b, c]")
    assert matches(text, *at("c", 0), *at("a", 20)) == [(0, 20, 2)]
    assert matches(text, *at("c", 0, 20)) == []


def test_rules_in_order_match_in_no_other(matches: Matches) -> None:
    text = rule("temporal_ordered", rules="[a, b, c]")
    assert matches(text, *at("a", 0), *at("b", 1), *at("c", 2)) == [(0, 2, 3)]
    assert matches(text, *at("b", 0), *at("a", 1), *at("c", 2)) == []
    assert matches(text, *at("a", 0, 61), *at("b", 1, 62), *at("c", 120)) == [(61, 120, 3)]


def test_events_of_one_instant_are_in_any_order(matches: Matches) -> None:
    assert matches(rule("temporal_ordered", rules="[b, a]"), *at("a", 0), *at("b", 0))


def test_a_rule_may_stand_in_an_order_twice(matches: Matches) -> None:
    text = rule("temporal_ordered", rules="[a, b, a]")
    assert matches(text, *at("a", 0), *at("b", 1)) == []
    assert matches(text, *at("a", 0, 2), *at("b", 1)) == [(0, 2, 3)]


def test_part_of_an_order_may_be_enough(matches: Matches) -> None:
    text = rule("temporal_ordered", "{gte: 2}", "[a, b, c]")
    assert matches(text, *at("a", 0), *at("c", 1)) == [(0, 1, 2)]
    assert matches(text, *at("c", 0), *at("a", 1)) == []


def extended(kind: str, condition: str) -> str:
    section = f"type: {kind}, group-by: [U], timespan: 1m, condition: {condition}"
    return f"title: t\ncorrelation: {{{section}}}\n"


def test_extended_conditions_join_rules(matches: Matches) -> None:
    text = extended("temporal", "a and (b or c)")
    assert matches(text, *at("a", 0), *at("c", 1)) == [(0, 1, 2)]
    assert matches(text, *at("b", 0), *at("c", 1)) == []


def test_a_rule_that_must_not_match_is_waited_for(matches: Matches) -> None:
    text = extended("temporal", "a and not b")
    assert matches(text, *at("a", 0)) == [(0, 0, 1)]
    assert matches(text, *at("a", 0), *at("b", 59)) == []


def test_extended_conditions_keep_an_order(matches: Matches) -> None:
    text = extended("temporal_ordered", "(a or b) and c")
    assert matches(text, *at("b", 0), *at("c", 1)) == [(0, 1, 2)]
    assert matches(text, *at("c", 0), *at("b", 1)) == []


def test_aliases_name_one_thing_by_several_fields(matches: Matches) -> None:
    text = """title: t
correlation:
  type: temporal
  rules: [a, b]
  group-by: [ip]
  timespan: 1m
  aliases: {ip: {a: source, b: target}}
"""
    near = [("a", 0, {"source": "10.0.0.1"}), ("b", 1, {"target": "10.0.0.1"})]
    assert matches(text, *near) == [(0, 1, 2)]
    assert matches(text, near[0], ("b", 1, {"source": "10.0.0.1"})) == []


def test_a_correlation_may_read_correlations(matches: Matches) -> None:
    text = (
        rule("event_count", "{gte: 3}", span="30s").replace("title: t", "title: n\nname: many")
        + "---\n"
        + rule("temporal_ordered", rules="[many, b]", span="2m")
    )
    assert matches(text, *at("a", 0, 1, 2), *at("b", 100)) == [(0, 100, 4)]
    assert matches(text, *at("a", 0, 1), *at("b", 100)) == []
    assert matches(text, *at("b", 0), *at("a", 1, 2, 3)) == []


def test_matches_of_a_correlation_are_counted_once_each(matches: Matches) -> None:
    text = (
        rule("event_count", "{gte: 2}", span="30s").replace("title: t", "title: n\nname: many")
        + "---\n"
        + rule("event_count", "{gte: 2}", "[many]", span="1h")
    )
    assert matches(text, *at("a", *range(20))) == []
    assert [found[2] for found in matches(text, *at("a", 0, 1, 600, 601))] == [4]


def test_a_correlation_of_correlations_groups_by_fields_of_the_events(matches: Matches) -> None:
    text = (
        rule("event_count", "{gte: 2}", span="30s").replace("title: t", "title: n\nname: many")
        + "---\n"
        + rule("event_count", "{gte: 2}", "[many]", span="1h").replace("[U]", "[H]")
    )
    hits = [("a", n, {"U": user, "H": "pc"}) for n, user in enumerate("xxyy")]
    assert matches(text, *hits) == [(0, 3, 4)]
