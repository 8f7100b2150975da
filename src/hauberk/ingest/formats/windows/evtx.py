"""EVTX, Windows' own binary log files."""

import struct
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePath

import numpy as np
import orjson

from hauberk.ingest.interface import Framing, Parsed, RecordBatch, Reject

from .chunk_process import SHARED, Reading
from .chunk_program import CHUNK, SMALLEST_RECORD
from .groups import group_rows
from .shapes import flat_row

_TABLES = 128
_FIRST_RECORD = 512
_FREE_SPACE = 48
_CHUNK_MAGIC = b"ElfChnk\0"
_LAST_ID = 2**64 - 1  # ids given to gaps count down from here
_SOME_TIME = 130_000_000_000_000_000  # a FILETIME in 2012; the parser checks that it is one
_RECORD_MAGIC = b"\x2a\x2a\0\0"

Place = tuple[int, int]
"""Offset and length of a record within its chunk."""

Found = tuple[Place, bytes | None, str | None]
"""Place of a record and its JSON text, or why there is none."""

Reader = Callable[[bytes], Reading]
"""Reads the records of one chunk."""


class Evtx:
    """EVTX files. Their records are kept as the JSON text of their XML (`windows-json`)."""

    name = "evtx"
    version = "1"
    framing = Framing.EVTX_CHUNKS

    def __init__(self, read: Reader = SHARED.read) -> None:
        self._read = read

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002
        """1 where the file begins as EVTX files do."""
        return 1.0 if head.startswith(b"ElfFile\0") else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events and rejects of some 64 KiB chunks. Damage in one leaves the others alone.

        After `before`, which is the start of a chunk, `data` is more of that chunk alone.
        """
        places: list[Place] = []
        raw: list[bytes] = []
        rows: list[dict[str, object]] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        read = len(records.before)
        for begin, found in self._chunks(records.before + records.data):
            for (offset, length), text, reason in found:
                if offset < read and offset + length <= read:
                    continue  # it was read before; what follows leans on it
                place = records.offset - read + begin + offset, length
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

    def _chunks(self, data: bytes) -> Iterator[tuple[int, list[Found]]]:
        """Offset and records of each chunk, read while the one before is worked on."""
        begins = range(0, len(data), CHUNK)
        chunks = (data[begin : begin + CHUNK] for begin in begins)
        with ThreadPoolExecutor(1, thread_name_prefix="evtx") as ahead:
            yield from zip(
                begins, ahead.map(partial(_chunk_records, read=self._read), chunks), strict=True
            )


def _row(text: bytes) -> dict[str, object] | None:
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return flat_row(record) if type(record) is dict else None


def _chunk_records(chunk: bytes, read: Reader) -> list[Found]:
    """Place and JSON text of every record in one chunk, or why there is none."""
    if not chunk.strip(b"\0"):
        return []
    if not chunk.startswith(_CHUNK_MAGIC):
        return [((0, len(chunk)), None, "no EVTX chunk: expected ElfChnk at its start")]
    places, gaps = _places(chunk)
    reading = read(_prepared(chunk, gaps))
    fault = reading.fault
    # Record ids repeat in files that were pieced together, so each id has a queue of texts.
    texts: dict[int, deque[bytes]] = {}
    for number, text in reading.records:
        texts.setdefault(number, deque()).append(text)
    found: list[Found] = []
    for number, place in places:
        queue = texts.get(number)
        if queue:
            found.append((place, queue.popleft(), None))
        else:
            found.append((place, None, f"damaged record: {fault or 'it cannot be read'}"))
    for i, place in enumerate(gaps):
        queue = texts.pop(_LAST_ID - i, None)
        found.append((place, queue[0] if queue else None, "damaged record: its header is broken"))
    unplaced = [each for queue in texts.values() for each in queue]
    # Read, though no header of its own was found.
    found += [((_FIRST_RECORD, 0), each, None) for each in unplaced]
    if fault and not places and not unplaced:
        found.append(((0, len(chunk)), None, f"damaged chunk: {fault}"))
    return found


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
        if not SMALLEST_RECORD <= size <= len(chunk) - at:
            at += 4
            continue
        if at > whole:
            gaps.append((whole, at - whole))
        found.append((number, (at, size)))
        at = whole = at + size
    return found, gaps


def _prepared(chunk: bytes, gaps: list[Place]) -> bytes:
    """The chunk as the parser is given it: without its tables, and with a header over each gap.

    The parser gives up a chunk at the first broken header; one bad byte would hide what follows.
    The chunk's tables of names and templates are an index that it does without: what they point to
    is read where it is needed. Their chains can lead in circles that it would follow for ever.
    """
    prepared = bytearray(chunk)
    end = min(_FIRST_RECORD, len(chunk))
    prepared[_TABLES:end] = bytes(max(0, end - _TABLES))
    for i, (at, length) in enumerate(gaps):
        if length >= SMALLEST_RECORD:
            header = _RECORD_MAGIC + struct.pack("<IQQ", length, _LAST_ID - i, _SOME_TIME)
            prepared[at : at + len(header)] = header
    return bytes(prepared)
