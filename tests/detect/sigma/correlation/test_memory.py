"""What is forgotten when memory runs out, and what is not."""

from collections.abc import Callable

import polars as pl

from hauberk.detect.sigma import CorrelationDetector, RuleSet
from hauberk.detect.sigma.correlation.memory import Memory, as_state, forget, from_state
from hauberk.events import EventBatch

from .conftest import START, Hit, frame_of

COUNT = """title: Many
correlation: {type: event_count, rules: [a], group-by: [U], timespan: 1h, condition: {gte: 3}}
"""


def held(sizes: dict[str, int]) -> Memory:
    """A memory of groups with so many rows, a second apart; later groups were seen last."""
    rows = [
        (group, START.timestamp() + number + row)
        for number, (group, size) in enumerate(sizes.items())
        for row in range(size)
    ]
    frame = pl.DataFrame(rows, schema={"group": pl.String(), "time": pl.Float64()}, orient="row")
    return Memory(held={"c": frame.with_columns(pl.from_epoch("time", time_unit="s"))})


def left(memory: Memory) -> dict[str, int]:
    return dict(memory.held["c"].group_by("group").len().rows())


def test_a_flood_costs_itself_alone() -> None:
    after = forget(held({"flood": 5_000, "quiet": 3, "busy": 120}), 1_000)
    assert left(after) == {"flood": 627, "quiet": 3, "busy": 120}
    assert after.forgotten == {"c": (4_373, 0)}


def test_of_many_groups_those_silent_longest_are_forgotten() -> None:
    after = forget(held({f"g{number:04}": 2 for number in range(1_000)}), 1_000)
    assert set(left(after)) == {f"g{number:04}" for number in range(625, 1_000)}
    assert after.forgotten == {"c": (1_250, 625)}


def test_what_fits_is_kept() -> None:
    memory = held({"a": 500, "b": 500})
    assert forget(memory, 1_000) is memory


def test_the_newest_rows_of_a_group_are_kept() -> None:
    after = forget(held({"flood": 5_000}), 1_000)
    assert after.held["c"]["time"].min() == held({"flood": 5_000}).held["c"]["time"][4_250]


def test_a_state_and_back_is_the_same(correlated: Callable[..., RuleSet]) -> None:
    rules = correlated(COUNT)
    hits: list[Hit] = [("a", at * 60, {"U": f"u{at % 3}"}) for at in range(60)]
    _, state = CorrelationDetector(rules).judge(EventBatch("b", {}, hits=frame_of(rules, hits)), {})
    again = as_state(from_state(state))
    assert state["held"].height > 0
    assert all(
        again[name].equals(frame.select(again[name].columns)) for name, frame in state.items()
    )


def test_the_state_stays_bounded_and_what_was_lost_is_said(
    correlated: Callable[..., RuleSet],
) -> None:
    rules = correlated(COUNT)
    hits: list[Hit] = [("a", at, {"U": f"u{at}"}) for at in range(4_000)]
    detector = CorrelationDetector(rules, capacity=500)
    _, state = detector.judge(EventBatch("b", {}, hits=frame_of(rules, hits)), {})
    assert state["held"].height <= 500
    (said,) = detector.lost(state)
    assert said.startswith("Many: ")
    assert "events forgotten for want of room" in said
