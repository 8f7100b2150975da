"""Files that grow: what was appended since the last look, in whole records, each byte once.

A file is followed by what it is, not by its name: when it is rotated, the old one is read to its
end before the new one is begun. Where to go on after a restart follows from what is stored, byte
for byte, and needs no cursor file that could disagree.
"""

import contextlib
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hauberk.ingest.formats.lines import utf16_of
from hauberk.ingest.interface import MAX_RECORD, Format, Framing, RecordBatch
from hauberk.ingest.known_formats import recognise, why_unrecognised

from .batches import (
    Batch,
    Known,
    Skipped,
    batch_of,
    last_line_end,
    read_batches,
    skip_line,
    stored_range,
)
from .growing_evtx import GrowingEvtx
from .inputs import Input, Unreadable, clock, find_inputs, label
from .streams import HEAD, Stream, is_packed

CHUNK_BYTES = 16 << 20
"""Most that is read of one file before the others have their turn."""

SETTLED = 2.0
"""Seconds for which a file that is read whole must have stayed as it is."""

SEARCH = 1.0
"""Seconds between two looks at what files there are."""

RECENT = 4096
"""Batches that are remembered till they are surely stored: copies of their files may come first."""

_SAME = 64
_EVTX_MAGIC = 8


@dataclass(slots=True)
class _File:
    """One file that is followed."""

    path: Path
    descriptor: int
    key: tuple[int, int]
    start: bytes = b""  # how it began when it was opened: told apart from one written over it
    offset: int = 0
    searched: int = 0  # where the end of an overlong line was last looked for
    head: bytes = b""
    format: Format | None = None
    gone: bool = False  # another file has its name, or none has
    evtx: GrowingEvtx | None = None  # it is read by its chunks, and not by lines
    aside: bool = False  # it is not read any more


