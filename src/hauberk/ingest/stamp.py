"""Stamping: what leads from an event back to its record, and from a stored record to its event."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from hauberk.events import EventGroup

from .formats.lines import as_utf8, utf16_of
from .interface import Framing, Parsed, ParsedGroup, RecordBatch
from .known_formats import format_named
from .sources import Batch
from .sources.batches import KEPT

DEAD_LETTER_SCHEMA = pl.Schema(
    {
        "batch": pl.String(),
        "source": pl.String(),
        "offset": pl.Int64(),
        "length": pl.Int64(),
        "format": pl.String(),
        "reason": pl.String(),
        "raw": pl.Binary(),  # the record, or its first 4096 bytes
    }
)
"""One row is one record that became no event."""


def stamp(parsed: Parsed, batch: Batch) -> list[EventGroup]:
    """The parsed groups with identity, provenance and the record itself on every event.

    Adds `metadata.uid` (batch id, colon, number of the record in the batch), `record.*` and
    `raw_data`. `record.format` names the format that can parse `raw_data` again. Times are left
    as the records say them, null where they say none.
    """
    codec = utf16_of(batch.records.head)
    return [_stamped(each, parsed, batch, codec) for each in parsed.groups]


def _stamped(each: ParsedGroup, parsed: Parsed, batch: Batch, codec: str | None) -> EventGroup:
    numbers = each.records
    offsets, lengths = parsed.offsets[numbers], parsed.lengths[numbers]
    if parsed.raw is not None:
        raw = [parsed.raw[number] for number in numbers.tolist()]
    else:
        data = batch.records.data
        starts = offsets - batch.records.offset
        raw = [data[a:b] for a, b in zip(starts.tolist(), (starts + lengths).tolist(), strict=True)]
        if codec is not None:
            raw = [as_utf8(text, codec) for text in raw]
    uids = pl.Series("metadata.uid", numbers).cast(pl.String)
    events = each.group.events.with_columns(
        f"{batch.batch_id}:" + uids,
        pl.Series("raw_data", raw, pl.Binary),
        pl.lit(batch.records.source).alias("record.source"),
        pl.Series("record.offset", offsets, pl.Int64),
        pl.Series("record.length", lengths, pl.Int64),
        pl.lit(batch.batch_id).alias("record.batch"),
        pl.lit(parsed.raw_format or batch.format.name).alias("record.format"),
    )
    return replace(each.group, events=events)


def dead_letters(parsed: Parsed, batch: Batch) -> pl.DataFrame:
    """Every rejected record of a batch (DEAD_LETTER_SCHEMA), those skipped unread included."""
    data, begin = batch.records.data, batch.records.offset
    rejects = [
        (reject, data[reject.offset - begin : reject.offset - begin + min(reject.length, KEPT)])
        for reject in parsed.rejects
    ]
    rejects += [(oversize.reject, oversize.start) for oversize in batch.oversize]
    rejects.sort(key=lambda pair: pair[0].offset)
    return pl.DataFrame(
        {
            "batch": [batch.batch_id] * len(rejects),
            "source": [batch.records.source] * len(rejects),
            "offset": [reject.offset for reject, _ in rejects],
            "length": [reject.length for reject, _ in rejects],
            "format": [batch.format.name] * len(rejects),
            "reason": [reject.reason for reject, _ in rejects],
            "raw": [raw for _, raw in rejects],
        },
        schema=DEAD_LETTER_SCHEMA,
    )


def parse_again(raw_records: Sequence[bytes], format_name: str, head: bytes = b"") -> Parsed:
    """Parse stored records (`raw_data`, `record.format`) once more: record i is `raw_records[i]`.

    `head` is the start of the file they came from, for formats that need it. Raises UsageError
    where no such format is installed.
    """
    known = format_named(format_name)
    codec = utf16_of(head)
    if codec is not None:
        head = as_utf8(head[2:], codec)
    if known.framing is Framing.DOCUMENT:
        return known.parse(RecordBatch(b"[" + b",".join(raw_records) + b"]", ""))
    # Past the head: the records are lines of the file's body, not its first ones.
    return known.parse(RecordBatch(b"\n".join(raw_records), "", len(head), head))
