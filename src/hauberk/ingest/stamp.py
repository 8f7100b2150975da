"""Stamping: what leads from an event back to its record, and from a stored record to its event."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from hauberk.events import EventGroup

from .formats.lines import as_utf8, utf16_of
from .formats.row_order import gathered
from .interface import Format, Framing, Parsed, ParsedGroup, RecordBatch, Reject
from .known_formats import format_named
from .sources import Batch
from .sources.batches import KEPT
from .sources.streams import HEAD

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
    if not parsed.groups:
        return []
    # One look-up for the whole batch, of which each group is a slice, costs far less than many.
    order = np.concatenate([each.records for each in parsed.groups])
    rows = _provenance(parsed, batch)
    if not (len(order) == rows.height and bool((order == np.arange(len(order))).all())):
        rows = gathered(rows, order)
    groups: list[EventGroup] = []
    at = 0
    for each in parsed.groups:
        size = len(each.records)
        groups.append(_stamped(each, rows.slice(at, size)))
        at += size
    return groups


def _provenance(parsed: Parsed, batch: Batch) -> pl.DataFrame:
    """Where each record of the batch lies and what it is, a row a record."""
    size = parsed.records
    uids = pl.Series(np.arange(size)).cast(pl.String)
    return pl.DataFrame(
        [
            (f"{batch.batch_id}:" + uids).alias("metadata.uid"),
            _raw(parsed, batch).alias("raw_data"),
            _constant("record.source", batch.records.source, size),
            pl.Series("record.offset", parsed.offsets, pl.Int64),
            pl.Series("record.length", parsed.lengths, pl.Int64),
            _constant("record.batch", batch.batch_id, size),
            _constant("record.format", parsed.raw_format or batch.format.name, size),
        ]
    )


def _constant(name: str, value: str, size: int) -> pl.Series:
    return pl.Series(name, [value]).new_from_index(0, size)


def _raw(parsed: Parsed, batch: Batch) -> pl.Series:
    """The records themselves, in order."""
    if parsed.raw is not None:
        return pl.Series(parsed.raw, dtype=pl.Binary)
    data = batch.records.data
    starts = parsed.offsets - batch.records.offset
    ends = starts + parsed.lengths
    codec = utf16_of(batch.records.head)
    if codec is None and bool((starts[1:] >= ends[:-1]).all()):
        return _slices(data, starts, ends)
    raw = [data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return pl.Series([as_utf8(text, codec) for text in raw] if codec else raw, dtype=pl.Binary)


def _slices(data: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> pl.Series:
    """`data[starts[i]:ends[i]]` without a Python object each; the slices lie in order.

    What lies between two records is an element too, and every second one is kept.
    """
    bounds = np.empty(2 * len(starts) + 1, dtype=np.int64)
    bounds[0:-1:2], bounds[1::2] = starts, ends
    bounds[-1] = ends[-1] if len(ends) else 0
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    array = pa.Array.from_buffers(pa.large_binary(), len(bounds) - 1, buffers)
    pieces: pl.Series = pl.Series(array)
    return pieces.gather_every(2)


def _stamped(each: ParsedGroup, rows: pl.DataFrame) -> EventGroup:
    events = each.group.events
    if not set(rows.columns).isdisjoint(events.columns):  # to drop is a query
        events = events.drop(rows.columns, strict=False)
    return replace(each.group, events=events.hstack(rows))


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
    if known.framing is Framing.WHOLE:
        return _each_again(raw_records, known)
    if known.framing is Framing.DOCUMENT:
        return known.parse(RecordBatch(b"[" + b",".join(raw_records) + b"]", ""))
    # Past the head: the records are lines of the file's body, not its first ones.
    return known.parse(RecordBatch(b"\n".join(raw_records), "", len(head), head))


def _each_again(raw_records: Sequence[bytes], known: Format) -> Parsed:
    """Parse records that are files by themselves; offsets count as if they lay end to end."""
    groups: list[ParsedGroup] = []
    rejects: list[Reject] = []
    lengths = np.array([len(raw) for raw in raw_records], dtype=np.int64)
    offsets = np.cumsum(lengths) - lengths
    for number, raw in enumerate(raw_records):
        parsed = known.parse(RecordBatch(raw, "", 0, raw[:HEAD]))
        if parsed.records == parsed.events == 1:
            groups += [replace(one, records=one.records + number) for one in parsed.groups]
        else:
            reason = parsed.rejects[0].reason if parsed.rejects else "no single record"
            rejects.append(Reject(int(offsets[number]), len(raw), reason))
    return Parsed(groups, offsets, lengths, rejects=rejects)
