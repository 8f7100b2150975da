"""What is said depends neither on batches nor, within the lateness, on the order of arrival."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.detect import State
from hauberk.detect.sigma import CorrelationDetector, RuleSet, load_rules
from hauberk.events import EventBatch

from .conftest import BASE, START, Hit, frame_of, judged_at_once

LATENESS = 120

CORRELATIONS = """
title: many
name: many
correlation:
  {type: event_count, rules: [a, b], group-by: [U], timespan: 2m, condition: {gte: 3}}
---
title: values
correlation:
  {type: value_count, rules: a, group-by: [H], timespan: 3m, condition: {field: V, gt: 2}}
---
title: all of three
correlation: {type: temporal, rules: [a, b, c], group-by: [U], timespan: 5m}
---
title: chained and ordered
correlation: {type: temporal_ordered, rules: [many, c], group-by: [U], timespan: 10m}
level: high
---
title: two chained
correlation: {type: event_count, rules: [many], group-by: [H], timespan: 20m, condition: {gte: 2}}
---
title: one without another
correlation: {type: temporal, group-by: [U], timespan: 3m, condition: a and not b}
---
title: few
correlation: {type: event_count, rules: [b], group-by: [U], timespan: 4m, condition: {lt: 3}}
---
title: sum
correlation:
  {type: value_sum, rules: [a], group-by: U, timespan: 4m, condition: {field: V, gte: 5.5}}
---
title: average
correlation:
  {type: value_avg, rules: [a], group-by: U, timespan: 4m, condition: {field: V, gte: 2.5}}
---
title: median
correlation:
  {type: value_median, rules: [a], group-by: H, timespan: 4m, condition: {field: V, gt: 2}}
"""

hits = st.lists(
    st.tuples(
        st.sampled_from("aaabbc"),
        st.integers(0, 3_000).map(lambda at: at * 0.7),
        st.fixed_dictionaries(
            {
                "U": st.sampled_from(["x", "X", "y", None]),
                "H": st.sampled_from(["p", "q"]),
                "V": st.sampled_from(["1", "2.5", "3", "text", None]),
            }
        ),
    ),
    max_size=60,
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    path = tmp_path_factory.mktemp("rules") / "r.yml"
    path.write_text("".join(BASE.format(name=name) for name in "abc") + CORRELATIONS)
    rules = load_rules([path])
    assert not rules.refusals
    return rules


def streamed(
    rules: RuleSet, frame: pl.DataFrame, cuts: Sequence[int], **options: object
) -> pl.DataFrame:
    """What is said of hits that come in pieces, in the order of the frame."""
    detector = CorrelationDetector(
        rules,
        lateness=timedelta(seconds=LATENESS),
        **options,  # type: ignore[arg-type]  # its own options
    )
    state: State = {}
    said = []
    edges = [0, *sorted(cuts), frame.height]
    for begin, end in pairwise(edges):
        piece = EventBatch("b", {}, hits=frame.slice(begin, max(0, end - begin)))
        found, state = detector.judge(piece, state)
        said.append(found)
    assert not detector.lost(state) or options
    said.append(detector.pending(state))
    return pl.concat(said).unique("uid", keep="last", maintain_order=True).sort("time", "uid")


def by_time(given_hits: Sequence[Hit]) -> list[Hit]:
    return sorted(given_hits, key=lambda hit: hit[1])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hits, st.lists(st.integers(0, 60), max_size=8))
def test_pieces_say_what_the_whole_says(
    loaded: RuleSet, given_hits: list[Hit], cuts: list[int]
) -> None:
    frame = frame_of(loaded, by_time(given_hits))
    cuts = [min(cut, frame.height) for cut in cuts]
    whole = streamed(loaded, frame, [])
    assert streamed(loaded, frame, cuts).equals(whole)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hits,
    st.lists(st.integers(0, LATENESS), min_size=60, max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_the_order_of_arrival_changes_nothing_within_the_lateness(
    loaded: RuleSet, given_hits: list[Hit], delays: list[int], cuts: list[int]
) -> None:
    frame = frame_of(loaded, by_time(given_hits))
    late = pl.Series("late", delays[: frame.height], pl.Int64)
    arrival = pl.col("time") + pl.duration(seconds="late")
    arrived = frame.with_columns(late).sort(arrival, maintain_order=True).drop("late")
    cuts = [min(cut, frame.height) for cut in cuts]
    assert streamed(loaded, arrived, cuts).equals(streamed(loaded, frame, []))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hits, st.lists(st.integers(0, 60), max_size=8))
def test_pieces_say_what_the_whole_says_though_room_runs_out(
    loaded: RuleSet, given_hits: list[Hit], cuts: list[int]
) -> None:
    frame = frame_of(loaded, by_time(given_hits))
    cuts = [min(cut, frame.height) for cut in cuts]
    whole = streamed(loaded, frame, [], capacity=12)
    assert streamed(loaded, frame, cuts, capacity=12).equals(whole)


def test_hits_that_come_twice_count_once(correlated: Callable[..., RuleSet]) -> None:
    rules = correlated(
        "title: t\ncorrelation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 2}}"
    )
    fields: Mapping[str, str] = {}
    frame = frame_of(rules, [("a", 0, fields), ("a", 0, fields)], ["e:1", "e:1"])
    detector = CorrelationDetector(rules)
    _, state = detector.judge(EventBatch("b", {}, hits=frame), {})
    assert detector.pending(state).is_empty()


def test_hits_that_come_too_late_are_counted(correlated: Callable[..., RuleSet]) -> None:
    rules = correlated(
        "title: t\ncorrelation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 1}}"
    )
    detector = CorrelationDetector(rules)
    state: State = {}
    for at in (100_000, 10):
        _, state = detector.judge(EventBatch("b", {}, hits=frame_of(rules, [("a", at, {})])), state)
    assert detector.lost(state) == ["1 hits came after their time was judged"]
    assert detector.is_late(state, frame_of(rules, [("a", 20, {})]))


def test_a_forged_date_makes_nothing_else_late(correlated: Callable[..., RuleSet]) -> None:
    rules = correlated(
        "title: t\ncorrelation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 2}}"
    )
    detector = CorrelationDetector(rules)
    state: State = {}
    said = []
    year = 365 * 86_400
    for at in ([0, year], [1200], [2400, 2401], [3600]):
        hits = frame_of(rules, [("a", one, {}) for one in at], [f"b:{one}" for one in at])
        assert not (state and detector.is_late(state, hits))
        arrived = START + timedelta(seconds=at[0])
        found, state = detector.judge(EventBatch("b", {}, hits=hits, arrived=arrived), state)
        said.append(found)
    assert detector.lost(state) == []
    assert pl.concat(said)["evidence"].to_list() == [["b:2400", "b:2401"]]
    # It is judged when its time has come.
    late = frame_of(rules, [("a", year + 10, {})], ["b:last"])
    arrived = START + timedelta(seconds=year + 10)
    _, state = detector.judge(EventBatch("b", {}, hits=late, arrived=arrived), state)
    assert sorted(detector.pending(state)["evidence"].to_list()[-1]) == [f"b:{year}", "b:last"]


def test_what_is_judged_at_once_is_said_whole(correlated: Callable[..., RuleSet]) -> None:
    rules = correlated(
        "title: t\ncorrelation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 2}}"
    )
    assert judged_at_once(rules, [("a", at, {}) for at in range(5)])["count"].to_list() == [5]
