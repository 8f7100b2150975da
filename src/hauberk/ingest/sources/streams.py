"""Byte streams over files and compressed data that end in a note instead of an error."""

import bz2
import contextlib
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

from .fault import READ_ERRORS, Fault, said
from .limits import Budget

HEAD = 64 << 10
"""Bytes of a file's start by which its format is told."""

_BLOCK = 1 << 20
_FILE_BLOCK = 64 << 20
_REREAD = HEAD
_LZMA_MEMORY = 256 << 20
_ZSTD_WINDOW = 128 << 20
_ZSTD_PIECE = 1024  # bytes; a block of 4 may stand for 128 KiB


class Readable(Protocol):
    """Anything with `read`."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Stream:
    """Reads as far as the bytes go: a fault ends the stream and is kept in `fault`."""

    def __init__(self, source: Readable) -> None:
        self.fault: str | None = None
        self._source = source
        self._pending = b""
        self._ended = False
        # Files are read straight into the bytes that are handed on.
        self._file = source if isinstance(source, io.FileIO) else None
        self._block = _BLOCK if self._file is None else _FILE_BLOCK

    def peek(self, size: int) -> bytes:
        """The next `size` bytes (fewer at the end), which stay to be read."""
        if len(self._pending) < size:
            self._pending += self._pull(size - len(self._pending))
        return self._pending[:size]

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        if size < 0:
            size = 1 << 62
        taken, self._pending = self._pending[:size], self._pending[size:]
        if len(taken) < size:
            rest = self._pull(size - len(taken))
            taken = taken + rest if taken else rest
        if self._pending and len(self._pending) <= _REREAD:
            self._unread()
        return taken

    def upto(self, size: int, mark: bytes) -> int:
        """How many of the next `size` bytes there are up to the last `mark` among them.

        `size` where that cannot be told without reading them all. What is then peeked is what is
        read: to cut a chunk out of a longer one copies it.
        """
        if self._file is None or self._pending or self._ended or size <= _REREAD:
            return size
        try:
            begin = self._file.tell()
            try:
                self._file.seek(begin + size - _REREAD)
                tail = self._file.read(_REREAD)
            finally:
                self._file.seek(begin)
        except (OSError, ValueError):
            return size
        found = tail.rfind(mark)
        return size - _REREAD + found + len(mark) if len(tail) == _REREAD and found >= 0 else size

    def _unread(self) -> None:
        """Leave a short rest to the file: to join it to the next chunk copies that whole chunk."""
        if self._file is not None and self.fault is None:
            with contextlib.suppress(OSError, ValueError):
                self._file.seek(-len(self._pending), io.SEEK_CUR)
                self._pending, self._ended = b"", False

    def _pull(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and not self._ended:
            try:
                part = self._source.read(min(size, self._block))
            except READ_ERRORS as error:
                self.fault = said(error)
                part = b""
            self._ended = not part
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Inflate:
    """zlib's object with the manners of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Frame:
    """One Zstandard frame, with the manners of the others."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self._in = b""
        self._at = 0
        self._out = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof and not self._out

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + self._in[self._at :]

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if data:
            self._in, self._at = self._in[self._at :] + data, 0
        # Zstandard gives all that its input holds at once, so it is fed in small pieces.
        while not self._out and self._at < len(self._in) and not self._inner.eof:
            piece = self._in[self._at : self._at + _ZSTD_PIECE]
            self._at += len(piece)
            self._out = self._inner.decompress(piece)
        out, self._out = self._out[:max_length], self._out[max_length:]
        return out


def _lzma() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)


class Unpacked:
    """A decompressed stream: several members or frames one after the other, counted."""

    def __init__(self, source: Readable, make: Callable[[], _Decompressor], budget: Budget) -> None:
        self._source = source
        self._make = make
        self._inner = make()
        self._budget = budget
        self._spare = b""
        self._started = False

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end. Raises Fault where the data is damaged."""
        size = _BLOCK if size < 0 else size
        while True:
            if self._inner.eof:
                self._spare = self._inner.unused_data + self._spare
                # Writers pad the last member with zeros.
                self._spare = (self._spare or self._source.read(_BLOCK)).lstrip(b"\0")
                if not self._spare:
                    if self._source.read(1) == b"":
                        return b""
                    continue
                self._inner, self._started = self._make(), False
            data, self._spare = self._spare, b""
            out = self._inner.decompress(data, size)
            if not out and not self._inner.eof:
                data = self._source.read(_BLOCK)
                if not data:
                    raise Fault("cut short: the compressed data ends before its end mark")
                out = self._inner.decompress(data, size)
            if out:
                self._budget.unpack(len(out))
                return out


_MAGIC: dict[bytes, Callable[[], _Decompressor]] = {
    b"\x1f\x8b": _Inflate,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": _lzma,
    b"\x28\xb5\x2f\xfd": _Frame,
}


def unpacked(source: Readable, head: bytes, budget: Budget) -> Stream | None:
    """What a compressed stream holds, told by its first bytes; None where it is not compressed."""
    for magic, make in _MAGIC.items():
        if head.startswith(magic):
            return Stream(Unpacked(source, make, budget))
    return None


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is compressed or an archive."""
    return head.startswith(tuple(_MAGIC)) or is_tar(head) or is_zip(head)


def is_tar(head: bytes) -> bool:
    """Whether a stream begins with a tar header."""
    return head[257:262] == b"ustar"


def is_zip(head: bytes) -> bool:
    """Whether a stream begins as zip archives do."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
