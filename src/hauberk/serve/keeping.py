"""Sockets of the parts, kept while they are started again, and by systemd while we are.

The supervisor is to its parts what systemd is to it: see `hauberk.ingest.receivers.keeping`.
"""

import contextlib
import os
import resource
import socket
from collections.abc import Collection, MutableMapping, Sequence

from hauberk.ingest.receivers import MAX_HANDED, MAX_NAMES, Said, allow_connections, handed

from .notify import Notifier

_MESSAGE = 4096
_AT_ONCE = 32
_MOST = 4  # descriptors of a message; one is right


class Kept:
    """Sockets by part and name. Those of an earlier run of ours are there from the beginning."""

    def __init__(
        self, notifier: Notifier, environment: MutableMapping[str, str] = os.environ
    ) -> None:
        allow_connections()
        self._notifier = notifier
        self._sockets = handed(environment)
        # To start a part takes as many again, for a moment.
        self._room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4

    def of(self, part: str) -> dict[str, int]:
        """The descriptors that a part is to be started with, by the names that it gave them."""
        begin = f"{part}."
        return {
            name[len(begin) :]: held.fileno()
            for name, held in self._sockets.items()
            if name.startswith(begin)
        }

    def only(self, parts: Collection[str]) -> None:
        """Let go of what is kept for any other part."""
        for name in [one for one in self._sockets if one.partition(".")[0] not in parts]:
            self._forget(name)

    def listen(self, to: socket.socket, part: str) -> int | None:
        """Do some of what a part asks for over its socket, at once.

        How many messages that were; None where the part has closed its end.
        """
        for heard in range(_AT_ONCE):
            try:
                message, descriptors, _, _ = socket.recv_fds(to, _MESSAGE, _MOST)
            except OSError:
                return heard
            self._take(part, Said.decode(message), descriptors)
            if not message:
                return heard or None
        return _AT_ONCE

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
            self._forget(name)
        elif len(descriptors) == 1:
            self._keep(Said(name, keep=True), descriptors[0])

    def _forget(self, name: str) -> None:
        self._notifier.send(Said(name, keep=False).encode())
        if (held := self._sockets.pop(name, None)) is not None:
            held.close()

    def _keep(self, said: Said, descriptor: int) -> None:
        try:
            held = socket.socket(fileno=descriptor)
        except OSError:  # no socket
            os.close(descriptor)
            return
        held.set_inheritable(False)
        names = sum(len(name) + 1 for name in self._sockets) + len(said.name)
        if (
            len(self._sockets) >= min(MAX_HANDED, self._room)
            or names > MAX_NAMES
            or said.name in self._sockets
        ):
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
