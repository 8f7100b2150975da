"""The spool: what came over the network, in files that a watch follows as it follows any others.

A receiver appends and nothing else. Who was promised that a record is kept was promised after it
was flushed to the device; flushes are shared by all that wait. A file is deleted once the lake is
proven to hold every byte of it.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from hauberk.ingest.formats.envelope import header
from hauberk.ingest.sources.batches import Known, stored_range
from hauberk.ingest.sources.streams import HEAD, Stream

from .positions import covered, covers

SPOOL = "spool"
FILE_BYTES = 64 << 20
"""Bytes after which a spool file is ended and the next begun."""

FILE_SECONDS = 3600.0
"""Age at which a spool file is ended, so that a quiet source's can be deleted too."""

GROUP_SECONDS = 0.05
"""Longest that bytes wait to be flushed when nobody waits for them."""

PENDING_BYTES = 16 << 20
"""Bytes that wait to be flushed before senders are held back."""

MIN_FREE = 0.05
"""Share of the device that is left to others."""

GRACE_SECONDS = 600.0
"""Age of the last change at which a spool file that is stored may be deleted."""


@dataclass(slots=True)
class _Open:
    """A spool file that is being written, and what waits to be written to it."""

    folder: Path
    format: str
    waiting: list[bytes] = field(default_factory=list)
    path: Path | None = None
    descriptor: int = -1
    size: int = 0
    since: float = 0.0


