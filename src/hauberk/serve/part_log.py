"""A part's log: what it says, line by line with the time, in files that are bounded."""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

FILE_BYTES = 5 << 20
FILES = 3
"""The file that is written and those before it: NAME.log, NAME.log.1, NAME.log.2."""

LINE_BYTES = 8 << 10
"""Bytes of a line that are kept."""


class PartLog:
    """Appends lines; never raises, for no part may end because its log cannot be written."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES) -> None:
        self.path = path
        self._bytes = file_bytes
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, line: bytes, now: datetime | None = None) -> None:
        """Append a line, which has no end yet."""
        stamp = (now or datetime.now(UTC)).isoformat(timespec="milliseconds")
        text = line[:LINE_BYTES].replace(b"\n", b" ").replace(b"\r", b" ")
        whole = stamp.removesuffix("+00:00").encode() + b"Z " + text + b"\n"
        with contextlib.suppress(OSError):
            if self._file is None or self._size + len(whole) > self._bytes:
                self._turn()
            assert self._file is not None
            self._file.write(whole)
            self._file.flush()
            self._size += len(whole)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    def _turn(self) -> None:
        """Open the file, beginning a new one where it is full."""
        self.close()
        if self.path.exists() and self.path.stat().st_size + LINE_BYTES > self._bytes:
            for number in range(FILES - 1, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number}")
                newer = self.path.with_name(f"{self.path.name}.{number - 1}")
                newer = self.path if number == 1 else newer
                if newer.exists():
                    newer.replace(older)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(handle, "ab")
        self._size = self._file.tell()
