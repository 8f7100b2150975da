"""A program that reads EVTX chunks from standard input and answers with the JSON of their records.

The parser is native code. On some damaged chunks it never returns, or takes all memory there is;
in a process of its own that costs a chunk, not a scan. Run as a file, not as a module: nothing
else of Hauberk is imported, so it starts at once and stays small.

Both directions carry frames: a length (u32, little endian) and as many bytes. A question is one
chunk. An answer is a fault (empty where there was none) and then, for each record that was read,
its id (u64) and its text, each of fault and text as a frame within the frame.
"""

import faulthandler
import io
import os
import signal
import struct
import sys
from contextlib import suppress
from typing import IO

from evtx import PyEvtxParser

if sys.platform != "win32":
    import resource

CHUNK = 65536
SMALLEST_RECORD = 28
MAX_TEXT = 64 << 20
"""Bytes of JSON that one chunk may become; whole ones become one megabyte or less."""

MAX_ANSWER = MAX_TEXT + (1 << 20)
MAX_MEMORY = 2 << 30
READY = b"ready"
"""The first frame that the program sends."""

_HEADER = 4096
_LENGTH = struct.Struct("<I")
_ID = struct.Struct("<Q")
_FAULTS = (RuntimeError, ValueError, OSError, OverflowError)


def read_chunk(chunk: bytes) -> tuple[list[tuple[int, bytes]], str]:
    """Id and JSON text of each record that can be read, in order, and the first fault met."""
    try:
        parser = PyEvtxParser(io.BytesIO(_file_header() + chunk.ljust(CHUNK, b"\0")), 1)
        found = parser.records_json()
    except _FAULTS as error:
        return [], _said(error)
    records: list[tuple[int, bytes]] = []
    fault = ""
    size = 0
    # A damaged record raises and the next call goes on; a chunk holds no more than this many.
    for _ in range(CHUNK // SMALLEST_RECORD):
        try:
            record = next(found, None)
        except _FAULTS as error:
            fault = fault or _said(error)
            continue
        if record is None:
            break
        text = record["data"].encode("utf-8", "replace")
        size += len(text)
        if size > MAX_TEXT:
            return records, fault or "its records swell beyond all measure"
        records.append((int(record["event_record_id"]), text))
    return records, fault


def pack(records: list[tuple[int, bytes]], fault: str) -> bytes:
    """An answer's body."""
    said = fault.encode("utf-8", "replace")
    parts = [_LENGTH.pack(len(said)), said]
    for number, text in records:
        parts += [_ID.pack(number), _LENGTH.pack(len(text)), text]
    return b"".join(parts)


def unpack(body: bytes) -> tuple[list[tuple[int, bytes]], str]:
    """What `pack` packed."""
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    fault = body[_LENGTH.size : at].decode("utf-8", "replace")
    records: list[tuple[int, bytes]] = []
    while at < len(body):
        (number,) = _ID.unpack_from(body, at)
        (length,) = _LENGTH.unpack_from(body, at + _ID.size)
        at += _ID.size + _LENGTH.size
        records.append((number, body[at : at + length]))
        at += length
    return records, fault


def send(pipe: IO[bytes], body: bytes) -> None:
    """Write one frame."""
    pipe.write(_LENGTH.pack(len(body)))
    pipe.write(body)
    pipe.flush()


def receive(pipe: IO[bytes], limit: int) -> bytes | None:
    """Read one frame; None where the pipe ends before its end, or it is longer than `limit`."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > limit:
        return None
    body = pipe.read(length)
    return body if len(body) == length else None


def main(seconds: float) -> None:
    """Answer until standard input ends. Whatever takes longer than `seconds` ends the process.

    The asking process has a time limit of its own, a shorter one; this one serves where the asking
    process has died.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the asking process decides
    _limit_memory()
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  there is no path object worth making
        send(sys.stdout.buffer, READY)
        while (chunk := receive(sys.stdin.buffer, CHUNK)) is not None:
            # A thread that needs no interpreter lock, which the parser may hold for ever.
            faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
            answer = pack(*read_chunk(chunk))
            faulthandler.cancel_dump_traceback_later()
            try:
                send(sys.stdout.buffer, answer)
            except BrokenPipeError:
                os._exit(0)  # nobody listens, and flushing on the way out would fail again


def _limit_memory() -> None:
    if sys.platform != "win32":
        # A lower limit may be set already, and some systems know none.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _said(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]


def _file_header() -> bytes:
    """The header of a file of one chunk, so that the chunk can be read by itself."""
    fields = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, 0, 1, 128, 1, 3, _HEADER, 1)
    return fields.ljust(_HEADER, b"\0")


if __name__ == "__main__":
    main(float(sys.argv[1]))