class Spool:
    """Appends for any number of sources, from one event loop; `run` flushes until `stop`.

    `max_bytes` bounds all files together. `full` says that senders should be held back: by that
    bound, for want of room on the device, or because flushing does not keep up.
    """

    def __init__(self, folder: Path, max_bytes: int, min_free: float = MIN_FREE) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._min_free = min_free
        self._open: dict[tuple[str, str], _Open] = {}
        self._pending = 0
        self._no_room = False
        self._looked = -1.0
        self._wanted = asyncio.Event()
        self._hurried = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._stopping = False
        self.flushes = 0
        self.fault: str | None = None

    @property
    def full(self) -> bool:
        """Whether nothing more should be taken in for now."""
        return self._no_room or self._pending >= PENDING_BYTES

    @property
    def held(self) -> frozenset[Path]:
        """Files that are being written; they must not be deleted."""
        return frozenset(one.path for one in list(self._open.values()) if one.path is not None)

    def append(self, source: str, format_name: str, lines: bytes) -> None:
        """Take whole lines in; they are on the device GROUP_SECONDS later, or after `durable`."""
        key = (source, format_name)
        if key not in self._open:
            self._open[key] = _Open(self.folder / source, format_name)
        self._open[key].waiting.append(lines)
        self._pending += len(lines)
        self._wanted.set()

    async def durable(self, *, at_once: bool = True) -> None:
        """Until all that was appended before is on the device: GROUP_SECONDS, or `at_once`."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._wanted.set()
        if at_once:
            self._hurried.set()
        await waiting

    def stop(self) -> None:
        """End `run` once what was appended is on the device."""
        self._stopping = True
        self._wanted.set()
        self._hurried.set()

    async def run(self) -> None:
        """Flush what is appended, in groups, until stopped."""
        while not self._stopping:
            self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), 1.0)
            if not self._wanted.is_set():
                self._end_old()
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), GROUP_SECONDS)
            await self._flush()
        await self._flush()
        for one in self._open.values():
            _close(one)

    async def _flush(self) -> None:
        self._wanted.clear()
        self._hurried.clear()
        waiting, self._waiting = self._waiting, []
        taken = [(one, one.waiting) for one in self._open.values() if one.waiting]
        for one, _ in taken:
            one.waiting = []
        try:
            await asyncio.to_thread(_write_all, taken)
        except OSError as error:
            self.fault = error.strerror or str(error)
            self._no_room = True
            for one, lines in taken:
                one.waiting = lines + one.waiting
            self._waiting = waiting + self._waiting
            self._wanted.set()
            await asyncio.sleep(1.0)
            return
        self.fault = None
        self.flushes += 1
        self._pending = sum(len(line) for one in self._open.values() for line in one.waiting)
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _end_old(self) -> None:
        for one in self._open.values():
            if one.path is not None and time.monotonic() - one.since >= FILE_SECONDS:
                _close(one)

    def _look(self) -> None:
        """See once a second how much room there is."""
        if time.monotonic() - self._looked < 1.0:
            return
        self._looked = time.monotonic()
        used = sum(size for _, size in _files(self.folder))
        device = shutil.disk_usage(self.folder)
        self._no_room = used >= self._max_bytes or device.free < device.total * self._min_free


def _write_all(taken: list[tuple[_Open, list[bytes]]]) -> None:
    """Write and flush; a file whose write fails is as before, and its lines are to be tried again.

    Lines that were written are taken out of their lists, so that no later try doubles them.
    """
    for one, lines in taken:
        _write(one, lines)


def _write(one: _Open, lines: list[bytes]) -> None:
    if not lines:
        return
    if one.path is None:
        _begin(one)
    data = b"".join(lines)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(one.descriptor, left) :]
        os.fdatasync(one.descriptor)
    except OSError:
        os.ftruncate(one.descriptor, one.size)
        os.lseek(one.descriptor, one.size, os.SEEK_SET)
        raise
    one.size += len(data)
    lines.clear()
    if one.size >= FILE_BYTES or time.monotonic() - one.since >= FILE_SECONDS:
        _close(one)


def _begin(one: _Open) -> None:
    """The next file of a source: numbered on, and told apart from all others by its first line."""
    one.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name that positions speak of is not taken again, though its file be gone.
    names = [*(path.name for path, _ in _files(one.folder)), *covered(one.folder)]
    numbers = [_number(name) for name in names]
    path = one.folder / f"{max(numbers, default=0) + 1:010}.{one.format}.log"
    one.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    first = header(one.format, secrets.token_hex(8))
    try:
        os.write(one.descriptor, first)
        for folder in (one.folder, one.folder.parent):
            _sync(folder)
    except OSError:
        os.close(one.descriptor)
        path.unlink(missing_ok=True)
        raise
    one.path, one.size, one.since = path, len(first), time.monotonic()


def _close(one: _Open) -> None:
    if one.path is not None:
        os.close(one.descriptor)
        one.path = None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mend(folder: Path) -> None:
    """Cut off the last line of files whose writer was killed amid it: nobody was promised it."""
    for path, size in _files(folder):
        with path.open("r+b") as file:
            at = size
            while at:
                begin = max(0, at - (1 << 20))
                file.seek(begin)
                end = file.read(at - begin).rfind(b"\n")
                if end >= 0:
                    at = begin + end + 1
                    break
                at = begin
            if at != size:
                file.truncate(at)


def newest_files(folder: Path) -> list[Path]:
    """The files of a source that can have what was flushed last, oldest first.

    Two, for the newest may just have been begun; more where each of many readers was killed soon.
    """
    written = sorted((path.stat().st_mtime_ns, path) for path in folder.glob("*.log"))
    found = [path for _, path in reversed(written)]
    sizes = accumulate(path.stat().st_size for path in found)
    many = sum(size <= 2 * FILE_BYTES for size in sizes)
    return found[: max(2, many)][::-1]


def sweep(folder: Path, held: frozenset[Path], known: Known, grace: float = GRACE_SECONDS) -> int:
    """Delete the files whose every byte is stored (see `Known`), but those that are held.

    Of a bus, a file also stays until the positions of its records are kept elsewhere.

    How many were deleted. `grace` in seconds since the file was last written.
    """
    gone = 0
    for path, size in _files(folder):
        if path in held:
            continue
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime >= grace and _may_go(path, size, known):
                path.unlink()
                gone += 1
    return gone


def _may_go(path: Path, size: int, known: Known) -> bool:
    return covers(path.parent, path.name, size) and _is_stored(path, size, known)


def _is_stored(path: Path, size: int, known: Known) -> bool:
    with path.open("rb", buffering=0) as raw:
        stream, offset = Stream(raw), 0
        while data := stream.peek(HEAD):
            found = stored_range(stream, data, offset, known)
            if found is None:
                break
            stream.read(found[0])
            offset += found[0]
    return offset == size


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(folder.rglob("*.log")):
        with contextlib.suppress(OSError):
            yield path, path.stat().st_size


def _number(name: str) -> int:
    digits = name.split(".", 1)[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
