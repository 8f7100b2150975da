"""Inputs into batches: chunks of whole records, each with an identity made of its bytes."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from hauberk.ingest.formats.lines import utf16_of
from hauberk.ingest.interface import MAX_RECORD, Format, Framing, RecordBatch, Reject

from .evtx_chunks import CHUNK as EVTX_CHUNK
from .evtx_chunks import HEADER as EVTX_HEADER
from .evtx_chunks import RECORDS, first_record, read_pieces, state_of
from .inputs import Input
from .streams import Stream

CHUNK_BYTES = 24 << 20
"""Bytes of a chunk, before it is rounded down to the last whole record."""

MAX_DOCUMENT = 256 << 20
"""Bytes of the longest document that is read whole."""

KEPT = 4096
"""Bytes that are kept of a record that is too long to be read."""

_MAX_KNOWN = 512 << 20


@dataclass(frozen=True, slots=True)
class Oversize:
    """A record that was skipped unread, but for its first bytes."""

    reject: Reject
    start: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """A chunk with its identity.

    `batch_id` depends on the format, on where the chunk begins and on its bytes, and on nothing
    else. `sha256` is of the bytes, `first_record` of the start of the first record (see `Known`).
    `oversize` are records that were skipped before or within the chunk: they are records of this
    batch, and rejected, though `records.data` has none of their bytes.
    """

    records: RecordBatch
    format: Format
    batch_id: str
    sha256: str
    first_record: str
    oversize: tuple[Oversize, ...] = ()

    @property
    def length(self) -> int:
        """Bytes of the unpacked file that the batch takes, from `records.offset` on."""
        return len(self.records.data) + sum(o.reject.length for o in self.oversize)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A range that was ingested before, byte for byte."""

    source: str
    offset: int
    length: int
    sha256: str


Known = Callable[[str, int], Sequence[tuple[int, str]]]
"""`known(first_record, start)`: length and sha256 of chunks ingested before that began there.

`first_record` is the hex sha256 of the first line at `start`, at most 4096 bytes of it.
"""


