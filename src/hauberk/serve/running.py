"""Who runs a home: one supervisor, known by its process id and by when that process began."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from filelock import FileLock, Timeout

from hauberk.errors import HomeBusyError, UsageError

from .interface import RUN

LOCK, HOLDER = "lock", "up.json"
_LINUX = bool(sys.platform.startswith("linux"))


@dataclass(frozen=True, slots=True)
class Process:
    """A process that no other one can be taken for.

    `started` is the boot and the tick of its start (Linux), empty where the system does not tell.
    """

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs, and is the same."""
        if self.pid <= 0:
            return False
        if _LINUX:
            return bool(self.started) and started_of(self.pid) == self.started
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return True

    def signal(self, number: signal.Signals) -> bool:
        """Signal it, and certainly no other; whether it was there."""
        if not hasattr(os, "pidfd_open"):
            if not self.alive:
                return False
            with contextlib.suppress(OSError):
                os.kill(self.pid, number)
            return True
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            # The handle is of one process for good; who it is of is looked at after it was taken.
            if not self.alive:
                return False
            signal.pidfd_send_signal(handle, number)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True


def started_of(pid: int) -> str:
    """When a process began (`Process.started`), empty where there is none or it is a zombie."""
    try:
        # The name, in parentheses, may hold anything (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot[:8]}:{fields[19]}"


@dataclass(frozen=True, slots=True)
class Holder:
    """The supervisor of a home; `since` in ISO 8601."""

    pid: int
    started: str
    since: str

    @property
    def process(self) -> Process:
        """It as a process."""
        return Process(self.pid, self.started)


def holder_of(home: Path) -> Holder | None:
    """The supervisor that said it runs this home, dead or alive."""
    try:
        found = orjson.loads((home / RUN / HOLDER).read_bytes())
        return Holder(int(found["pid"]), str(found["started"]), str(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_run_folder(home: Path) -> Path:
    """The folder of what runs, for its owner alone. Raises UsageError."""
    folder = home / RUN
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"cannot be made: {error.strerror}", where=str(folder)) from error
    return folder


@contextmanager
def held(home: Path) -> Iterator[Holder]:
    """Run this home alone. Raises HomeBusyError naming who does, UsageError."""
    folder = make_run_folder(home)
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        who = holder_of(home)
        said = f"process {who.pid} since {who.since}" if who else "another process"
        raise HomeBusyError(
            f"this home is up already: {said}",
            where=str(home),
            hint=f"`hauberk status --home {home}` shows it, `hauberk down --home ...` ends it",
        ) from error
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        holder = Holder(os.getpid(), started_of(os.getpid()), now)
        write_whole(folder / HOLDER, orjson.dumps(asdict(holder)))
        yield holder
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def write_whole(path: Path, data: bytes) -> None:
    """Put a private file in the place of an older one at once."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    part.replace(path)


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether something came to be within so many seconds."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)
    return True
