"""Chunks of EVTX files, which Windows writes into for as long as they are not full.

A chunk is read as a whole once it is full. Until then it is read in pieces: the records that were
added since the last look, behind the part of the chunk that they lean on. A piece's identity is
made of its own records' bytes, which stay as they are, and not of the chunk's header, which does
not; so each record is read once, however often the file is looked at, scanned or copied.

Source: the format as libevtx and python-evtx document it.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

HEADER = 4096
CHUNK = 65536
RECORDS = 512
"""Where the records of a chunk begin."""

_MAGIC = b"ElfChnk\0"
_FIRST = 4096

Ranges = Callable[[str, int], Sequence[tuple[int, str]]]
"""As `batches.Known`."""


@dataclass(frozen=True, slots=True)
class ChunkState:
    """What a chunk's header says: the ids of its records, where they end, and their checksum."""

    first: int
    last: int
    free: int
    checksum: int


def state_of(header: bytes) -> ChunkState | None:
    """What the first 512 bytes of a chunk say; None where they are no chunk's."""
    if len(header) < RECORDS or not header.startswith(_MAGIC):
        return None
    first, last = struct.unpack_from("<QQ", header, 24)
    free, checksum = struct.unpack_from("<II", header, 48)
    return ChunkState(first, last, free, checksum) if RECORDS <= free <= CHUNK else None


def is_sound(chunk: bytes) -> bool:
    """Whether a chunk is as Windows left it: both checksums are right, nothing is half written."""
    state = state_of(chunk)
    if state is None or len(chunk) < state.free:
        return False
    (said,) = struct.unpack_from("<I", chunk, 124)
    header = zlib.crc32(chunk[128:RECORDS], zlib.crc32(chunk[:120]))
    return header == said and zlib.crc32(chunk[RECORDS : state.free]) == state.checksum


def first_record(data: bytes) -> str:
    """By which ranges are looked up (see `batches.Known`)."""
    end = data.find(b"\n", 0, _FIRST)
    return hashlib.sha256(data[: end if end != -1 else _FIRST]).hexdigest()


def read_pieces(chunk: bytes, offset: int, known: Ranges) -> Iterator[tuple[int, int, str]]:
    """The pieces of a chunk at `offset` that were read before: place in it, length and digest."""
    state = state_of(chunk)
    at, end = RECORDS, state.free if state is not None else RECORDS
    while at < end:
        rest = chunk[at:end]
        for length, digest in sorted(known(first_record(rest), offset + at), reverse=True):
            fits = 0 < length <= len(rest)
            if fits and hashlib.sha256(rest[:length]).hexdigest() == digest:
                yield at, length, digest
                at += length
                break
        else:
            return
