"""What holds of every format's answer, whatever it was given."""

from hauberk.events import conform
from hauberk.ingest.interface import Parsed, ParsedGroup


def check_accounts(parsed: Parsed) -> None:
    """Every record is an event or a reject, once, and every group fits its class."""
    assert parsed.records == parsed.events + parsed.aggregated + len(parsed.rejects)
    assert len(parsed.lengths) == parsed.records
    numbers = [int(n) for part in parsed.groups for n in part.records]
    assert len(set(numbers)) == len(numbers)
    rejected = {reject.offset for reject in parsed.rejects}
    assert rejected.isdisjoint(int(parsed.offsets[n]) for n in numbers)
    for part in parsed.groups:
        conform(part.group.events, part.group.event_class)
        fields = part.group.fields
        for name in fields.names():
            assert len(fields.column(name) or ()) == len(fields)
            assert len(fields.has(name)) == len(fields)
        if len(fields):
            fields.row(len(fields) - 1)


def only(parsed: Parsed) -> ParsedGroup:
    """The one group of an answer without rejects."""
    assert len(parsed.groups) == 1
    assert not parsed.rejects
    return parsed.groups[0]


def row_of(part: ParsedGroup, index: int = 0) -> dict[str, object]:
    """One event in full."""
    return conform(part.group.events, part.group.event_class).row(index, named=True)


def holds(row: dict[str, object], expected: dict[str, object]) -> None:
    """Assert that the event has the expected values."""
    assert {name: row[name] for name in expected} == expected


def mangled(sample: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    """The sample with some bytes replaced: at, by what, and how many are cut."""
    data = bytearray(sample)
    for at, text, cut in edits:
        place = at % (len(data) + 1)
        data[place : place + cut] = text
    return bytes(data)
