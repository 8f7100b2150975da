"""A part's process: started, listened to, ended with everything that it started."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from hauberk.ingest.receivers import KEEPER, LISTEN

from .interface import Report
from .keeping import pair
from .part_log import LINE_BYTES, PartLog

WORDS = 5
"""Last lines of a part that are kept to be told."""

MAX_REPORT = 1 << 20
_READ = 64 << 10
_MALLOC = {
    # Else glibc makes heaps for all threads, and gives back little of them.
    "MALLOC_ARENA_MAX": "2",
    # Else glibc takes large buffers from the heap too once one was freed, and small ones between
    # them hold the heap at its widest. Either threshold, set alone, fixes the other at 128 KiB.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
"""Settings of a part's allocator, unless the environment has others."""
_NOT_FOR_PARTS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", KEEPER, *LISTEN)


class Child:
    """A running `hauberk` command in a process group of its own.

    What it says goes to its log, except for its reports: JSON lines of one key, `reports`, of which
    the newest is kept. It is started with the sockets of `kept`, by name, and asks at `keeper` for
    others to be kept. Ends when this process dies, on Linux.
    """

    def __init__(
        self, arguments: Sequence[str], log: PartLog, reports: str, kept: Mapping[str, int]
    ) -> None:
        self._log = log
        self._begins = f'{{"{reports}":'.encode()
        self._key = reports
        self._rest = b""
        self.words: deque[str] = deque(maxlen=WORDS)
        self.report: Report | None = None
        self.reported = False  # since somebody last asked
        command = [sys.executable, "-m", "hauberk.cli", *arguments]
        tether = str(Path(__file__).with_name("tether.py"))
        ends = pair()
        self.keeper: socket.socket | None = ends[0] if ends else None
        theirs = ends[1] if ends else None
        handed = ",".join(map(str, kept.values())) if theirs else ""
        passed = [*kept.values(), theirs.fileno()] if theirs else []
        environment = {name: at for name, at in os.environ.items() if name not in _NOT_FOR_PARTS}
        environment["LISTEN_FDNAMES"] = ":".join(kept)
        for name, value in _MALLOC.items():
            environment.setdefault(name, value)
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own command, without a shell
                [
                    sys.executable, "-I", "-S", tether, str(os.getpid()),
                    str(theirs.fileno() if theirs else -1), handed, *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                env=environment,
                pass_fds=passed,
            )  # fmt: skip
        except OSError:
            if self.keeper is not None:
                self.keeper.close()
            raise
        finally:
            if theirs is not None:
                theirs.close()
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.pipe = self._process.stdout.fileno()
        os.set_blocking(self.pipe, False)

    def read(self) -> None:
        """Take in what it has said; returns at once."""
        for _ in range(64):  # others wait
            try:
                data = os.read(self.pipe, _READ)
            except (BlockingIOError, OSError):
                return
            if not data:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line)
            if len(self._rest) > MAX_REPORT:
                self._take(self._rest)
                self._rest = b""

    def _take(self, line: bytes) -> None:
        if line.startswith(self._begins) and len(line) <= MAX_REPORT:
            try:
                report = orjson.loads(line)[self._key]
            except orjson.JSONDecodeError:
                report = None
            if isinstance(report, dict):
                self.report, self.reported = report, True
                return
        if line.strip():
            self._log.write(line)
            said = line[:LINE_BYTES].decode("utf-8", "replace").strip()
            self.words.append("".join(one if one.isprintable() else " " for one in said)[:300])

    def exit_code(self) -> int | None:
        """The code that it ended with (negative: the signal that ended it); None while it runs."""
        if self._process.returncode is None and hasattr(os, "waitid"):
            seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is None:
                return None
            # What it left behind. Until it is reaped, its group can be nobody else's.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.poll()
        if code is not None:
            self.read()
            if self._rest:
                self._take(self._rest)
                self._rest = b""
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def cpu_seconds(self) -> float | None:
        """CPU time that its process has used; None where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8", "replace")
            user, system = fields.rpartition(")")[2].split()[11:13]  # proc(5)
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Let go of a process that has ended."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        if self.keeper is not None:
            self.keeper.close()


def how_it_ended(code: int) -> str:
    """An exit code for people."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
