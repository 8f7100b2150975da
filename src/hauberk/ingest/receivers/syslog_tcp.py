"""Who sends syslog over plain TCP: new senders, and those that an earlier reader left connected."""

import asyncio
import contextlib
import errno
import socket
from pathlib import Path

from .counting import Received
from .keeping import Keeper
from .peeking import Place, TcpConnection, places, taken_out, was_cut_off
from .spool import Spool

MAX_CONNECTIONS = 1000
"""Connections to one listener at a time; further ones are closed at once."""

END_SECONDS = 1.0
"""Longest that an end waits for what came last to be taken out of the kernel."""

AT_ONCE = 64
"""Connections that are accepted before others have their turn."""

_AGAIN_SECONDS = 1.0
_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors after which it would be in vain to accept again at once."""


class TcpSenders:
    """All senders of one source, read from the moment that this is made until `close`.

    Connections are kept by `keeper` under `syslog.SOURCE.TOKEN` until they end; those that it
    handed over are read on where their last reader stopped.
    """

    def __init__(
        self, listening: socket.socket, source: str, spool: Spool, counted: Received, keeper: Keeper
    ) -> None:
        self._listening = listening
        self._source = source
        self._spool = spool
        self._counted = counted
        self._keeper = keeper
        self._name = f"syslog.{source}."
        self._closing = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._take_over(spool.folder / source)
        self._later: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Read nothing more."""
        self._closing = True
        asyncio.get_running_loop().remove_reader(self._listening)
        if self._later is not None:
            self._later.cancel()
        for one in self._waiting:
            one.cancel()

    async def ended(self) -> None:
        """Until what is on the device is taken out of the kernel; all is let go of then."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.close()

    def _take_over(self, folder: Path) -> None:
        """Read on what was handed over, from where the spool and the kernel say."""
        kept = self._keeper.taken(self._name)
        known = places(folder, kept.keys())
        for token, held in kept.items():
            at = taken_out(held)
            if at is None:
                self._let_go(token, held)
                continue
            last = known.get(token, Place(0, 0))
            # A look is taken out whole or not at all. Of a connection that was cut off, its end may
            # have been counted as a byte.
            is_there = last.begin == (at - 1 if was_cut_off(held) and at > last.begin else at)
            self._begin(held, TcpConnection(
                held, self._source, self._spool, self._counted, token=token,
                at=last.begin if is_there else at, skip=last.records if is_there else 0,
            ))  # fmt: skip

    def _accept(self) -> None:
        """Let in who waits; some at a time, so that nobody else waits for long."""
        for _ in range(AT_ONCE):
            try:
                held, address = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _SCARCE:
                    loop = asyncio.get_running_loop()
                    loop.remove_reader(self._listening)
                    self._later = loop.call_later(_AGAIN_SECONDS, self._listen)
                    return
                continue  # it left before it was let in
            if self._counted.connections >= MAX_CONNECTIONS:
                self._counted.refused += 1
                held.close()
                continue
            held.setblocking(False)
            sender = str(address[0])
            connection = TcpConnection(
                held, self._source, self._spool, self._counted, sender=sender
            )
            self._keeper.keep(f"{self._name}{connection.token}", held)
            self._begin(held, connection)

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _begin(self, held: socket.socket, connection: TcpConnection) -> None:
        self._counted.connections += 1
        task = asyncio.create_task(self._read(held, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_tell)

    async def _read(self, held: socket.socket, connection: TcpConnection) -> None:
        try:
            await connection.read(self._readable)
        except asyncio.CancelledError:
            held.close()  # whoever keeps it has it read on
            raise
        finally:
            self._counted.connections -= 1
            if held.fileno() >= 0:
                self._let_go(connection.token, held)

    def _let_go(self, token: str, held: socket.socket) -> None:
        self._keeper.forget(f"{self._name}{token}")
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)  # at once, though a keeper may still hold it
        held.close()

    async def _readable(self, held: socket.socket) -> None:
        """Until there is something to read; nothing more is once this is closed."""
        if self._closing:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        loop.add_reader(held, _wake, waiting)
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            loop.remove_reader(held)


def _tell(task: "asyncio.Task[None]") -> None:
    """Let nothing that a reader met go unsaid."""
    if not task.cancelled() and (error := task.exception()) is not None:
        said = {"message": "a sender could not be read", "exception": error}
        asyncio.get_running_loop().call_exception_handler(said)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
