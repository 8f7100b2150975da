"""Paths into inputs: files, folders, members of archives."""

import contextlib
import os
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from .fault import READ_ERRORS, Fault, said
from .limits import Budget, Limits
from .streams import HEAD, Readable, Stream, is_tar, is_zip, unpacked

_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".zstd"}
_SPOOL_IN_MEMORY = 32 << 20
_TAR_HEADER = 1 << 20
_ZIP_DIRECTORY = 256 << 20
_ENCRYPTED = 0x1


@dataclass(slots=True)
class Input:
    """One file of records, on disk or in an archive, as a stream that is read once.

    `source` is its label (members of archives behind `!/`), `path` the name by which formats may
    break ties, without the suffix of a compression. `size` is of the packed bytes, where known.
    """

    source: str
    path: PurePath
    stream: Stream
    size: int | None = None
    modified: datetime | None = None

    @property
    def head(self) -> bytes:
        """The first bytes (at most 64 KiB)."""
        return self.stream.peek(HEAD)

    @property
    def fault(self) -> str | None:
        """Why the input ended early, once that is known."""
        return self.stream.fault


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A path or a member that yields no records, and why."""

    source: str
    reason: str


def find_inputs(
    paths: Iterable[str | Path], *, limits: Limits | None = None
) -> Iterator[Input | Unreadable]:
    """Everything to read under `paths`, in order of name; `-` is the standard input.

    An input must be read before the next one is asked for: its file or archive is closed then.
    Nothing raises; what cannot be read is told as Unreadable and the rest goes on.
    """
    bounds = limits or Limits()
    for path in paths:
        if str(path) == "-":
            stream = Stream(cast("BinaryIO", sys.stdin.buffer))
            yield from _contents("stdin", PurePath("stdin"), stream, Budget(bounds, 0))
        elif Path(path).is_dir():
            yield from _folder(Path(path), bounds)
        else:
            yield from _file(Path(path), bounds)


def label(text: str) -> str:
    """A name as it may be shown and stored: no control characters, no lone surrogates."""
    safe = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in safe)


def _folder(top: Path, limits: Limits) -> Iterator[Input | Unreadable]:
    """Files under a folder, in order of name; links are followed, each folder once."""
    seen: set[tuple[int, int]] = set()
    stack = [top]
    empty = True
    while stack:
        path = stack.pop()
        if not path.is_dir():
            empty = False
            yield from _file(path, limits)
            continue
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            empty = False
            yield Unreadable(label(str(path)), said(error))
            continue
        stack.extend(Path(entry.path) for entry in entries)
    if empty:
        yield Unreadable(label(str(top)), "the folder holds no files")


def _file(path: Path, limits: Limits) -> Iterator[Input | Unreadable]:
    source = label(str(path))
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would hang.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        yield Unreadable(source, _special(path) or said(error))
        return
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            yield Unreadable(source, "no regular file (a pipe, socket or device)")
            return
        yield from _contents(
            source, path, Stream(file), Budget(limits, status.st_size),
            size=status.st_size, modified=clock(status.st_mtime), seekable=file,
        )  # fmt: skip


def _special(path: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        if not stat.S_ISREG(path.stat().st_mode):
            return "no regular file (a pipe, socket or device)"
    return None


def clock(seconds: float) -> datetime | None:
    """A file's time stamp, None where no calendar holds it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _contents(
    source: str, path: PurePath, stream: Stream, budget: Budget, *, depth: int = 0,
    size: int | None = None, modified: datetime | None = None, seekable: Readable | None = None,
) -> Iterator[Input | Unreadable]:  # fmt: skip
    """The inputs in one stream: itself, or what it holds if it is packed."""
    head = stream.peek(512)
    inner = unpacked(stream, head, budget)
    try:
        if inner is not None:
            budget.descend(depth + 1)
            name = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
            yield from _contents(source, name, inner, budget, depth=depth + 1, size=size,
                                 modified=modified)  # fmt: skip
        elif is_tar(head):
            budget.descend(depth + 1)
            yield from _tar(source, stream, budget, depth + 1)
        elif is_zip(head):
            budget.descend(depth + 1)
            yield from _zip(source, stream, budget, depth + 1, seekable)
        else:
            yield Input(source, path, stream, size, modified)
    except READ_ERRORS as error:
        yield Unreadable(source, said(error))


