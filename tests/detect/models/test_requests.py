"""Counts that the server of models left become telemetry, and nobody else's do."""

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from hauberk.detect.models.counting import TALLY_TABLE
from hauberk.detect.models.requests import (
    OPERATION,
    SOURCE,
    RequestCounts,
    read_request,
)
from hauberk.events import OWN_CLASS, EventBatch, own_columns
from hauberk.models import tally

DAY = date(2026, 3, 3)
SENT = f"{SOURCE}0000000001.jsonl"


def record(judged: int = 4, **changes: Any) -> dict[str, Any]:
    rows = pl.DataFrame(
        {"day": [DAY] * judged, "p_value": [0.5] * judged, "flagged": [True] * judged}
    )
    return {
        "class_uid": int(OWN_CLASS), "product": "hauberk", "time": "2026-03-03T10:00:00Z",
        "operation": OPERATION, "day": DAY.isoformat(), "queries": [], "inputs": [],
        "tally": tally("a" * 64, "live", rows).drop("day").to_dicts(), **changes,
    }  # fmt: skip


def events(*records: dict[str, Any], source: str = SENT, uid: str = "acts-x") -> EventBatch:
    frame = own_columns(records).with_columns(
        pl.Series("metadata.uid", [f"{uid}:{at}" for at in range(len(records))]),
        pl.Series("raw_data", [json.dumps(one).encode() for one in records]),
        pl.lit(source).alias("record.source"),
        pl.lit("hauberk").alias("record.format"),
        pl.lit(datetime(2026, 3, 3, 10, tzinfo=UTC)).alias("time"),
    )
    return EventBatch("b", {OWN_CLASS: frame})


def test_counts_of_several_records_are_added_up_however_they_are_cut() -> None:
    detector = RequestCounts()
    _, whole = detector.judge(events(record(3), record(4)), {})
    _, first = detector.judge(events(record(3)), {})
    _, then = detector.judge(events(record(4)), first)
    assert whole[TALLY_TABLE].to_dicts() == then[TALLY_TABLE].to_dicts()
    assert whole[TALLY_TABLE]["judged"].to_list() == [7]


def test_a_log_that_says_the_same_is_not_believed() -> None:
    detector = RequestCounts()
    for batch in (
        events(record(), source="/var/log/x.json"),
        events(record(), uid="0123"),
        events(record(operation="measure")),
    ):
        assert detector.judge(batch, {})[1] == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"day": "yesterday"}, {"day": 7}, {"tally": 7}, {"tally": [7]},
        {"tally": [{"judged": "x"}]}, {"queries": [{"asked": 1}]}, {"inputs": None},
    ],
)  # fmt: skip
def test_a_record_that_holds_no_counts_is_passed_over(changes: dict[str, Any]) -> None:
    assert read_request(json.dumps(record(**changes)).encode()) is None
    assert read_request(b"{") is None
    assert read_request(None) is None


@pytest.mark.parametrize("change", [{"judged": -1}, {"p_bins": [1] * 999}, {"p_bins": [-1]}])
def test_counts_that_could_not_be_are_passed_over(change: dict[str, Any]) -> None:
    said = record()
    said["tally"][0] |= change
    assert read_request(json.dumps(said).encode()) is None
    assert read_request(json.dumps(record()).encode()) is not None
