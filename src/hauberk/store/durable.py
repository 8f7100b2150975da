"""Files that survive a power cut: written, flushed to the device, and known by digest."""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FLUSHES = 4
"""Flushes under way at once; the device joins what comes together."""


def digest(path: Path) -> tuple[str, int]:
    """A file's SHA-256 (hex) and size in bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def seal(path: Path) -> tuple[str, int]:
    """Flush a finished file to the device; its SHA-256 (hex) and size in bytes."""
    sync(path)
    return digest(path)


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the device."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path, inside: Path) -> None:
    """Make `path` and its missing parents below `inside`, private to their owner."""
    if path == inside or path.is_dir():
        return
    make_folder(path.parent, inside)
    path.mkdir(mode=0o700, exist_ok=True)


def sync_folders(paths: Iterable[Path], home: Path) -> None:
    """Flush the names of these files, and of all folders above them up to the home."""
    folders = {home}
    for folder in {path.parent for path in paths}:
        above = (folder, *folder.parents)
        folders.update(one for one in above if one.is_relative_to(home))
    # A flush waits for the device and for nothing of ours.
    with ThreadPoolExecutor(FLUSHES) as pool:
        for _ in pool.map(sync, sorted(folders)):
            pass


def is_disk_full(error: BaseException) -> bool:
    """Whether this error, or what it came from, says that there is no room left.

    The Parquet writer and the Delta log report through the operating system's words alone.
    """
    return any(_says_full(link) for link in _causes(error))


def is_read_only(error: BaseException) -> bool:
    """Whether this error, or what it came from, says that the device may not be written any more.

    So a device is mounted that had faults.
    """
    return any(_says_read_only(link) for link in _causes(error))


def _says_read_only(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return True
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF == sqlite3.SQLITE_READONLY
    return "Read-only file system" in str(error) or "os error 30" in str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(8):
        if link is None:
            return
        yield link
        original = getattr(link, "orig", None)  # SQLAlchemy's name for the driver's error
        link = original if isinstance(original, BaseException) else link.__cause__


# The second where not even the index of what is not checkpointed yet finds room.
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in _SQLITE_FULL
    text = str(error)
    return "No space left on device" in text or "os error 28" in text
