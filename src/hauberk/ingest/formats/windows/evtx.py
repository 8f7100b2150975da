"""EVTX, Windows' own binary log files."""

import io
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np
import orjson
from evtx import PyEvtxParser

from hauberk.ingest.interface import Framing, Parsed, RecordBatch, Reject

from .groups import group_rows
from .shapes import flat_row

CHUNK = 65536
_HEADER = 4096
_FIRST_RECORD = 512
_FREE_SPACE = 48
_SMALLEST = 28
_CHUNK_MAGIC = b"ElfChnk\0"
_LAST_ID = 2**64 - 1  # ids given to gaps count down from here
_SOME_TIME = 130_000_000_000_000_000  # a FILETIME in 2012; the parser checks that it is one
_RECORD_MAGIC = b"\x2a\x2a\0\0"

Place = tuple[int, int]
"""Offset and length of a record within its chunk."""


class Evtx:
    """EVTX files. Their records are kept as the JSON text of their XML (`windows-json`)."""

    name = "evtx"
    version = "1"
    framing = Framing.EVTX_CHUNKS

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002
        """1 where the file begins as EVTX files do."""
        return 1.0 if head.startswith(b"ElfFile\0") else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events and rejects of some 64 KiB chunks. Damage in one leaves the others alone."""
        places: list[Place] = []
        raw: list[bytes] = []
        rows: list[dict[str, object]] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        for begin in range(0, len(records.data), CHUNK):
            chunk = records.data[begin : begin + CHUNK]
            for (offset, length), text, reason in _chunk_records(chunk):
                place = records.offset + begin + offset, length
                row = _row(text) if text is not None else None
                if row is None:
                    rejects.append(Reject(*place, reason or "no JSON came of it"))
                else:
                    numbers.append(len(places))
                    rows.append(row)
                places.append(place)
                raw.append(text or b"")
        grouped = group_rows(rows, np.array(numbers, np.int64))
        for position, reason in grouped.bad:
            rejects.append(Reject(*places[numbers[position]], reason))
        bounds = np.array(places, np.int64).reshape(-1, 2)
        return Parsed(
            grouped.groups, bounds[:, 0], bounds[:, 1], rejects=rejects, raw=raw,
            raw_format="windows-json",
        )  # fmt: skip


def _row(text: bytes) -> dict[str, object] | None:
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return flat_row(record) if type(record) is dict else None


def _chunk_records(chunk: bytes) -> Iterator[tuple[Place, bytes | None, str | None]]:
    """Place and JSON text of every record in one chunk, or why there is none."""
    if not chunk.strip(b"\0"):
        return
    if not chunk.startswith(_CHUNK_MAGIC):
        yield (0, len(chunk)), None, "no EVTX chunk: expected ElfChnk at its start"
        return
    places, gaps = _places(chunk)
    texts, fault = _texts(_bridged(chunk, gaps))
    # Record ids repeat in files that were pieced together, so each id has a queue of texts.
    for number, place in places:
        queue = texts.get(number)
        text = queue.popleft() if queue else None
        yield place, text, None if text else f"damaged record: {fault or 'it cannot be read'}"
    for i, place in enumerate(gaps):
        queue = texts.pop(_LAST_ID - i, None)
        yield place, queue[0] if queue else None, "damaged record: its header is broken"
    unplaced = [text for queue in texts.values() for text in queue]
    for text in unplaced:  # read, though no header of its own was found
        yield (_FIRST_RECORD, 0), text, None
    if fault and not places and not unplaced:
        yield (0, len(chunk)), None, f"damaged chunk: {fault}"


def _places(chunk: bytes) -> tuple[list[tuple[int, Place]], list[Place]]:
    """Record id and place of each record in the chain of headers, and the gaps in that chain."""
    (free,) = struct.unpack_from("<I", chunk, _FREE_SPACE) if len(chunk) >= 52 else (0,)
    end = free if _FIRST_RECORD <= free <= len(chunk) else len(chunk)
    found: list[tuple[int, Place]] = []
    gaps: list[Place] = []
    at = whole = _FIRST_RECORD
    while at + 24 <= end:
        if chunk[at : at + 4] != _RECORD_MAGIC:
            at = chunk.find(_RECORD_MAGIC, at + 1, end)
            if at == -1:
                break
            continue
        size, number = struct.unpack_from("<IQ", chunk, at + 4)
        if not _SMALLEST <= size <= len(chunk) - at:
            at += 4
            continue
        if at > whole:
            gaps.append((whole, at - whole))
        found.append((number, (at, size)))
        at = whole = at + size
    return found, gaps


def _bridged(chunk: bytes, gaps: list[Place]) -> bytes:
    """The chunk with a header over each gap, so that the records behind it are read as well.

    The parser gives up a chunk at the first broken header; one bad byte would hide what follows.
    """
    if not gaps:
        return chunk
    bridged = bytearray(chunk)
    for i, (at, length) in enumerate(gaps):
        if length >= _SMALLEST:
            header = _RECORD_MAGIC + struct.pack("<IQQ", length, _LAST_ID - i, _SOME_TIME)
            bridged[at : at + len(header)] = header
    return bytes(bridged)


def _texts(chunk: bytes) -> tuple[dict[int, deque[bytes]], str | None]:
    """JSON texts of the records by id, in order, and the first fault met."""
    texts: dict[int, deque[bytes]] = {}
    fault: str | None = None
    try:
        parser = PyEvtxParser(io.BytesIO(_file_header() + chunk.ljust(CHUNK, b"\0")), 1)
        found = parser.records_json()
    except (RuntimeError, ValueError, OSError) as error:
        return texts, _said(error)
    # A damaged record raises and the next call goes on; a chunk holds no more than this many.
    for _ in range(CHUNK // _SMALLEST):
        try:
            record = next(found, None)
        except (RuntimeError, ValueError, OSError) as error:
            fault = fault or _said(error)
            continue
        if record is None:
            break
        text = record["data"].encode("utf-8", "replace")
        texts.setdefault(int(record["event_record_id"]), deque()).append(text)
    return texts, fault


def _said(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]


def _file_header() -> bytes:
    """The header of a file of one chunk, so that the chunk can be read by itself."""
    fields = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, 0, 1, 128, 1, 3, _HEADER, 1)
    return fields.ljust(_HEADER, b"\0")
