"""Mass encryption is told, ordinary writing is not."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.behaviour.encryption import FIRST, detector
from hauberk.events import EventBatch, EventClass, conform

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def writes(
    names: list[str], seconds: float = 1.0, process: str = r"C:\Users\a\x.exe"
) -> EventBatch:
    rows = pl.DataFrame(
        {
            "time": [START + timedelta(seconds=seconds * number) for number in range(len(names))],
            "metadata.uid": [f"b:{number}" for number in range(len(names))],
            "device.hostname": ["fs01"] * len(names),
            "actor.process.file.path": [process] * len(names),
            "file.path": names,
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )
    return EventBatch("b", {EventClass.FILE_ACTIVITY: conform(rows, EventClass.FILE_ACTIVITY)})


def test_documents_that_take_one_strange_ending_are_told() -> None:
    found, _ = detector().judge(writes([rf"D:\s\plan{n}.docx.qzx" for n in range(70)]), {})
    assert found["count"].to_list() == [16, 64]
    assert found["techniques"].to_list()[0] == ["T1486"]
    assert found["surprise"].is_sorted(descending=True)
    assert found["entities"].to_list()[0][0] == "host:fs01"
    assert "the ending .qzx" in found["message"][0]


@pytest.mark.parametrize(
    "names",
    [
        [rf"D:\s\plan{n}.docx" for n in range(200)],
        [rf"C:\Users\a\Recent\plan{n}.docx.lnk" for n in range(200)],
        [rf"C:\app\lib{n}.py.tmp" for n in range(200)],
        [rf"C:\app\module{n}.v{n}" for n in range(200)],
        [rf"D:\s\plan{n}.docx.qzx" for n in range(FIRST - 1)],
    ],
)
def test_ordinary_writing_is_not(names: list[str]) -> None:
    assert detector().judge(writes(names), {})[0].is_empty()


def test_the_same_at_the_pace_of_a_person_is_not() -> None:
    names = [rf"D:\s\plan{n}.docx.qzx" for n in range(100)]
    assert detector().judge(writes(names, seconds=120), {})[0].is_empty()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 119), max_size=5))
def test_findings_do_not_depend_on_where_batches_end(cuts: list[int]) -> None:
    names = [rf"D:\s\plan{n}.docx.{'qzx' if n % 3 else 'abc'}" for n in range(120)]
    whole = writes(names)
    frame = whole.tables[EventClass.FILE_ACTIVITY]
    state: dict[str, pl.DataFrame] = {}
    parts = []
    edges = [0, *sorted(set(cuts)), 120]
    for low, high in pairwise(edges):
        part = EventBatch("p", {EventClass.FILE_ACTIVITY: frame.slice(low, high - low)})
        found, after = detector().judge(part, state)
        state = dict(after)
        parts.append(found)
    together = detector().judge(whole, {})[0].sort("uid")
    apart = pl.concat(parts).sort("uid")
    columns = ["uid", "count", "surprise", "message", "entities"]
    assert apart.select(columns).equals(together.select(columns))
