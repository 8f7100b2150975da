"""Sockets of the parts, kept while they are started again, and by systemd while we are.

The supervisor is to its parts what systemd is to it: see `hauberk.ingest.receivers.keeping`.
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping, Sequence

from hauberk.ingest.receivers import MAX_HANDED, Said, allow_connections, handed

from .notify import Notifier

_MESSAGE = 4096
_AT_ONCE = 256
_MOST = 4  # descriptors of a message; one is right


class Kept:
    """Sockets by part and name. Those of an earlier run of ours are there from the beginning."""

    def __init__(
        self, notifier: Notifier, environment: MutableMapping[str, str] = os.environ
    ) -> None:
        allow_connections()
        self._notifier = notifier
        self._sockets = handed(environment)

    def of(self, part: str) -> dict[str, int]:
        """The descriptors that a part is to be started with, by the names that it gave them."""
        begin = f"{part}."
        return {
            name[len(begin) :]: held.fileno()
            for name, held in self._sockets.items()
            if name.startswith(begin)
        }

    def listen(self, part: str, to: socket.socket) -> None:
        """Do what a part asks for over its socket; returns at once."""
        for _ in range(_AT_ONCE):
            try:
                found = socket.recv_fds(to, _MESSAGE, _MOST, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                return
            if not found[0]:
                return
            self._take(part, Said.decode(found[0]), found[1])

    def close(self) -> None:
        """Let go of all that we hold; what systemd keeps stays with it."""
        for held in self._sockets.values():
            held.close()
        self._sockets.clear()

    def _take(self, part: str, said: Said | None, descriptors: Sequence[int]) -> None:
        if said is None or not said.keep or len(descriptors) != 1:
            for one in descriptors:
                os.close(one)
        if said is None:
            return
        name = f"{part}.{said.name}"
        if not said.keep:
            self._notifier.send(Said(name, keep=False).encode())
            if (held := self._sockets.pop(name, None)) is not None:
                held.close()
        elif len(descriptors) == 1:
            self._keep(Said(name, keep=True), descriptors[0])

    def _keep(self, said: Said, descriptor: int) -> None:
        try:
            held = socket.socket(fileno=descriptor)
        except OSError:  # no socket
            os.close(descriptor)
            return
        held.set_inheritable(False)  # `recv_fds` takes flags and does not use them
        if len(self._sockets) >= MAX_HANDED or said.name in self._sockets:
            held.close()
            return
        self._sockets[said.name] = held
        self._notifier.send(said.encode(), held.fileno())


def pair() -> tuple[socket.socket, socket.socket] | None:
    """Ours and a part's end of what it is kept by; None where descriptors cannot be sent."""
    with contextlib.suppress(AttributeError, OSError):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        return ours, theirs
    return None
