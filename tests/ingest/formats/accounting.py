"""What every format owes for every chunk of bytes, however mangled."""

import random

from hauberk.events import conform
from hauberk.ingest import Format, Parsed, RecordBatch


def parsed_whole(form: Format, data: bytes, **about: object) -> Parsed:
    """Parse, and hold the result to the accounting that `Parsed` promises."""
    records = RecordBatch(data, "test", head=data[: 64 << 10], **about)  # type: ignore[arg-type]
    form.sniff(data[: 64 << 10], None)
    parsed = form.parse(records)
    assert parsed.records == parsed.events + parsed.aggregated + len(parsed.rejects)
    assert len(parsed.offsets) == len(parsed.lengths)
    begins = parsed.offsets.tolist()
    assert begins == sorted(begins)
    places = {int(at) for at in begins}
    assert all(reject.offset in places and reject.reason for reject in parsed.rejects)
    used: list[int] = []
    for part in parsed.groups:
        group = part.group
        assert len(part.records) == group.events.height == len(group.fields)
        conform(group.events, group.event_class)
        assert group.events["time"].null_count() == 0
        used += part.records.tolist()
        for name in group.fields.names():
            column = group.fields.column(name)
            assert column is not None
            assert len(column) == len(group.fields)
        if len(group.fields):
            group.fields.row(0)
    assert len(used) == len(set(used)) == parsed.events
    assert all(0 <= number < parsed.records for number in used)
    return parsed


def mangled(data: bytes, seed: int) -> bytes:
    """The bytes with a few of them changed, cut, doubled or swapped for hostile ones."""
    chance = random.Random(seed)
    out = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(out)) if out else 0
        match chance.randrange(5):
            case 0:
                out[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del out[at : at + chance.randint(1, 30)]
            case 2:
                out[at:at] = out[at : at + chance.randint(1, 60)]
            case 3:
                out[at:at] = chance.choice(
                    [b"\xff\xfe", b"\0", b"\n", b'"', b"'", b"{[", b"}]", b"\\", b"=" * 30, b"\x1d"]
                )
            case _:
                out[at:at] = chance.choice(
                    [b"9" * 40, b"-1", b"1e999", b"null", b"\xf0\x9f", b"%s"]
                )
    return bytes(out)
