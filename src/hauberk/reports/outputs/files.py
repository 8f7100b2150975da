"""A file of JSON lines that is turned over when it is full; a batch is on the device once sent."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hauberk.store import Table

from .interface import Filter, Message, NotSentError, Refused
from .kinds import Target

KEYS = ("path", "megabytes", "keep")
FILTER = Filter()
BATCH = 500
_LOOK_BACK = 4 << 20  # more than a message has


@dataclass(frozen=True, slots=True)
class LinesFile:
    """The file, its largest size in bytes, and how many older ones are kept."""

    path: Path
    size: int
    keep: int
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)


def target(table: Table) -> LinesFile:
    """The settings of a file output. Raises UsageError."""
    path = table.file_path("path", "a file of JSON lines")
    if path.is_dir() or not path.name:
        raise table.wrong("path", "a file, not a folder")
    return LinesFile(
        path, table.whole("megabytes", 64, least=1, most=1 << 20) << 20,
        table.whole("keep", 10, least=1, most=1000),
    )  # fmt: skip


def sender(target: Target) -> "FileSender":
    """A sender; the file is opened when something is sent."""
    assert isinstance(target, LinesFile)
    return FileSender(target)


class FileSender:
    """Appends; a line whose end was never written is cut off first."""

    pause = 0.0
    batch = BATCH

    def __init__(self, settings: LinesFile) -> None:
        self._settings = settings
        self._handle: int | None = None

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Write them, a line each, and flush them to the device."""
        try:
            handle = self._opened()
            rest = memoryview(b"".join(one.data + b"\n" for one in messages))
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
            if os.fstat(handle).st_size >= self._settings.size:
                self._turn_over()
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        return ()

    def check(self) -> str:
        """See whether the file can be written."""
        folder = self._settings.path.parent
        known = self._settings.path if self._settings.path.exists() else folder
        if not folder.is_dir() or not os.access(known, os.W_OK):
            raise NotSentError("it cannot be written", where=self._settings.where)
        return "it can be written"

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _opened(self) -> int:
        """The file, which logrotate or somebody may have moved meanwhile."""
        path = self._settings.path
        if self._handle is not None:
            mine = os.fstat(self._handle)
            try:
                there = path.stat(follow_symlinks=False)
            except FileNotFoundError:
                there = None
            if there is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
                self.close()
        if self._handle is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(path, flags, 0o600)
            _cut_half_line(self._handle)
        return self._handle

    def _turn_over(self) -> None:
        """`out.jsonl` becomes `out.jsonl.1`, that `.2`, and so on; the last one goes."""
        self.close()
        path = self._settings.path
        names = [path, *(path.with_name(f"{path.name}.{n}") for n in
                         range(1, self._settings.keep + 1))]  # fmt: skip
        for younger, older in reversed(list(pairwise(names))):
            if younger.exists():
                younger.replace(older)

    def _failed(self, error: OSError) -> NotSentError:
        return NotSentError(error.strerror or str(error), where=self._settings.where)


def _cut_half_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    begin = max(0, size - _LOOK_BACK)
    tail = os.pread(handle, size - begin, begin)
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(handle, begin + tail.rfind(b"\n") + 1)