class Follower:
    """Follows files and the files of folders.

    `known` says what is stored (see `Known`); `now` is a clock in seconds. A line is read when it
    has its end, a record of an EVTX file once it is whole. Other files that are not made of lines,
    and archives, are read whole once they have settled, and again when they have changed.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        known: Known,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = list(paths)
        self._stored_before = known
        self._recent: OrderedDict[tuple[str, int], tuple[tuple[int, str], ...]] = OrderedDict()
        self._now = now
        self._looked: float | None = None
        self._files: dict[Path, _File] = {}
        self._leaving: list[_File] = []
        self._whole: dict[Path, tuple[tuple[int, int, int], float, bool]] = {}
        self._refused: dict[Path, str] = {}

    def poll(self) -> Iterator[Batch | Unreadable]:
        """What has come since the last poll; what cannot be read is told once."""
        for one in self._poll():
            if isinstance(one, Batch):
                key = (one.first_record, one.records.offset)
                self._recent[key] = (*self._recent.pop(key, ()), (one.length, one.sha256))
                if len(self._recent) > RECENT:
                    self._recent.popitem(last=False)
            yield one

    def _known(self, first_record: str, start: int) -> Sequence[tuple[int, str]]:
        """What is stored, and what will be once those who polled have committed it."""
        recent = self._recent.get((first_record, start), ())
        return [*self._stored_before(first_record, start), *recent]

    def _poll(self) -> Iterator[Batch | Unreadable]:
        if self._looked is None or self._now() - self._looked >= SEARCH:
            self._looked = self._now()
            yield from self._search()
        for file in [*self._leaving, *self._files.values()]:
            yield from self._grown(file)
        for path in list(self._whole):
            yield from self._settled(path)

    @property
    def behind(self) -> int:
        """Bytes that are there and not read yet."""
        return self.behind_in(None)

    def behind_in(self, folder: Path | None) -> int:
        """Bytes that are there and not read yet of one file, or of those in one folder."""
        total = 0
        for file in [*self._leaving, *self._files.values()]:
            if folder is None or file.path.is_relative_to(folder):
                if file.evtx is not None:
                    total += file.evtx.behind
                    continue
                with contextlib.suppress(OSError):
                    total += max(0, os.fstat(file.descriptor).st_size - file.offset)
        return total

    def set_aside(self, source: str, offset: int) -> None:
        """Read no more of a file that is followed, from where it could not be read on."""
        for file in [*self._leaving, *self._files.values()]:
            if label(str(file.path)) == source:
                file.aside, file.offset = True, offset

    def close(self) -> None:
        """Let go of every file."""
        for file in [*self._leaving, *self._files.values()]:
            os.close(file.descriptor)
        self._files.clear()
        self._leaving.clear()

    def _search(self) -> Iterator[Unreadable]:
        """Open what is new, and let go of what is gone."""
        there = dict.fromkeys(one for path in self._paths for one in _under(path))
        # All that has lost its name first, so that it is known again where it has another.
        for path, file in list(self._files.items()):
            if path not in there or _key(path) not in (file.key, None):
                self._leave(path)
        self._whole = {path: was for path, was in self._whole.items() if path in there}
        for path in there:
            reason = self._look_at(path)
            if reason is not None and self._refused.get(path) != reason:
                self._refused[path] = reason
                yield Unreadable(label(str(path)), reason)

    def _leave(self, path: Path) -> None:
        file = self._files.pop(path)
        file.gone = True
        self._leaving.append(file)

    def _look_at(self, path: Path) -> str | None:
        """Follow a file that is not followed yet; why it cannot be."""
        try:
            status = path.stat()
            key = (status.st_dev, status.st_ino)
            followed = self._files.get(path)
            if followed is not None:
                if followed.key != key:
                    self._leave(path)
                elif not self._written_over(followed, status.st_size):
                    return None
                else:
                    os.close(self._files.pop(path).descriptor)
            if status.st_size == 0 or self._moved(path, key):
                return None
            if not stat.S_ISREG(status.st_mode):
                return "no regular file (a pipe, socket or device)"
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or str(error)
        head = os.pread(descriptor, HEAD, 0)
        known = None if is_packed(head) else recognise(head, path)
        if is_packed(head) or _is_read_whole(known):
            os.close(descriptor)
            self._whole.setdefault(path, ((0, 0, 0), self._now(), False))
            return None
        self._whole.pop(path, None)
        file = _File(path, descriptor, key, start=head[:_SAME])
        if known is not None and known.framing is Framing.EVTX_CHUNKS:
            base = RecordBatch(b"", label(str(path)), 0, head, clock(status.st_mtime))
            file.evtx = GrowingEvtx(descriptor, base, known, self._known)
        else:
            file.offset = self._stored(file)
        self._files[path] = file
        return None

    def _moved(self, path: Path, key: tuple[int, int]) -> bool:
        """Follow on under its new name what was followed under another: a log that was rotated."""
        for file in self._leaving:
            if file.key == key and not self._written_over(file, os.fstat(file.descriptor).st_size):
                self._leaving.remove(file)
                file.path, file.gone = path, False
                self._files[path] = file
                if file.evtx is not None:
                    file.evtx.named(label(str(path)))
                return True
        return False

    def _written_over(self, file: _File, size: int) -> bool:
        """Whether the file was cut short or begun anew under the same name and number."""
        start = os.pread(file.descriptor, _SAME, 0)
        if file.evtx is not None:
            return not start.startswith(file.start[:_EVTX_MAGIC])
        return size < file.offset or not start.startswith(file.start[: len(start)])

    def _stored(self, file: _File) -> int:
        """Where the part ends that is stored already."""
        offset = 0
        with os.fdopen(os.dup(file.descriptor), "rb", buffering=0) as raw:
            raw.seek(0)
            stream = Stream(raw)
            while data := stream.peek(HEAD):
                found = stored_range(stream, data, offset, self._known)
                if found is None:
                    break
                stream.read(found[0])
                offset += found[0]
        return offset

    def _grown(self, file: _File) -> Iterator[Batch | Unreadable]:
        if file.aside:
            return
        if file.evtx is not None:
            yield from self._chunks(file, file.evtx)
            return
        try:
            batch = self._next(file)
        except OSError as error:
            yield Unreadable(label(str(file.path)), error.strerror or str(error))
            batch, file.gone = None, True
        if isinstance(batch, Unreadable):
            yield batch
        elif batch is not None:
            file.offset += batch.length
            yield batch
        elif file.gone and file in self._leaving:
            self._leaving.remove(file)
            os.close(file.descriptor)

    def _chunks(self, file: _File, evtx: GrowingEvtx) -> Iterator[Batch | Unreadable]:
        try:
            yield from evtx.poll(self._now())
        except OSError as error:
            yield Unreadable(label(str(file.path)), error.strerror or str(error))
            file.gone = True
            evtx.behind = 0
        if file.gone and not evtx.behind and file in self._leaving:
            self._leaving.remove(file)
            os.close(file.descriptor)

    def _next(self, file: _File) -> Batch | Unreadable | None:
        """The next whole lines, at most CHUNK_BYTES or one long line; None where there are none."""
        data = os.pread(file.descriptor, CHUNK_BYTES, file.offset)
        if not data:
            return None
        if len(file.head) < HEAD:
            file.head = os.pread(file.descriptor, HEAD, 0)
        codec = utf16_of(file.head)
        end = last_line_end(data, codec)
        if end == 0 and len(data) == CHUNK_BYTES:
            data = os.pread(file.descriptor, MAX_RECORD + 2, file.offset)
            end = last_line_end(data, codec)
        if end == 0 and file.gone and len(data) <= MAX_RECORD:
            end = len(data)  # nobody will end this line any more
        if file.format is None and (end or file.gone):
            file.format = recognise(file.head, file.path)
            if file.format is None:
                return self._unknown(file)
        if file.format is None:
            return None
        status = os.fstat(file.descriptor)
        base = RecordBatch(b"", label(str(file.path)), 0, file.head, clock(status.st_mtime))
        if end:
            return batch_of(base, file.format, data[:end], file.offset)
        if len(data) > MAX_RECORD and self._ends(file, codec):
            with os.fdopen(os.dup(file.descriptor), "rb", buffering=0) as raw:
                raw.seek(file.offset)
                return skip_line(Stream(raw), base, file.format, file.offset, codec)
        return None

    def _unknown(self, file: _File) -> Unreadable | None:
        reason = why_unrecognised(file.head)
        if self._refused.get(file.path) == reason:
            return None
        self._refused[file.path] = reason
        return Unreadable(label(str(file.path)), reason)

    def _ends(self, file: _File, codec: str | None) -> bool:
        """Whether a line that is too long to be read has its end by now."""
        at = max(file.searched, file.offset)
        while data := os.pread(file.descriptor, CHUNK_BYTES, at):
            if last_line_end(data, codec):
                file.searched = 0
                return True
            at += len(data)
            file.searched = at
        return file.gone

    def _settled(self, path: Path) -> Iterator[Batch | Unreadable]:
        """All of a file that is read whole, once it has stayed as it is for a while."""
        was, since, done = self._whole[path]
        try:
            status, ended = path.stat(), _is_ended(path)
        except OSError:
            return  # it is gone, and the next search will say so
        now = (status.st_ino, status.st_size, status.st_mtime_ns)
        if now != was:
            self._whole[path] = (now, self._now(), False)
            return
        if done or self._now() - since < SETTLED or not ended:
            return
        self._whole[path] = (now, since, True)
        for found in find_inputs([path]):
            if isinstance(found, Unreadable):
                yield found
            else:
                yield from self._of_input(found)

    def _of_input(self, found: Input) -> Iterator[Batch | Unreadable]:
        format_ = recognise(found.head, found.path)
        if format_ is None:
            yield Unreadable(found.source, why_unrecognised(found.head))
            return
        for one in read_batches(found, format_, known=self._known):
            if not isinstance(one, Skipped):
                yield one
        if found.fault:
            yield Unreadable(found.source, found.fault)


def _under(path: Path) -> Iterator[Path]:
    """A file, or the files of a folder, in order of name; hidden ones are being written."""
    if not path.is_dir():
        yield path
        return
    with contextlib.suppress(OSError):
        for one in sorted(path.rglob("*")):
            if one.is_file() and not one.name.startswith("."):
                yield one


def _key(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_ended(path: Path) -> bool:
    """Whether a file that is read whole has its end: a JSON document its last bracket."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        if is_packed(head) or not head.lstrip().startswith((b"{", b"[")):
            return True
        file.seek(max(0, path.stat().st_size - _SAME))
        return file.read().rstrip().endswith((b"}", b"]"))


def _is_read_whole(known: Format | None) -> bool:
    return known is not None and known.framing not in (Framing.LINES, Framing.EVTX_CHUNKS)