def read_batches(
    input: Input,  # noqa: A002  # it is the noun of the house
    format: Format,  # noqa: A002
    *,
    known: Known | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[Batch | Skipped]:
    """Cut an input into batches, as its format's framing asks for.

    Memory is bounded by the chunk, the longest record and (for documents) MAX_DOCUMENT. Never
    raises on a damaged input: what could be read is yielded, and `input.fault` says the rest.
    """
    head = input.head
    base = RecordBatch(b"", input.source, 0, head, input.modified)
    match format.framing:
        case Framing.DOCUMENT | Framing.WHOLE:
            yield from _document(input.stream, base, format, known)
        case Framing.LINES:
            codec = utf16_of(head)
            yield from _lines(input.stream, base, format, known, chunk_bytes, codec)
        case Framing.EVTX_CHUNKS:
            yield from _evtx(input.stream, base, format, known, chunk_bytes)


def batch_of(
    base: RecordBatch, format: Format, data: bytes, offset: int,  # noqa: A002
    oversize: tuple[Oversize, ...] = (), sha256: str | None = None,
) -> Batch:  # fmt: skip
    """Give a chunk its identity."""
    digest = sha256 or hashlib.sha256(data).hexdigest()
    identity = hashlib.sha256(f"{format.name}\0{offset}\0{digest}".encode()).hexdigest()[:32]
    records = replace(base, data=data, offset=offset)
    first = oversize[0].start if oversize and not data else data
    return Batch(records, format, identity, digest, first_record(first), oversize)


def _lines(
    stream: Stream, base: RecordBatch, format: Format, known: Known | None,  # noqa: A002
    chunk_bytes: int, codec: str | None,
) -> Iterator[Batch | Skipped]:  # fmt: skip
    offset = 0
    while data := stream.peek(chunk_bytes if codec else stream.upto(chunk_bytes, b"\n")):
        if known is not None and (seen := stored_range(stream, data, offset, known)):
            length, digest = seen
            stream.read(length)
            yield Skipped(base.source, offset, length, digest)
            offset += length
            continue
        end = last_line_end(data, codec)
        if len(data) < chunk_bytes:
            end = _tail(data, end)
        elif end == 0:
            data = stream.peek(max(chunk_bytes, MAX_RECORD + 2))
            end = _first_line_end(data, codec)
            if end == 0 and len(data) <= MAX_RECORD:
                end = len(data)
        if end == 0:
            batch = skip_line(stream, base, format, offset, codec)
        else:
            batch = batch_of(base, format, stream.read(end), offset)
        yield batch
        offset += batch.length


def _tail(data: bytes, end: int) -> int:
    """Where to cut the last chunk of a file whose last line has no end.

    The line may still be being written. It makes a batch of its own, so that when the file has
    grown only that one is read again; unless it looks whole.
    """
    if end in {0, len(data)} or data.endswith(b"}"):
        return len(data)
    return end


def last_line_end(data: bytes, codec: str | None) -> int:
    """Just after the last line end in `data`, 0 where there is none."""
    if codec is None:
        return data.rfind(b"\n") + 1
    feed = b"\n\0" if codec == "utf-16-le" else b"\0\n"
    at = data.rfind(feed)
    while at != -1 and at % 2:
        at = data.rfind(feed, 0, at + 1)
    return at + 2 if at != -1 else 0


def _first_line_end(data: bytes, codec: str | None) -> int:
    if codec is None:
        return data.find(b"\n") + 1
    feed = b"\n\0" if codec == "utf-16-le" else b"\0\n"
    at = data.find(feed)
    while at != -1 and at % 2:
        at = data.find(feed, at + 1)
    return at + 2 if at != -1 else 0


def skip_line(
    stream: Stream,
    base: RecordBatch,
    format: Format,  # noqa: A002
    offset: int,
    codec: str | None,
) -> Batch:
    """Pass over a line that is longer than MAX_RECORD, block by block."""
    digest = hashlib.sha256()
    start = stream.peek(KEPT)
    length = 0
    while block := stream.peek(1 << 20):
        end = _first_line_end(block, codec)
        part = stream.read(end or len(block))
        digest.update(part)
        length += len(part)
        if end:
            break
    reject = Reject(offset, length, f"{length} bytes long; expected at most {MAX_RECORD}")
    oversize = (Oversize(reject, start),)
    return batch_of(base, format, b"", offset, oversize, digest.hexdigest())


def _document(
    stream: Stream,
    base: RecordBatch,
    format: Format,  # noqa: A002
    known: Known | None,
) -> Iterator[Batch | Skipped]:
    data = stream.peek(MAX_DOCUMENT + 1)
    if not data:
        return
    if len(data) > MAX_DOCUMENT:
        digest = hashlib.sha256()
        start, length = data[:KEPT], 0
        del data
        while block := stream.read(1 << 20):
            digest.update(block)
            length += len(block)
        reason = f"document of {length} bytes; expected at most {MAX_DOCUMENT}"
        oversize = (Oversize(Reject(0, length, reason), start),)
        yield batch_of(base, format, b"", 0, oversize, digest.hexdigest())
        return
    seen = stored_range(stream, data, 0, known) if known is not None else None
    if seen and seen[0] == len(data):
        yield Skipped(base.source, 0, *seen)
    else:
        yield batch_of(base, format, data, 0)
    stream.read()


def _evtx(
    stream: Stream, base: RecordBatch, format: Format, known: Known | None,  # noqa: A002
    chunk_bytes: int,
) -> Iterator[Batch | Skipped]:  # fmt: skip
    offset = len(stream.read(EVTX_HEADER))
    size = max(1, chunk_bytes // EVTX_CHUNK) * EVTX_CHUNK
    while data := stream.peek(size):
        if known is not None and (seen := stored_range(stream, data, offset, known)):
            length, digest = seen
            stream.read(length)
            yield Skipped(base.source, offset, length, digest)
            offset += length
            continue
        chunk = data[:EVTX_CHUNK]
        pieces = list(read_pieces(chunk, offset, known)) if known is not None else []
        if len(data) < size:
            data = data[: _before_last_chunk(data)]
        growing = len(data) <= EVTX_CHUNK and not stream.peek(2 * EVTX_CHUNK)[EVTX_CHUNK:].strip(
            b"\0"
        )
        if not pieces and not (growing and state_of(chunk) is not None):
            yield batch_of(base, format, stream.read(len(data)), offset)
            offset += len(data)
            continue
        for at, length, digest in pieces:
            yield Skipped(base.source, offset + at, length, digest)
        yield from piece_of(base, format, chunk, offset, sum(pieces[-1][:2]) if pieces else RECORDS)
        offset += len(stream.read(EVTX_CHUNK))


def piece_of(
    base: RecordBatch, format: Format, chunk: bytes, offset: int, at: int  # noqa: A002
) -> Iterator[Batch]:  # fmt: skip
    """The records of an EVTX chunk at `offset` from `at` in it on, if there are any."""
    state = state_of(chunk)
    if state is not None and at < state.free:
        before = replace(base, before=chunk[:at])
        yield batch_of(before, format, chunk[at : state.free], offset + at)


def _before_last_chunk(data: bytes) -> int:
    """Where to cut the end of an EVTX file, so that its last chunk makes a batch of its own.

    Windows goes on writing into that chunk; when the file has grown, only that one is read again.
    """
    chunks = range(EVTX_CHUNK, len(data), EVTX_CHUNK)
    used = [at for at in chunks if any(data[at : at + 8])]
    if used:
        return used[-1]
    # Windows makes room ahead: behind a first chunk that is in use there may be nothing but room.
    return EVTX_CHUNK if any(data[:8]) else len(data)


def stored_range(stream: Stream, data: bytes, offset: int, known: Known) -> tuple[int, str] | None:
    """Length and digest of the longest known chunk that the next bytes are, if any is."""
    for length, digest in sorted(known(first_record(data), offset), reverse=True):
        if not 0 < length <= _MAX_KNOWN:
            continue
        ahead = stream.peek(length + 1)
        if len(ahead) < length or hashlib.sha256(ahead[:length]).hexdigest() != digest:
            continue
        grown_within_line = len(ahead) > length and b"\n" not in (
            ahead[length - 1 : length], ahead[length : length + 1],
        )  # fmt: skip
        if grown_within_line and not ahead.startswith(b"ElfChnk"):
            continue
        return length, digest
    return None
