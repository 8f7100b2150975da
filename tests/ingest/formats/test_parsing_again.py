"""A stored record, parsed again, is the same event; and so is one read in another chunk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.ingest.formats.argus import Argus
from hauberk.ingest.formats.cloudtrail import CloudTrailDocument
from hauberk.ingest.formats.suricata import Suricata, SuricataDocument
from hauberk.ingest.formats.zeek import Zeek
from hauberk.ingest.interface import Format, Framing, Parsed, RecordBatch
from hauberk.ingest.stamp import parse_again

HEAD = 1 << 16

CASES: list[tuple[Format, str, str]] = [
    (Zeek(), "zeek-stratosphere", "005-zeek-scenario-malicious/*.log"),
    (Zeek(), "zeek-stratosphere", "008-zeek-mixed/data/*.labeled"),
    (Zeek(), "slips-testdata", "test9-mixed-zeek-dir/*.log"),
    (Argus(), "slips-testdata", "*.binetflow"),
    (Suricata(), "slips-testdata", "*.suricata.json"),
    (SuricataDocument(), "suricata-eve", "alerts-only.json"),
    (CloudTrailDocument(), "cloudtrail-stratus", "detonation-logs/*.json"),
]


def as_rows(parsed: Parsed, first: int = 0) -> dict[int, tuple[object, ...]]:
    """Record number to its log, its event without nulls, and its fields."""
    rows: dict[int, tuple[object, ...]] = {}
    for part in parsed.groups:
        events = [without_nulls(row) for row in part.group.events.rows(named=True)]
        names = sorted(part.group.fields.names())
        columns = [part.group.fields.column(name) or () for name in names]
        values = list(zip(*columns, strict=True))
        for at, number in enumerate(part.records.tolist()):
            fields = without_nulls(dict(zip(names, values[at], strict=True)))
            rows[number + first] = (part.group.key, events[at], fields)
    return rows


def without_nulls(row: dict[str, object]) -> dict[str, object]:
    """The row without what it lacks: another chunk may have no such column at all."""
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize(("form", "name", "pattern"), CASES)
def test_records_parsed_again_are_the_same_events(
    form: Format, name: str, pattern: str, shared_data: Callable[[str], Path]
) -> None:
    paths = sorted(shared_data(name).rglob(pattern))
    assert paths
    for path in paths:
        data = path.read_bytes()
        parsed = form.parse(RecordBatch(data, "test", 0, data[:HEAD]))
        begin_end = zip(parsed.offsets.tolist(), parsed.lengths.tolist(), strict=True)
        raw = [data[offset : offset + length] for offset, length in begin_end]
        rejected = {reject.offset for reject in parsed.rejects}
        kept = [i for i in range(len(raw)) if int(parsed.offsets[i]) not in rejected]
        again = as_rows(parse_again([raw[i] for i in kept], form.name, data[:HEAD]))
        assert {kept[at]: row for at, row in again.items()} == as_rows(parsed), path.name


LINES = [case for case in CASES if case[0].framing is Framing.LINES]


@pytest.mark.parametrize(("form", "name", "pattern"), LINES)
def test_it_does_not_matter_where_a_file_is_cut(
    form: Format, name: str, pattern: str, shared_data: Callable[[str], Path]
) -> None:
    for path in sorted(shared_data(name).rglob(pattern)):
        data = path.read_bytes()
        whole = as_rows(form.parse(RecordBatch(data, "test", 0, data[:HEAD])))
        place = data.find(b"\n", len(data) // 2) + 1
        # Chunks after the first begin past the head; short files have all of it in the first.
        first = form.parse(RecordBatch(data[:place], "test", 0, data[:place][:HEAD]))
        second = form.parse(RecordBatch(data[place:], "test", place, data[:HEAD]))
        assert as_rows(first) | as_rows(second, first.records) == whole, path.name
