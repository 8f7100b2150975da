"""Where answers go: terminals, pipes whose reader has left, files, full disks."""

import contextlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console

from hauberk.errors import DiskFullError, HauberkError, UsageError

STDOUT = "-"


class _Screen(Console):
    """A console whose reader may leave (`| head`): the command goes on and keeps its exit code."""

    def on_broken_pipe(self) -> None:
        """Print nothing any more."""
        self.quiet = True
        _drop_stdout()


def screen(*, stderr: bool = False, quiet: bool = False) -> Console:
    """What people read."""
    return _Screen(stderr=stderr, quiet=quiet)


@contextmanager
def stdout() -> Iterator[TextIO]:
    """What machines read: standard output, which may be closed early."""
    try:
        # JSON is UTF-8 whatever the locale says.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()


def set_up_streams() -> None:
    """Make every text printable, whatever the locale, and a stream of what was closed."""
    # Both live as long as the process.
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Send out what is still held back. Raises OSError where it cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()


def drop() -> None:
    """Forget what could not be written, so that the interpreter does not try again at its end."""
    with contextlib.suppress(OSError):
        _drop_stdout()


def _drop_stdout() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def check_writable(path: Path, option: str) -> None:
    """Refuse a file that cannot be written before hours of work are done for it.

    Raises UsageError.
    """
    try:
        if path.is_dir():
            raise UsageError("this is a folder; expected a file", where=f"{option} {path}")
        if _is_special(path):
            return
        folder = path.resolve().parent
        if not folder.is_dir():
            raise UsageError(
                f"there is no folder {folder}", where=f"{option} {path}", hint="Make it first"
            )
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error, option) from error


@contextmanager
def file(path: Path, option: str) -> Iterator[TextIO]:
    """Write a text file whole or not at all. Raises DiskFullError or UsageError."""
    try:
        if _is_special(path):
            with path.open("w", encoding="utf-8") as stream:
                yield stream
            return
        target = path.resolve()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                yield stream
            Path(name).chmod(_mode(target))
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error, option) from error


def told(error: OSError, *, where: str) -> HauberkError | None:
    """An error of the operating system as one that people can act on, where that is known."""
    from hauberk.store import is_disk_full  # noqa: PLC0415  # it loads what no help needs

    if is_disk_full(error):
        return DiskFullError(
            "there is no room left to write to",
            where=where,
            hint="What was committed is kept: make room and run the same command again",
        )
    return None


def _unwritable(path: Path, error: OSError, option: str) -> HauberkError:
    where = f"{option} {path}"
    full = told(error, where=where)
    said = error.strerror or type(error).__name__
    return full or UsageError(f"cannot be written: {said}", where=where, hint="Name another file")


def _is_special(path: Path) -> bool:
    """Whether this is a pipe or a device, which nothing can be put in place of."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _mode(target: Path) -> int:
    """Permissions of the file that is replaced, or those that any new file gets."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
