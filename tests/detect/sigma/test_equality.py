"""Hits of the public rules, equal to those of pySigma's queries on SQLite, on real events."""

import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from benchmarks.sigma.oracle import ours, theirs
from benchmarks.sigma.queries import queries

from hauberk.detect.sigma import load_rules
from hauberk.ingest.formats.windows import Evtx
from hauberk.ingest.interface import RecordBatch

pytestmark = pytest.mark.slow


def written(source: Path, target: Path) -> int:
    """The events of a folder's EVTX files as the comparison reads them; their number."""
    count = 0
    with target.open("wb") as out:
        for path in sorted(source.rglob("*.evtx")):
            data = path.read_bytes()
            chunk = RecordBatch(data[4096:], path.name, offset=4096, head=data[:4096])
            for parsed in Evtx().parse(chunk).groups:
                key, fields = parsed.group.key, parsed.group.fields
                log = [key.product, key.service, key.event_code]
                for index in range(len(fields)):
                    row = {"_log": log, **fields.row(index)}
                    out.write(orjson.dumps(row, default=str) + b"\n")
                    count += 1
    return count


def test_public_rules_hit_the_same_events_as_on_sqlite(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("sigma.backends.sqlite")
    events = tmp_path / "events.jsonl"
    count = written(shared_data("sigma-regression"), events)
    every = shared_data("sigma-rules")
    rules = load_rules([every])
    expected, faults = theirs(
        queries(every, tmp_path, keywords=True), events, count, sys.executable
    )
    assert not faults
    assert len({uid for _, uid in expected}) > 150
    assert ours(rules, events) == expected