class _TarInfo(tarfile.TarInfo):
    """A header whose own data is bounded: tarfile reads long names and pax records whole."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in (b"x", b"g", b"X", b"L", b"K") and self.size > _TAR_HEADER:
            raise Fault(f"a header of the archive holds {self.size} bytes (limit: {_TAR_HEADER})")
        return cast("tarfile.TarInfo", super()._proc_member(tar))  # type: ignore[misc]


def _tar(source: str, stream: Stream, budget: Budget, depth: int) -> Iterator[Input | Unreadable]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_TarInfo) as tar:  # type: ignore[call-overload]
        for member in tar:
            # A streamed archive keeps every header it has passed.
            tar.members = []
            if member.isdir():
                continue
            budget.member()
            inside = f"{source}!/{label(member.name)}"
            if not member.isreg():
                yield Unreadable(inside, "no regular file (a link, pipe or device)")
                continue
            opened = tar.extractfile(member)
            if opened is None:
                continue
            body: Readable = _Counted(opened, budget) if member.issparse() else opened
            yield from _contents(
                inside, PurePath(member.name.replace("\0", "")), Stream(body), budget,
                depth=depth, size=member.size, modified=clock(member.mtime),
            )  # fmt: skip
    if stream.fault:
        yield Unreadable(source, stream.fault)


class _Counted:
    """A member whose bytes count as unpacked."""

    def __init__(self, source: Readable, budget: Budget) -> None:
        self._source = source
        self._budget = budget

    def read(self, size: int = -1, /) -> bytes:
        out = self._source.read(size)
        self._budget.unpack(len(out))
        return out


def _zip(
    source: str, stream: Stream, budget: Budget, depth: int, seekable: Readable | None
) -> Iterator[Input | Unreadable]:
    with contextlib.ExitStack() as opened:
        if seekable is not None:
            file = cast("BinaryIO", seekable)
        else:
            file = cast(
                "BinaryIO",
                opened.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY)),
            )
            _spool(stream, file, budget.limits.spooled)
        _check_directory(file)
        archive = opened.enter_context(zipfile.ZipFile(file))
        for member in archive.infolist():
            if member.is_dir():
                continue
            budget.member()
            inside = f"{source}!/{label(member.filename)}"
            if member.flag_bits & _ENCRYPTED:
                yield Unreadable(inside, "encrypted: unpack it with its password and scan that")
                continue
            try:
                body = archive.open(member)
            except READ_ERRORS as error:
                yield Unreadable(inside, said(error))
                continue
            with body:
                yield from _contents(
                    inside, PurePath(member.filename.replace("\0", "")),
                    Stream(_Counted(body, budget)), budget, depth=depth,
                    size=member.compress_size, modified=_zip_clock(member),
                )  # fmt: skip


def _spool(stream: Stream, file: BinaryIO, limit: int) -> None:
    copied = 0
    while block := stream.read(1 << 20):
        copied += len(block)
        if copied > limit:
            raise Fault(f"a nested archive of more than {limit} bytes (limit: spooled bytes)")
        file.write(block)
    if stream.fault:
        raise Fault(stream.fault)
    file.seek(0)


def _check_directory(file: BinaryIO) -> None:
    """Raise Fault where the directory of a zip is too large to be read whole."""
    end = file.seek(0, os.SEEK_END)
    start = max(0, end - (1 << 16) - 22)
    file.seek(start)
    tail = file.read(end - start)
    at = tail.rfind(b"PK\x05\x06")
    size = 0
    if at != -1 and len(tail) - at >= 16:
        (size,) = struct.unpack_from("<I", tail, at + 12)
        wide = tail.rfind(b"PK\x06\x06", 0, at)
        if size == 0xFFFFFFFF and wide != -1 and len(tail) - wide >= 48:
            (size,) = struct.unpack_from("<Q", tail, wide + 40)
    if size > _ZIP_DIRECTORY:
        raise Fault(f"a directory of {size} bytes (limit: {_ZIP_DIRECTORY})")
    file.seek(0)


def _zip_clock(member: zipfile.ZipInfo) -> datetime | None:
    try:
        # Zip keeps a local time without its zone; the year is what formats need of it.
        return datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return None
