"""Cut a chunk into lines: the records of every format with `Framing.LINES`."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hauberk.ingest.interface import MAX_RECORD, RecordBatch, Reject

Numbers = npt.NDArray[np.int64]

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_FEED, _RETURN, _SPACE = 10, 13, 32

_SHORT_LINE = 400
_PROOF = 1 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """The records of a chunk. `offsets`, `lengths` are of every record, in the unpacked file.

    `texts` are the bytes of the records that can be parsed, UTF-8, without their line ends;
    text i is record number `numbers[i]`. `rejects` are the others (longer than MAX_RECORD).
    """

    texts: Sequence[bytes]
    numbers: Numbers
    offsets: Numbers
    lengths: Numbers
    rejects: Sequence[Reject]


@dataclass(frozen=True, slots=True)
class LineViews:
    """`Lines` whose texts may be views of the chunk."""

    texts: Sequence[bytes | memoryview]
    numbers: Numbers
    offsets: Numbers
    lengths: Numbers
    rejects: Sequence[Reject]


def utf16_of(head: bytes) -> str | None:
    """The UTF-16 codec that the byte order mark at a file's start asks for, or None."""
    return _UTF16.get(head[:2])


def as_utf8(text: bytes, codec: str | None) -> bytes:
    """`text` in UTF-8; what the codec cannot read becomes U+FFFD."""
    return text if codec is None else text.decode(codec, "replace").encode("utf-8", "replace")


def split_lines(records: RecordBatch, *, max_record: int = MAX_RECORD) -> Lines:
    r"""Cut at `\n` or `\r\n`; a byte order mark and lines of white space are no records.

    A file that begins with a UTF-16 mark is cut at UTF-16 line ends and its lines are given in
    UTF-8, while offsets and lengths stay those of the file.
    """
    cut = _cut(records, max_record)
    data = records.data
    texts = [data[a:b] for a, b in cut.bounds]
    if cut.codec is not None:
        texts = [as_utf8(text, cut.codec) for text in texts]
    return Lines(texts, cut.numbers, cut.offsets, cut.lengths, cut.rejects)


def split_views(records: RecordBatch, *, max_record: int = MAX_RECORD) -> LineViews:
    """`split_lines` without a copy of each line, for parsers that take views."""
    cut = _cut(records, max_record)
    view = memoryview(records.data)
    texts: list[bytes | memoryview] = [view[a:b] for a, b in cut.bounds]
    if cut.codec is not None:
        texts = [as_utf8(bytes(text), cut.codec) for text in texts]
    return LineViews(texts, cut.numbers, cut.offsets, cut.lengths, cut.rejects)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where the records that can be parsed begin and end in the chunk; the rest as in `Lines`."""

    bounds: list[tuple[int, int]]
    codec: str | None
    numbers: Numbers
    offsets: Numbers
    lengths: Numbers
    rejects: Sequence[Reject]


def _cut(records: RecordBatch, max_record: int) -> _Cut:
    data = records.data
    at_start = records.offset == 0
    codec = utf16_of(data if at_start else records.head)
    skip = 0
    if at_start and codec is not None:
        skip = 2
    elif at_start and data.startswith(codecs.BOM_UTF8):
        skip = 3
    if codec is None:
        starts, ends = _bounds_of_bytes(data, skip)
    else:
        starts, ends = _bounds_of_units(data, codec, skip)
    starts, ends = _without_blank(data, starts, ends, codec)
    lengths = ends - starts
    fits = lengths <= max_record
    rejects = [
        Reject(
            records.offset + start, length, f"{length} bytes long; expected at most {max_record}"
        )
        for start, length in zip(starts[~fits].tolist(), lengths[~fits].tolist(), strict=True)
    ]
    bounds = list(zip(starts[fits].tolist(), ends[fits].tolist(), strict=True))
    return _Cut(bounds, codec, np.flatnonzero(fits), starts + records.offset, lengths, rejects)


def _bounds_of_bytes(data: bytes, skip: int) -> tuple[Numbers, Numbers]:
    """Start and end of every line that is not empty, in `data`, line ends left out."""
    ends = np.append(_feeds(data), len(data))
    starts = np.concatenate((np.array([skip], np.int64), ends[:-1] + 1))
    return _trimmed(starts, ends, np.frombuffer(data, np.uint8), 1)


def _feeds(data: bytes) -> Numbers:
    """Where the line feeds are.

    A search from line to line runs at the speed of memchr, and at half the price of a comparison
    of every byte on lines of 2 kB. On lines of 100 bytes it is five times the price, and a file of
    nothing but line ends must not stall anybody: where lines prove short, the rest is compared.
    """
    feeds: list[int] = []
    at = data.find(b"\n")
    while at != -1:
        feeds.append(at)
        if len(feeds) * _SHORT_LINE > at + _PROOF:
            rest = np.frombuffer(data, np.uint8, offset=at + 1)
            return np.concatenate((np.array(feeds), np.flatnonzero(rest == _FEED) + (at + 1)))
        at = data.find(b"\n", at + 1)
    return np.array(feeds, np.int64)


def _bounds_of_units(data: bytes, codec: str, skip: int) -> tuple[Numbers, Numbers]:
    """The same for text of two bytes a unit."""
    whole = (len(data) - skip) // 2 * 2
    units = np.frombuffer(data[skip : skip + whole], "<u2" if codec == "utf-16-le" else ">u2")
    feeds = np.flatnonzero(units == _FEED)
    starts = np.concatenate((np.zeros(1, np.int64), feeds + 1))
    ends = np.concatenate((feeds, np.array([len(units)], np.int64)))
    starts, ends = _trimmed(starts, ends, units, 2)
    return starts + skip, ends + skip


def _trimmed(
    starts: Numbers, ends: Numbers, units: npt.NDArray[np.generic], width: int
) -> tuple[Numbers, Numbers]:
    """Without empty lines and without the carriage return at a line's end, in bytes."""
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    returns = units[ends - 1] == _RETURN
    if returns.any():
        ends = ends - returns
        filled = ends > starts
        starts, ends = starts[filled], ends[filled]
    return starts * width, ends * width


def _without_blank(
    data: bytes, starts: Numbers, ends: Numbers, codec: str | None
) -> tuple[Numbers, Numbers]:
    """Drop lines of white space alone; only lines that begin with one are looked at."""
    if not len(starts):
        return starts, ends
    low = starts + (1 if codec == "utf-16-be" else 0)
    doubtful = np.flatnonzero(np.frombuffer(data, np.uint8)[low] <= _SPACE)
    blank = [i for i in doubtful.tolist() if as_utf8(data[starts[i] : ends[i]], codec).isspace()]
    if not blank:
        return starts, ends
    return np.delete(starts, blank), np.delete(ends, blank)
