"""Files that only their owner may read."""

import os
from pathlib import Path

from hauberk.errors import UsageError


def make_private_folder(path: Path) -> Path:
    """A folder for its owner alone. Raises UsageError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise UsageError(f"cannot be made: {error.strerror}", where=str(path)) from error
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file (0600), whole or not at all, in place of an older one. Raises UsageError."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error


def read_private(path: Path) -> bytes:
    """A file's bytes. Raises UsageError where it cannot be read, or others may read it."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            "others than its owner may read this key",
            where=str(path),
            hint=f"chmod 600 {path}",
        )
    return data
