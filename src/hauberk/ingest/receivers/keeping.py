"""Sockets that outlive their process: whoever started us keeps them, and hands them to the next.

What systemd calls a file descriptor store: a service sends descriptors by sd_notify(3), with
`FDSTORE=1`, and the service that is started in its place has them from the number 3 on, as
sd_listen_fds(3) says. `hauberk up` does the same for its parts, over a socket that they inherit.
Nobody says whether a socket is kept: where it is not, all is as if there were no keeper.
"""

import contextlib
import os
import re
import resource
import socket
import sys
from collections import deque
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass

KEEPER = "HAUBERK_KEEPER"
"""Names the descriptor of the socket to a keeper that is no service manager."""

LISTEN = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""What tells a process which descriptors it was started with; for it alone, not its children."""

FIRST = 3  # SD_LISTEN_FDS_START

MAX_HANDED = 2048
MAX_NAMES = 96 << 10
"""Bytes of all names together: they are one variable of the environment, and Linux has a bound."""

OPEN_FILES = 65_536
"""Open files that the process asks for; every connection is one."""

_NAME = re.compile(r"[a-z0-9.-]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class Said:
    """What a message to a keeper asks: to keep or to let go of what has this name."""

    name: str
    keep: bool

    def encode(self) -> bytes:
        """As sd_notify(3) has it."""
        # systemd would let go of a connection that is cut off, with what it had brought.
        asked = "FDSTORE=1\nFDPOLL=0" if self.keep else "FDSTOREREMOVE=1"
        return f"{asked}\nFDNAME={self.name}".encode()

    @classmethod
    def decode(cls, message: bytes) -> "Said | None":
        """None where it is no such message."""
        words = dict(
            line.split("=", 1) for line in message.decode("ascii", "replace").split("\n")
            if "=" in line
        )  # fmt: skip
        name = words.get("FDNAME", "")
        if not _NAME.match(name):
            return None
        if words.get("FDSTORE") == "1":
            return cls(name, keep=True)
        return cls(name, keep=False) if words.get("FDSTOREREMOVE") == "1" else None


class Keeper:
    """Whoever keeps this process's sockets; without one nothing is kept, and nothing goes wrong."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._handed = handed(environment)
        self._to = _reached(environment)
        self._unsaid: deque[tuple[Said, socket.socket | None]] = deque()

    def take(self, name: str) -> socket.socket | None:
        """The socket that was handed over under a name; it is given out once."""
        return self._handed.pop(name, None)

    def taken(self, prefix: str) -> dict[str, socket.socket]:
        """Those whose names begin so, by the rest of their names."""
        names = [one for one in self._handed if one.startswith(prefix)]
        return {name[len(prefix) :]: self._handed.pop(name) for name in names}

    def keep(self, name: str, held: socket.socket) -> None:
        """Have a socket kept under a name: small letters, digits, dots and hyphens."""
        self._unsaid.append((Said(name, keep=True), held))
        self.say()

    def forget(self, name: str) -> None:
        """Have it let go."""
        self._unsaid.append((Said(name, keep=False), None))
        self.say()

    def forget_rest(self, prefix: str = "", but: Collection[str] = ()) -> int:
        """Let go of what was handed over and that nobody took, but of these names; how many."""
        gone = [one for one in self._handed if one.startswith(prefix) and one not in but]
        for name in gone:
            self.forget(name)
            held = self._handed.pop(name)
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)  # the keeper holds it for a moment yet
            held.close()
        return len(gone)

    def say(self) -> None:
        """Say what the keeper had no time to hear; returns at once."""
        if self._to is None:
            self._unsaid.clear()
        while self._unsaid:
            said, held = self._unsaid[0]
            if held is None or held.fileno() >= 0:  # closed meanwhile: it is to be forgotten anyway
                try:
                    self._send(said, held)
                except BlockingIOError:
                    return
                except OSError:  # who is not there is as if there were no keeper
                    pass
            self._unsaid.popleft()

    def close(self) -> None:
        """Ask for nothing more; what is kept stays so."""
        for held in self._handed.values():
            held.close()
        self._handed.clear()
        if self._to is not None:
            self._to.close()
            self._to = None

    def _send(self, said: Said, held: socket.socket | None) -> None:
        assert self._to is not None
        socket.send_fds(self._to, [said.encode()], [] if held is None else [held.fileno()])


def allow_connections() -> None:
    """Let the process have so many files that connections leave enough for all else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def handed(environment: MutableMapping[str, str]) -> dict[str, socket.socket]:
    """The sockets that this process was started with, by name; no other finds them after that."""
    found = {}
    for name, descriptor in _handed(environment):
        try:
            held = socket.socket(fileno=descriptor)
        except OSError:
            continue  # no socket
        held.set_inheritable(False)
        held.setblocking(False)
        found[name] = held
    for name in LISTEN:
        environment.pop(name, None)
    return found


def _handed(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    pid, many, names = (environment.get(name, "") for name in LISTEN)
    if pid != str(os.getpid()) or not (many.isascii() and many.isdigit()):
        return
    for descriptor, name in zip(range(FIRST, FIRST + MAX_HANDED), names.split(":"), strict=False):
        if descriptor < FIRST + int(many) and _NAME.match(name):
            yield name, descriptor


def _reached(environment: MutableMapping[str, str]) -> socket.socket | None:
    """A socket to the keeper: of `hauberk up`, or systemd's."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, ValueError):
        if KEEPER in environment:
            to = socket.socket(fileno=int(environment.pop(KEEPER)))
            to.set_inheritable(False)
        elif path := environment.get("NOTIFY_SOCKET", ""):
            to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            # A name that begins with @ lies in Linux's abstract name space.
            to.connect("\0" + path[1:] if path.startswith("@") else path)
        else:
            return None
        to.setblocking(False)
        return to
    return None
