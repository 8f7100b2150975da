"""Starts a command as systemd does, and keeps its sockets while it is started again.

Stands where systemd is not process 1. It speaks sd_notify(3) (only `FDSTORE` and `FDSTOREREMOVE`
are listened to) and sd_listen_fds(3), and nothing else of what a service manager does.
"""

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_BEGIN = """
import fcntl, os, sys
handed = [int(one) for one in sys.argv[1].split(",") if one]
aside = [fcntl.fcntl(one, fcntl.F_DUPFD, 3 + len(handed)) for one in handed]
for number, one in enumerate(aside, 3):
    os.dup2(one, number)
os.closerange(3 + len(handed), 3 + len(handed) + 4096)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    """Keeps what services send from entering to leaving."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="notify-")
        self._address = str(Path(self._folder.name, "notify"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._ended = threading.Event()
        self._taking = threading.Lock()
        self.kept: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._socket.bind(self._address)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()
        for one in self.kept.values():
            os.close(one)
        self._folder.cleanup()

    def start(self, command: Sequence[str], out: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start a service, with what an earlier one had kept."""
        with self._taking:
            while self._take():
                pass  # what the one before said last
            kept = dict(self.kept)
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self._address,
            "LISTEN_FDS": str(len(kept)),
            "LISTEN_FDNAMES": ":".join(kept),
        }
        handed = ",".join(map(str, kept.values()))
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BEGIN, handed, *command],
            stdout=out, stderr=out, env=environment, pass_fds=list(kept.values()),
        )  # fmt: skip

    def _listen(self) -> None:
        while not self._ended.is_set():
            if select.select([self._socket], [], [], 0.2)[0]:
                with self._taking:
                    self._take()

    def _take(self) -> bool:
        """Do what one message asks for, if one comes."""
        if not select.select([self._socket], [], [], 0)[0]:
            return False
        with contextlib.suppress(OSError):
            message, sent, _, _ = socket.recv_fds(self._socket, 4096, 16)
            said = dict(line.split("=", 1) for line in message.decode().split("\n"))
            name = said.get("FDNAME", "")
            if said.get("FDSTORE") == "1" and name and name not in self.kept:
                self.kept[name] = sent.pop(0)
            elif said.get("FDSTOREREMOVE") == "1" and name in self.kept:
                os.close(self.kept.pop(name))
            for one in sent:
                os.close(one)
        return True
